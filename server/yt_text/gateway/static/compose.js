/** The form: links and files in, items for the outbox out. */

import { checkLink, severalLinks, splitLinks } from "./address.js";
import { byId, make, setBusy, isBusy, setText } from "./elements.js";
import { sentence } from "./words.js";

export class Compose {
  #link = byId("link");
  #button = byId("submit");
  #problem = byId("link-problem");
  /** The item that was made from what stands in the field, until something has come of it. */
  #pending = null;

  /**
   * @param {import("./outbox.js").Outbox} outbox
   * @param {import("./options.js").Options} options
   * @param {{open: (job: any) => void, show: () => void, isShown: () => boolean}} page
   */
  constructor(outbox, options, page) {
    this.outbox = outbox;
    this.options = options;
    this.page = page;
    byId("compose-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#link.addEventListener("input", () => this.#typed());
    this.#link.addEventListener("paste", (event) => this.#pasted(event));
    byId("files").addEventListener("change", (event) => {
      this.addFiles([...event.target.files]);
      event.target.value = "";
    });
    outbox.addEventListener("sent", ({ detail }) => this.#sent(detail));
    outbox.addEventListener("settled", ({ detail }) => this.#settled(detail));
    this.#acceptDrops();
  }

  /** @param {File[]} files */
  addFiles(files) {
    if (!files.length) return;
    this.page.show();
    const empty = files.filter((file) => file.size === 0);
    const full = files.filter((file) => file.size > 0);
    if (empty.length) this.#say(`${empty.map((file) => `“${file.name}”`).join(", ")} ${empty.length === 1 ? "is an empty file" : "are empty files"}. Choose another.`);
    else this.#say("");
    const items = full.map((file) => this.outbox.add({ file, config: this.options.config }));
    // A single file opens as soon as it is a job; of several none is the obvious one.
    if (items.length === 1 && this.outbox.items.length === 1) this.onlyFile = items[0];
  }

  /** Whether an item is still only what stands in the field, and need not be shown a second time. */
  isPending(item) {
    return item === this.#pending;
  }

  #submit() {
    if (isBusy(this.#button)) return;
    const checked = splitLinks(this.#link.value).length > 1 && severalLinks(this.#link.value)
      ? splitLinks(this.#link.value).map(checkLink)
      : [checkLink(this.#link.value)];
    const wrong = checked.find((each) => each.problem);
    if (wrong) {
      this.#say(wrong.problem, checked.length === 1 ? wrong.suggestion : undefined);
      this.#link.focus();
      return;
    }
    this.#say("");
    const { config } = this.options;
    if (checked.length > 1) {
      for (const { url } of new Map(checked.map((each) => [each.url, each])).values()) this.outbox.add({ url, config });
      this.#clear();
      return;
    }
    // With others before it, it goes to the end of the line and is seen there.
    const behind = this.outbox.items.some((item) => item.state !== "failed");
    if (!behind) this.#busy(true);
    const item = this.outbox.add({ url: checked[0].url, config });
    if (behind) this.#clear();
    else this.#pending = item;
    this.outbox.dispatchEvent(new Event("change"));
  }

  #sent({ item, job }) {
    const mine = item === this.#pending;
    if (mine) {
      this.#pending = null;
      this.#busy(false);
      this.#clear();
    }
    const open = mine || item === this.onlyFile;
    if (item === this.onlyFile) this.onlyFile = undefined;
    if (open && this.page.isShown()) this.page.open(job);
  }

  /** The first try made no job: either it waits in the line now, or what was typed needs a change. */
  #settled({ item, error }) {
    if (item !== this.#pending) return;
    this.#pending = null;
    this.#busy(false);
    if (item.state === "failed") {
      this.outbox.remove(item);
      this.#say(sentence(error));
      this.#link.focus();
    } else {
      this.#clear();
    }
    this.outbox.dispatchEvent(new Event("change"));
  }

  #typed() {
    if (this.#problem.textContent) this.#say("");
    const many = severalLinks(this.#link.value) ? splitLinks(this.#link.value).length : 1;
    setText(this.#button, many > 1 ? `Transcribe ${many}` : "Transcribe");
  }

  /** One line takes no line breaks: a list of links would run together. */
  #pasted(event) {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) {
      event.preventDefault();
      this.addFiles(files);
    } else if (severalLinks(text)) {
      event.preventDefault();
      this.#link.setRangeText(splitLinks(text).join(" "), this.#link.selectionStart, this.#link.selectionEnd, "end");
      this.#typed();
    }
  }

  #clear() {
    this.#link.value = "";
    this.#typed();
  }

  #busy(busy) {
    setBusy(this.#button, busy);
    this.#link.readOnly = busy;
    setText(this.#button, busy ? "Sending…" : "Transcribe");
  }

  /** @param {string} problem @param {string} [suggestion]  a better link */
  #say(problem, suggestion) {
    const use = () => {
      this.#link.value = suggestion;
      this.#typed();
      this.#link.focus();
    };
    const parts = [make("span", {}, problem)];
    if (suggestion) parts.push(make("button", { type: "button", class: "button", onclick: use }, `Use ${suggestion}`));
    this.#problem.replaceChildren(...(problem ? parts : []));
    if (problem) this.#link.setAttribute("aria-invalid", "true");
    else this.#link.removeAttribute("aria-invalid");
  }

  #acceptDrops() {
    const cover = byId("drop-cover");
    let inside = 0;
    const carries = (event) => [...(event.dataTransfer?.types ?? [])].some((type) => type === "Files" || type === "text/uri-list");
    const show = (shown) => {
      inside = shown ? inside : 0;
      cover.hidden = !shown;
    };
    addEventListener("dragenter", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      inside += 1;
      show(true);
    });
    addEventListener("dragleave", (event) => carries(event) && --inside <= 0 && show(false));
    addEventListener("dragover", (event) => carries(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carries(event)) return;
      show(false);
      // A link dropped into the field is put there by the browser.
      if (!event.dataTransfer.files.length && event.target === this.#link) return;
      event.preventDefault();
      if (event.dataTransfer.files.length) this.addFiles([...event.dataTransfer.files]);
      else this.#droppedLink(event.dataTransfer.getData("text/uri-list").split(/\r?\n/).find((line) => line && !line.startsWith("#")));
    });
  }

  #droppedLink(link) {
    if (!link || isBusy(this.#button)) return;
    this.page.show();
    this.#link.value = link;
    this.#typed();
    this.#link.focus();
  }
}
