/** What is in a plot: forward times of one checkpoint, timed in one way, in one row of the table. */

/** @import {Index, State} from "./types.js" */

import { find } from "./match.js";

/**
 * @typedef {object} Point
 * @property {number} check Its number in the index.
 * @property {number} torch Its column.
 * @property {number} median Milliseconds.
 * @property {number} iqr Milliseconds.
 * @property {[number, number] | null} interval Milliseconds.
 * @property {{ratio: number, word: string, torch: string} | null} speed
 */

/**
 * @typedef {object} Plot
 * @property {number} cell The leftmost cell of its row.
 * @property {number} subject
 * @property {number} way
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
  const { cell, subject, median, way } = index.checks;
  const { hits } = find(index, state);
  /** @type {Map<string, Plot>} */
  const found = new Map();
  for (let check = 0; check < cell.length; check++) {
    const value = median[check];
    if (!hits[check] || value === null || index.subjects[subject[check]].experiment) {
      continue;
    }
    const first = leftmost(index, cell[check]);
    const key = JSON.stringify([first, subject[check], way[check]]);
    const plot = found.get(key) ?? {
      ...{ cell: first, subject: subject[check], way: way[check] },
      points: [],
    };
    found.set(key, plot);
    keepFirst(index, plot.points, pointOf(index, check, value));
  }
  for (const { points } of found.values()) {
    points.sort((one, other) => one.torch - other.torch);
  }
  return [...found.values()];
}

/**
 * @param {Index} index
 * @param {number} check
 * @param {number} median Seconds.
 * @returns {Point}
 */
function pointOf({ cells, checks, speeds }, check, median) {
  const { torch } = cells[checks.cell[check]];
  const [below, above] = checks.interval[check] ?? [];
  const [ratio, verdict, base] = checks.speed[check] ?? [];
  return {
    ...{ check, torch, median: median * 1000, iqr: (checks.iqr[check] ?? 0) * 1000 },
    interval: below === undefined || above === undefined ? null : [median * (1000 - below), median * (1000 + above)],
    speed: ratio && base ? { ratio, word: speeds[verdict ?? 0].word, torch: base } : null,
  };
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
