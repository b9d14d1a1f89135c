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
  try {
    history[how.replace ? "replaceState" : "pushState"](null, "", written(next));
  } catch {
    // A browser takes only so many addresses in a while: the view goes on without one.
  }
  become(next);
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
  const next = parse(location.hash);
  if (written(next) !== written(current)) {
    become(next);
  }
}

addEventListener("popstate", followAddress);
addEventListener("hashchange", followAddress);
