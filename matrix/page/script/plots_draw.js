/** One small plot: the torch builds from left to right, milliseconds upwards from nothing. */

/** @import {Child} from "./dom.js" */
/** @import {Index} from "./types.js" */
/** @import {Plot, Point} from "./plots_data.js" */

import { h, shown } from "./dom.js";
import { href } from "./state.js";
import { figure, timesInWords } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = { width: 320, height: 170 };
const INSIDE = { left: 46, right: 308, top: 10, bottom: 136 };
const REACH = 12; // of a finger, around a point
const LABELS = 8; // that fit below a plot
const DOT = "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z";
// As the glyphs of these words: a shape each, as colour never stands alone.
const SHAPES = new Map([
  ["slower", "M0-6L6 5H-6z"],
  ["faster", "M0 6L-6-5H6z"],
  ["unconfirmed", "M0-6L5 0L0 6L-5 0z"],
  ["unclear", "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0zM-3 0a3 3 0 1 1 6 0a3 3 0 1 1-6 0z"],
]);

/** @typedef {{x: (torch: number) => number, y: (value: number) => number, most: number}} Scale */

/**
 * Return a plot with its title and, below, the figures of the point that is looked at.
 * @param {Index} index
 * @param {Plot} plot
 */
export function plotFigure(index, plot) {
  const scale = scaleOf(index, plot.points);
  const title = plotTitle(index, plot);
  const says = h("p", { class: "says quiet", "aria-hidden": "true" }, "");
  const picture = svg(
    "svg",
    { ...SIZE, viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "group", "aria-label": `Forward times: ${title.plain}` },
    plotAxes(index, scale),
    plotLine(index, plot, scale),
  );
  const caption = h("figcaption", null, h("b", null, title.name), ` ${title.about} `, h("span", { class: "quiet" }, index.ways[plot.way]));
  return lively(h("figure", { class: "plot" }, caption, picture, says), says);
}

/**
 * @param {Index} index
 * @param {Plot} plot
 */
function plotTitle(index, plot) {
  const cells = plot.points.map(({ check }) => index.cells[index.checks.cell[check]]);
  const versions = [...new Set(cells.map((cell) => cell.version))];
  const [first, last] = [versions[0], versions[versions.length - 1]];
  const { library, beside } = cells[0];
  const { checkpoint, use } = index.subjects[plot.subject];
  const name = `${library} ${first === last ? first : `${first} … ${last}`}${beside && ` beside ${beside}`}`;
  const about = use === "forward" ? checkpoint : `${checkpoint} · ${use}`;
  return { name, about, plain: `${name}, ${about}, ${index.ways[plot.way]}` };
}

/**
 * @param {Index} index
 * @param {Point[]} points
 * @returns {Scale}
 */
function scaleOf(index, points) {
  const { left, right, top, bottom } = INSIDE;
  const highest = Math.max(...points.map((each) => each.median + each.iqr / 2));
  const most = rounded(highest) || 1;
  const step = (right - left) / index.torch.length;
  return {
    most,
    x: (torch) => left + step * (torch + 0.5),
    y: (value) => bottom - ((bottom - top) * value) / most,
  };
}

/**
 * @param {number} value
 * @returns {number} The next figure above that is easily halved.
 */
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((each) => each * power).find((each) => each >= value) ?? 0;
}

/**
 * @param {Index} index
 * @param {Scale} scale
 */
function plotAxes(index, scale) {
  const every = Math.ceil(index.torch.length / LABELS);
  const heights = [0, scale.most / 2, scale.most];
  return svg(
    "g",
    { class: "axes", "aria-hidden": "true" },
    ...heights.map((value) => svg("path", { d: `M${INSIDE.left} ${scale.y(value)}H${INSIDE.right}` })),
    ...heights.map((value) =>
      svg("text", { class: "height", x: INSIDE.left - 6, y: scale.y(value) + 3.5 }, figure(value, 3)),
    ),
    svg("text", { class: "height", x: INSIDE.left - 6, y: INSIDE.bottom + 16 }, "ms"),
    ...index.torch.map((torch, column) =>
      column % every ? null : svg("text", { x: scale.x(column), y: INSIDE.bottom + 16 }, shortTorch(torch)),
    ),
    svg("text", { x: (INSIDE.left + INSIDE.right) / 2, y: SIZE.height - 4 }, "torch"),
  );
}

/** @param {string} torch */
function shortTorch(torch) {
  return torch.replace(/\.dev.*/, " dev").replace(/^(\d+\.\d+)\.0(?= |$)/, "$1");
}

/**
 * @param {Index} index
 * @param {Plot} plot
 * @param {Scale} scale
 */
