/** Moving about in the table with the keyboard, and opening what is in it. */

/** @import {Index, State} from "./types.js" */

import { shown } from "./dom.js";
import { change } from "./state.js";

/**
 * `refresh` is told which columns are hidden, when that or the rows' have changed; `mark` shows
 * which slot the state has open.
 * @typedef {{refresh: (hidden: Set<number>) => void, mark: (state: State) => void}} Grid
 */

/**
 * Where the keyboard is: one stop for Tab, from which arrows go on.
 * @typedef {object} Walk
 * @property {Index} index
 * @property {HTMLTableElement} table
 * @property {Set<number>} hidden
 * @property {HTMLElement | null} stop
 * @property {string} open The cell that is marked.
 */

const PAGE = 10; // rows

/**
 * @param {Index} index
 * @param {HTMLTableElement} table
 * @returns {Grid}
 */
export function startGrid(index, table) {
  /** @type {Walk} */
  const walk = { index, table, hidden: new Set(), stop: null, open: "" };
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", "Verdicts by library version and torch version");
  // What is in it takes the keys from here on.
  table.parentElement?.removeAttribute("tabindex");
  table.addEventListener("keydown", (event) => press(walk, event));
  table.addEventListener("focusin", (event) => arrive(walk, slotAt(event)));
  table.addEventListener("click", (event) => openSlot(walk, slotAt(event)));
  return {
    refresh: (hidden) => refreshStop(walk, hidden),
    mark: (state) => markOpen(walk, state),
  };
}

/**
 * @param {Event} event
 * @returns {HTMLTableCellElement | null}
 */
function slotAt({ target }) {
  return target instanceof Element ? target.closest("tbody td, tbody th") : null;
}

/**
 * @param {Walk} walk
 * @param {Set<number>} hidden
 */
function refreshStop(walk, hidden) {
  walk.hidden = hidden;
  const slot = walk.stop?.closest("td, th") ?? null;
  if (slot instanceof HTMLTableCellElement && isThere(walk, slot)) {
    return;
  }
  const row = followingRow(walk, null, 1);
  stopAt(walk, row ? lastOrFirst(walk, row, 1) : null);
}

/**
 * @param {Walk} walk
 * @param {HTMLTableCellElement} slot
 */
function isThere(walk, slot) {
  const row = /** @type {HTMLTableRowElement} */ (slot.parentElement);
  return isOpen(row) && !walk.hidden.has(slot.cellIndex - 1);
}

/** @param {HTMLTableRowElement} row */
function isOpen(row) {
  const body = /** @type {HTMLElement} */ (row.parentElement);
  const folded = row.classList.contains("subject") && !body.classList.contains("open");
  return !row.hidden && !body.hidden && !folded;
}

/**
 * @param {Walk} walk
 * @param {HTMLTableCellElement | null} slot
 */
function stopAt(walk, slot) {
  walk.stop?.setAttribute("tabindex", "-1");
  walk.stop = slot?.querySelector("button") ?? slot;
  walk.stop?.setAttribute("tabindex", "0");
}

/**
 * @param {Walk} walk
 * @param {HTMLTableCellElement | null} slot
 */
function arrive(walk, slot) {
  if (slot) {
    stopAt(walk, slot);
    if (slot.localName === "td") {
      slot.setAttribute("aria-label", shown(slotInWords(walk.index, slot)));
    }
  }
}

/**
 * @param {Walk} walk
 * @param {KeyboardEvent} event
 */
function press(walk, event) {
  const slot = slotAt(event);
  if (!slot || event.altKey || event.metaKey) {
    return;
  }
  const next = stepFrom(walk, slot, event.key, event.ctrlKey);
  if (next) {
    event.preventDefault();
    stopAt(walk, next);
    walk.stop?.focus();
  } else if (slot.localName === "td" && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    openSlot(walk, slot);
  }
}

/**
 * Return where a key leads; `null` where it is none of ours.
 * @param {Walk} walk
 * @param {HTMLTableCellElement} slot
 * @param {string} key
 * @param {boolean} ctrl
 * @returns {HTMLTableCellElement | null}
 */
function stepFrom(walk, slot, key, ctrl) {
  const row = /** @type {HTMLTableRowElement} */ (slot.parentElement);
  const column = slot.cellIndex;
  switch (key) {
    case "ArrowLeft":
      return besideSlot(walk, slot, -1);
    case "ArrowRight":
      return besideSlot(walk, slot, 1);
    case "ArrowUp":
      return (ctrl ? null : followingRow(walk, row, -1) ?? row)?.cells[column] ?? null;
    case "ArrowDown":
      return (ctrl ? null : followingRow(walk, row, 1) ?? row)?.cells[column] ?? null;
    case "PageUp":
      return pagesOn(walk, row, -1).cells[column];
    case "PageDown":
      return pagesOn(walk, row, 1).cells[column];
    case "Home":
      return lastOrFirst(walk, (ctrl && followingRow(walk, null, 1)) || row, 1);
    case "End":
      return lastOrFirst(walk, (ctrl && followingRow(walk, null, -1)) || row, -1);
    default:
      return null;
  }
}

/**
 * @param {Walk} walk
 * @param {HTMLTableCellElement} slot
 * @param {1 | -1} way
 * @returns {HTMLTableCellElement}
 */
