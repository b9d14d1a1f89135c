/** What the panel's views are put together from. */

/** @import {Child} from "./dom.js" */
/** @import {Diagnosis, Index, Place, Trend} from "./types.js" */

import { copyable, counted, fill, h, shown } from "./dom.js";
import { href } from "./state.js";
import { dayInWords } from "./words.js";

/** What the address says of a cell as a whole, and of no cell. */
export const NO_CHECK = { checkpoint: "", use: "", check: "" };
export const NO_CELL = { cell: "", ...NO_CHECK };

const LONG = 2000; // characters of a text
const PIECE = 4000; // characters of a very long one
const MANY = 24; // names
const STATES = new Map([
  ["good", "works"],
  ["bad", "does not work"],
  ["flaky", "its tries disagree"],
]);

/**
 * Return a part under its heading, or nothing where it has nothing to say.
 * @param {string} title
 * @param {...Child} children
 */
export function panelPart(title, ...children) {
  const said = children.some(Boolean);
  return said ? h("section", { class: "part" }, h("h3", null, title), ...children) : null;
}

/**
 * Return terms and what is known of each; what is not known is left out.
 * @param {[string, Child][]} pairs
 */
export function factList(pairs) {
  const known = pairs.filter(([, value]) => value);
  const rows = known.flatMap(([term, value]) => [h("dt", null, term), h("dd", null, value)]);
  return rows.length ? h("dl", { class: "told" }, ...rows) : null;
}

/**
 * Return an outcome as shape, word and colour together.
 * @param {Index} index
 * @param {string} word
 */
export function outcomeMark(index, word) {
  const known = index.outcomes.find((each) => each.word === word);
  const glyph = h("span", { class: "glyph", "aria-hidden": "true" }, known?.glyph ?? "?");
  return h("span", { class: `mark ${known ? word : "infra"}` }, glyph, ` ${word}`);
}

/**
 * Return a text that may be very long: its beginning, and the rest when it is asked for.
 * @param {string} text
 * @param {string} name What it is, for those who hear it.
 */
export function longText(text, name) {
  if (text.length <= LONG) {
    return h("pre", null, text);
  }
  const says = `Show all ${counted([...text].length, "character")}`;
  const button = h("button", { type: "button", class: "more" }, says);
  const block = h(
    "div",
    null,
    h("pre", null, `${text.slice(0, placeToCut(text, 0, LONG))}…`),
    button,
  );
  button.addEventListener("click", () => {
    const whole = wholeText(text, name);
    fill(block, whole);
    whole.focus();
  });
  return block;
}

/**
 * Return a very long text in pieces, of which a browser lays out those that are in sight.
 * @param {string} text
 * @param {string} name
 */
function wholeText(text, name) {
  const whole = h("pre", { tabindex: "0", role: "region", "aria-label": name, class: "whole" });
  const safe = shown(text);
  for (let start = 0, end = 0; start < safe.length; start = end) {
    end = placeToCut(safe, start, PIECE);
    whole.append(h("span", null, safe.slice(start, end)));
  }
  return whole;
}

/**
 * Return where to cut a text, after a line where there is one, and never within a character.
 * @param {string} text
 * @param {number} start
 * @param {number} length
 */
function placeToCut(text, start, length) {
  const end = start + length;
  if (end >= text.length) {
    return text.length;
  }
  const line = text.lastIndexOf("\n", end - 1) + 1;
  const pair = /[\ud800-\udbff]/.test(text[end - 1]) ? 1 : 0;
  return line > start + length / 2 ? line : end + pair;
}

/**
 * Return names one below the other, the first of them in sight.
 * @param {Child[]} names
 */
export function nameList(names) {
  /** @param {Child[]} some */
  const list = (some) => h("ul", { class: "names" }, ...some.map((name) => h("li", null, name)));
  const rest = names.slice(MANY);
  const more = rest.length ? folded(`and ${rest.length} more`, () => list(rest)) : null;
  return names.length ? h("div", null, list(names.slice(0, MANY)), more) : null;
}

/**
 * Return what is made only when it is opened.
 * @param {string} summary
 * @param {() => Child} make
 */
