/** What a job's JSON says, in words. Pure. */

import { bytes, clock, seconds, timeLeft } from "./numbers.js";

const ENDED = new Set(["JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"]);

/** A state that is not known counts as not ended, as the contract asks. */
export const ended = (job) => ENDED.has(job.state);
export const succeeded = (job) => job.state === "JOB_STATE_SUCCEEDED";
export const failed = (job) => job.state === "JOB_STATE_FAILED";
export const cancelled = (job) => job.state === "JOB_STATE_CANCELLED";
export const queued = (job) => job.state === "JOB_STATE_QUEUED";
export const retryable = (job) => failed(job) || cancelled(job);

/** `failed`, for style sheets and pictures. */
export const stateName = (job) => String(job.state ?? "").replace("JOB_STATE_", "").toLowerCase();

export const segmentCount = (job) => job.segmentCount ?? 0;
export const length = (job) => seconds(job.media?.duration);
export const transcribed = (job) => seconds(job.progress?.transcribedDuration);
export const fetched = (job) => Number(job.progress?.fetchedBytes ?? 0);
export const fetchTotal = (job) => Number(job.progress?.totalBytes ?? 0);
export const percent = (job) => job.progress?.percent ?? 0;
export const retryAt = (job) => (job.retryTime && queued(job) ? Date.parse(job.retryTime) : 0);

/** The recording's name as well as it is known. */
export function title(job) {
  return job.media?.title?.trim() || linkText(job.url) || "Uploaded recording";
}

/** A URL without what nobody reads. */
export function linkText(url) {
  return (url ?? "").replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "");
}

/** The site, such as `example.com`. */
export function site(job) {
  try {
    return new URL(job.media?.webpageUrl || job.url).hostname.replace(/^www\./, "");
  } catch {
    return "";
  }
}

/** An address to link to; what a site reports may be anything, so only http and https. */
export function pageLink(job) {
  const address = job.media?.webpageUrl || job.url || "";
  return /^https?:\/\//i.test(address) ? address : "";
}

/** What it is doing, in one or two words. */
export function phase(job, now = Date.now()) {
  if (succeeded(job)) return "Done";
  if (failed(job)) return "Failed";
  if (cancelled(job)) return "Cancelled";
  if (queued(job)) {
    if (retryAt(job)) return retryAt(job) > now ? `Trying again in ${clock((retryAt(job) - now) / 1000 + 1)}` : "Trying again";
    const ahead = job.progress?.queuePosition ?? 0;
    return ahead ? `Waiting, ${ahead} before it` : "Waiting, next in line";
  }
  if (transcribed(job) || segmentCount(job)) return "Transcribing";
  return fetched(job) && fetched(job) !== fetchTotal(job) ? "Fetching" : "Starting";
}

/** How much of the recording is here, in [0, 1]; 0 if unknown. */
export function fetchedShare(job) {
  return fetchTotal(job) ? Math.min(1, fetched(job) / fetchTotal(job)) : 0;
}

/** Facts of a job at work: `[name, value]`, only those that are known. */
export function facts(job) {
  /** @type {[string, string][]} */
  const all = [];
  const [done, whole] = [transcribed(job), length(job)];
  // The length is what the site says until all is decoded, and sites err.
  const sure = whole > 0 && done <= whole + 1;
  if (done || whole) all.push(["Transcribed", sure ? `${clock(done, whole >= 3600)} of ${clock(whole)}` : clock(done)]);
  if (fetched(job) || fetchTotal(job)) {
    const whole = fetchTotal(job) && fetched(job) >= fetchTotal(job);
    all.push(["Fetched", whole ? `all ${bytes(fetched(job))}` : bytes(fetched(job), fetchTotal(job))]);
  }
  if (job.progress?.remainingDuration && !ended(job)) all.push(["Time left", timeLeft(seconds(job.progress.remainingDuration)).replace(" left", "")]);
  if ((job.attempt ?? 0) > 1) all.push(["Attempt", String(job.attempt)]);
  return all;
}

/**
 * A link to that moment at the site, where the recording itself is not kept; empty if the site has no such
 * links.
 * @param {any} job
 * @param {number} second
 */
export function momentLink(job, second) {
  const page = pageLink(job);
  if (!page) return "";
  const address = new URL(page);
  const at = Math.floor(second);
  if (/(^|\.)(youtube\.com|youtu\.be)$/.test(address.hostname)) address.searchParams.set("t", `${at}s`);
  else if (/\.(mp3|m4a|mp4|ogg|oga|opus|wav|flac|webm)$/i.test(address.pathname)) address.hash = `t=${at}`;
  else return "";
  return address.href;
}
