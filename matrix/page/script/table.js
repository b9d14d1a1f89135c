/** The table, made to follow the state: what it hides, dims, opens and writes large. */

/** @import {Index, State} from "./types.js" */
/** @import {Found} from "./match.js" */
/** @import {Grid} from "./grid.js" */

import { counted, fill, h } from "./dom.js";
import { startGrid } from "./grid.js";
import { ALL_POLICIES, everything, find, policyOf } from "./match.js";
import { listen, read } from "./state.js";

/**
 * A row of the table, with the places of its slots by column; -1 where there is no cell.
 *
 * A place is a number under which bits are kept, one for each policy: each cell has one, and each
 * subject of a cell.
 * @typedef {{element: HTMLTableRowElement, places: number[], cells: number[]}} Row
 */

/**
 * The rows of a library version: first that of all its subjects, then one for each.
 * @typedef {object} RowSet
 * @property {HTMLTableSectionElement} element
 * @property {Row} whole
 * @property {Row[]} subjects
 * @property {HTMLButtonElement | null} button
 * @property {"" | "open" | "shut"} wish What the reader asked for.
 */

/**
 * Bits of the policies under which checks match: `marks` of those that a mark is about, `seen` of
 * experiments too, which are not counted in the row of all.
 * @typedef {{marks: Int32Array, seen: Int32Array, wanted: number}} Bits
 */

/**
 * @typedef {object} Places
 * @property {number} count
 * @property {Map<string, number>} of By cell and subject.
 * @property {Int32Array} ofCheck
 * @property {Uint8Array} counted 1 for each cell with more than experiments.
 */

/**
 * @typedef {object} Shown
 * @property {Index} index
 * @property {HTMLTableElement} table
 * @property {Places} places
 * @property {RowSet[]} sets
 * @property {Int32Array} planned Bits of the policies that there are checks of.
 * @property {Int32Array} drawn Bits of the marks that are not dimmed.
 * @property {Bits} bits As the state has them.
 * @property {CSSStyleSheet} columns Hides those where nothing matches.
 * @property {Grid} grid
 * @property {string} key What the table shows already.
 */

const EVERY = -1; // all bits

/** @param {Index} index */
export function startTable(index) {
  const table = /** @type {HTMLTableElement | null} */ (document.querySelector("table.matrix"));
  if (!table) {
    return; // a run without a cell
  }
  const shown = tableOf(index, table);
  for (const set of shown.sets) {
    addButton(shown, set);
  }
  follow(shown, read());
  listen((now) => follow(shown, now));
}

/**
 * @param {Index} index
 * @param {HTMLTableElement} table
 * @returns {Shown}
 */
function tableOf(index, table) {
  const places = placesOf(index);
  const bits = bitsOf(index, places, everything(index), EVERY);
  const columns = new CSSStyleSheet();
  document.adoptedStyleSheets.push(columns);
  return {
    ...{ index, table, places, bits, columns, key: "" },
    sets: Array.from(table.tBodies, (body) => setOf(places, body)),
    planned: bits.marks,
    drawn: bits.marks.slice(),
    grid: startGrid(index, table),
  };
}

/**
 * @param {Index} index
 * @returns {Places}
 */
function placesOf({ cells, checks, subjects }) {
  const of = new Map();
  const counted = new Uint8Array(cells.length);
  const ofCheck = Int32Array.from(checks.cell, (cell, n) => {
    const subject = checks.subject[n];
    const key = `${cell} ${subject}`;
    counted[cell] ||= subjects[subject].experiment ? 0 : 1;
    const place = of.get(key) ?? cells.length + of.size;
    of.set(key, place);
    return place;
  });
  return { count: cells.length + of.size, of, ofCheck, counted };
}

/**
 * @param {Places} places
 * @param {HTMLTableSectionElement} element
 * @returns {RowSet}
 */
function setOf(places, element) {
  const [whole, ...subjects] = Array.from(element.rows, (row) => rowOf(places, row));
  return { element, whole, subjects, button: null, wish: "" };
}

/**
 * @param {Places} places
 * @param {HTMLTableRowElement} element
 * @returns {Row}
 */
function rowOf(places, element) {
  const subject = element.dataset.s;
  const slots = Array.from(element.cells).slice(1);
  const cells = slots.map((slot) => {
    slot.tabIndex = -1; // the grid leads to it
    return Number(slot.getAttribute("data-c") ?? -1);
  });
  const placed = cells.map((cell) => {
    return subject === undefined ? cell : (places.of.get(`${cell} ${subject}`) ?? -1);
  });
  return { element, cells, places: placed };
}

/**
 * @param {Index} index
 * @param {Places} places
 * @param {Found} found
 * @param {number} wanted
 * @returns {Bits}
 */
function bitsOf(index, places, { hits, searched: { checks } }, wanted) {
  const marks = new Int32Array(places.count);
  const seen = new Int32Array(places.count);
  const experiment = index.subjects.map((each) => each.experiment);
  for (let n = 0; n < hits.length; n++) {
    if (hits[n]) {
      const cell = checks.cell[n];
      const subject = checks.subject[n];
      const bit = checks.policy[n] < 0 ? EVERY : 1 << checks.policy[n];
      seen[cell] |= bit;
      marks[cell] |= subject >= 0 && experiment[subject] && places.counted[cell] ? 0 : bit;
      if (subject >= 0) {
        seen[places.ofCheck[n]] |= bit;
        marks[places.ofCheck[n]] |= bit;
      }
    }
  }
  return { marks, seen, wanted };
}

/**
 * @param {Shown} shown
 * @param {RowSet} set
 */
