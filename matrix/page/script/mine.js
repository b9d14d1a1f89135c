/** "Works for me": what runs with the version and the card that somebody has. */

/** @import {Index, State} from "./types.js" */
/** @import {Fit} from "./cards.js" */
/** @import {Combination, Tried, WaySet} from "./ways.js" */

import { architectureOf, closeCards, fitOf } from "./cards.js";
import { fill, h } from "./dom.js";
import { plainName } from "./match.js";
import { change, href, listen, read } from "./state.js";
import { compareVersions, inWords, isOneVersion, namedVersions } from "./versions.js";
import { followsTorch, sweptVersions, waysOf } from "./ways.js";

/** @type {Record<string, string>} */
const AIDS = {
  stock: "unaided",
  strict: "with weights_only=True",
  allowlisted: "with its allow-list",
  patched: "patched",
};
const ANY_CARD = ["", "any"];
const PROCESSOR = "cpu";
const PARTLY = "◐";
const MANY_ARCHS = 3;
const FEW_FLAKY = 5; // checks that are named
const HOW_TO_NAME =
  "Name it as its maker does, such as RTX 5080, or by its architecture, such as sm_120.";
const ONLY_BUILT =
  "Of your GPU, this page knows for which torch is built; the checks ran where the run did.";

/**
 * What is asked: a version that was swept (all, for what follows torch), or what is wrong with it.
 * @typedef {{library: string, version: string, wrong: (string | Node)[] | null}} Wanted
 */

/** @param {Index} index */
export function startMine(index) {
  const place = document.getElementById("mine");
  if (!place || !index.cells.length) {
    return;
  }
  const answer = h("div", { id: "mine-answer", role: "status" });
  const fields = mineFields(index);
  const title = h("h2", { id: "mine-title" }, "Works for me");
  fill(place, title, fields.form, answer);
  place.setAttribute("role", "region");
  place.setAttribute("aria-labelledby", "mine-title");
  const show = () => {
    fields.follow(read());
    fill(answer, ...mineAnswer(index, read()));
  };
  listen((now, before) => {
    if (now.have !== before.have || now.gpu !== before.gpu) {
      show();
    }
    followLinks();
  });
  linkLibraries();
  show();
}

// The three fields.

