/** Which checks a view is about: computed from the index and the state alone. */

/** @import {Index, IndexCell, State} from "./types.d.ts" */

/** The keys of the state that choose checks; the policy is another matter. */
export const FILTERS = /** @type {const} */ ([
  ...["library", "version", "torch", "python", "outcome", "cause", "edition", "text", "changed"],
]);
export const ALL_POLICIES = "all";

/**
 * What is searched, by number as in the index; `checks` includes, at its end, one without subject
 * and policy for each cell that has none.
 * @typedef {object} Searched
 * @property {Index} index
 * @property {number} counted How many checks there really are.
 * @property {{cell: Int32Array, subject: Int32Array, policy: Int32Array, outcome: Int32Array,
 *   edition: Int32Array, cause: Int32Array, text: Int32Array, changed: Uint8Array}} checks
 * @property {string[]} cells Words of each, in small letters.
 * @property {[string, string][][]} named What a cell is about, as name and version.
 * @property {[string, string][]} packages Names and versions.
 * @property {Set<string>} names All names that a version can follow.
 * @property {string[]} subjects
 * @property {string[]} outcomes
 * @property {string[]} causes
 * @property {string[]} texts
 */

/**
 * What a view is about: `hits` has 1 for each check that matches, whatever its policy. Views with
 * the same `key` are about the same.
 * @typedef {{hits: Uint8Array, key: string, searched: Searched}} Found
 */

/** @typedef {{word: string} | {said: string} | {name: string, version: string}} Term */

/** @type {WeakMap<Index, Searched>} */
const prepared = new WeakMap();
/** @type {Found | null} */
let latest = null;

/**
 * Return the checks that match a state, under any policy.
 * @param {Index} index
 * @param {State} state
 * @returns {Found}
 */
export function find(index, state) {
  const key = JSON.stringify(FILTERS.map((name) => state[name]));
  if (latest?.key !== key || latest.searched.index !== index) {
    const searched = searchedOf(index);
    latest = { key, hits: hitsOf(searched, state), searched };
  }
  return latest;
}

/**
 * Return all checks of an index as found.
 * @param {Index} index
 * @returns {Found}
 */
export function everything(index) {
  const searched = searchedOf(index);
  return { key: "", hits: new Uint8Array(searched.checks.cell.length).fill(1), searched };
}

/** @param {Index} index */
function searchedOf(index) {
  const searched = prepared.get(index) ?? prepareSearch(index);
  prepared.set(index, searched);
  return searched;
}

/**
 * Return the policy whose verdicts a state asks for; all where the run has not that one.
 * @param {Index} index
 * @param {State} state
 */
export function policyOf(index, state) {
  return index.policies.includes(state.policy) ? state.policy : ALL_POLICIES;
}

/**
 * Return how many cells and checks match under a policy.
 * @param {Found} found
 * @param {string} policy
 */
export function tally({ hits, searched }, policy) {
  const { checks, counted, index } = searched;
  const wanted = index.policies.indexOf(policy);
  const seen = new Uint8Array(index.cells.length);
  const sums = { cells: 0, checks: 0 };
  for (let n = 0; n < hits.length; n++) {
    const cell = checks.cell[n];
    if (hits[n] && (wanted < 0 || checks.policy[n] < 0 || checks.policy[n] === wanted)) {
      sums.checks += n < counted ? 1 : 0;
      sums.cells += seen[cell] ? 0 : 1;
      seen[cell] = 1;
    }
  }
  return sums;
}

/**
 * @param {Index} index
 * @returns {Searched}
 */
function prepareSearch(index) {
  const packages = index.packages.map(parted);
  const named = index.cells.map((cell) => saidOf(index, cell));
  const names = new Set([...packages, ...named.flat()].map(([name]) => name));
  return {
    ...{ index, packages, named, names },
    counted: index.checks.cell.length,
    checks: checkColumns(index),
    cells: index.cells.map((cell) => lower(cell.id, cell.library, cell.beside, cell.build)),
    subjects: index.subjects.map((each) => lower(each.checkpoint, each.use, ...each.files)),
    outcomes: index.outcomes.map((each) => lower(each.word)),
    causes: index.causes.map((each) => lower(each.id, each.cause)),
    texts: index.texts.map((each) => lower(each)),
  };
}

