/** Which architecture a GPU has, and whether a build of torch runs on it. */

/** @import {Gpus, Index} from "./types.d.ts" */

// What drivers and shops put around the name of a chip, as pytest_torchcompat.gpus has it.
const NOISE =
  /\b(nvidia|geforce|tesla|gpu|laptop|mobile|max-?q|with|design|generation|edition|server|workstation|developer|kit|pcie|sxm\d*|nvl|hbm\w*|\d+ ?g[bi]b?)\b|\(tm\)|\(r\)/g;
const ARCHITECTURE = /^(?:(?:sm|compute)_?(\d{2,3})[af]?|(\d{1,2})\.(\d))$/;
const CLOSE = 5; // names that are offered
const ALIKE = 0.4; // of their pairs of letters

/**
 * Return the architecture of a card by its name or in another spelling; empty where it is unknown.
 * @param {Gpus} gpus
 * @param {string} text
 */
export function architectureOf(gpus, text) {
  const plain = text.trim().toLowerCase();
  const found = ARCHITECTURE.exec(plain);
  const spelled = found ? `sm_${found[1] ?? found[2] + found[3]}` : plain;
  if (Object.hasOwn(gpus.names, spelled)) {
    return gpus.names[spelled];
  }
  const keys = new Map(Object.entries(gpus.names).map(([name, arch]) => [cardKey(name), arch]));
  const key = cardKey(text);
  return keys.get(key) ?? keys.get(`rtx${key}`) ?? keys.get(`gtx${key}`) ?? "";
}

/** @param {string} name */
function cardKey(name) {
  return name.toLowerCase().replaceAll("_", " ").replace(NOISE, " ").replace(/[^a-z0-9]/g, "");
}

/**
 * Return the known names that are most like one that is not, the likest first.
 * @param {Gpus} gpus
 * @param {string} text
 */
export function closeCards(gpus, text) {
  const mine = pairsOf(cardKey(text));
  const scored = Object.keys(gpus.names).map((name) => ({ name, score: alike(mine, name) }));
  const close = scored.filter(({ score }) => score >= ALIKE);
  return close.sort((a, b) => b.score - a.score).slice(0, CLOSE).map(({ name }) => name);
}

/**
 * @param {Set<string>} mine
 * @param {string} name
 */
function alike(mine, name) {
  const theirs = pairsOf(cardKey(name));
  const shared = [...mine].filter((pair) => theirs.has(pair)).length;
  return (2 * shared) / (mine.size + theirs.size || 1);
}

/** @param {string} key */
function pairsOf(key) {
  return new Set(Array.from({ length: Math.max(key.length - 1, 0) }, (_, n) => key.slice(n, n + 2)));
}

/**
 * What a card meets in a run: for each torch whether a build of it runs there, `null` where no
 * cell says for which it is built.
 * @typedef {{architecture: string, built: (boolean | null)[], archs: string[][]}} Fit
 */

/**
 * @param {Index} index
 * @param {string} architecture
 * @returns {Fit}
 */
export function fitOf(index, architecture) {
  const builds = index.torch.map(() => new Set());
  for (const cell of index.cells) {
    if (cell.fits >= 0) {
      builds[cell.torch].add(cell.fits);
    }
  }
  const known = builds.map((numbers) => [...numbers].map((number) => index.gpus.builds[number]));
  return {
    architecture,
    built: known.map((of) => {
      const told = of.filter(({ fits }) => fits !== null);
      return told.length ? told.some(({ fits }) => fits?.includes(architecture)) : null;
    }),
    archs: known.map((of) => [...new Set(of.flatMap(({ archs }) => archs))]),
  };
}
