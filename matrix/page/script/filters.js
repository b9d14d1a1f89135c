/** The form above the table: what it shows, and how much that is. */

/** @import {Index, State} from "./types.js" */

import { counted, fill, grouped, h } from "./dom.js";
import { ALL_POLICIES, everything, find, FILTERS, policyOf, tally } from "./match.js";
import { asksForSearch, searchKey } from "./search_key.js";
import { change, cleared, href, listen, read } from "./state.js";
import { compareVersions } from "./versions.js";

/** @typedef {{value: string, label: string, group?: string}} Choice */
/** @typedef {{key: keyof State, label: string, rare: boolean, choices: (state: State) => Choice[],
 *   part?: (value: string) => Partial<State>}} Filter */

const NARROW = matchMedia("(max-width: 599px)");
const LONGEST = 80; // characters of a cause in a list

/** @param {Index} index */
export function startFilters(index) {
  const place = document.getElementById("filters");
  const found = document.getElementById("found");
  if (!place || !found || !index.cells.length) {
    return;
  }
  const filters = filtersOf(index);
  const form = formOf(index, filters);
  place.append(form);
  listenToKeys(form);
  const show = (/** @type {State} */ state) => {
    showState(form, filters, state);
    showCount(index, found, state);
  };
  show(read());
  listen(show);
}

/**
 * @param {Index} index
 * @returns {Filter[]}
 */
function filtersOf(index) {
  const outcomes = new Set(everything(index).searched.checks.outcome);
  const present = index.outcomes.filter((_, number) => outcomes.has(number));
  const causes = index.causes.map(({ id, cause }) => ({ value: id, label: cutShort(cause) }));
  const libraries = index.cells.map((cell) => cell.library);
  const pythons = [...new Set(index.cells.map((cell) => cell.python))].sort(compareVersions);
  return [
    { key: "policy", label: "Policy", rare: false, choices: () => policyChoices(index) },
    {
      ...{ key: "library", label: "Library", rare: false, choices: () => named(libraries) },
      part: (library) => ({ library, version: "" }),
    },
    {
      ...{ key: "version", label: "Version", rare: true, choices: versionChoices(index) },
      part: (value) => versionPart(value),
    },
    { key: "torch", label: "torch", rare: true, choices: () => named(index.torch) },
    { key: "python", label: "Python", rare: true, choices: () => named(pythons) },
    {
      ...{ key: "outcome", label: "Outcome", rare: true },
      choices: () => present.map(({ word, glyph }) => ({ value: word, label: `${glyph} ${word}` })),
    },
    { key: "cause", label: "Cause", rare: true, choices: () => causes },
    { key: "edition", label: "Edition", rare: true, choices: () => named(index.editions.filter((edition) => edition !== "auto")) },
  ];
}

