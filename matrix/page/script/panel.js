/** The panel: a sheet over the page with everything about one cell, or about one of its checks. */

/** @import {Child} from "./dom.js" */
/** @import {Index, State} from "./types.js" */
/** @import {Found} from "./panel_cell.js" */
/** @import {Frame} from "./panel_frame.js" */

import { details } from "./data.js";
import { fill, h } from "./dom.js";
import { cellView, checksOf, subjectName } from "./panel_cell.js";
import { checkView } from "./panel_check.js";
import { environmentName } from "./panel_environment.js";
import { aimSteps, panelFrame } from "./panel_frame.js";
import { NO_CELL, NO_CHECK } from "./panel_parts.js";
import { asText } from "./panel_reading.js";
import { href, listen, read } from "./state.js";

/** @typedef {{index: Index, cell: number, check: number}} Aim */
/** @typedef {(part: Partial<State>, text: string) => HTMLAnchorElement} Link */

const OPEN = /** @type {const} */ (["cell", "checkpoint", "use", "check", "policy"]);

/**
 * Make the panel, which is open whenever the address names a cell.
 * @param {Index} index
 */
export function startPanel(index) {
  const frame = panelFrame();
  listen((now, before) => {
    if (OPEN.some((key) => now[key] !== before[key])) {
      turnPanel(frame, index, now);
    }
  });
  turnPanel(frame, index, read());
}

/**
 * @param {Frame} frame
 * @param {Index} index
 * @param {State} now
 */
function turnPanel(frame, index, now) {
  if (!now.cell) {
    frame.dialog.close();
    fill(frame.body); // which may be very long
    return;
  }
  const cell = index.cells.findIndex(({ id }) => id === now.cell);
  const check = cell < 0 ? -1 : checkOf(index, cell, now);
  const wrong = wrongAddress(index, cell, check, now);
  const view = wrong ? Promise.resolve([wrong]) : viewOf({ index, cell, check });
  const subject = String(index.checks.subject[check] ?? "");
  openPanel(frame, view, subject);
  Object.assign(frame.dialog.dataset, { cell: String(cell), subject });
  aimSteps(frame, index, cell);
  headPanel(frame, { index, cell, check }, now);
}

/**
 * Return the number of the check that the address names, or -1.
 * @param {Index} index
 * @param {number} cell
 * @param {State} now
 */
function checkOf(index, cell, now) {
  const row = [...checksOf(index, cell)].find(([subject]) => {
    const { checkpoint, use } = index.subjects[subject];
    return checkpoint === now.checkpoint && (use === now.use || !now.use);
  })?.[1];
  const first = row?.keys().next().value ?? -1;
  const main = index.policies.indexOf(now.policy);
  const policy = now.check ? index.policies.indexOf(now.check) : row?.has(main) ? main : first;
  return row?.get(policy) ?? -1;
}

/**
 * Return what is said where the address names nothing of this run.
 * @param {Index} index
 * @param {number} cell
 * @param {number} check
 * @param {State} now
 */
function wrongAddress(index, cell, check, now) {
  if (cell < 0) {
    const link = h("a", { href: href({ ...NO_CELL, sheet: "matrix" }) }, "The matrix");
    return h(
      "p",
      null,
      `Run ${index.run} has no cell of this name. `,
      link,
      " has all that it has.",
    );
  }
  if (now.checkpoint && check < 0) {
    const link = h("a", { href: href(NO_CHECK) }, "All checks of the cell");
    return h("p", null, "This cell has no such check. ", link, ".");
  }
  return null;
}

/**
 * @param {Aim} aim
 * @returns {Promise<Child[]>}
 */
async function viewOf({ index, cell, check }) {
  try {
    const found = await details(cell);
    return check < 0 ? cellView(index, cell, found) : checkViewOf({ index, cell, check }, found);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const more = "The details can't be read here, and matrix.json beside this page may have them: ";
    return [h("p", { class: "note" }, `${more}${why}`)];
  }
}

/**
 * @param {Aim} aim
 * @param {Found} found
 */
function checkViewOf({ index, cell, check }, found) {
  const { checkpoint, use } = index.subjects[index.checks.subject[check]];
  const policy = index.policies[index.checks.policy[check]];
  const about = found.checks.find(({ record }) => {
    const same = record.checkpoint === checkpoint && record.policy === policy;
    return same && (asText(record.use) || "forward") === use;
  });
  if (!about) {
    throw new Error(`there is no record of ${checkpoint} under ${policy}.`);
  }
  return checkView({ index, cell, check, found, details: about });
}

/**
 * @param {Frame} frame
 * @param {Aim} aim
 * @param {State} now
 */
function headPanel({ title, about }, { index, cell, check }, now) {
  const known = index.cells[cell];
  if (!known || (now.checkpoint && check < 0)) {
    fill(title, known ? "No such check" : "No such cell");
    fill(about, now.cell);
    return;
  }
  const environment = environmentName(index, known);
  const whole = h("a", { href: href(NO_CHECK), "data-key": "whole" }, environment);
  fill(title, check < 0 ? environment : checkName(index, check));
  fill(about, check < 0 ? known.id : whole);
}

/**
 * @param {Index} index
 * @param {number} check
 */
function checkName(index, check) {
  const subject = index.subjects[index.checks.subject[check]];
  return `${subjectName(subject)} under ${index.policies[index.checks.policy[check]]}`;
}

/**
 * Open the panel, or turn its page: the reader's place is kept where it is about the same.
 * @param {Frame} frame
 * @param {Promise<Child[]>} view
 * @param {string} subject
 */
async function openPanel({ dialog, inside, title, body }, view, subject) {
  const key = heldKey();
  const place = dialog.dataset.subject === subject && dialog.open ? inside.scrollTop : 0;
  const turn = String(Number(dialog.dataset.turn ?? 0) + 1);
  dialog.dataset.turn = turn;
  fill(body, h("p", { class: "quiet" }, "Reading…"));
  if (!dialog.open) {
    dialog.showModal();
    title.focus({ preventScroll: true });
  }
  const parts = await view;
  if (dialog.dataset.turn === turn && dialog.open) {
    fill(body, ...parts);
    inside.scrollTop = place;
    keepFocus(dialog, title, key);
  }
}

/** Return the name of the link that has the focus, by which it is found on the next page. */
function heldKey() {
  const held = document.activeElement;
  return held instanceof HTMLElement ? (held.dataset.key ?? "") : "";
}

/**
 * @param {HTMLElement} dialog
 * @param {HTMLElement} title
 * @param {string} key
 */
function keepFocus(dialog, title, key) {
  const same = key ? dialog.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
  const place = same instanceof HTMLElement ? same : title;
  const held = document.activeElement;
  if (!held || held === dialog || !dialog.contains(held)) {
    place.focus({ preventScroll: true });
  }
}
