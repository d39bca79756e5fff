/** Search inside the transcript: every match is marked and counted, without freezing a long one. */

import { byId, make, setText } from "./elements.js";

/** Work this long, then let the page breathe. */
const SLICE_MS = 10;
const TYPING_MS = 120;

const breathe = () => new Promise((resolve) => setTimeout(resolve, 0));

export class Find {
  #input = byId("find-text");
  #count = byId("find-count");
  #previous = byId("find-previous");
  #next = byId("find-next");
  /** Segment to its marks. @type {Map<number, HTMLElement[]>} */
  #marks = new Map();
  #total = 0;
  /** The match that is looked at: segment and number inside it. */
  #at = { segment: -1, mark: 0 };
  /** @type {RegExp | null} */
  #pattern = null;
  #run = 0;
  #timer = 0;

  /** @param {import("./transcript.js").Transcript} transcript */
  constructor(transcript) {
    this.transcript = transcript;
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), TYPING_MS);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#input.value) {
        event.preventDefault();
        this.clear();
      }
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#step(event.shiftKey ? -1 : 1);
    });
    byId("find").addEventListener("submit", (event) => event.preventDefault());
    this.#previous.addEventListener("click", () => this.#step(-1));
    this.#next.addEventListener("click", () => this.#step(1));
    transcript.addEventListener("added", ({ detail }) => this.#pattern && this.#scan(detail));
    transcript.addEventListener("changed", ({ detail }) => this.#pattern && this.#rescan(detail));
    transcript.addEventListener("truncated", () => this.#pattern && this.#search());
  }

  /** Whether somebody is looking for something: then the page does not scroll by itself. */
  get active() {
    return this.#pattern !== null;
  }

  clear() {
    this.#input.value = "";
    this.#search();
  }

  #search() {
    this.#run += 1;
    for (const segment of this.#marks.keys()) this.#unmark(segment);
    this.#marks.clear();
    this.#total = 0;
    this.#at = { segment: -1, mark: 0 };
    const wanted = this.#input.value.trim();
    // Words are often told apart by any white space, and an apostrophe is typed in two ways.
    const escaped = wanted.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replace(/\s+/g, "\\s+").replace(/['’]/g, "['’]");
    this.#pattern = wanted ? new RegExp(escaped, "giu") : null;
    this.#show(false);
    if (this.#pattern) void this.#scan(0, true);
  }

  /** Marks all matches from a segment on, and goes to the first one if asked. */
  async #scan(from, goTo = false) {
    const run = this.#run;
    let until = performance.now() + SLICE_MS;
    for (let index = from; index < this.transcript.count; index += 1) {
      this.#mark(index);
      if (performance.now() < until) continue;
      await breathe();
      if (run !== this.#run) return;
      until = performance.now() + SLICE_MS;
    }
    this.#show(true);
    if (goTo && this.#total) this.#step(1);
  }

  #rescan(index) {
    this.#total -= this.#marks.get(index)?.length ?? 0;
    this.#marks.delete(index);
    this.#mark(index);
    this.#show(true);
  }

  #mark(index) {
    if (this.#marks.has(index) || !this.#pattern) return;
    const { text: content } = this.transcript.segments[index];
    const pieces = [];
    const marks = [];
    let end = 0;
    for (const match of content.matchAll(this.#pattern)) {
      if (!match[0]) continue;
      const mark = make("mark", {}, match[0]);
      pieces.push(content.slice(end, match.index), mark);
      marks.push(mark);
      end = match.index + match[0].length;
    }
    if (!marks.length) return;
    this.transcript.rows[index].text.replaceChildren(...pieces, content.slice(end));
    this.#marks.set(index, marks);
    this.#total += marks.length;
  }

  #unmark(index) {
    const row = this.transcript.rows[index];
    if (row) row.text.replaceChildren(this.transcript.segments[index].text);
  }

  #step(by) {
    if (!this.#total) return;
    const segments = [...this.#marks.keys()].sort((one, other) => one - other);
    this.#marks.get(this.#at.segment)?.[this.#at.mark]?.removeAttribute("class");
    let place = segments.indexOf(this.#at.segment);
    let mark = this.#at.mark + by;
    if (place < 0) {
      place = by > 0 ? 0 : segments.length - 1;
      mark = by > 0 ? 0 : Infinity;
    } else if (mark < 0 || mark >= this.#marks.get(segments[place]).length) {
      place = (place + by + segments.length) % segments.length;
      mark = by > 0 ? 0 : Infinity;
    }
    const marks = this.#marks.get(segments[place]);
    this.#at = { segment: segments[place], mark: Math.min(mark, marks.length - 1) };
    const found = marks[this.#at.mark];
    found.className = "current";
    found.scrollIntoView({ block: "center" });
    this.#show(true);
  }

  #show(done) {
    this.#previous.hidden = this.#next.hidden = !this.#total;
    if (!this.#pattern) setText(this.#count, "");
    else if (!done) setText(this.#count, "");
    else if (!this.#total) setText(this.#count, "No match");
    else setText(this.#count, this.#at.segment < 0 ? String(this.#total) : `${this.#position()} of ${this.#total}`);
  }

  #position() {
    let before = 0;
    for (const [segment, marks] of this.#marks) if (segment < this.#at.segment) before += marks.length;
    return before + this.#at.mark + 1;
  }
}
