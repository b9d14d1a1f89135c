/** Under what a library's version works: the rules of `matrix recommend`, for one cell each. */

/** @import {Index} from "./types.js" */
/** @import {Fit} from "./cards.js" */

import { compareVersions } from "./versions.js";

// The one that changes nothing, then the others, the safest first.
export const SAFEST = ["stock", "strict", "allowlisted", "patched"];
const NO_VERDICT = new Set(["timeout", "infra", "not-run"]);

/**
 * What a cell says of some subjects under a policy.
 * @typedef {"works" | "fails" | "open" | "unavailable"} Said
 */

/**
 * A check's outcome and what it took; `tally` is how its tries came out where they disagree.
 * @typedef {{subject: number, policy: string, outcome: number, shims: string[], tally: string}} Tried
 */

/**
 * A cell, and how what is asked of it works. `parts` has the subjects by how they work, where no
 * policy is for all; `how` is empty there and where nothing works.
 * @typedef {object} Combination
 * @property {number} cell
 * @property {string} how The safest policy under which all works.
 * @property {string[]} others The other ones.
 * @property {string[]} shims
 * @property {{how: string, subjects: number[]}[]} parts
 * @property {number[]} failing Those that do not work in it.
 * @property {Tried[]} flaky The checks whose tries disagree.
 * @property {boolean | null} fits Whether it is built for the card; `null` where nobody knows.
 */

/**
 * The cells of a version beside one thing. `never` are subjects that work in none of them.
 * @typedef {{beside: string, combinations: Combination[], never: number[]}} WaySet
 */

/**
 * Return the versions of a library that were swept, from the oldest to the newest.
 * @param {Index} index
 * @param {string} library
 */
export function sweptVersions(index, library) {
  const cells = index.cells.filter((cell) => cell.library === library);
  return [...new Set(cells.map((cell) => cell.version))].sort(compareVersions);
}

/**
 * Whether a library has one version for each torch, which nobody chooses.
 * @param {Index} index
 * @param {string} library
 */
export function followsTorch(index, library) {
  return index.following.includes(library);
}

/**
 * Return what the cells of a library say, newest torch first, a set for each thing beside it.
 * @param {Index} index
 * @param {string} library
 * @param {string} version Empty for all of them.
 * @param {Fit | null} fit
 * @returns {WaySet[]}
 */
export function waysOf(index, library, version, fit) {
  /** @type {Map<string, number[]>} */
  const sets = new Map();
  index.cells.forEach((cell, number) => {
    if (cell.library === library && (!version || cell.version === version)) {
      sets.set(cell.beside, [...(sets.get(cell.beside) ?? []), number]);
    }
  });
  const tried = triedIn(index, new Set([...sets.values()].flat()));
  const beside = [...sets.keys()].sort();
  return beside.map((name) => waySet(index, name, sets.get(name) ?? [], tried, fit));
}

/**
 * @param {Index} index
 * @param {Set<number>} cells
 * @returns {Map<number, Tried[]>} The checks that count, by their cell.
 */
function triedIn(index, cells) {
  const { cell, subject, policy, outcome, shims, tally } = index.checks;
  /** @type {Map<number, Tried[]>} */
  const found = new Map([...cells].map((number) => [number, []]));
  for (let n = 0; n < cell.length; n++) {
    if (cells.has(cell[n]) && !index.subjects[subject[n]].experiment) {
      const check = { subject: subject[n], outcome: outcome[n], shims: shims[n] };
      const told = { policy: index.policies[policy[n]], tally: index.tallies[tally[n]] ?? "" };
      found.get(cell[n])?.push({ ...check, ...told });
    }
  }
  return found;
}

/**
 * @param {Index} index
 * @param {string} beside
 * @param {number[]} cells
 * @param {Map<number, Tried[]>} tried
 * @param {Fit | null} fit
 * @returns {WaySet}
 */
