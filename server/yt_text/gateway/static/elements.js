/** Making and changing elements. Text goes in as text only: titles and transcripts may hold anything. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} id */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]  `class`, `data-…`, `aria-…` and `role` become attributes
 * @param {...(Node | string | null | undefined)} children
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = String(value);
    else if (/^(aria-|data-|role$)/.test(name)) element.setAttribute(name, String(value));
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A picture from the sprite in index.html; what it means must stand beside it as words. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Changes text only where it differs, so that screen readers and selections are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Like setText, for a text that may be a link: it may break after its signs rather than inside a word. */
export function setName(element, text) {
  if (element.textContent === text) return;
  const parts = /\s/.test(text) ? [text] : text.split(/(?<=[/?&=_-])/);
  element.replaceChildren(...parts.flatMap((part, index) => (index ? [document.createElement("wbr"), part] : [part])));
}

/** @param {Element} element @param {string} name @param {string | null} value  null removes it */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A button that works is not disabled: focus would be lost. It says so, and ignores clicks. */
export function setBusy(button, busy) {
  setAttribute(button, "aria-disabled", busy ? "true" : null);
}

export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";

let spoken = 0;

/** Tells people who use a screen reader something that others see. */
export function announce(text) {
  const region = byId("announcer");
  clearTimeout(spoken);
  region.textContent = "";
  spoken = setTimeout(() => (region.textContent = text), 100);
}
