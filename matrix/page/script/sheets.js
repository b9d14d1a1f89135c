/** The parts of the page, one at a time; without a script they stand one below the other. */

/** @import {State} from "./types.js" */

import { FILTERS } from "./match.js";
import { change, href, listen, read } from "./state.js";

export function startSheets() {
  // Looked for once: it goes through every mark of the table.
  const sheets = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("section.sheet")]);
  showSheet(sheets, read());
  listen((now, before) => {
    showSheet(sheets, now);
    if (now.sheet !== before.sheet) {
      goTo(now.sheet);
    }
  });
  for (const link of document.querySelectorAll(".jump a")) {
    link.addEventListener("click", (event) => jump(event, nameIn(link)));
  }
  if (location.hash.length > 1 && isFirstVisit()) {
    goTo(placeOf(read()), "instant");
  }
}

/** Whether the browser has no place of its own to go back to. */
function isFirstVisit() {
  const [visit] = performance.getEntriesByType("navigation");
  return /** @type {PerformanceNavigationTiming} */ (visit)?.type === "navigate";
}

/**
 * Return the name of what an address is about: who follows a link to a filter sees what it finds.
 * @param {State} state
 */
function placeOf(state) {
  const asked = state.sheet !== "matrix" || state.cell || FILTERS.some((key) => state[key]);
  return !asked && (state.have || state.gpu) ? "mine" : state.sheet;
}

/**
 * Go to a place of the page, with the keyboard too, and keep what is chosen.
 * @param {Event} event
 * @param {string} name
 */
function jump(event, name) {
  event.preventDefault();
  change({ sheet: "matrix" });
  const place = document.getElementById(name);
  place?.setAttribute("tabindex", "-1");
  place?.focus({ preventScroll: true });
  goTo(name);
}

/**
 * @param {HTMLElement[]} sheets
 * @param {State} state
 */
function showSheet(sheets, { sheet }) {
  const shown = sheetWith(sheet);
  for (const each of sheets) {
    each.hidden = each !== shown;
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

/**
 * @param {string} name
 * @param {ScrollBehavior} [behavior]
 */
function goTo(name, behavior = "auto") {
  const target = document.getElementById(name);
  const whole = !target || target.matches("section.sheet");
  (whole ? document.getElementById("sheets") : target)?.scrollIntoView({ behavior });
}