function waySet(index, beside, cells, tried, fit) {
  const built = (/** @type {number} */ cell) => fit && builtFor(index, cell, fit);
  const fitting = cells.filter((cell) => !fit || built(cell));
  const subjects = [...new Set(cells.flatMap((cell) => tried.get(cell)?.map((c) => c.subject) ?? []))];
  const never = neverWorking(index, fitting, subjects, tried);
  const kept = subjects.filter((subject) => !never.includes(subject));
  const found = cells.map((cell) => {
    const of = (/** @type {number[]} */ some, /** @type {string} */ policy) =>
      saidOfCell(index, cell, tried.get(cell) ?? [], policy, some);
    const working = SAFEST.filter((policy) => kept.length && of(kept, policy) === "works");
    const shims = working.length ? shimsIn(tried.get(cell) ?? [], working[0], kept) : [];
    const [parts, failing] = working.length ? [[], []] : partsOf(kept, of);
    const [how = "", ...others] = working;
    const flaky = (tried.get(cell) ?? []).filter((c) => c.tally && kept.includes(c.subject));
    return { cell, how, others, shims, parts, failing, flaky, fits: fit ? built(cell) : true };
  });
  return { beside, never, combinations: found.sort((a, b) => newestFirst(index, a.cell, b.cell)) };
}

/**
 * Whether what is installed in a cell runs on a card; what nobody looked at is as its torch.
 * @param {Index} index
 * @param {number} number
 * @param {Fit} fit
 */
function builtFor(index, number, fit) {
  const cell = index.cells[number];
  const own = index.gpus.builds[cell.fits]?.fits;
  return own ? own.includes(fit.architecture) : (fit.built[cell.torch] ?? null);
}

/**
 * @param {Index} index
 * @param {number} one
 * @param {number} other
 */
function newestFirst(index, one, other) {
  const [a, b] = [index.cells[one], index.cells[other]];
  const torch = compareVersions(index.torch[b.torch], index.torch[a.torch]);
  return torch || compareVersions(b.python, a.python) || compareVersions(b.version, a.version);
}

/**
 * @param {Index} index
 * @param {number} cell
 * @param {Tried[]} tried
 * @param {string} policy
 * @param {number[]} subjects
 * @returns {Said}
 */
function saidOfCell(index, cell, tried, policy, subjects) {
  const asked = tried.filter((each) => each.policy === policy && subjects.includes(each.subject));
  const outcomes = asked.map(({ outcome }) => index.outcomes[outcome]);
  const words = [index.outcomes[index.cells[cell].outcome], ...outcomes].map(({ word }) => word);
  if (words.includes("unavailable")) {
    return "unavailable";
  }
  if (outcomes.some(({ works, word }) => !works && !NO_VERDICT.has(word))) {
    return "fails";
  }
  const all = subjects.every((subject) => asked.some((each) => each.subject === subject));
  return all && outcomes.every(({ works }) => works) ? "works" : "open";
}

/**
 * Return the subjects that work on no torch under any policy, where another does.
 * @param {Index} index
 * @param {number[]} cells
 * @param {number[]} subjects
 * @param {Map<number, Tried[]>} tried
 */
function neverWorking(index, cells, subjects, tried) {
  const policies = SAFEST.filter((policy) =>
    cells.some((cell) => tried.get(cell)?.some((each) => each.policy === policy)),
  );
  const words = (/** @type {number} */ cell, /** @type {number} */ subject) =>
    policies.map((policy) => saidOfCell(index, cell, tried.get(cell) ?? [], policy, [subject]));
  const telling = cells.filter((cell) =>
    subjects.some((subject) => words(cell, subject).some((word) => word !== "open")),
  );
  const said = new Map(subjects.map((s) => [s, new Set(telling.flatMap((cell) => words(cell, s)))]));
  const never = subjects.filter((subject) => {
    const found = said.get(subject);
    return found?.has("fails") && !found.has("works") && !found.has("open");
  });
  return [...said.values()].some((found) => found.has("works")) ? never : [];
}

/**
 * @param {Tried[]} tried
 * @param {string} policy
 * @param {number[]} subjects
 */
function shimsIn(tried, policy, subjects) {
  const asked = tried.filter((each) => each.policy === policy && subjects.includes(each.subject));
  return [...new Set(asked.flatMap(({ shims }) => shims))].sort();
}

/**
 * Return subjects by the safest policy that they work under, and those that do not work.
 * @param {number[]} subjects
 * @param {(subjects: number[], policy: string) => Said} of
 * @returns {[{how: string, subjects: number[]}[], number[]]}
 */
function partsOf(subjects, of) {
  const best = new Map(
    subjects.map((each) => [each, SAFEST.find((policy) => of([each], policy) === "works") ?? ""]),
  );
  const parts = SAFEST.map((how) => ({ how, subjects: subjects.filter((s) => best.get(s) === how) }));
  const failing = subjects.filter((each) => !best.get(each));
  return [parts.filter((part) => part.subjects.length), failing];
}
