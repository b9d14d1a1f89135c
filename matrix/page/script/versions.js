/** Versions in the order of PEP 440, and how several are named in a sentence. */

const PARTS =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(?:[-_.]?(?:post|rev|r)[-_.]?(\d*)|-(\d+))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z\d]+(?:[-_.][a-z\d]+)*))?$/i;
const PRE = { a: 0, alpha: 0, b: 1, beta: 1, c: 2, rc: 2, pre: 2, preview: 2 };
const RANGE = 3; // versions that are written as from and to

/** @param {string} text */
export function isOneVersion(text) {
  return PARTS.test(text.trim());
}

/**
 * Return a number below, at or above 0, as sorting asks for; what is no version comes first.
 * @param {string} one
 * @param {string} other
 */
export function compareVersions(one, other) {
  const [mine, theirs] = [rankOfVersion(one), rankOfVersion(other)];
  for (let n = 0; n < Math.max(mine.numbers.length, theirs.numbers.length); n++) {
    const apart = (mine.numbers[n] ?? 0) - (theirs.numbers[n] ?? 0);
    if (apart) {
      return apart;
    }
  }
  for (let n = 0; n < mine.stage.length; n++) {
    if (mine.stage[n] !== theirs.stage[n]) {
      return mine.stage[n] < theirs.stage[n] ? -1 : 1;
    }
  }
  return mine.local === theirs.local ? 0 : mine.local < theirs.local ? -1 : 1;
}

/** @param {string} text */
function rankOfVersion(text) {
  const found = PARTS.exec(text.trim().toLowerCase());
  if (!found) {
    return { numbers: [-1], stage: [0, 0, 0, 0], local: text };
  }
  const [, epoch, release, pre, preNumber, post, alsoPost, dev, devNumber, local] = found;
  const last = post ?? alsoPost;
  const isDev = dev !== undefined;
  const first = pre ? PRE[/** @type {keyof typeof PRE} */ (pre)] : -1;
  return {
    numbers: [Number(epoch ?? 0), ...release.split(".").map(Number)],
    stage: [
      // 1.0.dev1 is before 1.0a1, and that before 1.0.
      pre ? first : isDev && last === undefined ? -1 : Infinity,
      Number(preNumber || 0),
      last === undefined ? -1 : Number(last || 0),
      isDev ? Number(devNumber || 0) : Infinity,
    ],
    local: local ?? "",
  };
}

/**
 * Name some of the versions that there are: one by one, or from the first to the last of a row.
 * @param {string[]} chosen
 * @param {string[]} every In their order.
 */
export function namedVersions(chosen, every) {
  /** @type {string[]} */
  const parts = [];
  /** @type {string[]} */
  let run = [];
  for (const version of [...every, ""]) {
    if (chosen.includes(version)) {
      run.push(version);
    } else {
      parts.push(...(run.length < RANGE ? run : [`${run[0]} to ${run[run.length - 1]}`]));
      run = [];
    }
  }
  return inWords(parts);
}

/**
 * Write a list as a sentence has it: `a, b and c`.
 * @param {string[]} names
 */
export function inWords(names) {
  const most = names.slice(0, -1).join(", ");
  return most ? `${most} and ${names[names.length - 1]}` : (names[0] ?? "");
}
