/** The panel's window: how it opens and closes, moves to a neighbour and is linked to. */

/** @import {Index, IndexCell} from "./types.js" */

import { fill, h } from "./dom.js";
import { NO_CELL } from "./panel_parts.js";
import { change, href, leave, read } from "./state.js";

/**
 * @typedef {object} Frame
 * @property {HTMLDialogElement} dialog
 * @property {HTMLElement} inside What scrolls.
 * @property {HTMLElement} title
 * @property {HTMLElement} about
 * @property {HTMLElement} body
 * @property {HTMLButtonElement} left
 * @property {HTMLButtonElement} right
 */

const NOTICED = 2000; // milliseconds
// Where an arrow key has another meaning.
const OWN_ARROWS = "pre, input, textarea, select";

/**
 * Return the window, closed.
 * @returns {Frame}
 */
export function panelFrame() {
  const title = h("h2", { id: "panel-title", tabindex: "-1", "aria-live": "polite" });
  const about = h("p", { class: "quiet" });
  const body = h("div", { class: "body" });
  const [left, right] = [stepButton(), stepButton()];
  const close = h("button", { type: "button", onclick: leavePanel }, "Close");
  const tools = h("div", { class: "tools" }, left, right, linkButton(), close);
  const inside = h("div", { class: "inside" }, tools, h("header", null, title, about), body);
  const dialog = h("dialog", { id: "panel", "aria-labelledby": "panel-title" }, inside);
  const frame = { dialog, inside, title, about, body, left, right };
  listenToClosing(frame);
  document.body.append(dialog);
  return frame;
}

/** @param {Frame} frame */
function listenToClosing({ dialog, left, right }) {
  /** @type {EventTarget | null} */
  let pressed = null;
  dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
  // What is beside the sheet is the dialog's backdrop; to select text may end there.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && pressed === dialog) {
      leavePanel();
    }
  });
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault(); // it closes when the address no longer names a cell
    leavePanel();
  });
  dialog.addEventListener("close", () => closed(dialog));
  dialog.addEventListener("keydown", (event) => step(event, left, right));
}

function leavePanel() {
  leave(NO_CELL);
}

/** @param {HTMLDialogElement} dialog */
function closed(dialog) {
  if (dialog.open) {
    return; // Forward opened it again
  }
  if (read().cell) {
    leavePanel();
  }
  // Opened by a link or a mouse, there is no place to return to but that of the cell.
  const held = document.activeElement;
  if (held === document.body || dialog.contains(held)) {
    focusSlot(dialog.dataset.cell ?? "", dialog.dataset.subject ?? "");
  }
}

/**
 * @param {string} cell
 * @param {string} subject
 */
function focusSlot(cell, subject) {
  const slots = document.querySelectorAll(`td[data-c="${CSS.escape(cell)}"]`);
  const visible = /** @type {HTMLElement[]} */ ([...slots]).filter((each) =>
    each.checkVisibility(),
  );
  const same = visible.find((slot) => slot.parentElement?.dataset.s === subject) ?? visible[0];
  if (same) {
    same.tabIndex = same.tabIndex || -1;
    same.focus({ preventScroll: true });
  }
}

/** Return a button that goes to a neighbour, which `aimSteps` names. */
function stepButton() {
  const button = h("button", { type: "button" });
  button.addEventListener("click", () => {
    if (button.dataset.cell) {
      change({ cell: button.dataset.cell });
    }
  });
  return button;
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLButtonElement} left
 * @param {HTMLButtonElement} right
 */
function step(event, left, right) {
  const button = { ArrowLeft: left, ArrowRight: right }[event.key];
  const other = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
  const inside = event.target instanceof Element && event.target.closest(OWN_ARROWS);
  if (button && !other && !inside) {
    event.preventDefault();
    button.click();
  }
}

/**
 * Say what is beside a cell in its row of the table; -1 has no neighbours.
 * @param {Frame} frame
 * @param {Index} index
 * @param {number} number
 */
export function aimSteps({ left, right }, index, number) {
  const before = index.cells[number]?.left ?? -1;
  aim(left, index.cells[before], index, "left");
  aim(right, index.cells[nextOf(index, number)], index, "right");
}

/**
 * @param {Index} index
 * @param {number} number
 */
function nextOf(index, number) {
  if (number < 0) {
    return -1;
  }
  const { python } = index.cells[number];
  const after = [...index.cells.keys()].filter((each) => index.cells[each].left === number);
  return after.find((each) => index.cells[each].python === python) ?? after[0] ?? -1;
}

/**
 * @param {HTMLButtonElement} button
 * @param {IndexCell | undefined} cell
 * @param {Index} index
 * @param {"left" | "right"} side
 */
function aim(button, cell, index, side) {
  button.dataset.cell = cell?.id ?? "";
  button.setAttribute("aria-disabled", String(!cell));
  const arrow = h("span", { "aria-hidden": "true" }, side === "left" ? "← " : " →");
  const unseen = h(
    "span",
    { class: "unseen" },
    cell ? `to the ${side}: torch ` : `no cell to the ${side}`,
  );
  const name = cell ? index.torch[cell.torch] : null;
  fill(button, ...(side === "left" ? [arrow, unseen, name] : [unseen, name, arrow]));
}

function linkButton() {
  const says = h("span", { "aria-live": "polite" }, "Copy link");
  const copy = async () => {
    says.textContent = await copied(new URL(href({}), location.href).href);
    setTimeout(() => (says.textContent = "Copy link"), NOTICED);
  };
  return h("button", { type: "button", onclick: copy }, says);
}

/** @param {string} address */
async function copied(address) {
  try {
    await navigator.clipboard.writeText(address);
    return "Copied";
  } catch {
    // From a file, and where the browser asks first, there may be no clipboard.
    return "The address bar has it";
  }
}
