/** The list of jobs beside the page: states, progress, and what can be done with each. */

import { byId, icon, isBusy, make, setAttribute, setBusy, setName, setText } from "./elements.js";
import { ended, fetchTotal, fetched, length, percent, phase, queued, retryable, stateName, succeeded, title } from "./job.js";
import { ago, bytes, clock, fullMoment } from "./numbers.js";
import { sentence } from "./words.js";

const PICTURES = { succeeded: "check", failed: "failed", cancelled: "cancelled", queued: "waiting", running: "working" };

export class History {
  /** @type {Map<string, any>} */
  #rows = new Map();
  #list = byId("history-items");
  #soon = false;

  /**
   * @param {import("./joblist.js").JobList} jobs
   * @param {{cancel: (job: any) => Promise<void>, retry: (job: any) => Promise<void>, remove: (job: any) => Promise<void>}} actions
   */
  constructor(jobs, actions) {
    this.jobs = jobs;
    this.actions = actions;
    /** The job that the page shows. */
    this.current = "";
    jobs.addEventListener("change", () => this.#drawSoon());
    setInterval(() => this.draw(), 1000);
    byId("history-more").addEventListener("click", () => this.#more());
  }

  /** Many jobs come at once: draw them once. */
  #drawSoon() {
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      this.draw();
    });
  }

  draw() {
    const all = this.jobs.all;
    const ids = new Set(all.map((job) => job.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      this.#leave(row);
      row.element.remove();
      this.#rows.delete(id);
    }
    let before = null;
    for (const job of all) {
      let row = this.#rows.get(job.id);
      if (!row) {
        row = this.#row(job.id);
        this.#rows.set(job.id, row);
      }
      const place = before ? before.nextElementSibling : this.#list.firstElementChild;
      if (place !== row.element) this.#list.insertBefore(row.element, place);
      this.#update(job, row);
      before = row.element;
    }
    byId("history-loading").hidden = this.jobs.loaded || all.length > 0;
    byId("history-empty").hidden = byId("first").hidden = !this.jobs.loaded || all.length > 0;
    byId("history-more").hidden = !this.jobs.hasMore;
  }

  /** Says what went wrong with an action, under the list. */
  say(problem) {
    setText(byId("history-problem"), problem);
  }

  #row(id) {
    const link = make("a", { class: "item-title", href: `/jobs/${encodeURIComponent(id)}` });
    const state = make("span", { class: "item-state" });
    const when = make("time");
    const done = make("span", { class: "bar-done" });
    const bar = make("div", { class: "bar", "aria-hidden": "true" }, done);
    const picture = make("span", { class: "item-icon" });
    const button = (name, action) => {
      const element = make("button", { type: "button", class: "button icon-only" }, icon(name));
      element.addEventListener("click", () => this.#act(element, action, id));
      return element;
    };
    const cancel = button("close", "cancel");
    const retry = button("again", "retry");
    const remove = button("delete", "remove");
    const about = make("p", { class: "item-note" }, state, make("span", { class: "item-when" }, when));
    const element = make("li", { class: "item", "data-testid": "job" }, picture, make("div", { class: "item-words" }, link, bar, about), make("div", { class: "item-actions" }, cancel, retry, remove));
    return { element, link, state, when, bar, done, picture, cancel, retry, remove, shown: "" };
  }

  #update(job, row) {
    const name = title(job);
    setName(row.link, name);
    setAttribute(row.link, "title", name);
    setAttribute(row.link, "aria-current", job.id === this.current ? "page" : null);
    setAttribute(row.element, "data-state", stateName(job));
    setText(row.state, this.#words(job));
    const created = Date.parse(job.createTime);
    setText(row.when, ago(created));
    setAttribute(row.when, "datetime", job.createTime);
    setAttribute(row.when, "title", fullMoment(created));
    row.bar.hidden = ended(job) || queued(job) || !length(job);
    row.done.style.width = `${percent(job)}%`;
    const picture = PICTURES[stateName(job)] ?? "working";
    if (row.shown !== picture) row.picture.replaceChildren(icon(picture));
    row.shown = picture;
    this.#button(row, row.cancel, !ended(job), `Cancel ${name}`, "Cancel");
    this.#button(row, row.retry, retryable(job), `Try again: ${name}`, "Try again");
    this.#button(row, row.remove, ended(job), `Delete ${name}`, "Delete");
  }

  #words(job) {
    const words = phase(job);
    if (succeeded(job)) return length(job) ? `${words}, ${clock(length(job))}` : words;
    if (ended(job) || queued(job)) return words;
    if (length(job)) return `${words}, ${percent(job)}%`;
    return fetched(job) ? `${words}, ${bytes(fetched(job), fetchTotal(job))}` : words;
  }

  #button(row, button, shown, label, tip) {
    if (!shown && document.activeElement === button) row.link.focus();
    button.hidden = !shown;
    setAttribute(button, "aria-label", label);
    setAttribute(button, "title", tip);
  }

  async #act(button, action, id) {
    const job = this.jobs.get(id);
    if (!job || isBusy(button)) return;
    this.say("");
    setBusy(button, true);
    try {
      await this.actions[action](job);
    } catch (error) {
      this.say(sentence(error));
    } finally {
      setBusy(button, false);
    }
  }

  /** A row that goes takes the focus with it: hand it to its neighbour. */
  #leave(row) {
    if (!row.element.contains(document.activeElement)) return;
    const neighbour = row.element.nextElementSibling ?? row.element.previousElementSibling;
    (neighbour?.querySelector("a") ?? byId("history-heading")).focus();
  }

  async #more() {
    const button = byId("history-more");
    if (isBusy(button)) return;
    const last = this.#list.lastElementChild;
    setBusy(button, true);
    this.say("");
    try {
      await this.jobs.loadMore();
      last?.nextElementSibling?.querySelector("a")?.focus({ preventScroll: true });
    } catch (error) {
      this.say(sentence(error));
    } finally {
      setBusy(button, false);
    }
  }
}