function addButton(shown, set) {
  if (!set.subjects.length) {
    return;
  }
  const head = set.whole.element.cells[0];
  const says = subjectsInWords(shown.index, set);
  const name = `${says} of ${head.querySelector(".library")?.textContent ?? ""}`;
  const version = head.querySelector(".name")?.textContent ?? "";
  set.button = h(
    "button",
    { type: "button", class: "fold", tabindex: -1, "aria-label": `${name} ${version}` },
    says,
  );
  set.button.addEventListener("click", () => {
    set.wish = set.element.classList.contains("open") ? "shut" : "open";
    drawSet(shown, set);
  });
  head.append(set.button);
}

/**
 * @param {Index} index
 * @param {RowSet} set
 */
function subjectsInWords({ subjects }, set) {
  const held = set.subjects.map((row) => subjects[Number(row.element.dataset.s)].checkpoint);
  const checkpoints = counted(new Set(held).size, "checkpoint");
  return new Set(held).size === held.length ? checkpoints : `${checkpoints}, ${held.length} uses`;
}

/**
 * @param {Shown} shown
 * @param {State} state
 */
function follow(shown, state) {
  const { index, table } = shown;
  const policy = policyOf(index, state);
  const found = find(index, state);
  shown.grid.mark(state);
  if (shown.key === `${policy} ${found.key}`) {
    return;
  }
  shown.key = `${policy} ${found.key}`;
  const number = index.policies.indexOf(policy);
  writeLarge(shown, policy, number);
  shown.bits = bitsOf(index, shown.places, found, number < 0 ? EVERY : 1 << number);
  let visible = false;
  for (const set of shown.sets) {
    set.wish = set.wish === "shut" ? "" : set.wish;
    visible = drawSet(shown, set) || visible;
  }
  /** @type {HTMLElement} */ (table.parentElement).hidden = !visible;
  hideColumns(shown);
}

/**
 * @param {Shown} shown
 * @param {string} policy
 * @param {number} number
 */
function writeLarge({ index, table }, policy, number) {
  table.dataset.policy = policy;
  table.dataset.chosen = String(number + 1);
  const says = document.querySelector(".order .listed");
  if (says) {
    const others = index.policies.filter((each) => each !== policy).join(", ");
    const chosen = `first what ${policy} gives${others && `, then small: ${others}`}`;
    const order = policy === ALL_POLICIES ? `from top to bottom: ${others}` : chosen;
    fill(says, `In each cell, ${order}.`);
  }
}

/**
 * Draw the rows of a set, and return whether anything in it matches.
 * @param {Shown} shown
 * @param {RowSet} set
 */
function drawSet(shown, set) {
  const { bits } = shown;
  const visible = set.whole.cells.some((cell) => cell >= 0 && bits.seen[cell] & bits.wanted);
  setHidden(set.element, !visible);
  if (visible) {
    drawRow(shown, set.whole);
    const open = set.wish ? set.wish === "open" : isTorn(shown, set);
    drawSubjects(shown, set, open);
  }
  return visible;
}

/**
 * @param {Shown} shown
 * @param {RowSet} set
 * @param {boolean} open
 */
function drawSubjects(shown, set, open) {
  if (set.button && set.button.getAttribute("aria-expanded") !== String(open)) {
    set.button.setAttribute("aria-expanded", String(open));
    set.element.classList.toggle("open", open);
  }
  for (const row of open ? set.subjects : []) {
    const matches = isSeen(shown.bits, row);
    setHidden(row.element, !matches);
    if (matches) {
      drawRow(shown, row);
    }
  }
}

/**
 * Whether some subjects of a set match and some do not, in the cells that do.
 * @param {Shown} shown
 * @param {RowSet} set
 */
function isTorn({ bits, planned }, set) {
  const able = set.subjects.filter((row) =>
    row.places.some((place, column) => {
      const there = place >= 0 && bits.seen[row.cells[column]] & bits.wanted;
      return there && planned[place] & bits.wanted;
    }),
  );
  return able.some((row) => !isSeen(bits, row));
}

/**
 * @param {Bits} bits
 * @param {Row} row
 */
function isSeen({ seen, wanted }, row) {
  return row.places.some((place) => place >= 0 && seen[place] & wanted);
}

/**
 * @param {HTMLElement} element
 * @param {boolean} hidden
 */
function setHidden(element, hidden) {
  if (element.hidden !== hidden) {
    element.hidden = hidden;
  }
}

/**
 * Dim the marks of a row that do not match; only those are touched that differ.
 * @param {Shown} shown
 * @param {Row} row
 */
function drawRow({ bits, drawn, planned }, row) {
  row.places.forEach((place, column) => {
    const now = place < 0 ? 0 : bits.marks[place] & planned[place];
    if (place >= 0 && drawn[place] !== now) {
      const marks = row.element.cells[column + 1].getElementsByTagName("b");
      for (let n = 0; n < marks.length; n++) {
        const bit = 1 << n;
        if ((drawn[place] ^ now) & bit) {
          marks[n].classList.toggle("dim", !(now & bit));
        }
      }
      drawn[place] = now;
    }
  });
}

/** @param {Shown} shown */
function hideColumns({ bits, columns, grid, index }) {
  const hidden = new Set(index.torch.keys());
  index.cells.forEach((cell, number) => {
    if (bits.seen[number] & bits.wanted) {
      hidden.delete(cell.torch);
    }
  });
  // One rule for a column: no need to touch the slots of all rows.
  const rules = Array.from(hidden, (column) => `.matrix tr > :nth-child(${column + 2})`);
  columns.replaceSync(rules.length ? `${rules.join(", ")} { display: none; }` : "");
  grid.refresh(hidden);
}
