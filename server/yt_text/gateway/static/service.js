/** Calls to the service. Every failure is a ServiceError; nothing else is thrown. */

const CALL_TIMEOUT_S = 20;
const RESULT_TIMEOUT_S = 120;

/** A call that failed. `status` is 0 and `reason` is NETWORK when no answer came. */
export class ServiceError extends Error {
  /** @param {{status: number, reason: string, message?: string, retryAfterS?: number}} facts */
  constructor({ status, reason, message = "", retryAfterS = 0 }) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterS = retryAfterS;
  }

  /** Whether the same call may succeed later with nothing changed. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Reads an error body (google.rpc.Status as JSON); a proxy in between may have sent anything else.
 * @param {number} status
 * @param {string} text
 * @param {string | null} retryAfter
 */
export function readError(status, text, retryAfter) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // not ours: the status says enough
  }
  const details = Array.isArray(body.details) ? body.details : [];
  const info = details.find((detail) => detail?.reason) ?? {};
  const message = typeof body.message === "string" ? body.message : "";
  return new ServiceError({ status, reason: info.reason ?? "", message, retryAfterS: secondsUntil(retryAfter) });
}

/** @param {string | null} header  seconds, or a date */
function secondsUntil(header) {
  if (!header) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), 3600) : 0;
}

async function call(path, { method = "GET", body, timeoutS = CALL_TIMEOUT_S } = {}) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeoutS * 1000);
  try {
    const response = await fetch(path, {
      method,
      cache: "no-store",
      signal: stop.signal,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw readError(response.status, text, response.headers.get("retry-after"));
    return text ? JSON.parse(text) : {};
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw new ServiceError({ status: 0, reason: "NETWORK" });
  } finally {
    clearTimeout(timer);
  }
}

const path = (id) => `/api/jobs/${encodeURIComponent(id)}`;

export const listEngines = () => call("/api/engines");
export const getJob = (id) => call(path(id));
export const getResult = (id) => call(`${path(id)}/result`, { timeoutS: RESULT_TIMEOUT_S });
export const submitJob = (request) => call("/api/transcribe", { method: "POST", body: request });
export const cancelJob = (id) => call(`${path(id)}:cancel`, { method: "POST", body: {} });
export const retryJob = (id) => call(`${path(id)}:retry`, { method: "POST", body: {} });
export const deleteJob = (id) => call(path(id), { method: "DELETE" });

/** @param {{pageSize: number, pageToken?: string}} page */
export function listJobs({ pageSize, pageToken = "" }) {
  const query = new URLSearchParams({ pageSize: String(pageSize) });
  if (pageToken) query.set("pageToken", pageToken);
  return call(`/api/jobs?${query}`);
}

export const exportHref = (id, format) => `${path(id)}/result/${format}`;
export const mediaHref = (id) => `${path(id)}/media`;
export const eventsHref = (id, start) => `${path(id)}/events?startSegmentIndex=${start}`;
export const uploadHref = (filename) => `/api/media/${encodeURIComponent(filename)}`;

/** A random UUID; `crypto.randomUUID` is there on https and on this machine only. */
export function newRequestId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
