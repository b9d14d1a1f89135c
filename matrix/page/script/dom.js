/** Making elements out of text that nobody can be trusted with. */

/** @typedef {string | Node | null | undefined | false} Child */
/** @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Attribute */

// What a terminal makes of colours, and what no reader sees or what reorders its neighbours: the
// same as text.py makes visible in what is written without a script.
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\p{Surrogate}]/gu;
const SPOKEN = new Set(["alt", "aria-label", "aria-description", "label", "placeholder", "title"]);

/**
 * Return text with its control and bidirectional characters made visible, as `\u202e`.
 * @param {string} text
 */
export function shown(text) {
  const lines = text.replace(ANSI, "").replaceAll("\r\n", "\n");
  return lines.replace(UNSEEN, (found) => {
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * Return an element; strings among its children are text, nothing in them is markup.
 *
 * An attribute that is `null`, `undefined` or `false` is left out, `true` is written as an empty
 * one, and a function under `onclick` and the like is called on that event.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, Attribute> | null} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    setAttribute(element, name, value);
  }
  append(element, children);
  return element;
}

/**
 * Put children into an element in the place of those that it has.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {Attribute} value
 */
function setAttribute(element, name, value) {
  if (typeof value === "function") {
    element.addEventListener(name.replace(/^on/, ""), value);
  } else if (value === true) {
    element.setAttribute(name, "");
  } else if (value !== null && value !== undefined && value !== false) {
    const text = String(value);
    element.setAttribute(name, SPOKEN.has(name) ? shown(text) : text);
  }
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (typeof child === "string") {
      element.append(shown(child));
    } else if (child) {
      element.append(child);
    }
  }
}

/**
 * Return a block of code with a button that copies it; what is copied is what is seen.
 * @param {string} code
 * @param {string} [label] What it is, for those who hear the button: "the allow-list".
 */
export function copyable(code, label = "") {
  const block = h("code", null, code);
  const says = h("span", { "aria-live": "polite" }, "Copy");
  const name = label ? h("span", { class: "unseen" }, ` ${label}`) : null;
  const copy = () => copyText(block).then((done) => tell(says, done));
  const button = h("button", { type: "button", class: "copy", onclick: copy }, says, name);
  return h("div", { class: "copyable" }, h("pre", null, block), button);
}

/**
 * @param {HTMLElement} block
 * @returns {Promise<boolean>}
 */
async function copyText(block) {
  try {
    await navigator.clipboard.writeText(block.textContent ?? "");
    return true;
  } catch {
    // From a file, and where the browser asks first, there may be no clipboard.
    getSelection()?.selectAllChildren(block);
    return document.execCommand("copy");
  }
}

/**
 * @param {HTMLElement} says
 * @param {boolean} done
 */
function tell(says, done) {
  says.textContent = done ? "Copied" : "Selected: press Ctrl+C";
  setTimeout(() => (says.textContent = "Copy"), 2000);
}

/**
 * Write a number with its thousands apart: `2,928`. The browser's own way takes 30 ms to begin.
 * @param {number} number
 */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * Write a number of things: `1 cell`, `2,928 checks`.
 * @param {number} number
 * @param {string} noun
 */
export function counted(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}
