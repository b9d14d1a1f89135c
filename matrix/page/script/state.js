/** The state of the view, which is its address: every view is a link. */

/** @import {State} from "./types.d.ts" */

/** @typedef {(now: State, before: State) => void} Listener */

/** @type {State} */
const START = {
  sheet: "matrix",
  policy: "stock",
  library: "",
  version: "",
  torch: "",
  python: "",
  outcome: "",
  cause: "",
  edition: "",
  text: "",
  changed: "",
  cell: "",
  checkpoint: "",
  use: "",
  check: "",
  have: "",
  gpu: "",
};
const KEYS = /** @type {(keyof State)[]} */ (Object.keys(START));

/** @type {Listener[]} */
const listeners = [];
let current = parse(location.hash);
// How many steps of the history ago the panel was opened. An address that somebody came to with a
// panel open has no step of ours before it: there it counts from that one.
let inside = insideOf(0);
/** @type {Partial<State> | null} What is changed at the step that we are on the way to. */
let returning = null;

/** Return the present state; what the address leaves out has its default. */
export function read() {
  return current;
}

/**
 * Change the state: the address says so, Back undoes it, and all listeners hear of it.
 *
 * With `replace` it is part of the step before, as the next letter of a word is.
 * @param {Partial<State>} part
 * @param {{replace?: boolean}} [how]
 */
export function change(part, how = {}) {
  const next = { ...current, ...part };
  if (written(next) === written(current)) {
    return;
  }
  const steps = how.replace ? inside : stepsTo(next);
  if (noteStep(how.replace ? "replaceState" : "pushState", steps, written(next))) {
    inside = steps;
  }
  become(next);
}

/**
 * Change the state by going back to the step before the panel was opened, which Back leads on from.
 *
 * Where there is none, what the panel was opened at is changed instead.
 * @param {Partial<State>} part
 */
export function leave(part) {
  if (!inside || inside >= history.length || returning) {
    returning = null;
    change(part, { replace: true });
    return;
  }
  returning = part;
  history.go(-inside);
}

/**
 * Call a function whenever the state changes.
 * @param {Listener} listener
 */
export function listen(listener) {
  listeners.push(listener);
}

/**
 * Return a link to the present state with some of it changed.
 * @param {Partial<State>} part
 */
export function href(part) {
  return written({ ...current, ...part });
}

/** Return the state in which nothing is chosen. */
export function cleared() {
  return { ...START };
}

/**
 * @param {string} hash
 * @returns {State}
 */
function parse(hash) {
  const state = { ...START };
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  for (const [key, value] of words) {
    const known = KEYS.find((each) => each === key);
    if (known && value) {
      state[known] = value;
    } else if (!known && !value) {
      state.sheet = key;
    }
  }
  return state;
}

/**
 * @param {State} state
 * @returns {string}
 */
function written(state) {
  const words = KEYS.filter((key) => key !== "sheet" && state[key] !== START[key] && state[key]);
  if (!words.length) {
    return `#${encodeURIComponent(state.sheet)}`;
  }
  const sheet = state.sheet === START.sheet ? [] : [["sheet", state.sheet]];
  const search = new URLSearchParams([...sheet, ...words.map((key) => [key, state[key]])]);
  return `#${search}`;
}

/** @param {State} next */
function become(next) {
  const before = current;
  current = next;
  for (const listener of listeners) {
    listener(next, before);
  }
}

function followAddress() {
  inside = insideOf(stepsTo(parse(location.hash)));
  const next = { ...parse(location.hash), ...returning };
  if (returning && written(next) !== written(parse(location.hash))) {
    noteStep("replaceState", inside, written(next));
  }
  returning = null;
  if (written(next) !== written(current)) {
    become(next);
  }
}

/** @param {State} next What a new step of the history leads to. */
function stepsTo(next) {
  return next.cell ? inside + 1 : 0;
}

/**
 * Return how many steps ago the panel was opened, as this step of the history noted; a new one
 * notes what is given.
 * @param {number} steps
 */
function insideOf(steps) {
  const known = history.state?.inside;
  // What can't be noted is not known at the next visit of this step, so it is not counted on.
  return known ?? (noteStep("replaceState", steps) ? steps : 0);
}

/**
 * @param {"pushState" | "replaceState"} how
 * @param {number} steps
 * @param {string} [address]
 */
function noteStep(how, steps, address) {
  try {
    history[how]({ inside: steps }, "", address);
    return true;
  } catch {
    // A browser takes only so many addresses in a while: the view goes on without one.
    return false;
  }
}

addEventListener("popstate", followAddress);
addEventListener("hashchange", followAddress);
