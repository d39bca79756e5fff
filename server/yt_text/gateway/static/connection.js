/** One calm notice while anything that should be connected is not. */

import { announce, byId } from "./elements.js";

/** A break shorter than this is nobody's business. */
const PATIENCE_MS = 700;

const lost = new Set();
let timer = 0;

/** @param {string} what  what lost its connection, such as `events` */
export function connectionLost(what) {
  lost.add(what);
  timer ||= setTimeout(() => (byId("connection").hidden = false), PATIENCE_MS);
}

/** @param {string} what */
export function connectionBack(what) {
  lost.delete(what);
  if (lost.size || !timer) return;
  clearTimeout(timer);
  timer = 0;
  if (byId("connection").hidden) return;
  byId("connection").hidden = true;
  announce("Connected again.");
}

/** Waits that grow: 0.5 s doubling to 10 s, give or take a quarter so that many pages do not come at once. */
export class Backoff {
  #failures = 0;

  /** The next wait in milliseconds. */
  next() {
    const wait = Math.min(10_000, 500 * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    return wait * (0.75 + Math.random() / 2);
  }

  reset() {
    this.#failures = 0;
  }

  get failing() {
    return this.#failures > 0;
  }
}