/**
 * @param {Index} index
 * @returns {Searched["checks"]}
 */
function checkColumns(index) {
  const { cell, subject, policy, outcome, edition, cause, text, changed } = index.checks;
  const checked = new Set(cell);
  const bare = index.cells.map((_, number) => number).filter((number) => !checked.has(number));
  /** @type {(column: number[], of?: (cell: IndexCell) => number) => Int32Array} */
  const column = (known, of = () => -1) =>
    Int32Array.from([...known, ...bare.map((number) => of(index.cells[number]))]);
  return {
    cell: Int32Array.from([...cell, ...bare]),
    subject: column(subject),
    policy: column(policy),
    outcome: column(outcome, (each) => each.outcome),
    edition: column(edition),
    cause: column(cause, (each) => each.cause),
    text: column(text, (each) => each.text),
    changed: Uint8Array.from([...changed, ...bare.map(() => 0)]),
  };
}

/** @param {...string} words */
function lower(...words) {
  return words.join(" ").toLowerCase();
}

/**
 * @param {string} name
 * @returns {string} As package indexes compare names.
 */
export function plainName(name) {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

/**
 * @param {string} text A name and a version.
 * @returns {[string, string]}
 */
function parted(text) {
  const [name, version = ""] = text.split(" ");
  return [plainName(name), version.toLowerCase()];
}

/**
 * @param {Index} index
 * @param {IndexCell} cell
 * @returns {[string, string][]}
 */
function saidOf(index, cell) {
  const beside = cell.beside ? [parted(cell.beside)] : [];
  return [
    parted(`${cell.library} ${cell.version}`),
    ["torch", index.torch[cell.torch].toLowerCase()],
    ["python", cell.python],
    ...beside,
  ];
}

/**
 * @param {Searched} searched
 * @param {State} state
 * @returns {Uint8Array}
 */
function hitsOf(searched, state) {
  const { checks, index } = searched;
  const cells = cellsOf(index, state);
  const outcome = numberOf(index.outcomes.map(({ word }) => word), state.outcome);
  const cause = numberOf(index.causes.map(({ id }) => id), state.cause);
  const edition = numberOf(index.editions, state.edition);
  const hits = new Uint8Array(checks.cell.length);
  for (let n = 0; n < hits.length; n++) {
    hits[n] =
      cells[checks.cell[n]] &&
      (outcome === ANY || checks.outcome[n] === outcome) &&
      (cause === ANY || checks.cause[n] === cause) &&
      (edition === ANY || checks.edition[n] === edition) &&
      (!state.changed || checks.changed[n])
        ? 1
        : 0;
  }
  for (const term of termsOf(searched, state.text)) {
    narrow(searched, hits, term);
  }
  return hits;
}

const ANY = -2;
const NONE = -3;

/**
 * @param {string[]} known
 * @param {string} wanted
 */
function numberOf(known, wanted) {
  const number = known.indexOf(wanted);
  return wanted ? (number < 0 ? NONE : number) : ANY;
}

/**
 * @param {Index} index
 * @param {State} state
 * @returns {Uint8Array}
 */
function cellsOf(index, { library, version, torch, python }) {
  return Uint8Array.from(index.cells, (cell) =>
    (!library || cell.library === library) &&
    (!version || cell.version === version) &&
    (!torch || index.torch[cell.torch] === torch) &&
    (!python || cell.python === python)
      ? 1
      : 0,
  );
}

/**
 * Read a search: words, `"words in quotes"`, `name==version`, and a name before its version.
 * @param {Searched} searched
 * @param {string} text
 * @returns {Term[]}
 */
function termsOf({ names }, text) {
  const words = [...text.toLowerCase().matchAll(/"([^"]*)"?|\S+/g)];
  /** @type {Term[]} */
  const terms = [];
  for (let n = 0; n < words.length; n++) {
    const [word, said] = words[n];
    const pinned = /^([\w.-]+)==(.*)$/.exec(word);
    const next = words[n + 1]?.[0] ?? "";
    if (said !== undefined) {
      terms.push({ said });
    } else if (pinned) {
      terms.push({ name: plainName(pinned[1]), version: versionStart(pinned[2]) });
    } else if (names.has(plainName(word)) && isVersion(next)) {
      terms.push({ name: plainName(word), version: versionStart(next) });
      n += 1;
    } else {
      terms.push({ word });
    }
  }
  return terms;
}

/** @param {string} word */
function isVersion(word) {
  return /^\d+(\.\w*)*(\+.*|\.\*)?$/.test(word);
}

/** @param {string} version What stands before `.*`, and while one still types before a dot. */
function versionStart(version) {
  return version.replace(/[.*]+$/, "");
}

/**
 * Whether a version is another or begins with its parts: `2.9.1` with `2.9`, but not `2.90`.
 * @param {string} version
 * @param {string} wanted
 */
function beginsWith(version, wanted) {
  return version.startsWith(wanted) && !(wanted && /^\d/.test(version.slice(wanted.length)));
}

/**
 * Take away the hits that a term does not match.
 * @param {Searched} searched
 * @param {Uint8Array} hits
 * @param {Term} term
 */
function narrow(searched, hits, term) {
  const { cell, subject, policy, outcome, cause, text } = searched.checks;
  const cells = cellsWith(searched, term);
  const word = "name" in term ? null : "said" in term ? term.said : term.word;
  const parts = [
    { of: subject, has: having(searched.subjects, word) },
    { of: policy, has: having(searched.index.policies, word) },
    { of: outcome, has: having(searched.outcomes, word) },
    { of: cause, has: having(searched.causes, word) },
    // A bare version is one of the cell, and not each that a message happens to name.
    { of: text, has: having(searched.texts, word && "word" in term && isVersion(word) ? null : word) },
  ].filter((part) => part.has.includes(1));
  for (let n = 0; n < hits.length; n++) {
    if (hits[n] && !cells[cell[n]] && !parts.some((part) => part.has[part.of[n]])) {
      hits[n] = 0;
    }
  }
}

/**
 * @param {string[]} texts
 * @param {string | null} word
 * @returns {Uint8Array}
 */
function having(texts, word) {
  return Uint8Array.from(texts, (text) => (word !== null && text.includes(word) ? 1 : 0));
}

/**
 * @param {Searched} searched
 * @param {Term} term
 * @returns {Uint8Array} 1 for each cell that the term is about.
 */
function cellsWith(searched, term) {
  if ("said" in term) {
    return having(searched.cells, term.said);
  }
  if ("name" in term) {
    return cellsNamed(searched, (name, version) => {
      return name === term.name && beginsWith(version, term.version);
    });
  }
  if (isVersion(term.word)) {
    const wanted = versionStart(term.word);
    return Uint8Array.from(searched.named, (named) =>
      named.some(([, version]) => beginsWith(version, wanted)) ? 1 : 0,
    );
  }
  const name = plainName(term.word);
  const held = cellsNamed(searched, (each) => each === name);
  return held.map((has, cell) => (has || searched.cells[cell].includes(term.word) ? 1 : 0));
}

/**
 * @param {Searched} searched
 * @param {(name: string, version: string) => boolean} wanted
 * @returns {Uint8Array} 1 for each cell that is about what is wanted, or has it installed.
 */
function cellsNamed({ index, named, packages }, wanted) {
  const known = packages.map(([name, version]) => wanted(name, version));
  return Uint8Array.from(index.cells, (cell, number) =>
    cell.packages.some((each) => known[each]) ||
    named[number].some(([name, version]) => wanted(name, version))
      ? 1
      : 0,
  );
}
