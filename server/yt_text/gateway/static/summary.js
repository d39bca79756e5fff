/** What stands above a transcript: name, origin, progress, error and warnings of the job. */

import { announce, byId, icon, make, setAttribute, setName, setText } from "./elements.js";
import * as jobs from "./job.js";
import { ago, clock, count, fullMoment, languageName } from "./numbers.js";
import { statusWords } from "./words.js";

/** Milestones told to screen readers, in per cent; more would only disturb. */
const MILESTONE = 25;

export class Summary {
  #shown = "";
  #told = { state: "", milestone: 0 };

  /** Forgets what it showed: another job comes. */
  reset() {
    this.#shown = "";
    this.#told = { state: "", milestone: 0 };
    for (const id of ["recording-error", "recording-warnings", "recording-about", "work-facts"]) byId(id).replaceChildren();
  }

  /**
   * @param {any} job
   * @param {{words: number, language: string}} text  what is known of the text
   */
  show(job, text) {
    setName(byId("recording-title"), jobs.title(job));
    byId("recording-title").title = jobs.title(job);
    this.#about(job, text);
    this.#work(job);
    const problems = JSON.stringify([job.state, job.error, job.warnings]);
    if (problems !== this.#shown) {
      this.#shown = problems;
      this.#error(job);
      this.#warnings(job);
    }
    this.#tell(job, text);
  }

  #about(job, text) {
    const parts = [];
    const [link, site] = [jobs.pageLink(job), jobs.site(job)];
    if (link) parts.push(make("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, site || jobs.linkText(link)));
    else if (job.mediaId) parts.push("Uploaded file");
    if (job.media?.uploader) parts.push(job.media.uploader);
    if (jobs.length(job)) parts.push(clock(jobs.length(job)));
    if (jobs.ended(job) && text.words) parts.push(count(text.words, "word", "words"));
    if (text.language) parts.push(languageName(text.language));
    if (job.engine === "captions") parts.push(job.model === "automatic" ? "the site’s automatic captions" : "the site’s captions");
    else if (job.engine) parts.push(job.model ? `${job.engine}, ${job.model}` : job.engine);
    if (job.fromCache) parts.push("from an earlier transcript");
    const created = Date.parse(job.createTime);
    parts.push(make("time", { dateTime: job.createTime, title: fullMoment(created) }, ago(created)));
    const about = byId("recording-about");
    const words = parts.map((part) => part.textContent ?? part).join("|");
    if (about.dataset.words === words && about.childElementCount) return;
    about.dataset.words = words;
    about.replaceChildren(...parts.map((part) => make("span", {}, part)));
  }

  #work(job) {
    const box = byId("work");
    box.hidden = jobs.ended(job);
    if (box.hidden) return;
    const [percent, known] = [jobs.percent(job), jobs.length(job) > 0 && !jobs.queued(job)];
    setText(byId("work-phase"), jobs.phase(job));
    setText(byId("work-percent"), known ? `${percent}%` : "");
    const bar = byId("work-bar");
    setAttribute(bar, "aria-valuenow", known ? String(percent) : null);
    bar.classList.toggle("unknown", !known && !jobs.queued(job) && !jobs.fetchTotal(job));
    bar.querySelector(".bar-done").style.width = `${percent}%`;
    bar.querySelector(".bar-fetched").style.width = `${jobs.fetchedShare(job) * 100}%`;
    const facts = jobs.facts(job);
    const list = byId("work-facts");
    if (list.dataset.words === JSON.stringify(facts)) return;
    list.dataset.words = JSON.stringify(facts);
    if (list.childElementCount !== facts.length) list.replaceChildren(...facts.map(() => make("div", {}, make("dt"), make("dd", { class: "numbers" }))));
    facts.forEach(([name, value], index) => {
      setText(list.children[index].firstChild, name);
      setText(list.children[index].lastChild, value);
    });
  }

  #error(job) {
    const box = byId("recording-error");
    if (jobs.failed(job)) {
      const { title, advice } = statusWords(job.error);
      box.replaceChildren(make("div", { class: "error-box" }, icon("failed"), make("div", {}, make("h2", {}, title), make("p", {}, advice), partial(job))));
    } else if (jobs.cancelled(job)) {
      const kept = jobs.segmentCount(job) ? "The text so far is kept. Trying again goes on from there." : "Nothing was transcribed yet.";
      box.replaceChildren(make("div", { class: "error-box quiet" }, icon("cancelled"), make("div", {}, make("h2", {}, "Cancelled"), make("p", {}, kept))));
    } else {
      box.replaceChildren();
    }
  }

  #warnings(job) {
    const list = byId("recording-warnings");
    const warnings = (job.warnings ?? []).map(statusWords);
    list.hidden = warnings.length === 0;
    list.replaceChildren(...warnings.map(({ title, advice }) => make("li", {}, icon("failed"), make("p", {}, make("strong", {}, `${title}.`), ` ${advice}`))));
  }

  /** Milestones only: a screen reader is not a ticker. */
  #tell(job, text) {
    const milestone = Math.floor(jobs.percent(job) / MILESTONE) * MILESTONE;
    const before = this.#told;
    this.#told = { state: job.state, milestone: before.state === job.state ? Math.max(milestone, before.milestone) : milestone };
    if (!before.state) return;
    if (job.state !== before.state) {
      if (jobs.succeeded(job)) announce(`Done. ${count(text.words, "word", "words")}.`);
      else if (!jobs.failed(job) && !jobs.cancelled(job)) announce(jobs.phase(job));
    } else if (this.#told.milestone > before.milestone) {
      announce(`${this.#told.milestone} per cent transcribed.`);
    }
  }
}

function partial(job) {
  return jobs.segmentCount(job) ? make("p", {}, "The text that was recognised before is kept below.") : null;
}
