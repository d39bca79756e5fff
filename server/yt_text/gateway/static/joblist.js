/** The jobs that this page knows, kept true by asking again and again. */

import { Backoff, connectionBack, connectionLost } from "./connection.js";
import { ended } from "./job.js";
import { getJob, listJobs } from "./service.js";

const PAGE_SIZE = 20;
const BUSY_MS = 2_000;
const QUIET_MS = 15_000;
/** Unfinished jobs beyond the first page that are asked for one by one. */
const MAX_OLD = 5;

/** Fires `change` after any change, `removed` (detail: id) when a job is gone. */
export class JobList extends EventTarget {
  /** @type {Map<string, any>} */
  #jobs = new Map();
  /** Deleted here: an answer that was on its way must not bring them back. */
  #deleted = new Set();
  #nextPageToken = "";
  #morePages = 0;
  #timer = 0;
  #asking = false;
  #again = false;
  #backoff = new Backoff();
  #otherTabs = "BroadcastChannel" in window ? new BroadcastChannel("yt-text") : null;
  /** Whether the service has ever answered. */
  loaded = false;

  start() {
    document.addEventListener("visibilitychange", () => !document.hidden && this.refresh());
    addEventListener("online", () => this.refresh());
    addEventListener("offline", () => this.refresh());
    this.#otherTabs?.addEventListener("message", ({ data }) => {
      if (data?.deleted) this.#drop(data.deleted);
      this.refresh();
    });
    return this.refresh();
  }

  /** Newest first. */
  get all() {
    return [...this.#jobs.values()].sort((one, other) => Date.parse(other.createTime) - Date.parse(one.createTime));
  }

  get unfinished() {
    return this.all.filter((job) => !ended(job));
  }

  get hasMore() {
    return this.#nextPageToken !== "";
  }

  get(id) {
    return this.#jobs.get(id);
  }

  /** Takes a job as it came; an older state never replaces a newer one. */
  put(job, { tellOthers = false } = {}) {
    const known = this.#jobs.get(job.id);
    if (this.#deleted.has(job.id)) return;
    if (known && Date.parse(known.updateTime) > Date.parse(job.updateTime)) return;
    this.#jobs.set(job.id, job);
    this.dispatchEvent(new Event("change"));
    if (tellOthers) this.#otherTabs?.postMessage({ changed: job.id });
    if (!known && !ended(job)) this.#schedule(BUSY_MS);
  }

  /** Forgets a job that was deleted. */
  remove(id, { tellOthers = false } = {}) {
    this.#drop(id);
    if (tellOthers) this.#otherTabs?.postMessage({ deleted: id });
  }

  /** Asks at once. */
  async refresh() {
    clearTimeout(this.#timer);
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    let wait = QUIET_MS;
    try {
      await this.#ask();
      if (this.#backoff.failing) this.dispatchEvent(new Event("reconnected"));
      this.#backoff.reset();
      connectionBack("jobs");
      wait = this.unfinished.length && !document.hidden ? BUSY_MS : QUIET_MS;
    } catch (error) {
      if (error.passing) connectionLost("jobs");
      wait = Math.max(this.#backoff.next(), (error.retryAfterS ?? 0) * 1000);
    } finally {
      this.#asking = false;
    }
    this.dispatchEvent(new Event("change"));
    this.#schedule(this.#again ? 0 : wait);
    this.#again = false;
  }

  /** Brings the next page. Throws ServiceError. */
  async loadMore() {
    const page = await listJobs({ pageSize: PAGE_SIZE, pageToken: this.#nextPageToken });
    this.#morePages += 1;
    this.#nextPageToken = page.nextPageToken ?? "";
    for (const job of page.jobs ?? []) this.put(job);
    this.dispatchEvent(new Event("change"));
  }

  #schedule(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), wait);
  }

  async #ask() {
    const before = new Map(this.#jobs);
    const page = await listJobs({ pageSize: PAGE_SIZE });
    const jobs = page.jobs ?? [];
    const ids = new Set(jobs.map((job) => job.id));
    // What was known before and should be on this page but is not has been deleted elsewhere.
    const last = jobs.at(-1);
    const reach = page.nextPageToken && last ? Date.parse(last.createTime) : -Infinity;
    const older = [];
    for (const job of before.values()) {
      if (ids.has(job.id)) continue;
      if (Date.parse(job.createTime) > reach) this.#drop(job.id, { forEver: false });
      else if (!ended(job)) older.push(job.id);
    }
    if (this.#morePages === 0) this.#nextPageToken = page.nextPageToken ?? "";
    this.loaded = true;
    for (const job of jobs) this.put(job);
    for (const id of older.slice(0, MAX_OLD)) await this.#askOne(id);
  }

  async #askOne(id) {
    try {
      this.put(await getJob(id));
    } catch (error) {
      if (error.status !== 404) throw error;
      this.#drop(id);
    }
  }

  #drop(id, { forEver = true } = {}) {
    if (forEver) this.#deleted.add(id);
    if (!this.#jobs.delete(id)) return;
    this.dispatchEvent(new CustomEvent("removed", { detail: id }));
    this.dispatchEvent(new Event("change"));
  }
}
