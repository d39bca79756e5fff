/** What was submitted and is not a job yet: files on their way, and what waits for its turn. */

import { Backoff } from "./connection.js";
import { newRequestId, submitJob } from "./service.js";
import { upload } from "./upload.js";
import { sentence, waitingWords } from "./words.js";

const KEPT = "yt-text.waiting";

/**
 * @typedef {object} Item
 * @property {string} requestId  the same for every try: a submit whose answer was lost makes no second job
 * @property {string} name  the link or the file's name
 * @property {string} [url]
 * @property {File} [file]
 * @property {string} [mediaId]  once uploaded
 * @property {object} config
 * @property {"waiting" | "uploading" | "submitting" | "failed"} state
 * @property {number} sent  bytes
 * @property {string} note  why it waits or failed
 * @property {number} retryAt  milliseconds; 0 if nothing is to be waited for
 * @property {boolean} fresh  nothing has come of it yet
 * @property {() => void} [abort]
 */

/**
 * Sends its items one after another. Fires `change`; `sent` (detail: {item, job}); `settled` (detail: {item,
 * error}) when the first try of an item did not make a job.
 */
export class Outbox extends EventTarget {
  /** @type {Item[]} */
  items = [];
  #working = false;
  #timer = 0;
  #backoff = new Backoff();

  constructor() {
    super();
    this.#recall();
    addEventListener("online", () => this.nudge());
    addEventListener("beforeunload", (event) => {
      // Links are kept over a reload; files cannot be.
      if (this.items.some((item) => item.file && item.state !== "failed")) event.preventDefault();
    });
  }

  /** @param {{url?: string, file?: File, config: object}} wanted @returns {Item} */
  add({ url, file, config }) {
    const item = {
      requestId: newRequestId(),
      name: file ? file.name || "recording" : url ?? "",
      url,
      file,
      config,
      state: /** @type {const} */ ("waiting"),
      sent: 0,
      note: "",
      retryAt: 0,
      fresh: true,
    };
    this.items.push(item);
    this.#changed();
    this.nudge({ evenIfTold: false });
    return item;
  }

  /** Takes an item back; what is under way for it stops. */
  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    item.abort?.();
    this.#changed();
    this.nudge({ evenIfTold: false });
  }

  /** Tries a failed item again. */
  retry(item) {
    Object.assign(item, { state: "waiting", note: "", retryAt: 0, requestId: newRequestId() });
    this.#changed();
    this.nudge();
  }

  /**
   * Tries at once, for example because a job has ended.
   * @param {{evenIfTold?: boolean}} [how]  whether also before the time that the service named
   */
  nudge({ evenIfTold = true } = {}) {
    if (!evenIfTold && this.items.some((item) => item.state === "waiting" && item.retryAt > Date.now())) return;
    clearTimeout(this.#timer);
    void this.#work();
  }

  async #work() {
    if (this.#working) return;
    this.#working = true;
    try {
      let item;
      while ((item = this.items.find((other) => other.state === "waiting"))) {
        const goOn = await this.#send(item);
        item.fresh = false;
        this.#changed();
        if (!goOn) break;
      }
    } finally {
      this.#working = false;
    }
  }

  /** @param {Item} item @returns {Promise<boolean>}  whether the next may be tried */
  async #send(item) {
    try {
      if (item.file && !item.mediaId) await this.#upload(item);
      if (!this.items.includes(item)) return true;
      this.#set(item, { state: "submitting", note: "", retryAt: 0 });
      const source = item.mediaId ? { mediaId: item.mediaId } : { url: item.url };
      const job = await submitJob({ ...source, config: item.config, requestId: item.requestId });
      this.#backoff.reset();
      this.items = this.items.filter((other) => other !== item);
      this.dispatchEvent(new CustomEvent("sent", { detail: { item, job } }));
      return true;
    } catch (error) {
      return this.#failed(item, error);
    }
  }

  async #upload(item) {
    this.#set(item, { state: "uploading", sent: 0, note: "", retryAt: 0 });
    const { done, abort } = upload(item.file, (sent) => this.#set(item, { sent }));
    item.abort = abort;
    try {
      item.mediaId = await done;
    } finally {
      item.abort = undefined;
    }
  }

  #failed(item, error) {
    if (error.reason === "ABORTED" || !this.items.includes(item)) return true;
    const first = item.fresh;
    const again = error.reason === "MEDIA_NOT_FOUND" && item.file && item.mediaId;
    if (again) item.mediaId = undefined;
    if (error.passing || again) {
      const wait = error.retryAfterS ? error.retryAfterS * 1000 : this.#backoff.next();
      this.#set(item, { state: "waiting", note: waitingWords(error), retryAt: Date.now() + wait });
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.nudge(), wait);
    } else {
      this.#set(item, { state: "failed", note: sentence(error), retryAt: 0 });
    }
    if (first) this.dispatchEvent(new CustomEvent("settled", { detail: { item, error } }));
    return item.state === "failed";
  }

  #set(item, facts) {
    Object.assign(item, facts);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    this.#keep();
  }

  #keep() {
    const links = this.items.filter((item) => item.url).map(({ requestId, url, config }) => ({ requestId, url, config }));
    try {
      if (links.length) sessionStorage.setItem(KEPT, JSON.stringify(links));
      else sessionStorage.removeItem(KEPT);
    } catch {
      // no storage: a reload loses what waits, nothing else
    }
  }

  #recall() {
    try {
      for (const { requestId, url, config } of JSON.parse(sessionStorage.getItem(KEPT) ?? "[]")) {
        this.items.push({ requestId, url, config, name: url, state: "waiting", sent: 0, note: "", retryAt: 0, fresh: false });
      }
    } catch {
      // nothing was kept that can be read
    }
  }
}
