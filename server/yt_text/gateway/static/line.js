/** Shows what is on its way: uploads with their progress, and what waits. */

import { announce, byId, icon, make, setAttribute, setText } from "./elements.js";
import { linkText } from "./job.js";
import { bytes, clock } from "./numbers.js";

export class Line {
  /** Item to the elements that show it. @type {Map<import("./outbox.js").Item, any>} */
  #rows = new Map();
  #list = byId("line-items");

  /**
   * @param {import("./outbox.js").Outbox} outbox
   * @param {(item: any) => boolean} isHidden
   */
  constructor(outbox, isHidden) {
    this.outbox = outbox;
    this.isHidden = isHidden;
    outbox.addEventListener("change", () => this.#draw());
    setInterval(() => this.#rows.size && this.#draw(), 1000);
    this.#draw();
  }

  #draw() {
    const items = this.outbox.items.filter((item) => !this.isHidden(item));
    for (const [item, row] of this.#rows) {
      if (items.includes(item)) continue;
      if (row.element.contains(document.activeElement)) byId("compose-heading").focus();
      row.element.remove();
      this.#rows.delete(item);
    }
    for (const item of items) {
      let row = this.#rows.get(item);
      if (!row) {
        row = this.#row(item);
        this.#rows.set(item, row);
        this.#list.append(row.element);
      }
      this.#update(item, row);
    }
    byId("line").hidden = items.length === 0;
  }

  #row(item) {
    const name = item.url ? linkText(item.url) : item.name;
    const note = make("p", { class: "item-note" });
    const done = make("span", { class: "bar-done" });
    const bar = make("div", { class: "bar", role: "progressbar", "aria-label": `Upload of ${name}`, "aria-valuemin": "0", "aria-valuemax": "100" }, done);
    const again = make("button", { type: "button", class: "button icon-only", "aria-label": `Try again: ${name}`, title: "Try again", onclick: () => this.outbox.retry(item) }, icon("again"));
    const remove = make("button", { type: "button", class: "button icon-only", onclick: () => this.outbox.remove(item) }, icon("close"));
    const state = make("span", { class: "item-icon" });
    const element = make("li", { class: "item" }, state, make("div", { class: "item-words" }, make("p", { class: "item-title" }, name), bar, note), make("div", { class: "item-actions" }, again, remove));
    return { element, note, bar, done, again, remove, state, name, told: "", shown: "" };
  }

  #update(item, row) {
    const uploading = item.state === "uploading";
    const failed = item.state === "failed";
    const share = item.file ? item.sent / item.file.size : 0;
    row.bar.hidden = !uploading;
    row.done.style.width = `${(share * 100).toFixed(1)}%`;
    setAttribute(row.bar, "aria-valuenow", String(Math.floor(share * 100)));
    row.again.hidden = !failed;
    const what = uploading ? "Cancel the upload of" : "Remove";
    setAttribute(row.remove, "aria-label", `${what} ${row.name}`);
    row.remove.title = uploading ? "Cancel the upload" : "Remove";
    setAttribute(row.element, "data-state", item.state);
    setText(row.note, words(item));
    const picture = failed ? "failed" : item.state === "waiting" ? "waiting" : "working";
    if (row.shown !== picture) row.state.replaceChildren(icon(picture));
    row.shown = picture;
    if (item.note && item.note !== row.told) announce(`${row.name}: ${item.note}`);
    row.told = item.note;
  }
}

function words(item) {
  if (item.state === "uploading") {
    return item.sent >= item.file.size ? "Checking the upload…" : `Uploading ${bytes(item.sent, item.file.size)}`;
  }
  if (item.state === "submitting") return "Sending…";
  if (item.state === "failed") return item.note;
  if (!item.note) return "Waits for its turn.";
  const left = Math.ceil((item.retryAt - Date.now()) / 1000);
  return left > 0 ? `${item.note} Tries again in ${clock(left)}.` : `${item.note} Trying now.`;
}