function besideSlot(walk, slot, way) {
  const { cells } = /** @type {HTMLTableRowElement} */ (slot.parentElement);
  for (let column = slot.cellIndex + way; column in cells; column += way) {
    if (!walk.hidden.has(column - 1)) {
      return cells[column];
    }
  }
  return slot;
}

/**
 * Return the first slot of a row, or the last; its head is before them all.
 * @param {Walk} walk
 * @param {HTMLTableRowElement} row
 * @param {1 | -1} way
 */
function lastOrFirst(walk, row, way) {
  const slots = [...row.cells].slice(1).filter((slot) => !walk.hidden.has(slot.cellIndex - 1));
  return (way > 0 ? slots[0] : slots[slots.length - 1]) ?? null;
}

/**
 * Return the visible row after or before another; without one, the first or the last of all.
 * @param {Walk} walk
 * @param {HTMLTableRowElement | null} row
 * @param {1 | -1} way
 * @returns {HTMLTableRowElement | null}
 */
function followingRow({ table }, row, way) {
  let next = row ? siblingRow(row, way) : edgeRow(way > 0 ? table.tBodies[0] : lastBody(table), way);
  while (next && !isOpen(next)) {
    next = siblingRow(next, way);
  }
  return next;
}

/** @param {HTMLTableElement} table */
function lastBody(table) {
  return table.tBodies[table.tBodies.length - 1];
}

/**
 * @param {HTMLTableRowElement} row
 * @param {1 | -1} way
 * @returns {HTMLTableRowElement | null}
 */
function siblingRow(row, way) {
  const next = way > 0 ? row.nextElementSibling : row.previousElementSibling;
  const body = /** @type {Element} */ (row.parentElement);
  const beyond = way > 0 ? body.nextElementSibling : body.previousElementSibling;
  return /** @type {HTMLTableRowElement | null} */ (next) ?? edgeRow(beyond, way);
}

/**
 * @param {Element | null} body
 * @param {1 | -1} way
 * @returns {HTMLTableRowElement | null}
 */
function edgeRow(body, way) {
  if (!(body instanceof HTMLTableSectionElement) || body.localName !== "tbody") {
    return null;
  }
  return body.rows[way > 0 ? 0 : body.rows.length - 1] ?? null;
}

/**
 * @param {Walk} walk
 * @param {HTMLTableRowElement} row
 * @param {1 | -1} way
 */
function pagesOn(walk, row, way) {
  let found = row;
  for (let step = 0; step < PAGE; step++) {
    found = followingRow(walk, found, way) ?? found;
  }
  return found;
}

/**
 * @param {Walk} walk
 * @param {HTMLTableCellElement | null} slot
 */
function openSlot({ index }, slot) {
  const cell = slot && index.cells[Number(slot.dataset.c ?? -1)];
  if (cell) {
    const subject = index.subjects[Number(slot.closest("tr")?.dataset.s ?? -1)];
    const { checkpoint = "", use = "" } = subject ?? {};
    change({ cell: cell.id, checkpoint, use, check: "" });
  }
}

/**
 * Return what a slot says, for those who hear it: its row, its torch, and each policy's word.
 * @param {Index} index
 * @param {HTMLTableCellElement} slot
 */
function slotInWords(index, slot) {
  const head = slot.closest("tbody")?.rows[0].cells[0];
  const cell = index.cells[Number(slot.dataset.c ?? -1)];
  const text = (/** @type {string} */ part) => head?.querySelector(part)?.textContent ?? "";
  const about = [text(".library"), cell?.version ?? text(".name"), text(".beside")];
  const subject = slot.closest("tr.subject")?.querySelector("th")?.textContent?.trim();
  const where = [subject, about.filter(Boolean).join(" ")].filter(Boolean).join(", ");
  if (!cell) {
    return `${where}, torch ${index.torch[slot.cellIndex - 1]}: no such cell`;
  }
  const marks = slot.getElementsByTagName("b");
  const verdicts = index.policies.map((policy, n) => verdictInWords(policy, marks[n]));
  const age = slot.querySelector(".age")?.textContent ?? "";
  const said = [...verdicts, age].filter(Boolean).join(", ") || "nothing was planned";
  return `${where}, torch ${index.torch[cell.torch]}, Python ${cell.python}: ${said}`;
}

/**
 * @param {string} policy
 * @param {Element | undefined} mark
 */
function verdictInWords(policy, mark) {
  const word = mark?.querySelector("i")?.textContent?.trim();
  return word ? `${policy} ${word.replace("/", " of ")}${word.includes("/") ? " work" : ""}` : "";
}

/**
 * @param {Walk} walk
 * @param {State} state
 */
function markOpen(walk, state) {
  const { index, table } = walk;
  if (walk.open === state.cell) {
    return;
  }
  walk.open = state.cell;
  for (const each of table.querySelectorAll("td.here")) {
    each.classList.remove("here");
  }
  const number = state.cell ? index.cells.findIndex((cell) => cell.id === state.cell) : -1;
  for (const each of number < 0 ? [] : table.querySelectorAll(`td[data-c="${number}"]`)) {
    each.classList.add("here");
  }
}
