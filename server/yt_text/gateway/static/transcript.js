/** The segments of one job on the page: added as they come, kept by index, changed in place. */

import { make, setText } from "./elements.js";
import { clock, seconds, spokenTime } from "./numbers.js";

/** More than this at once is a transcript opened, not speech being recognised: the reader stays where they are. */
const MAX_FOLLOWED = 30;
/** How near the end counts as being at it, in pixels. */
const NEAR_END = 140;

/**
 * What a time does when it is clicked: `play`, `link` (to `href(second)`), or nothing.
 * @typedef {{kind: "play" | "link" | "none", href?: (second: number) => string}} Times
 */

/** Fires `added` (detail: first new index), `changed` (detail: index), `truncated`, `play` (detail: seconds). */
export class Transcript extends EventTarget {
  /** @type {any[]} */
  segments = [];
  /** @type {{item: HTMLElement, text: HTMLElement, start: number, end: number}[]} */
  rows = [];
  /** @type {Times} */
  #times = { kind: "none" };
  #playing = -1;
  #long = false;

  /** @param {HTMLOListElement} list @param {() => boolean} mayFollow  whether the page may scroll by itself */
  constructor(list, mayFollow) {
    super();
    this.list = list;
    this.mayFollow = mayFollow;
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button.time");
      if (button) this.dispatchEvent(new CustomEvent("play", { detail: this.rows[Number(button.dataset.index)].start }));
    });
  }

  get count() {
    return this.segments.length;
  }

  get text() {
    return this.segments.map((segment) => segment.text).join("\n");
  }

  get textWithTimes() {
    return this.segments.map((segment, index) => `${this.#clock(this.rows[index].start)}  ${segment.text}`).join("\n");
  }

  get wordCount() {
    return this.segments.reduce((sum, { text }) => sum + (text.trim() ? text.trim().split(/\s+/).length : 0), 0);
  }

  /** Whether times have hours: all or none, so that they line up. */
  setLength(totalSeconds) {
    const long = totalSeconds >= 3600;
    if (long === this.#long) return;
    this.#long = long;
    this.#redrawTimes();
  }

  /** @param {Times} times */
  setTimes(times) {
    if (times.kind === this.#times.kind) return;
    this.#times = times;
    this.#redrawTimes();
  }

  /**
   * Takes segments by their index, in any number and again and again; nothing is doubled.
   * @param {any[]} segments
   * @param {number} total  how many there are now: what stands behind is dropped
   */
  apply(segments, total) {
    this.#truncate(total);
    const first = this.count;
    const follow = this.mayFollow() && segments.length <= MAX_FOLLOWED && this.atEnd;
    const fragment = document.createDocumentFragment();
    for (const segment of segments) {
      if (segment.index < this.count) this.#replace(segment);
      else if (segment.index === this.count) fragment.append(this.#add(segment));
      // One that leaves a gap is not taken; the watcher asks for all from the gap on.
    }
    if (this.count === first) return;
    this.list.append(fragment);
    this.dispatchEvent(new CustomEvent("added", { detail: first }));
    if (follow && first > 0) this.toEnd();
  }

  clear() {
    this.#truncate(0);
  }

  /** Whether the reader sees the end. */
  get atEnd() {
    const last = this.list.lastElementChild;
    return !last || last.getBoundingClientRect().bottom < innerHeight + NEAR_END;
  }

  toEnd() {
    this.list.lastElementChild?.scrollIntoView({ block: "end" });
  }

  /** Marks what is being heard. @param {number} second  negative: nothing */
  setPlaying(second) {
    const index = second < 0 ? -1 : this.#at(second);
    if (index === this.#playing) return false;
    this.rows[this.#playing]?.item.removeAttribute("aria-current");
    this.rows[index]?.item.setAttribute("aria-current", "true");
    this.#playing = index;
    return index >= 0;
  }

  get playingItem() {
    return this.rows[this.#playing]?.item ?? null;
  }

  /** The last segment that has begun by then; -1 before the first. */
  #at(second) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].start <= second + 0.05) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #clock(second) {
    return clock(second, this.#long);
  }

  #add(segment) {
    const index = segment.index;
    const [start, end] = [seconds(segment.startOffset), seconds(segment.endOffset)];
    const text = make("p", { class: "text", dir: "auto" }, segment.text);
    const item = make("li", { class: "segment" }, this.#time(index, start), make("div", {}, this.#speaker(segment), text));
    this.segments.push(segment);
    this.rows.push({ item, text, start, end });
    return item;
  }

  #replace(segment) {
    const [row, before] = [this.rows[segment.index], this.segments[segment.index]];
    const same = before.text === segment.text && before.startOffset === segment.startOffset && before.speakerLabel === segment.speakerLabel;
    this.segments[segment.index] = segment;
    if (same) return;
    row.start = seconds(segment.startOffset);
    row.end = seconds(segment.endOffset);
    setText(row.text, segment.text);
    row.item.querySelector(".speaker")?.remove();
    const speaker = this.#speaker(segment);
    if (speaker) row.text.before(speaker);
    row.item.firstElementChild.replaceWith(this.#time(segment.index, row.start));
    this.dispatchEvent(new CustomEvent("changed", { detail: segment.index }));
  }

  #truncate(total) {
    if (total >= this.count) return;
    for (const { item } of this.rows.slice(total)) item.remove();
    this.segments.length = total;
    this.rows.length = total;
    if (this.#playing >= total) this.#playing = -1;
    this.dispatchEvent(new Event("truncated"));
  }

  /** Named only where the speaker changes. */
  #speaker(segment) {
    const label = segment.speakerLabel;
    if (!label || this.segments[segment.index - 1]?.speakerLabel === label) return null;
    return make("p", { class: "speaker" }, /^\d+$/.test(label) ? `Speaker ${label}` : label);
  }

  #time(index, start) {
    const shown = this.#clock(start);
    const { kind, href } = this.#times;
    if (kind === "play") {
      return make("button", { type: "button", class: "time", "data-index": index, "aria-label": `Play from ${spokenTime(start)}, ${shown}` }, shown);
    }
    if (kind === "link") {
      return make("a", { class: "time", href: href?.(start) ?? "", target: "_blank", rel: "noopener noreferrer", "aria-label": `${shown}, open the site there` }, shown);
    }
    return make("span", { class: "time" }, shown);
  }

  #redrawTimes() {
    this.rows.forEach((row, index) => row.item.firstElementChild.replaceWith(this.#time(index, row.start)));
  }
}