function plotLine(index, plot, scale) {
  const { x, y } = scale;
  const places = plot.points.map((point) => `${x(point.torch)} ${y(point.median)}`);
  return svg(
    "g",
    { class: "line" },
    svg("path", { class: "through", d: `M${places.join("L")}`, "aria-hidden": "true" }),
    ...plot.points.map((point) => plotPoint(index, plot, point, scale)),
  );
}

/**
 * @param {Index} index
 * @param {Plot} plot
 * @param {Point} point
 * @param {Scale} scale
 */
function plotPoint(index, plot, point, { x, y }) {
  const cell = index.cells[index.checks.cell[point.check]];
  const { checkpoint, use } = index.subjects[plot.subject];
  const policy = index.policies[index.checks.policy[point.check]];
  const says = pointInWords(index, policy, point);
  const word = point.speed?.word ?? "";
  const [across, up] = [x(point.torch), y(point.median)];
  const bar = `M${across} ${y(point.median - point.iqr / 2)}V${y(point.median + point.iqr / 2)}`;
  const box = { x: across - REACH, y: up - REACH, width: 2 * REACH, height: 2 * REACH };
  return svg(
    "a",
    { href: href({ cell: cell.id, checkpoint, use, check: policy }), "aria-label": says, class: `point ${word}` },
    svg("title", {}, says),
    svg("rect", { ...box, class: "reach" }),
    svg("path", { class: "spread", d: bar }),
    svg("path", { class: "dot", d: SHAPES.get(word) ?? DOT, transform: `translate(${across} ${up})` }),
  );
}

/**
 * @param {Index} index
 * @param {string} policy
 * @param {Point} point
 */
function pointInWords(index, policy, point) {
  const cell = index.cells[index.checks.cell[point.check]];
  const time = `${figure(point.median, 3)} ms${intervalInWords(point)}, interquartile range ${figure(point.iqr, 2)} ms`;
  const { speed } = point;
  const than = speed ? `; ${speed.word}: ${timesInWords(speed.ratio)} times torch ${speed.torch}` : "";
  return `torch ${index.torch[point.torch]}, loaded under ${policy}: ${time}${than}; ${cell.library} ${cell.version}, Python ${cell.python}`;
}

/** @param {Point} point */
function intervalInWords({ interval }) {
  return interval ? ` (95 % interval ${figure(interval[0], 3)} to ${figure(interval[1], 3)})` : "";
}

/**
 * Return what the shapes of the points mean, as far as the plots have them.
 * @param {Index} index
 * @param {Plot[]} plots
 */
export function plotLegend(index, plots) {
  const there = new Set(plots.flatMap(({ points }) => points.map(({ speed }) => speed?.word)));
  const known = index.speeds.filter(({ word }) => there.has(word));
  const marks = known.map(({ word, glyph }) => {
    const shape = h("span", { class: "glyph", "aria-hidden": "true" }, glyph);
    const also = word === "alike" ? " or not compared" : "";
    return h("span", { class: `mark ${word}` }, shape, ` ${word}${also}`);
  });
  return marks.length ? h("p", { class: "legend" }, "Points: ", ...marks) : null;
}

/**
 * Say below a plot what is pointed at; arrows go from point to point, so that Tab leaves it.
 * @param {HTMLElement} plot
 * @param {HTMLElement} says
 */
function lively(plot, says) {
  const points = /** @type {SVGAElement[]} */ ([...plot.querySelectorAll("a.point")]);
  points.forEach((point, number) => point.setAttribute("tabindex", number ? "-1" : "0"));
  /** @param {Event} event */
  const tell = ({ target }) => {
    const point = /** @type {Element} */ (target).closest("a.point");
    says.textContent = point?.getAttribute("aria-label") ?? "";
  };
  plot.addEventListener("pointerover", tell);
  plot.addEventListener("focusin", tell);
  plot.addEventListener("pointerleave", () => (says.textContent = ""));
  plot.addEventListener("focusout", () => (says.textContent = ""));
  plot.addEventListener("keydown", (event) => walk(points, event));
  return plot;
}

/**
 * @param {SVGAElement[]} points
 * @param {KeyboardEvent} event
 */
function walk(points, event) {
  const at = points.findIndex((point) => point === document.activeElement);
  const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  const next = by && at >= 0 ? points[at + by] : null;
  if (next) {
    event.preventDefault();
    points[at].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  }
}

/**
 * Return an element of SVG; strings among its children are text.
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Child} children
 */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, shown(String(value)));
  }
  for (const child of children) {
    if (child) {
      element.append(typeof child === "string" ? shown(child) : child);
    }
  }
  return element;
}
