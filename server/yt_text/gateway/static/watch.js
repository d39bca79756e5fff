/**
 * Live events of one job, without losing or doubling a line.
 *
 * EventSource gives up for good on any answer but 200, so reconnecting is done here. While the tab is hidden
 * there is no stream, and where too many windows have one (see streams.js) it is opened for a look every now
 * and then.
 */

import { Backoff, connectionBack, connectionLost } from "./connection.js";
import { ended } from "./job.js";
import { eventsHref, getJob } from "./service.js";
import { takeStream } from "./streams.js";

const LOOK_EVERY_MS = 3000;

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
  /** Which opening is under way; another one, or a close, makes an older one void. */
  #opening = 0;
  /** Gives the stream back; null while this one only looks. @type {(() => void) | null} */
  #giveBack = null;
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
    if (!document.hidden) void this.#open();
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
    void this.#open();
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
    this.#opening += 1;
    this.#source?.close();
    this.#source = null;
    this.#giveBack?.();
    this.#giveBack = null;
  }

  async #open(start = this.watcher.held()) {
    const opening = (this.#opening += 1);
    const giveBack = await takeStream();
    if (opening !== this.#opening) {
      giveBack?.();
      return;
    }
    this.#giveBack = giveBack;
    this.#listen(start);
  }

  #listen(start) {
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
        void this.#open(0);
        return;
      }
      first = false;
      this.#attempt = job.attempt;
      this.watcher.update(job, segments);
      if (!this.#giveBack && this.watcher.held() >= job.segmentCount && !ended(job)) this.#lookLater();
    });
    source.addEventListener("end", () => {
      if (source !== this.#source) return;
      this.stop();
      this.watcher.end();
    });
    source.addEventListener("error", () => source === this.#source && this.#fail());
  }

  #lookLater() {
    this.#close();
    this.#timer = setTimeout(() => void this.#open(), LOOK_EVERY_MS);
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
    if (!this.#stopped && !this.#source && !document.hidden) void this.#open();
  }
}
