/** One job on the page: its progress, its text as it comes, its sound, and what can be done with it. */

import { Copy } from "./copy.js";
import { byId, isBusy, make, setBusy, setText } from "./elements.js";
import { Find } from "./find.js";
import * as jobs from "./job.js";
import { Player } from "./player.js";
import { getJob, getResult, mediaHref } from "./service.js";
import { Summary } from "./summary.js";
import { Transcript } from "./transcript.js";
import { Watch } from "./watch.js";
import { sentence } from "./words.js";

/** A stream that has said nothing for so long while the job went on is taken for dead. */
const STALE_MS = 8_000;
/** After a reader scrolled, playing does not move the page for so long. */
const READER_MS = 4_000;
/** Larger results are not loaded a second time for their language alone. */
const MAX_RESULT_SEGMENTS = 6_000;

export class Recording {
  #job = null;
  /** @type {Watch | null} */
  #watch = null;
  #language = "";
  #broken = false;
  #scrolledAt = -Infinity;

  /**
   * @param {import("./joblist.js").JobList} list
   * @param {{cancel: (job: any) => Promise<void>, retry: (job: any) => Promise<void>, remove: (job: any) => Promise<void>}} actions
   * @param {{missing: () => void, titled: (title: string) => void}} page
   */
  constructor(list, actions, page) {
    this.list = list;
    this.page = page;
    this.summary = new Summary();
    this.transcript = new Transcript(byId("segments"), () => this.#mayFollow());
    this.find = new Find(this.transcript);
    this.copy = new Copy(this.transcript);
    this.player = new Player();
    this.transcript.addEventListener("play", ({ detail }) => this.player.playFrom(detail));
    this.player.addEventListener("time", ({ detail }) => this.#played(detail));
    this.player.addEventListener("broken", () => {
      this.#broken = true;
      this.#show();
    });
    for (const action of ["cancel", "retry"]) byId(action).addEventListener("click", () => this.#act(byId(action), actions[action]));
    byId("delete").addEventListener("click", () => this.#act(byId("delete"), actions.remove));
    byId("newest").addEventListener("click", () => this.transcript.toEnd());
    for (const name of ["wheel", "touchmove", "keydown"]) addEventListener(name, () => (this.#scrolledAt = performance.now()), { passive: true });
    addEventListener("scroll", () => this.#showNewest(), { passive: true });
    list.addEventListener("change", () => this.#listChanged());
    list.addEventListener("removed", ({ detail }) => detail === this.#job?.id && this.#gone());
    list.addEventListener("reconnected", () => this.#watch?.restart());
    setInterval(() => this.#job && !jobs.ended(this.#job) && this.#show(), 1000);
  }

  get id() {
    return this.#job?.id ?? "";
  }

  /** Shows a job and follows it. @param {any} job */
  open(job) {
    this.close();
    this.#job = job;
    this.list.put(job);
    this.#show();
    this.#follow();
  }

  close() {
    this.#watch?.stop();
    this.#watch = null;
    this.#job = null;
    this.#language = "";
    this.#broken = false;
    this.find.clear();
    this.transcript.clear();
    this.player.setSource("");
    this.summary.reset();
    this.copy.offer("");
  }

  #follow() {
    this.#watch?.stop();
    const id = this.id;
    this.#watch = new Watch(id, {
      held: () => this.transcript.count,
      update: (job, segments) => {
        this.transcript.setLength(jobs.length(job));
        this.transcript.apply(segments, jobs.segmentCount(job));
        this.#take(job);
        this.list.put(job);
        if (this.transcript.count < jobs.segmentCount(job) && segments.length) this.#watch?.restart();
      },
      end: () => {
        this.#watch = null;
        void this.#finish(id);
      },
      gone: () => this.list.remove(id),
    });
  }

  /** The last look: the job as it ended, and what only the result tells. */
  async #finish(id) {
    try {
      const job = await getJob(id);
      if (id !== this.id) return;
      this.#take(job);
      this.list.put(job);
      if (!jobs.ended(job)) return;
      if (!jobs.succeeded(job) || jobs.segmentCount(job) > MAX_RESULT_SEGMENTS) return;
      const result = await getResult(id);
      if (id !== this.id || !jobs.succeeded(this.#job)) return;
      this.#language = result.languageCode ?? "";
      this.transcript.apply(result.segments ?? [], (result.segments ?? []).length);
      this.#show();
    } catch (error) {
      if (error.status === 404 && id === this.id) this.list.remove(id);
      // else: all segments are here already; the list goes on asking for the job
    }
  }

  /** Takes a newer state of the job; one that runs again is followed again. */
  #take(job) {
    if (job.id !== this.id || Date.parse(job.updateTime) < Date.parse(this.#job.updateTime)) return;
    const again = jobs.ended(this.#job) && !jobs.ended(job);
    this.#job = job;
    if (again) this.#language = "";
    this.#show();
    if (!jobs.ended(job) && !this.#watch) this.#follow();
  }

  #listChanged() {
    const job = this.list.get(this.id);
    if (!job || job === this.#job) return;
    const same = job.updateTime === this.#job.updateTime && job.mediaAvailable === this.#job.mediaAvailable;
    if (same && jobs.ended(job)) return;
    this.#take(job);
    const behind = this.transcript.count < jobs.segmentCount(job) || jobs.ended(job);
    const silent = this.#watch && performance.now() - this.#watch.heardAt > STALE_MS;
    if (behind && silent) this.#watch?.restart();
  }

  #gone() {
    this.close();
    this.page.missing();
  }

  #show() {
    const job = this.#job;
    if (!job) return;
    const playable = Boolean(job.mediaAvailable);
    const ended = jobs.ended(job);
    this.page.titled(ended ? jobs.title(job) : `${jobs.percent(job)}% · ${jobs.title(job)}`);
    const words = ended ? this.transcript.wordCount : 0;
    this.summary.show(job, { words, language: this.#language });
    this.transcript.setLength(jobs.length(job));
    this.transcript.setTimes(this.#times(job, playable));
    this.player.setLength(jobs.length(job));
    this.player.setSource(playable ? mediaHref(job.id) : "");
    this.#showButtons(job);
    const count = this.transcript.count;
    byId("transcript").hidden = count === 0 && !jobs.succeeded(job);
    byId("find").hidden = byId("copy").hidden = count === 0;
    byId("transcript-empty").hidden = count > 0 || !jobs.succeeded(job);
    setText(byId("transcript-empty"), "There is no text: nobody was heard to speak.");
    this.copy.offer(jobs.succeeded(job) ? job.id : "");
    this.#showNewest();
  }

  #times(job, playable) {
    if (playable && !this.#broken) return { kind: /** @type {const} */ ("play") };
    if (jobs.momentLink(job, 0)) return { kind: /** @type {const} */ ("link"), href: (second) => jobs.momentLink(job, second) };
    return { kind: /** @type {const} */ ("none") };
  }

  #showButtons(job) {
    const shown = { cancel: !jobs.ended(job), retry: jobs.retryable(job), delete: jobs.ended(job) };
    for (const [id, show] of Object.entries(shown)) {
      const button = byId(id);
      if (!show && document.activeElement === button) byId("recording-title").focus({ preventScroll: true });
      button.hidden = !show;
    }
  }

  #showNewest() {
    const reading = byId("segments").getBoundingClientRect().top < innerHeight / 2;
    byId("newest").hidden = !this.#job || jobs.ended(this.#job) || !this.transcript.count || !reading || this.transcript.atEnd;
  }

  /** The page follows the newest text unless the reader searches, selects, plays or has scrolled away. */
  #mayFollow() {
    const selected = document.getSelection()?.isCollapsed === false;
    return Boolean(this.#job) && !jobs.ended(this.#job) && !this.find.active && !selected && !this.player.playing;
  }

  #played(second) {
    const moved = this.transcript.setPlaying(second);
    const item = this.transcript.playingItem;
    if (!moved || !item || !this.player.playing || performance.now() - this.#scrolledAt < READER_MS) return;
    const { top, bottom } = item.getBoundingClientRect();
    if (top < 120 || bottom > innerHeight - 140) item.scrollIntoView({ block: "center" });
  }

  async #act(button, action) {
    if (isBusy(button) || !this.#job) return;
    const job = this.#job;
    setBusy(button, true);
    byId("recording-error").querySelector(":scope > .problem")?.remove();
    try {
      await action(job);
    } catch (error) {
      if (job.id === this.id) byId("recording-error").append(make("p", { class: "problem" }, sentence(error)));
    } finally {
      setBusy(button, false);
    }
  }
}
