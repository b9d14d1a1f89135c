/** What a forward pass took, how that compares with the baseline, and what a load took. */

/** @import {Child} from "./dom.js" */
/** @import {Opened} from "./panel_check.js" */
/** @import {Read} from "./panel_reading.js" */
/** @import {Index} from "./types.js" */

import { counted, h } from "./dom.js";
import { factList, panelPart } from "./panel_parts.js";
import { asNumber, asNumbers, asRead, asText, asTexts } from "./panel_reading.js";
import { href } from "./state.js";
import { bytesInWords, figure, inMilliseconds, inSeconds, ratio, timesInWords } from "./words.js";

const HOLDERS = new Map([
  ["allocated", "in tensors"],
  ["reserved", "taken from the device by torch"],
  ["resident", "held by the whole process"],
]);
const MEANS = new Map([
  ["slower", "outside of the spread of both, and seen again"],
  ["faster", "outside of the spread of both, and seen again"],
  ["unconfirmed", "further apart than alike, and not run again"],
  ["unclear", "too unsteady to tell"],
  ["alike", "no more apart than they vary"],
]);

/**
 * Return the terms of a benchmark; `compared` is what is known where nothing was judged.
 * @param {Opened} opened
 * @param {Child} compared
 * @returns {[string, Child][]}
 */
export function forwardFacts({ index, details: { record } }, compared) {
  const timed = asRead(record.benchmark) ?? {};
  const speed = asRead(record.speed);
  return [
    ["forward", record.benchmark ? forwardTime(timed) : ""],
    ["95 % interval", spanInWords(timed.low, timed.high)],
    ["quartiles", Array.isArray(timed.quartiles) ? spanInWords(...timed.quartiles) : ""],
    ["compared", speed ? speedInWords(index, record, speed) : compared],
    ["throughput", throughput(timed)],
    ["memory", memoryInWords(timed.memory)],
    ["launch", launchInWords(timed)],
    ["as a CUDA graph", graphInWords(timed)],
    ["measured by", asText(timed.method)],
    ["device", asText(timed.device) || asText(record.device)],
    ["type", asText(timed.dtype)],
    ["batch", asNumber(timed.batch) === null ? "" : String(timed.batch)],
    ["machine", machineInWords(asRead(timed.machine))],
  ];
}

/** @param {Read} timed */
function forwardTime(timed) {
  const rounds = asNumber(timed.rounds);
  const of = rounds === null ? "" : ` of ${counted(rounds, "round")}`;
  const calls = asNumber(timed.warm_up);
  const after = calls === null ? "" : ` after ${counted(calls, "call")} to warm up`;
  return `${inMilliseconds(asNumber(timed.median))}, median${of}${after}${spread(timed)}`;
}

/** @param {Read} timed */
function spread(timed) {
  const iqr = asNumber(timed.iqr);
  const middle = iqr === null ? "" : `; interquartile range ${inMilliseconds(iqr)}`;
  const all = spanInWords(timed.min, timed.max);
  return middle + (all ? `; from ${all}` : "");
}

/**
 * @param {unknown} [low] Seconds.
 * @param {unknown} [high]
 */
function spanInWords(low, high) {
  const [from, to] = [low, high].map(asNumber);
  return from === null || to === null ? "" : `${inMilliseconds(from)} to ${inMilliseconds(to)}`;
}

/**
 * @param {Index} index
 * @param {Read} record
 * @param {Read} speed
 */
function speedInWords(index, record, speed) {
  const [cell, policy, word] = [speed.cell, speed.policy, speed.verdict].map(asText);
  const known = index.speeds.find((each) => each.word === word);
  const shape = h("span", { class: "glyph", "aria-hidden": "true" }, known?.glyph ?? "?");
  const mark = h("span", { class: `mark ${known ? word : "infra"}` }, shape, ` ${word}`);
  const runs = asNumber(speed.runs) ?? 0;
  const turns = runs ? ` in ${counted(runs, "turn")}` : "";
  const name = `torch ${asText(speed.torch)} under ${policy}`;
  const there = index.cells.some((each) => each.id === cell);
  const to = href({ cell, use: asText(record.use), check: policy });
  const base = there ? h("a", { href: to }, name) : name;
  const times = ` ${timesInWords(asNumber(speed.ratio) ?? NaN)} times the time of `;
  return h("span", null, mark, times, base, `: ${MEANS.get(word) ?? "not known here"}${turns}`);
}

