/** What the panel says of a check: its verdict, why, what helps, what was measured. */

/** @import {CheckDetails, Index} from "./types.js" */
/** @import {Found} from "./panel_cell.js" */
/** @import {Read} from "./panel_reading.js" */

/**
 * A check by its cell's number and its own, with all that is known of it.
 * @typedef {{index: Index, cell: number, check: number, found: Found, details: CheckDetails}} Opened
 */

import { copyable, counted, h } from "./dom.js";
import { checksOf, reasonPart } from "./panel_cell.js";
import { differencesPart, originOf } from "./panel_environment.js";
import { figuresPart } from "./panel_figures.js";
import { insteadPart } from "./panel_instead.js";
import { diagnosisPart, factList, historyPart, longText, nameList } from "./panel_parts.js";
import { outcomeMark, panelPart, rawRecord, reproducePart } from "./panel_parts.js";
import { asNumbers, asText, asTexts } from "./panel_reading.js";
import { loadingPart } from "./panel_speed.js";
import { href } from "./state.js";

// What says nothing about the combination, and so contradicts nothing.
const SILENT = ["infra", "not-run"];
const NO_ALLOW_LIST =
  "There is no allow-list to paste: one of these globals can run any code, or no import names it.";

/**
 * Return all about a check.
 * @param {Opened} opened
 */
export function checkView(opened) {
  const { index, cell, found, details } = opened;
  const { record } = details;
  const told = isOfCell(record, asText(found.cell.outcome));
  const known = found.from.diagnoses[details.diagnosis] ?? (told ? found.from.diagnoses[found.diagnosis] : undefined);
  return [
    policyLinks(opened),
    verdict(opened),
    told ? reasonPart(found) : null,
    insteadPart(opened),
    diagnosisPart(known),
    happenedPart(record),
    globalsPart(opened),
    namesPart("Allowed by the library itself", record.allowed_by_library),
    namesPart("Call sites whose weights_only=False was overridden", record.overridden),
    figuresPart(opened),
    loadingPart(record),
    filePart(opened),
    historyPart(details.history),
    outputPart(record),
    reproducePart(details.command),
    differencesPart(index, index.cells[cell], verdictToTheLeft(opened)),
    rawRecord(record),
  ];
}

/**
 * Whether what ended the cell is about a check: it was not reached, or is what the cell ended in.
 * @param {Read} record
 * @param {string} outcome The cell's.
 */
function isOfCell(record, outcome) {
  return ["not-run", outcome].includes(asText(record.outcome));
}

/** @param {Opened} opened */
function policyLinks({ index, cell, check }) {
  const row = checksOf(index, cell).get(index.checks.subject[check]) ?? new Map();
  const links = [...row]
    .sort(([a], [b]) => a - b)
    .map(([policy, number]) => {
      const name = index.policies[policy];
      const { word } = index.outcomes[index.checks.outcome[number]];
      const now = number === check ? "true" : null;
      const attributes = {
        href: href({ check: name }),
        "aria-current": now,
        "data-key": `policy ${name}`,
      };
      return h("a", attributes, h("b", null, name), " ", outcomeMark(index, word));
    });
  return h("nav", { class: "policies", "aria-label": "Policies of this check" }, ...links);
}

/** @param {Opened} opened */
function verdict({ index, check, found, details }) {
  const { word, meaning, works } = index.outcomes[index.checks.outcome[check]];
  const stage = asText(details.record.stage);
  const far = stage && !works ? `; it got as far as ${stage}` : "";
  const main = h("p", { class: "verdict" }, outcomeMark(index, word), ` ${meaning}${far}.`);
  const origin = originOf(found.cell, index.started);
  const carried = origin ? h("p", { class: "note" }, `Carried over ${origin}.`) : null;
  const told = [changedNote(index, check, details), triesNote(details.record)];
  return h("div", null, main, carried, ...told, ...kindNotes(details.record));
}

/** @param {Opened} opened */
function verdictToTheLeft({ index, cell, check }) {
  const { left } = index.cells[cell];
  const { subject, policy, outcome } = index.checks;
  const there = checksOf(index, left).get(subject[check])?.get(policy[check]);
  if (there === undefined) {
    return null;
  }
  const mark = outcomeMark(index, index.outcomes[outcome[there]].word);
  const link = h("a", { href: href({ cell: index.cells[left].id }), class: "beside" }, mark);
  return h("p", null, "There the same check is ", link);
}