/** @param {string} text */
function cutShort(text) {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/**
 * @param {string[]} values
 * @returns {Choice[]}
 */
function named(values) {
  return [...new Set(values)].map((value) => ({ value, label: value }));
}

/** @param {Index} index */
function policyChoices({ policies }) {
  return [...named(policies), { value: ALL_POLICIES, label: "all, side by side" }];
}

/**
 * @param {Index} index
 * @returns {(state: State) => Choice[]}
 */
function versionChoices(index) {
  /** @type {Map<string, Choice[]>} */
  const known = new Map();
  return ({ library }) => {
    const choices = known.get(library) ?? versionsOf(index, library);
    known.set(library, choices);
    return choices;
  };
}

/**
 * @param {Index} index
 * @param {string} library
 * @returns {Choice[]}
 */
function versionsOf({ cells }, library) {
  const libraries = new Set(cells.map((cell) => cell.library));
  return [...libraries].flatMap((each) => {
    const own = cells.filter((cell) => cell.library === each && (!library || library === each));
    const found = [...new Set(own.map((cell) => cell.version))].sort(compareVersions);
    const group = library ? "" : each;
    return found.map((label) => ({ ...{ label, group }, value: `${each}==${label}` }));
  });
}

/** @param {{library: string, version: string}} chosen */
function versionValue({ library, version }) {
  return version && `${library}==${version}`;
}

/**
 * @param {string} value
 * @returns {Partial<State>}
 */
function versionPart(value) {
  const [library, version] = value.split("==");
  return value ? { library, version } : { version: "" };
}

/**
 * @param {Index} index
 * @param {Filter[]} filters
 */
function formOf(index, filters) {
  const [plain, rare] = [false, true].map((wanted) => {
    return filters.filter((filter) => filter.rare === wanted).map(labelled);
  });
  const form = h(
    "form",
    { class: "finder", role: "search", "aria-label": "Find in the matrix" },
    ...searchField(),
    ...plain,
    moreFilters([...rare, changesBox(index)]),
    h("button", { type: "button", class: "clear", onclick: clearAll }, "Clear"),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

/** @param {Filter} filter */
function labelled(filter) {
  const take = (/** @type {Event} */ { target }) => {
    const { value } = /** @type {HTMLSelectElement} */ (target);
    change(filter.part ? filter.part(value) : { [filter.key]: value });
  };
  return h(
    "label",
    { class: filter.key },
    h("span", null, filter.label),
    h("select", { name: filter.key, onchange: take }),
  );
}

function searchField() {
  let typing = false; // the letters of a word are one step in the history
  const take = (/** @type {Event} */ { target }) => {
    change({ text: /** @type {HTMLInputElement} */ (target).value }, { replace: typing });
    typing = true;
  };
  const input = h("input", {
    ...{ type: "search", name: "text", id: "find", autocomplete: "off", spellcheck: "false" },
    ...{ "aria-describedby": "find-hint", oninput: take, onchange: () => (typing = false) },
  });
  const [key, turn] = searchKey();
  const hint = h(
    "p",
    { id: "find-hint", class: "quiet" },
    "A checkpoint or its file, a library, words of an error: each word must match. ",
    h("code", null, "torchaudio==2.9"),
    " finds that version installed, ",
    h("code", null, '"in quotes"'),
    " words as they stand. ",
    key,
  );
  const below = h("div", { class: "hint" }, hint, " ", turn);
  return [h("label", { class: "find" }, h("span", null, "Search"), input), below];
}

/** @param {Index} index */
function changesBox(index) {
  const number = index.checks.changed.reduce((sum, changed) => sum + changed, 0);
  const take = (/** @type {Event} */ { target }) => {
    change({ changed: /** @type {HTMLInputElement} */ (target).checked ? "1" : "" });
  };
  const box = h("input", { type: "checkbox", name: "changed", onchange: take });
  return h("label", { class: "changed" }, box, h("span", null, `only changes (${number})`));
}

/**
 * Return fields that a phone folds away, and elsewhere stand beside the others.
 * @param {HTMLElement[]} fields
 */
function moreFilters(fields) {
  const inside = h("div", { class: "fields" }, ...fields);
  const fold = h("details", null, h("summary", null, "More filters"));
  const all = h("div", { class: "rare" }, fold);
  const place = () => (NARROW.matches ? fold : all).append(inside);
  NARROW.addEventListener("change", place);
  place();
  return all;
}

function clearAll() {
  change({ ...unfiltered(), policy: cleared().policy });
}

/** @param {HTMLFormElement} form */
function listenToKeys(form) {
  document.addEventListener("keydown", (event) => {
    if (asksForSearch(event)) {
      event.preventDefault();
      change({ sheet: "matrix" });
      /** @type {HTMLInputElement} */ (form.elements.namedItem("text")).focus();
    }
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {Filter[]} filters
 * @param {State} state
 */
function showState(form, filters, state) {
  for (const filter of filters) {
    const select = /** @type {HTMLSelectElement} */ (form.elements.namedItem(filter.key));
    const value = filter.key === "version" ? versionValue(state) : state[filter.key];
    showChoices(select, filter, state, value);
  }
  const text = /** @type {HTMLInputElement} */ (form.elements.namedItem("text"));
  if (text.value !== state.text) {
    text.value = state.text;
  }
  const box = /** @type {HTMLInputElement} */ (form.elements.namedItem("changed"));
  box.checked = state.changed !== "";
  showHidden(form, filters, state);
}

/**
 * @param {HTMLSelectElement} select
 * @param {Filter} filter
 * @param {State} state
 * @param {string} value
 */
function showChoices(select, filter, state, value) {
  const choices = filter.choices(state);
  const known = !value || choices.some((choice) => choice.value === value);
  const strange = known ? [] : [{ value, label: `${value.split("==").pop()}: not in this run` }];
  const any = filter.key === "policy" ? [] : [{ value: "", label: "any" }];
  const all = [...any, ...strange, ...choices];
  const key = all.map((choice) => choice.value).join("\n");
  if (select.dataset.choices !== key) {
    select.dataset.choices = key;
    fill(select, ...optionsOf(all));
  }
  select.value = value;
}

/**
 * @param {Choice[]} choices
 * @returns {HTMLElement[]}
 */
function optionsOf(choices) {
  const groups = new Map();
  for (const { value, label, group = "" } of choices) {
    groups.set(group, [...(groups.get(group) ?? []), h("option", { value }, label)]);
  }
  return [...groups].flatMap(([group, options]) => {
    return group ? [h("optgroup", { label: group }, ...options)] : options;
  });
}

/**
 * Say how many of the filters that a phone folds away are in use.
 * @param {HTMLFormElement} form
 * @param {Filter[]} filters
 * @param {State} state
 */
function showHidden(form, filters, state) {
  const rare = filters.filter((filter) => filter.rare).map((filter) => filter.key);
  const used = [...rare, /** @type {const} */ ("changed")].filter((key) => state[key]).length;
  const summary = /** @type {HTMLElement} */ (form.querySelector("summary"));
  summary.textContent = used ? `More filters (${used} in use)` : "More filters";
}

/**
 * @param {Index} index
 * @param {HTMLElement} place
 * @param {State} state
 */
function showCount(index, place, state) {
  const found = find(index, state);
  const policy = policyOf(index, state);
  const key = `${policy} ${found.key}`;
  if (place.dataset.key === key) {
    return;
  }
  place.dataset.key = key;
  const { cells, checks } = tally(found, policy);
  const under = policy === ALL_POLICIES ? "" : ` under ${policy}`;
  const says = `${grouped(cells)} of ${counted(index.cells.length, "cell")}`;
  fill(place, `${says}, ${counted(checks, "check")}${under}`, ...(cells ? [] : elsewhere(index, state)));
}

/**
 * Say which other policies have what was asked for, and lead there.
 * @param {Index} index
 * @param {State} state
 * @returns {(string | Node)[]}
 */
function elsewhere(index, state) {
  const found = find(index, state);
  const tallies = index.policies.map((policy) => ({ policy, ...tally(found, policy) }));
  const others = tallies.filter(({ cells }) => cells);
  if (!others.length) {
    return [". Nothing here matches all of it: ", clearLink(), "."];
  }
  const links = others.flatMap(({ policy, checks }) => [
    ", ",
    h("a", { href: href({ policy }) }, `${counted(checks, "check")} under ${policy}`),
  ]);
  return [". It matches ", ...links.slice(1), "."];
}

function clearLink() {
  return h("a", { href: href(unfiltered()) }, "clear the filters");
}

/** @returns {Partial<State>} */
function unfiltered() {
  return Object.fromEntries(FILTERS.map((name) => [name, ""]));
}
