/** The sheet of forward times: small plots across the torch builds, drawn when it is first seen. */

/** @import {Index, State} from "./types.js" */
/** @import {Plot} from "./plots_data.js" */

import { counted, fill, h } from "./dom.js";
import { plotsOf } from "./plots_data.js";
import { plotFigure, plotLegend } from "./plots_draw.js";
import { href, listen, read } from "./state.js";

const PLOTS_AT_ONCE = 60;

/** @param {Index} index */
export function startPlots(index) {
  const place = document.getElementById("plots");
  if (!place) {
    return; // nothing was timed
  }
  let drawn = "";
  const draw = () => {
    const state = read();
    const key = plotsKey(state);
    if (state.sheet === "speed" && key !== drawn) {
      drawn = key;
      drawPlots(place, index, state);
    }
  };
  listen(draw);
  draw();
}

/**
 * @param {State} state
 * @returns {string} What the plots depend on, and the links in them: all but the policy and the open panel.
 */
function plotsKey({ cell, checkpoint, use, check, policy, ...rest }) {
  return JSON.stringify(rest);
}

/**
 * @param {HTMLElement} place
 * @param {Index} index
 * @param {State} state
 */
function drawPlots(place, index, state) {
  const all = plotsOf(index, state);
  const figures = h("div", { class: "plots" });
  const says = all.length ? `${counted(all.length, "plot")}.` : "Nothing was timed here.";
  fill(place, libraryChoice(index, state), h("p", { role: "status" }, says), plotLegend(index, all), figures);
  showMore(place, figures, index, all);
}

/**
 * Add the next plots, and a button for those after them.
 * @param {HTMLElement} place
 * @param {HTMLElement} figures
 * @param {Index} index
 * @param {Plot[]} left
 */
function showMore(place, figures, index, left) {
  const next = left.slice(0, PLOTS_AT_ONCE).map((each) => plotFigure(index, each));
  const rest = left.slice(PLOTS_AT_ONCE);
  figures.append(...next);
  if (!rest.length) {
    return;
  }
  const onclick = () => {
    button.remove();
    const before = figures.childElementCount;
    showMore(place, figures, index, rest);
    /** @type {SVGAElement | null} */ (figures.children[before]?.querySelector("a.point"))?.focus();
  };
  const button = h("button", { type: "button", class: "more", onclick }, `Show ${rest.length} more`);
  place.append(button);
}

/**
 * Return links to the plots of each library.
 * @param {Index} index
 * @param {State} state
 */
function libraryChoice(index, state) {
  const timed = new Set(index.checks.cell.filter((_, n) => index.checks.median[n] !== null));
  const libraries = new Set([...timed].map((cell) => index.cells[cell].library));
  const links = ["", ...libraries].map((library) => {
    const now = state.library === library && "true";
    return h("a", { href: href({ library, version: "" }), "aria-current": now }, library || "all");
  });
  const title = h("span", { class: "quiet" }, "Library: ");
  return h("nav", { class: "choices", "aria-label": "Library of the plots" }, title, ...links);
}