/** @param {Read} timed */
function throughput(timed) {
  const inputs = asNumber(timed.throughput);
  return inputs === null ? "" : `${figure(inputs, 3)} inputs a second`;
}

/** @param {unknown} memory */
function memoryInWords(memory) {
  return asNumbers(memory)
    .map(([who, bytes]) => `${bytesInWords(bytes)} ${HOLDERS.get(who) ?? who}`)
    .join(" · ");
}

/** @param {Read} timed */
function launchInWords({ launch }) {
  const seconds = asNumber(launch);
  return seconds === null ? "" : `${inMilliseconds(seconds)} of the CPU to queue a call`;
}

/** @param {Read} timed */
function graphInWords({ graph }) {
  const seconds = asNumber(graph);
  const none = graph === null ? "this call cannot be captured as one" : "";
  return seconds === null ? none : `${inMilliseconds(seconds)}: the work without its launches`;
}

/** @param {Read | null} machine */
function machineInWords(machine) {
  const cores = asNumber(machine?.cores);
  return machine ? [asText(machine.cpu), cores && counted(cores, "core")].filter(Boolean).join(", ") : "";
}

/**
 * Return what speaks against figures, where nobody overlooks it.
 * @param {unknown} remarks
 */
export function warnings(remarks) {
  const items = asTexts(remarks).map((each) => h("li", null, h("b", null, "! "), each));
  return items.length ? h("ul", { class: "warnings", "aria-label": "Remarks" }, ...items) : null;
}

/**
 * Return what `torch.load` alone took, beside a plain one.
 * @param {Read} record
 */
export function loadingPart(record) {
  const loading = asRead(record.loading);
  if (!loading) {
    return null;
  }
  const [plain, bytes] = [asRead(loading.plain), asNumber(loading.bytes)];
  /** @type {[string, Read | null][]} */
  const readings = [
    ["plain torch.load", plain],
    [`under ${asText(record.policy)}`, asRead(loading.policy)],
    ["mapped, mmap=True", asRead(loading.mmap)],
  ];
  const rows = readings.map(([name, reading]) => loadRow(name, reading, plain, bytes));
  const heads = ["", "median, 95 % interval", "compared", "most memory"];
  const head = h("tr", null, ...heads.map((each) => h(each ? "th" : "td", each ? { scope: "col" } : null, each)));
  return panelPart(
    "Loading",
    h("table", { class: "loads" }, h("thead", null, head), h("tbody", null, ...rows)),
    warnings(loading.remarks),
    factList([
      ["file", bytes === null ? "" : bytesInWords(bytes)],
      ["measured by", asText(loading.method)],
      ["machine", machineInWords(asRead(loading.machine))],
    ]),
  );
}

/**
 * @param {string} name
 * @param {Read | null} reading
 * @param {Read | null} plain
 * @param {number | null} bytes
 */
function loadRow(name, reading, plain, bytes) {
  const [median, usual] = [reading, plain].map((each) => asNumber(each?.median));
  const [low, high] = [reading?.low, reading?.high].map(asNumber);
  const span = low === null || high === null ? "" : `, ${inSeconds(low)} to ${inSeconds(high)}`;
  const time = median === null ? "not done" : `${inSeconds(median)}${span}`;
  const times = median !== null && usual && reading !== plain ? `${ratio(median, usual)} × plain` : "";
  const held = asNumber(reading?.memory);
  const share = held !== null && bytes ? `, ${timesInWords(held / bytes)} × the file` : "";
  const memory = held === null ? (reading ? "not known" : "") : `${bytesInWords(held)}${share}`;
  const cells = [time, times, memory].map((each) => h("td", null, each));
  return h("tr", null, h("th", { scope: "row" }, name), ...cells);
}
