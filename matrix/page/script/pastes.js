/** Buttons that copy what the sheets have to paste; without a script it is text to select. */

import { copyable } from "./dom.js";
import { listen, read } from "./state.js";

export function startPastes() {
  addCopyButtons(read().sheet);
  listen((now) => addCopyButtons(now.sheet));
}

/** @param {string} sheet */
function addCopyButtons(sheet) {
  const place = document.getElementById(sheet)?.closest("section.sheet");
  for (const pre of place?.querySelectorAll("pre.paste") ?? []) {
    const what = /** @type {HTMLElement} */ (pre).dataset.what;
    const block = copyable(pre.textContent ?? "", what);
    block.querySelector("pre")?.setAttribute("tabindex", "0"); // a long one scrolls by keys too
    pre.replaceWith(block);
  }
}
