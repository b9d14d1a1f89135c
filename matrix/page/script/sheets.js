/** The parts of the page, one at a time; without a script they stand one below the other. */

/** @import {State} from "./types.js" */

import { href, listen, read } from "./state.js";

export function startSheets() {
  showSheet(read());
  listen((now, before) => {
    showSheet(now);
    if (now.sheet !== before.sheet) {
      goTo(now.sheet);
    }
  });
  if (document.getElementById(read().sheet) !== document.getElementById("matrix")) {
    goTo(read().sheet);
  }
}

/** @param {State} state */
function showSheet({ sheet }) {
  const shown = sheetWith(sheet);
  for (const each of document.querySelectorAll("section.sheet")) {
    /** @type {HTMLElement} */ (each).hidden = each !== shown;
  }
  for (const link of document.querySelectorAll("#sheets a")) {
    const name = /** @type {HTMLElement} */ (link).dataset.sheet ?? nameIn(link);
    /** @type {HTMLElement} */ (link).dataset.sheet = name;
    link.setAttribute("href", href({ sheet: name, cell: "", checkpoint: "", use: "", check: "" }));
    if (name === shown?.id) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
}

/** @param {Element} link */
function nameIn(link) {
  return (link.getAttribute("href") ?? "").replace("#", "");
}

/**
 * Return the sheet of a name, or the one that has what is called so.
 * @param {string} name
 */
function sheetWith(name) {
  const found = document.getElementById(name)?.closest("section.sheet");
  return found ?? document.getElementById("matrix");
}

/** @param {string} name */
function goTo(name) {
  const target = document.getElementById(name);
  const whole = !target || target.matches("section.sheet");
  (whole ? document.getElementById("sheets") : target)?.scrollIntoView();
}