/** @param {Index} index */
function mineFields(index) {
  const libraries = [...new Set(index.cells.map((cell) => cell.library))];
  const names = libraries.map((name) => h("option", { value: name }, name));
  const library = h("select", { id: "mine-library" }, h("option", { value: "" }, "…"), ...names);
  const versions = h("datalist", { id: "mine-versions" });
  const version = mineInput("mine-version", "mine-versions", "the newest");
  const cards = ["CPU", ...Object.keys(index.gpus.names)].map((value) => h("option", { value }));
  const gpu = mineInput("mine-gpu", "mine-gpus", "any");
  const form = h(
    "form",
    { onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    h("label", null, "Library", library),
    h("label", null, "Version", version),
    h("label", null, "GPU", gpu),
    ...[versions, h("datalist", { id: "mine-gpus" }, ...cards)],
  );
  library.addEventListener("change", () => change({ have: library.value }));
  onTyping(version, () => ({ have: `${library.value}${version.value.trim() && "=="}${version.value.trim()}` }));
  onTyping(gpu, () => ({ gpu: gpu.value.trim() }));
  /** @param {State} state */
  const follow = (state) => {
    const [name, wanted] = partsOfHave(state.have);
    const known = libraryNamed(index, name);
    library.value = known;
    for (const [field, value] of /** @type {const} */ ([[version, wanted], [gpu, state.gpu]])) {
      if (field.value.trim() !== value) {
        field.value = value;
      }
    }
    version.disabled = !known;
    const swept = known ? sweptVersions(index, known).reverse() : [];
    fill(versions, ...swept.map((value) => h("option", { value })));
  };
  return { form, follow };
}

/**
 * @param {string} id
 * @param {string} list
 * @param {string} placeholder
 */
function mineInput(id, list, placeholder) {
  const quiet = { autocomplete: "off", autocapitalize: "off", spellcheck: "false" };
  return h("input", { id, list, placeholder, type: "text", ...quiet });
}

/**
 * Follow what is typed into a field; Back undoes all of it at once.
 * @param {HTMLInputElement} field
 * @param {() => Partial<State>} part
 */
function onTyping(field, part) {
  let fresh = true;
  field.addEventListener("focus", () => (fresh = true));
  field.addEventListener("input", () => {
    change(part(), { replace: !fresh });
    fresh = false;
  });
}

/** @param {string} have */
function partsOfHave(have) {
  const [name, ...rest] = have.split("==");
  return [name.trim(), rest.join("==").trim()];
}

/**
 * @param {Index} index
 * @param {string} name In any of the spellings that package indexes take for one.
 */
function libraryNamed(index, name) {
  const cell = index.cells.find(({ library }) => plainName(library) === plainName(name));
  return cell?.library ?? "";
}

// The answer.

/**
 * @param {Index} index
 * @param {State} state
 * @returns {(Node | null)[]}
 */
function mineAnswer(index, state) {
  if (!state.have) {
    return [h("p", { class: "hint" }, "Choose a library to see which torch runs it.")];
  }
  const wanted = wantedOf(index, state.have);
  if (wanted.wrong) {
    return [h("p", { class: "leading" }, ...wanted.wrong)];
  }
  const card = cardOf(index, state.gpu);
  const sets = waysOf(index, wanted.library, wanted.version, card.fit);
  return [
    card.unknown,
    ...sets.map((set) => h("p", { class: "leading" }, leading(index, wanted, set, card))),
    ...sets.flatMap((set) => notStable(index, set, sets)),
    card.fit ? h("p", { class: "hint" }, ONLY_BUILT) : null,
    ...sets.flatMap((set) => combinationsOf(index, wanted, set, sets, card.fit)),
  ];
}

/**
 * @param {Index} index
 * @param {string} have
 * @returns {Wanted}
 */
function wantedOf(index, have) {
  const [name, version] = partsOfHave(have);
  const library = libraryNamed(index, name);
  if (!library) {
    const names = [...new Set(index.cells.map((cell) => cell.library))];
    return { library: name, version, wrong: [`${name} is not in this run. It has ${inWords(names)}.`] };
  }
  const swept = sweptVersions(index, library);
  if (!version) {
    const newest = followsTorch(index, library) ? "" : swept[swept.length - 1];
    return { library, version: newest, wrong: null };
  }
  const same = (/** @type {string} */ each) => isOneVersion(version) && !compareVersions(each, version);
  const known = swept.find((each) => each === version || same(each));
  if (known !== undefined) {
    return { library, version: known, wrong: null };
  }
  return { library, version, wrong: notSwept(library, version, swept) };
}

/**
 * @param {string} library
 * @param {string} version
 * @param {string[]} swept
 */
function notSwept(library, version, swept) {
  if (!isOneVersion(version)) {
    return [`${version} is no version. Tested of ${library}: ${inWords(swept)}.`];
  }
  const older = swept.filter((each) => compareVersions(each, version) < 0).slice(-1);
  const newer = swept.filter((each) => compareVersions(each, version) > 0).slice(0, 1);
  /** @param {string} each */
  const link = (each) => stateLink({ have: `${library}==${each}` }, {}, `${library} ${each}`);
  const near = [
    ...older.map((each) => [link(each), " is the nearest older"]),
    ...newer.map((each) => [link(each), " is the nearest newer"]),
  ].flatMap((part, n) => (n ? [", ", ...part] : part));
  return [`${library} ${version} was not tested. `, ...near, " version that was."];
}

/**
 * What is known of the card that is asked about.
 * @typedef {{fit: Fit | null, named: string, unknown: Node | null}} Card
 */

/**
 * @param {Index} index
 * @param {string} text
 * @returns {Card}
 */
function cardOf(index, text) {
  const plain = text.trim().toLowerCase();
  if (ANY_CARD.includes(plain) || plain === PROCESSOR) {
    return { fit: null, named: plain === PROCESSOR ? " on a CPU" : "", unknown: null };
  }
  const architecture = architectureOf(index.gpus, text);
  if (!architecture) {
    return { fit: null, named: "", unknown: unknownCard(index, text) };
  }
  const also = text.trim() === architecture ? "" : ` (${architecture})`;
  return { fit: fitOf(index, architecture), named: ` on ${text.trim()}${also}`, unknown: null };
}

/**
 * @param {Index} index
 * @param {string} text
 */
function unknownCard(index, text) {
  const close = closeCards(index.gpus, text);
  const names = close.map((name) => {
    return h("button", { type: "button", onclick: () => change({ gpu: name }) }, name);
  });
  const how = close.length ? "Did you mean one of these?" : HOW_TO_NAME;
  return h(
    "div",
    { class: "leading" },
    `${text} is no GPU that is known here, and what follows leaves it out. ${how}`,
    names.length ? h("p", { class: "near" }, ...names) : null,
  );
}

/**
 * Return one sentence: on which torch it works, and how.
 * @param {Index} index
 * @param {Wanted} wanted
 * @param {WaySet} set
 * @param {Card} card
 */
function leading(index, wanted, set, card) {
  const name = `${nameOf(wanted, set)}${card.named}`;
  const found = set.combinations.filter((each) => each.how && each.fits);
  const never = set.never.length && found.length ? `, but not ${subjectsIn(index, set.never)}` : "";
  if (!found.length) {
    return `${name}: ${nothingRuns(set, card)}.`;
  }
  /** @type {Map<string, string[]>} */
  const ways = new Map();
  for (const each of [...found].reverse().sort((a, b) => rankOfWay(a) - rankOfWay(b))) {
    const key = howIn(each) + onlyOn(index, set, each);
    ways.set(key, [...(ways.get(key) ?? []), index.torch[index.cells[each.cell].torch]]);
  }
  const every = [...index.torch].sort(compareVersions);
  const said = [...ways].map(([how, torch]) => `torch ${namedVersions(torch, every)}, ${how}`);
  return `${name}: ${said.join("; ")}${never}.`;
}

/**
 * Name the Python where the others of the same torch say something else.
 * @param {Index} index
 * @param {WaySet} set
 * @param {Combination} combination
 */
function onlyOn(index, { combinations }, combination) {
  const { torch, python } = index.cells[combination.cell];
  const same = combinations.filter((each) => index.cells[each.cell].torch === torch);
  const alike = same.every((each) => howIn(each) === howIn(combination));
  return alike ? "" : `, on Python ${python}`;
}

/** @param {Combination} combination */
function rankOfWay({ how, shims }) {
  return Object.keys(AIDS).indexOf(how) + (shims.length ? 0.5 : 0);
}

/**
 * @param {WaySet} set
 * @param {Card} card
 */
function nothingRuns({ combinations }, { fit }) {
  if (fit && combinations.some(({ how }) => how)) {
    const known = combinations.some(({ how, fits }) => how && fits !== null);
    return known ? "no torch that runs it here is built for that GPU" : "of no torch that runs it here is known for which GPUs it is built";
  }
  return combinations.some(({ parts }) => parts.length)
    ? "nothing in this run makes all of its checkpoints work"
    : "nothing in this run makes it work";
}

/**
 * @param {Wanted} wanted
 * @param {WaySet} set
 */
function nameOf({ library, version }, { beside }) {
  return `${library}${version && ` ${version}`}${beside && ` beside ${beside}`}`;
}

/**
 * @param {string} how
 * @param {string[]} shims
 */
function howOf(how, shims) {
  if (!shims.length) {
    return AIDS[how];
  }
  const named = `${shims.length === 1 ? "shim" : "shims"} ${inWords(shims)}`;
  return how === "stock" ? `with ${named}` : `${AIDS[how]} and ${named}`;
}

/** @param {Combination} combination */
function howIn({ how, shims, flaky }) {
  return `${howOf(how, shims)}${flakyWord(flaky, how)}`;
}

/**
 * Return what is added of a way whose tries disagree: what works at some of them does not just work.
 * @param {Tried[]} flaky
 * @param {string} policy
 * @param {number[]} [subjects] All of them where it is left out.
 */
function flakyWord(flaky, policy, subjects) {
  const of = flaky.filter((each) => each.policy === policy);
  return of.some(({ subject }) => subjects?.includes(subject) ?? true) ? " (flaky)" : "";
}

/**
 * Say which checks of a set have tries that disagree, as `matrix recommend` does.
 * @param {Index} index
 * @param {WaySet} set
 * @param {WaySet[]} sets
 */
function notStable(index, { beside, combinations }, sets) {
  const known = combinations.filter(({ fits }) => fits !== false);
  const all = known.flatMap(({ cell, flaky }) => {
    const torch = index.torch[index.cells[cell].torch];
    return flaky.map(({ subject, policy, tally }) => {
      return `torch ${torch} under ${policy}, ${subjectsIn(index, [subject])}: ${tally}`;
    });
  });
  const more = all.length > FEW_FLAKY ? [`and ${all.length - FEW_FLAKY} more`] : [];
  const where = sets.length > 1 && beside ? ` beside ${beside}` : "";
  const says = [...all.slice(0, FEW_FLAKY), ...more].join("; ");
  return all.length ? [h("p", { class: "hint" }, `Not stable${where}: the tries disagree on ${says}.`)] : [];
}

/**
 * @param {Index} index
 * @param {number[]} subjects
 */
function subjectsIn(index, subjects) {
  const last = (/** @type {string} */ checkpoint) => checkpoint.split("/").pop() ?? "";
  const checkpoints = [...new Set(index.subjects.map((subject) => subject.checkpoint))];
  const names = subjects.map((number) => {
    const { checkpoint, use } = index.subjects[number];
    const alone = checkpoints.filter((each) => last(each) === last(checkpoint)).length === 1;
    const name = alone ? last(checkpoint) : checkpoint;
    return use === "forward" ? name : `${name} (${use})`;
  });
  return inWords(names);
}

// The list of combinations.

/**
 * @param {Index} index
 * @param {Wanted} wanted
 * @param {WaySet} set
 * @param {WaySet[]} sets
 * @param {Fit | null} fit
 * @returns {Node[]}
 */
function combinationsOf(index, wanted, set, sets, fit) {
  const runs = set.combinations.filter(({ how, parts }) => how || parts.length);
  const rest = set.combinations.filter((each) => !runs.includes(each));
  const groups = [
    { title: "", those: runs.filter(({ fits }) => fits) },
    { title: "Runs, but is not built for your GPU", those: runs.filter(({ fits }) => fits === false) },
    { title: "Runs, and nothing says for which GPUs it is built", those: runs.filter(({ fits }) => fits === null) },
    { title: "Does not run", those: rest },
  ].filter(({ those }) => those.length);
  const name = sets.length > 1 ? [h("h3", null, nameOf(wanted, set))] : [];
  const lists = groups.map(({ title, those }) => {
    const list = h("ul", { class: "runs" }, ...those.map((each) => combinationLine(index, wanted, each, fit)));
    const summary = h("summary", null, `${title}: ${those.length}`);
    return title ? h("details", null, summary, list) : list;
  });
  return [...name, ...lists];
}

/**
 * @param {Index} index
 * @param {Wanted} wanted
 * @param {Combination} combination
 * @param {Fit | null} fit
 */
function combinationLine(index, wanted, combination, fit) {
  const cell = index.cells[combination.cell];
  const torch = cell.build || index.torch[cell.torch];
  const version = wanted.version ? "" : `, ${wanted.library} ${cell.version}`;
  const { sign, glyph, words } = lineWords(index, combination);
  const { flaky } = combination;
  const others = inWords(combination.others.map((policy) => `${AIDS[policy]}${flakyWord(flaky, policy)}`));
  const also = others ? h("span", { class: "quiet" }, `, also ${others}`) : null;
  return h(
    "li",
    { "data-torch": index.torch[cell.torch], "data-works": combination.how ? "all" : "" },
    stateLink(
      { cell: cell.id, checkpoint: "", use: "", check: "" },
      {},
      h("span", { class: `sign ${sign}`, "aria-hidden": "true" }, glyph),
      h("span", { class: "build" }, `torch ${torch}${version}`),
      h("span", { class: "python" }, `Python ${cell.python}`),
      h("span", { class: "how" }, words, also),
      fit ? h("span", { class: "fit" }, fitWords(fit, cell.torch)) : null,
    ),
  );
}

/**
 * @param {Index} index
 * @param {Combination} combination
 */
function lineWords(index, combination) {
  const { how, shims, parts, failing, flaky } = combination;
  if (how && flakyWord(flaky, how)) {
    return { sign: "mixed", glyph: PARTLY, words: howIn(combination) };
  }
  if (how) {
    const word = how === "stock" && !shims.length ? "pass" : "shimmed";
    return { sign: word, glyph: glyphOf(index, word), words: howOf(how, shims) };
  }
  if (parts.length) {
    const works = parts.map((part) => {
      const unsure = flakyWord(flaky, part.how, part.subjects);
      return `${subjectsIn(index, part.subjects)} ${AIDS[part.how]}${unsure}`;
    });
    const not = failing.length ? [`not ${subjectsIn(index, failing)}`] : [];
    return { sign: "mixed", glyph: PARTLY, words: [...works, ...not].join("; ") };
  }
  const { word } = index.outcomes[index.cells[combination.cell].outcome];
  return { sign: word, glyph: glyphOf(index, word), words: word };
}

/**
 * @param {Index} index
 * @param {string} word
 */
function glyphOf(index, word) {
  return index.outcomes.find((outcome) => outcome.word === word)?.glyph ?? "";
}

/**
 * @param {Fit} fit
 * @param {number} torch
 */
function fitWords({ architecture, built, archs }, torch) {
  if (built[torch]) {
    return `built for ${architecture}`;
  }
  if (built[torch] === null) {
    return "no cell says for which GPUs it is built";
  }
  const said = archs[torch];
  const short = said.length > MANY_ARCHS ? `${said[0]} … ${said[said.length - 1]}` : inWords(said);
  return said.length ? `built for ${short}, not ${architecture}` : "built for CPUs alone";
}

// Links, which keep the rest of the view as it is.

/** @type {WeakMap<Element, Partial<State>>} */
const leadsTo = new WeakMap();

/**
 * @param {Partial<State>} part
 * @param {Record<string, string | ((event: any) => void)>} attributes
 * @param {...(string | Node | null)} children
 */
function stateLink(part, attributes, ...children) {
  const link = h("a", { href: href(part), ...attributes }, ...children);
  leadsTo.set(link, part);
  return link;
}

function followLinks() {
  for (const link of document.querySelectorAll("#answers a, #mine a")) {
    const part = leadsTo.get(link);
    if (part) {
      link.setAttribute("href", href(part));
    }
  }
}

/** Let the name of a library in the sentences lead to its rows. */
function linkLibraries() {
  const show = () => document.getElementById("matrix")?.scrollIntoView();
  for (const row of document.querySelectorAll("#answers [data-library]")) {
    const library = row.getAttribute("data-library") ?? "";
    const part = { sheet: "matrix", library, version: "" };
    const link = stateLink(part, { onclick: () => setTimeout(show) }, library);
    fill(row.querySelector("dt") ?? row, link);
  }
}
