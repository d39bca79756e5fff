/**
 * Live events of one job, without losing or doubling a line.
 *
 * EventSource gives up for good on any answer but 200, so reconnecting is done here. While the tab is hidden
 * there is no stream: a browser opens six connections to a host, and many tabs would starve each other.
 */

import { Backoff, connectionBack, connectionLost } from "./connection.js";
import { eventsHref, getJob } from "./service.js";

/**
 * @typedef {object} Watcher
 * @property {() => number} held  how many segments are held
 * @property {(job: any, segments: any[]) => void} update  a change
 * @property {() => void} end  the job has ended and everything was sent
 * @property {() => void} gone  there is no such job any more
 */

export class Watch {
  /** @type {EventSource | null} */
  #source = null;
  #backoff = new Backoff();
  #timer = 0;
  #stopped = false;
  /** The attempt that the held segments are of. */
  #attempt = -1;
  #stop = new AbortController();

  /**
   * @param {string} jobId
   * @param {Watcher} watcher
   */
  constructor(jobId, watcher) {
    this.jobId = jobId;
    this.watcher = watcher;
    /** When something last came, in milliseconds of `performance.now`. */
    this.heardAt = performance.now();
    const { signal } = this.#stop;
    document.addEventListener("visibilitychange", () => this.#tabChanged(), { signal });
    addEventListener("pageshow", () => this.#tabChanged(), { signal });
    addEventListener("online", () => this.#failing && this.restart(), { signal });
    if (!document.hidden) this.#open();
  }

  /** Ends it for good. */
  stop() {
    this.#stopped = true;
    this.#stop.abort();
    this.#close();
    connectionBack("events");
  }

  /** Connects anew at once, going on where it was. */
  restart() {
    if (this.#stopped || document.hidden) return;
    this.#close();
    this.#open();
  }

  get #failing() {
    return this.#backoff.failing;
  }

  #tabChanged() {
    if (this.#stopped) return;
    if (document.hidden) this.#close();
    else if (!this.#source) this.restart();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #open(start = this.watcher.held()) {
    const source = new EventSource(eventsHref(this.jobId, start));
    this.#source = source;
    let first = true;
    source.addEventListener("update", (event) => {
      if (source !== this.#source) return;
      const { job, segments = [] } = JSON.parse(event.data);
      this.#connected();
      // Another attempt may have begun the transcript anew, and other words may stand before `start`.
      if (first && start > 0 && this.#attempt >= 0 && job.attempt !== this.#attempt) {
        this.#attempt = job.attempt;
        this.#close();
        this.#open(0);
        return;
      }
      first = false;
      this.#attempt = job.attempt;
      this.watcher.update(job, segments);
    });
    source.addEventListener("end", () => {
      if (source !== this.#source) return;
      this.stop();
      this.watcher.end();
    });
    source.addEventListener("error", () => source === this.#source && this.#fail());
  }

  #connected() {
    this.heardAt = performance.now();
    this.#backoff.reset();
    connectionBack("events");
  }

  #fail() {
    this.#close();
    connectionLost("events");
    this.#timer = setTimeout(() => this.#probe(), this.#backoff.next());
  }

  /** An EventSource does not tell why it failed; a plain request does. */
  async #probe() {
    try {
      await getJob(this.jobId);
    } catch (error) {
      if (this.#stopped || this.#source || document.hidden) return;
      if (error.status === 404) {
        this.stop();
        this.watcher.gone();
      } else {
        this.#fail();
      }
      return;
    }
    if (!this.#stopped && !this.#source && !document.hidden) this.#open();
  }
}
