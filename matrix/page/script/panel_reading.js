/**
 * Reading records that other versions of the project wrote: what is absent, or of another kind than
 * today's, is as good as not said.
 */

/** @typedef {Record<string, unknown>} Read */

/**
 * @param {unknown} value
 * @returns {string}
 */
export function asText(value) {
  return typeof value === "string" ? value : "";
}

/**
 * @param {unknown} value
 * @returns {string[]}
 */
export function asTexts(value) {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/**
 * @param {unknown} value
 * @returns {number | null}
 */
export function asNumber(value) {
  return typeof value === "number" ? value : null;
}

/**
 * @param {unknown} value
 * @returns {Read | null}
 */
export function asRead(value) {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  return plain ? /** @type {Read} */ (value) : null;
}

/**
 * Return the names and numbers of an object: seconds by stage, a tally.
 * @param {unknown} value
 * @returns {[string, number][]}
 */
export function asNumbers(value) {
  const found = Object.entries(asRead(value) ?? {});
  return /** @type {[string, number][]} */ (found.filter(([, each]) => asNumber(each) !== null));
}