export function folded(summary, make) {
  const place = h("div", null);
  const fold = h("details", { class: "folded" }, h("summary", null, summary), place);
  fold.addEventListener("toggle", () => fill(place, make()), { once: true });
  return fold;
}

/**
 * Return a sentence in which what stands between backticks is code.
 * @param {string} text
 */
function sentenceWithCode(text) {
  const parts = text.split("`");
  const last = parts.length - 1;
  // A backtick that nothing closes is one.
  const nodes = parts.map((part, number) => {
    return number % 2 === 0 ? part : number < last ? h("code", null, part) : `\`${part}`;
  });
  return h("span", null, ...nodes);
}

/**
 * Return what is known of a failure, and what helps.
 * @param {Diagnosis | undefined} known
 */
export function diagnosisPart(known) {
  if (!known) {
    return null;
  }
  const remedies = known.remedies.map((remedy) => remedyItem(remedy));
  const helps = h("h4", null, "What helps");
  const list = remedies.length ? h("ol", { class: "remedies" }, ...remedies) : null;
  const others = { ...NO_CELL, sheet: "matrix", cause: known.id };
  const all = h("a", { href: href(others) }, "all that have it");
  const name = h("p", { class: "quiet" }, "Known as ", h("code", null, known.id), ": ", all, ".");
  const cause = h("p", null, sentenceWithCode(known.cause));
  const link = h("p", null, linkOut(known.link));
  return panelPart("Why", cause, list ? helps : null, list, link, name);
}

/** @param {Diagnosis["remedies"][number]} remedy */
function remedyItem(remedy) {
  const when = remedy.when ? h("span", { class: "quiet" }, `with ${remedy.when}: `) : null;
  const code = remedy.code ? copyable(remedy.code, "this remedy") : null;
  return h("li", null, when, sentenceWithCode(remedy.says), code);
}

/**
 * Return a link to a page of the web; what is none is text.
 * @param {string} address
 */
function linkOut(address) {
  const web = /^https?:\/\//i.test(address);
  return web
    ? h("a", { href: address, rel: "noreferrer" }, address)
    : h("span", { class: "quiet" }, address);
}

/**
 * Return since when something works, or does not.
 * @param {Trend | null | undefined} trend
 */
export function historyPart(trend) {
  if (!trend) {
    return null;
  }
  // A refusal is a policy doing its work, and no failure.
  const refused = trend.outcome === "refused";
  const state = refused ? "refused" : (STATES.get(trend.state) ?? "not known");
  const flips = trend.flips ? `${counted(trend.flips, "time")} between working and not` : "";
  return panelPart(
    "History",
    factList([
      // Of a run that is not complete yet, its own verdicts are none of these.
      ["as of the last complete run", `${state}${streak(trend)}`],
      ["last good", place(trend.last_good)],
      [refused ? "refused since" : "first bad", place(trend.first_bad)],
      ["changed", flips],
      ["tries disagreed", trend.flaky ? `in ${counted(trend.flaky, "run")}` : ""],
      ["seen in", trend.seen ? counted(trend.seen, "run") : ""],
    ]),
  );
}

/** @param {Trend} trend */
function streak(trend) {
  return trend.streak > 1 ? `, in ${trend.streak} runs in a row` : "";
}

/** @param {Place | null | undefined} where */
function place(where) {
  const torch = where?.torch ? `, torch ${where.torch}` : "";
  return where ? `run ${where.run} of ${dayInWords(where.started)}${torch}` : "";
}

/**
 * Return the data itself, written when it is opened.
 * @param {unknown} data
 */
export function rawRecord(data) {
  const rounded = "Figures are rounded, and those of loads fewer: matrix.json has them all.";
  return folded("The raw record", () => {
    const text = longText(JSON.stringify(data, null, 2), "The raw record");
    return h("div", null, h("p", { class: "quiet" }, rounded), text);
  });
}

/**
 * Return the command that runs it again.
 * @param {string} command
 */
export function reproducePart(command) {
  return command ? panelPart("Reproduce", copyable(command, "the command")) : null;
}
