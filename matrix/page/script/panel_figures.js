/** What was measured of a check: times, the output, how far it is from the baseline's. */

/** @import {Child} from "./dom.js" */
/** @import {Opened} from "./panel_check.js" */
/** @import {Read} from "./panel_reading.js" */

import { h } from "./dom.js";
import { stagesInWords } from "./panel_environment.js";
import { factList, panelPart } from "./panel_parts.js";
import { asNumber, asRead, asText, asTexts } from "./panel_reading.js";
import { forwardFacts, warnings } from "./panel_speed.js";
import { href } from "./state.js";
import { driftInWords, figure, inMilliseconds, ratio } from "./words.js";

/**
 * Return what was measured.
 * @param {Opened} opened
 */
export function figuresPart(opened) {
  const { record } = opened.details;
  return panelPart(
    "Measured",
    warnings(asRead(record.benchmark)?.remarks),
    factList([
      ["got as far as", asText(record.stage)],
      ["shims", asTexts(record.shims).join(", ")],
      ["drift", driftOf(opened)],
      ...forwardFacts(opened, ratioOf(opened)),
      ["time by stage", stagesInWords(record.seconds)],
      ["output", outputInWords(asRead(record.fingerprint))],
    ]),
  );
}

/**
 * @param {Opened} opened
 * @returns {Child}
 */
function ratioOf(opened) {
  const { record, baseline } = opened.details;
  const ours = asNumber(asRead(record.benchmark)?.median);
  if (ours === null || !baseline || isBaseline(opened)) {
    return "";
  }
  if (baseline.median === 0) {
    return h("span", null, `The baseline took ${inMilliseconds(0)}: `, baselineName(opened), ".");
  }
  if (baseline.median === null) {
    return h(
      "span",
      null,
      "The baseline was not timed in the same way: ",
      baselineName(opened),
      ".",
    );
  }
  const times = `${ratio(ours, baseline.median)} times the ${inMilliseconds(baseline.median)} of `;
  return h("span", null, times, baselineName(opened));
}

/**
 * @param {Opened} opened
 * @returns {Child}
 */
function driftOf(opened) {
  const parity = asRead(opened.details.record.parity);
  if (!parity) {
    return "";
  }
  if (isBaseline(opened)) {
    return "none: this is the baseline, which the others are compared with";
  }
  const words = driftInWords(asNumber(parity.relative_error), asNumber(parity.cosine));
  return h("span", null, `${words}, against `, baselineName(opened));
}

/** @param {Opened} opened */
function isBaseline({ index, cell, details }) {
  const { record, baseline } = details;
  const here = baseline?.cell === index.cells[cell].id && baseline.policy === record.policy;
  return here && (asRead(record.parity)?.use ?? record.use) === record.use;
}

/**
 * Return what a check is compared with, as a link where it is in this run.
 * @param {Opened} opened
 */
function baselineName({ details }) {
  const { record, baseline } = details;
  const parity = asRead(record.parity) ?? {};
  const use = asText(parity.use) || asText(record.use);
  const pass = use === asText(record.use) ? "" : `the ${use} pass on `;
  const name = `${pass}torch ${asText(parity.torch)} under ${asText(parity.policy)}`;
  const to = baseline ? href({ cell: baseline.cell, use, check: baseline.policy }) : null;
  return to ? h("a", { href: to }, name) : h("span", null, name);
}

/** @param {Read | null} output */
function outputInWords(output) {
  if (!output) {
    return "";
  }
  const shape = Array.isArray(output.shape) ? output.shape.join(" × ") : "";
  const norm = asNumber(output.norm);
  const length = norm === null ? "not finite" : figure(norm, 6);
  return `${asText(output.dtype)} ${shape}, norm ${length}`;
}
