/** What is in a plot: forward times of one checkpoint, timed in one way, in one row of the table. */

/** @import {Index, State} from "./types.js" */

import { find } from "./match.js";

/**
 * @typedef {object} Point
 * @property {number} check Its number in the index.
 * @property {number} torch Its column.
 * @property {number} median Milliseconds.
 * @property {number} iqr Milliseconds.
 */

/**
 * @typedef {object} Plot
 * @property {number} cell The leftmost cell of its row.
 * @property {number} subject
 * @property {string} method
 * @property {Point[]} points By torch, from left to right.
 */

/**
 * Return the plots of the checks that a state is about, in the order of the table.
 *
 * A policy is about loading; what it loaded is the same, and a cell times it once. A point is that
 * of the first policy that loaded the checkpoint, whichever the state has chosen.
 * @param {Index} index
 * @param {State} state
 * @returns {Plot[]}
 */
export function plotsOf(index, state) {
  const { cell, subject, median, iqr, method } = index.checks;
  const { hits } = find(index, state);
  /** @type {Map<string, Plot>} */
  const found = new Map();
  for (let check = 0; check < cell.length; check++) {
    const value = median[check];
    if (!hits[check] || value === null || index.subjects[subject[check]].experiment) {
      continue;
    }
    const first = leftmost(index, cell[check]);
    const key = JSON.stringify([first, subject[check], method[check]]);
    const plot = found.get(key) ?? {
      ...{ cell: first, subject: subject[check], method: method[check] },
      points: [],
    };
    found.set(key, plot);
    const { torch } = index.cells[cell[check]];
    keepFirst(index, plot.points, { check, torch, median: value * 1000, iqr: (iqr[check] ?? 0) * 1000 });
  }
  for (const { points } of found.values()) {
    points.sort((one, other) => one.torch - other.torch);
  }
  return [...found.values()];
}

/**
 * @param {Index} index
 * @param {Point[]} points
 * @param {Point} point
 */
function keepFirst(index, points, point) {
  const { policy } = index.checks;
  const at = points.findIndex(({ torch }) => torch === point.torch);
  if (at < 0) {
    points.push(point);
  } else if (policy[point.check] < policy[points[at].check]) {
    points[at] = point;
  }
}

/**
 * @param {Index} index
 * @param {number} cell
 */
function leftmost(index, cell) {
  let first = cell;
  while (index.cells[first].left >= 0) {
    first = index.cells[first].left;
  }
  return first;
}
