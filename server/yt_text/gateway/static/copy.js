/** Takes a transcript away: copying, and the export menu. */

import { announce, byId, make, setText } from "./elements.js";
import { exportHref } from "./service.js";

const FORMATS = [
  ["txt", "Plain text"],
  ["srt", "Subtitles"],
  ["vtt", "Web subtitles"],
  ["md", "Markdown"],
  ["tsv", "Table"],
  ["json", "JSON"],
];

const SHOWN_MS = 2000;

/** @param {string} text @returns {Promise<boolean>} */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** For pages on plain http of another machine, where there is no clipboard interface. */
function copyBySelection(text) {
  const field = make("textarea", { value: text, class: "unseen", readOnly: true, "aria-hidden": "true", tabIndex: -1 });
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  before?.focus();
  return copied;
}

export class Copy {
  #button = byId("copy");
  #menu = byId("export");
  #timer = 0;

  /** @param {import("./transcript.js").Transcript} transcript */
  constructor(transcript) {
    this.transcript = transcript;
    this.#button.addEventListener("click", () => this.#copy(transcript.text));
    this.#menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#menu.open) return;
      this.#menu.open = false;
      this.#menu.querySelector("summary").focus();
    });
    document.addEventListener("click", (event) => {
      if (!this.#menu.contains(event.target)) this.#menu.open = false;
    });
    this.#menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.#menu.contains(relatedTarget)) this.#menu.open = false;
    });
  }

  /** @param {string} jobId  empty if there is nothing whole to export yet */
  offer(jobId) {
    if (this.#menu.dataset.job === jobId) return;
    this.#menu.dataset.job = jobId;
    this.#menu.hidden = !jobId;
    this.#menu.open = false;
    // Later: a link that is folded away while it is clicked is not followed.
    const close = () => setTimeout(() => (this.#menu.open = false), 0);
    const links = FORMATS.map(([format, name]) => make("li", {}, make("a", { href: exportHref(jobId, format), download: "", onclick: close }, name, make("span", { class: "ending" }, `.${format}`))));
    const withTimes = make("button", { type: "button", class: "plain", onclick: () => {
      close();
      void this.#copy(this.transcript.textWithTimes);
    } }, "Copy with times");
    byId("export-links").replaceChildren(...(jobId ? [...links, make("li", {}, withTimes)] : []));
  }

  async #copy(text) {
    const copied = await toClipboard(text);
    const label = this.#button.querySelector(".label");
    setText(label, copied ? "Copied" : "Not copied");
    announce(copied ? "Copied." : "The browser does not allow copying here. Use Export.");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => setText(label, "Copy"), SHOWN_MS);
  }
}
