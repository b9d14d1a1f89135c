/** The key that leads to the search: who speaks to the machine, or hits keys by chance, turns it off. */

import { fill, h } from "./dom.js";

const KEY = "/";
const KEPT = "search key"; // under which the browser keeps what was chosen
const OFF = "off";
// Where a browser keeps nothing for the page, the choice holds until the page is left.
let off = wasTurnedOff();

/**
 * Return the words that name the key, and the button that turns it off and on.
 * @returns {[HTMLElement, HTMLButtonElement]}
 */
export function searchKey() {
  const hint = h("span", { class: "keys" }, "Press ", h("kbd", null, KEY), " to come here.");
  const button = h("button", { type: "button", class: "keys" });
  const show = () => {
    hint.hidden = off;
    fill(button, off ? "Turn the key " : "Turn this key off", ...(off ? [h("kbd", null, KEY), " on"] : []));
  };
  button.addEventListener("click", () => {
    off = !off;
    keep();
    show();
  });
  show();
  return [hint, button];
}

/**
 * Whether a key that was pressed asks for the search.
 * @param {KeyboardEvent} event
 */
export function asksForSearch({ target, key, ctrlKey, metaKey, altKey }) {
  const busy = target instanceof Element && target.closest("input, select, textarea, dialog");
  return key === KEY && !off && !busy && !ctrlKey && !metaKey && !altKey;
}

function wasTurnedOff() {
  try {
    return localStorage.getItem(KEPT) === OFF;
  } catch {
    return false;
  }
}

function keep() {
  try {
    localStorage.setItem(KEPT, off ? OFF : "");
  } catch {
    // Some browsers keep nothing for a file, or for anybody.
  }
}