/**
 * @param {Index} index
 * @param {number} check
 * @param {CheckDetails} details
 */
function changedNote(index, check, { changed }) {
  if (!changed) {
    return null;
  }
  const was = index.outcomes.some(({ word }) => word === changed.was)
    ? outcomeMark(index, changed.was)
    : h("b", null, changed.was || "not there");
  const kind = changed.kind.charAt(0).toUpperCase() + changed.kind.slice(1);
  const now = index.outcomes[index.checks.outcome[check]].word;
  const why = changed.was === now ? " too, for another reason." : ".";
  return h("p", { class: "note" }, `${kind}: in the last complete run it was `, was, why);
}

/** @param {Read} record */
function triesNote(record) {
  const tally = asNumbers(record.tally);
  if (!tally.length) {
    return null;
  }
  const telling = tally.filter(([word]) => !SILENT.includes(word)).length;
  const apart = telling > 1 ? "; they disagree, and the verdict is that of the first" : "";
  const told = tally.map(([word, count]) => `${word} ${count}`).join(", ");
  return h("p", { class: "note" }, `Tries: ${told}${apart}.`);
}

/** @param {Read} record */
function kindNotes(record) {
  const replica = "The file is a replica: a small stand-in for the published one.";
  const experiment = "An experiment: it only tests a claim, and is not counted.";
  return [
    asText(record.edition) === "replica" ? h("p", { class: "note" }, replica) : null,
    record.experiment === true ? h("p", { class: "note" }, experiment) : null,
  ];
}

/** @param {Read} record */
function happenedPart(record) {
  const stage = asText(record.stage);
  const [exception, message] = [asText(record.exception), asText(record.message)];
  const before = asTexts(record.chain).map((each) =>
    h("li", null, longText(each, "What came before")),
  );
  const led = before.length ? h("h4", null, "What led to it, the last first") : null;
  return panelPart(
    stage ? `What happened at ${stage}` : "What happened",
    exception ? h("p", { class: "exception" }, h("code", null, exception)) : null,
    message ? longText(message, "The message") : null,
    led,
    led ? h("ol", { class: "chain" }, ...before) : null,
  );
}

/** @param {Opened} opened */
function globalsPart({ found, details }) {
  const allowed = new Set(asTexts(details.record.allowed_by_library));
  const names = asTexts(details.record.globals);
  const code = found.from.codes[details.code];
  const paste = code
    ? [h("h4", null, "The allow-list to paste"), copyable(code, "the allow-list")]
    : [h("p", { class: "quiet" }, NO_ALLOW_LIST)];
  const items = names.map((name) => globalName(name, allowed.has(name)));
  return names.length
    ? panelPart(`${counted(names.length, "global")} beyond torch's own`, nameList(items), ...paste)
    : null;
}

/**
 * @param {string} name
 * @param {boolean} allowed
 */
function globalName(name, allowed) {
  const mark = allowed ? h("span", { class: "quiet" }, " allowed by the library itself") : null;
  return h("span", null, h("code", null, name), mark);
}

/**
 * @param {string} title
 * @param {unknown} names
 */
function namesPart(title, names) {
  return panelPart(title, nameList(asTexts(names).map((name) => h("code", null, name))));
}

/** @param {Opened} opened */
function filePart({ index, check, details: { record } }) {
  const { files } = index.subjects[index.checks.subject[check]];
  const use = asText(record.use);
  return panelPart(
    "File",
    factList([
      ["checkpoint", asText(record.checkpoint)],
      ["known as", (files ?? []).join(", ")],
      ["used for", use === "forward" ? "" : use],
      ["opened by", asText(record.library)],
      ["edition", asText(record.edition)],
      ["sha256", h("code", null, asText(record.sha256) || "not known")],
    ]),
  );
}

/** @param {Read} record */
function outputPart(record) {
  const output = asText(record.output);
  return output ? panelPart("Last output", longText(output, "The last output")) : null;
}
