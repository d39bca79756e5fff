/** Asks before something that cannot be undone. */

import { byId, setText } from "./elements.js";

/**
 * @param {{heading: string, text: string}} question
 * @returns {Promise<boolean>}
 */
export function confirmDelete({ heading, text }) {
  const dialog = byId("confirm");
  setText(byId("confirm-heading"), heading);
  setText(byId("confirm-words"), text);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
