/** What the panel says of a cell: its verdict, its checks, its environment. */

/** @import {CellDetails, Details, Index, IndexCell, Subject} from "./types.js" */

/** @typedef {CellDetails & {from: Details}} Found */

import { h } from "./dom.js";
import { environmentParts } from "./panel_environment.js";
import { diagnosisPart, historyPart, longText } from "./panel_parts.js";
import { outcomeMark, panelPart, rawRecord, reproducePart } from "./panel_parts.js";
import { asText } from "./panel_reading.js";
import { href } from "./state.js";

/**
 * Return all about a cell.
 * @param {Index} index
 * @param {number} number
 * @param {Found} found
 */
export function cellView(index, number, found) {
  const cell = index.cells[number];
  const known = found.from.diagnoses[found.diagnosis];
  return [
    cellVerdict(index, cell),
    reasonPart(found),
    diagnosisPart(known),
    checksPart(index, number),
    ...environmentParts(index, cell, found.cell),
    historyPart(found.history),
    reproducePart(found.command),
    rawRecord(found.cell),
  ];
}

/**
 * @param {Index} index
 * @param {IndexCell} cell
 */
function cellVerdict(index, cell) {
  const { word, meaning } = index.outcomes[cell.outcome];
  return h("p", { class: "verdict" }, outcomeMark(index, word), ` ${meaning}.`);
}

/**
 * Return why a cell has no better verdict, where it says so.
 * @param {Found} found
 */
export function reasonPart(found) {
  const reason = asText(found.cell.reason);
  return reason ? panelPart("Reason", longText(reason, "The reason")) : null;
}

/**
 * @param {Index} index
 * @param {number} number
 */
function checksPart(index, number) {
  const rows = checksOf(index, number);
  if (!rows.size) {
    return panelPart("Checks", h("p", null, "No check of this cell was recorded."));
  }
  const most = "A cell counts once, under the most severe of its checks.";
  return panelPart("Checks", checksTable(index, number, rows), h("p", { class: "quiet" }, most));
}

/**
 * Return the numbers of a cell's checks: of each subject, by policy.
 * @param {Index} index
 * @param {number} number
 * @returns {Map<number, Map<number, number>>}
 */
export function checksOf(index, number) {
  const { cell, subject, policy } = index.checks;
  const rows = new Map();
  for (let each = cell.indexOf(number); cell[each] === number; each += 1) {
    const row = rows.get(subject[each]) ?? new Map();
    rows.set(subject[each], row.set(policy[each], each));
  }
  return rows;
}

/**
 * @param {Index} index
 * @param {number} number
 * @param {Map<number, Map<number, number>>} rows
 */
function checksTable(index, number, rows) {
  const columns = [...index.policies.keys()].filter((policy) => {
    return [...rows.values()].some((row) => row.has(policy));
  });
  const heads = columns.map((policy) => h("th", { scope: "col" }, index.policies[policy]));
  const head = h("tr", null, h("th", { scope: "col" }, "checkpoint"), ...heads);
  const body = [...rows].map(([subject, row]) => checksRow(index, number, columns, subject, row));
  return h("table", { class: "checks" }, h("thead", null, head), h("tbody", null, ...body));
}

/**
 * @param {Index} index
 * @param {number} number
 * @param {number[]} columns
 * @param {number} subject
 * @param {Map<number, number>} row
 */
function checksRow(index, number, columns, subject, row) {
  const about = index.subjects[subject];
  const slots = columns.map((policy) => {
    const check = row.get(policy);
    return h("td", null, check === undefined ? null : checkLink(index, number, check));
  });
  const apart = about.experiment ? h("small", null, " experiment, not counted") : null;
  return h("tr", null, h("th", { scope: "row" }, subjectName(about), apart), ...slots);
}

/**
 * Return how people call a checkpoint in a use: `pyannote/segmentation · read-file`.
 * @param {Subject} subject
 */
export function subjectName({ checkpoint, use }) {
  return use === "forward" ? checkpoint : `${checkpoint} · ${use}`;
}

/**
 * @param {Index} index
 * @param {number} number
 * @param {number} check
 */
function checkLink(index, number, check) {
  const { checkpoint, use } = index.subjects[index.checks.subject[check]];
  const policy = index.policies[index.checks.policy[check]];
  const { word } = index.outcomes[index.checks.outcome[check]];
  const to = href({ cell: index.cells[number].id, checkpoint, use, check: policy });
  const unseen = h("span", { class: "unseen" }, ` under ${policy}`);
  return h(
    "a",
    { href: to, "data-key": `${checkpoint} ${use} ${policy}` },
    outcomeMark(index, word),
    unseen,
  );
}
