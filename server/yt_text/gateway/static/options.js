/** How to transcribe: the fields that are folded away, filled with what the service offers. */

import { byId, make, setText } from "./elements.js";
import { languageName } from "./numbers.js";
import { listEngines } from "./service.js";

const KEPT = "yt-text.options";
const FIELDS = ["language", "origin", "engine", "model", "translate", "word-times", "prompt"];
/** A prompt belongs to one recording; the rest is kept for the next visit. */
const REMEMBERED = FIELDS.filter((id) => id !== "prompt");

export class Options {
  #fields = Object.fromEntries(FIELDS.map((id) => [id, byId(id)]));
  #engines = [];
  #asked = false;

  constructor() {
    this.#fill();
    this.#recall();
    this.#show();
    for (const field of Object.values(this.#fields)) field.addEventListener("input", () => this.#changed());
    byId("options").addEventListener("toggle", () => this.load());
    byId("options-reset").addEventListener("click", () => {
      for (const field of Object.values(this.#fields)) {
        if (field.type === "checkbox") field.checked = false;
        else field.value = field.tagName === "SELECT" ? field.options[0].value : "";
      }
      this.#changed();
      byId("options").querySelector("summary").focus();
    });
  }

  /** Asks what the service offers; without an answer the defaults still work, and opening asks again. */
  async load() {
    if (this.#asked) return;
    this.#asked = true;
    try {
      this.#engines = (await listEngines()).engines ?? [];
    } catch {
      this.#asked = false;
      return;
    }
    this.#fill();
    this.#recall();
    this.#show();
  }

  /** The TranscriptionConfig; only what differs from the default. */
  get config() {
    const { language, origin, engine, model, translate, prompt } = this.#fields;
    const config = {};
    if (origin.value) config.textOrigin = origin.value;
    if (language.value !== "auto") config.languageCode = language.value;
    if (engine.value !== "auto") config.engine = engine.value;
    if (model.value) config.model = model.value;
    if (translate.checked) config.translate = true;
    if (this.#fields["word-times"].checked) config.enableWordOffsets = true;
    if (prompt.value.trim()) config.prompt = prompt.value.trim();
    return config;
  }

  /** The named engine. Which one `auto` takes is the service's choice, and only a job tells it. */
  get #engine() {
    return this.#engines.find(({ name }) => name === this.#fields.engine.value);
  }

  #changed() {
    this.#fill();
    this.#show();
    const values = Object.fromEntries(REMEMBERED.map((id) => [id, this.#value(id)]));
    try {
      localStorage.setItem(KEPT, JSON.stringify(values));
    } catch {
      // no storage: the choice holds for this visit
    }
  }

  #recall() {
    try {
      for (const [id, value] of Object.entries(JSON.parse(localStorage.getItem(KEPT) ?? "{}"))) {
        const field = this.#fields[id];
        if (!field || !REMEMBERED.includes(id)) continue;
        if (field.type === "checkbox") field.checked = value === true && !field.disabled;
        else if ([...field.options].some((option) => option.value === value && !option.disabled)) field.value = value;
        if (id === "engine") this.#fill();
      }
    } catch {
      // nothing was kept that can be read
    }
  }

  #value(id) {
    const field = this.#fields[id];
    return field.type === "checkbox" ? field.checked : field.value;
  }

  /** Offers what fits together: the models, languages and abilities of the engine chosen. */
  #fill() {
    const { language, origin, engine, model } = this.#fields;
    refill(engine, [
      ["auto", "Automatic"],
      ...this.#engines.map(({ name, available }) => [name, available ? name : `${name} (not available)`, !available]),
    ]);
    const chosen = this.#engine;
    // A model that is named makes `auto` take the engine that it tries first.
    const models = (chosen ?? this.#engines[0])?.models ?? [];
    refill(model, [["", "The service’s default"], ...models.map((name) => [name, name])]);
    const codes = chosen ? chosen.languageCodes ?? [] : [...new Set(this.#engines.flatMap((each) => each.languageCodes ?? []))];
    const named = codes.map((code) => [code, languageName(code)]).sort(([, one], [, other]) => one.localeCompare(other, "en"));
    refill(language, [["auto", "Detect automatically"], ...named]);
    const reasons = this.#engines.filter((each) => !each.available && each.unavailableReason);
    byId("engine-note").replaceChildren(...reasons.map((each) => make("p", {}, `${each.name}: ${each.unavailableReason}`)));
    const whyNot = origin.value ? "Captions are not translated." : chosen && !chosen.translation ? `${chosen.name} cannot translate.` : "";
    offer("translate", !whyNot, whyNot);
    offer("word-times", !chosen || chosen.wordOffsets, chosen ? `${chosen.name} has no times for words.` : "");
  }

  /** What differs from the defaults, beside the folded summary. */
  #show() {
    const { language, origin, engine, model, translate, prompt } = this.#fields;
    const chosen = [
      origin.value && "captions",
      language.value !== "auto" && language.selectedOptions[0].textContent,
      engine.value !== "auto" && engine.value,
      model.value,
      translate.checked && "translated",
      this.#fields["word-times"].checked && "word times",
      prompt.value.trim() && "words to expect",
    ].filter(Boolean);
    setText(byId("options-chosen"), chosen.join(", "));
    byId("options-reset").hidden = chosen.length === 0;
  }
}

/** @param {HTMLSelectElement} select @param {any[][]} choices  `[value, text, disabled]` */
function refill(select, choices) {
  const before = select.value;
  select.replaceChildren(...choices.map(([value, text, disabled = false]) => make("option", { value, disabled }, text)));
  select.value = choices.some(([value, , disabled]) => value === before && !disabled) ? before : choices[0][0];
}

function offer(id, possible, whyNot) {
  const box = byId(id);
  box.disabled = !possible;
  if (!possible) box.checked = false;
  setText(byId(`${id}-note`), possible ? "" : whyNot);
}
