/** A cell's environment, and what differs from that of the cell to its left. */

/** @import {Child} from "./dom.js" */
/** @import {Read} from "./panel_reading.js" */
/** @import {Index, IndexCell} from "./types.js" */

import { counted, h } from "./dom.js";
import { NO_CHECK, factList, folded, panelPart } from "./panel_parts.js";
import { asNumbers, asText, asTexts } from "./panel_reading.js";
import { href } from "./state.js";
import { ageInWords, dayInWords, inSeconds } from "./words.js";

/** @typedef {{name: string, was: string, is: string}} Difference */

/**
 * Return how people call the environment: `ultralytics 8.1.0, torch 2.6.0+cu124, Python 3.12`.
 * @param {Index} index
 * @param {IndexCell} cell
 */
export function environmentName(index, cell) {
  const beside = cell.beside ? ` beside ${cell.beside}` : "";
  const torch = cell.build || index.torch[cell.torch];
  return `${cell.library} ${cell.version}${beside}, torch ${torch}, Python ${cell.python}`;
}

/**
 * Return what a cell was made of; `said` is the cell as in matrix.json.
 * @param {Index} index
 * @param {IndexCell} cell
 * @param {Read} said
 */
export function environmentParts(index, cell, said) {
  const all = cell.packages.map((number) => index.packages[number]);
  const count = counted(all.length, "distribution");
  return [
    differencesPart(index, cell),
    panelPart(
      "Environment",
      environmentFacts(index, cell, said),
      all.length ? folded(count, () => distributionList(all)) : null,
    ),
  ];
}

/**
 * @param {Index} index
 * @param {IndexCell} cell
 * @param {Read} said
 */
function environmentFacts(index, cell, said) {
  const unknown = cell.build ? "none" : "not known: nothing was installed";
  return factList([
    ["carried over", originOf(said, index.started)],
    ["Python", cell.python],
    ["torch", cell.build || index.torch[cell.torch]],
    ["CUDA", asText(said.cuda) || unknown],
    ["GPU architectures", asTexts(said.gpu_archs).join(" ") || unknown],
    ["variables of torch.load", asTexts(said.load_variables).join(" ")],
    ["beside", cell.beside],
    ["why this version", asText(said.why)],
    ["time by stage", stagesInWords(said.seconds)],
    ["distributions", cell.packages.length ? "" : "none recorded"],
  ]);
}

/**
 * Write how long each stage took: `import 2.8 s · load 210 ms`.
 * @param {unknown} seconds
 */
export function stagesInWords(seconds) {
  return asNumbers(seconds)
    .map(([stage, value]) => `${stage} ${inSeconds(value)}`)
    .join(" · ");
}

/**
 * Write where a cell's result is from, if it was carried over.
 * @param {Read} said
 * @param {string} now
 */
export function originOf(said, now) {
  const [run, seen] = [asText(said.carried), asText(said.finished)];
  if (!run) {
    return "";
  }
  const age = ageInWords(seen, now);
  const when = seen ? `${dayInWords(seen)}${age ? `, ${age} old` : ""}` : "";
  return when ? `from ${when} (run ${run})` : `from run ${run}, of unknown age`;
}

/**
 * Return what is installed otherwise than in the cell to the left.
 * @param {Index} index
 * @param {IndexCell} cell
 * @param {Child} [more] What else is to be said of that cell.
 */
export function differencesPart(index, cell, more) {
  const left = index.cells[cell.left];
  if (!left) {
    return null;
  }
  const link = h("a", { href: href({ ...NO_CHECK, cell: left.id }) }, left.id);
  const title = `What differs from torch ${index.torch[left.torch]}`;
  const place = h("p", { class: "quiet" }, "Compared with the cell to its left, ", link, ".");
  return panelPart(title, more, differenceList(index, left, cell), place);
}

/**
 * @param {Index} index
 * @param {IndexCell} left
 * @param {IndexCell} cell
 */
function differenceList(index, left, cell) {
  const empty = [left, cell].find((each) => !each.packages.length);
  if (empty) {
    return h("p", null, `Nothing is known to be installed in ${empty.id}.`);
  }
  const found = differences(index, left, cell);
  return found.length
    ? h("ul", { class: "differences" }, ...found.map((each) => differenceItem(each)))
    : h("p", null, "The same versions of everything.");
}

/** @param {Difference} difference */
function differenceItem({ name, was, is }) {
  const what = was && is ? `${was} → ${is}` : was ? `${was}, gone` : `${is}, added`;
  return h("li", null, h("b", null, name), ` ${what}`);
}

/**
 * @param {Index} index
 * @param {IndexCell} left
 * @param {IndexCell} cell
 * @returns {Difference[]}
 */
function differences(index, left, cell) {
  const [before, now] = [installed(index, left), installed(index, cell)];
  const first = ["Python", "torch", cell.library];
  const names = new Set([...first, ...[...before.keys(), ...now.keys()].sort()]);
  const all = [...names].map((name) => {
    return { name, was: before.get(name) ?? "", is: now.get(name) ?? "" };
  });
  return all.filter(({ was, is }) => was !== is);
}

/**
 * @param {Index} index
 * @param {IndexCell} cell
 * @returns {Map<string, string>}
 */
function installed(index, cell) {
  const named = cell.packages.map((number) => nameAndVersion(index.packages[number]));
  return new Map([["Python", cell.python], ...named]);
}

/**
 * @param {string} distribution
 * @returns {[string, string]}
 */
function nameAndVersion(distribution) {
  const [name, ...version] = distribution.split(" ");
  return [name, version.join(" ")];
}

/** @param {string[]} all */
function distributionList(all) {
  const rows = all.map((each) => {
    const [name, version] = nameAndVersion(each);
    return h("li", null, h("b", null, name), ` ${version}`);
  });
  return h("ul", { class: "distributions" }, ...rows);
}
