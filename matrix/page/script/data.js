/** Reading what the page carries, compressed, when it is asked for. */

/** @import {CellDetails, CheckDetails, Column, Columns, Details, Index} from "./types.d.ts" */

/** @type {Map<string, Promise<any>>} */
const blocks = new Map();

/**
 * Return the index, which is decoded once.
 * @returns {Promise<Index>}
 */
export function index() {
  return block("index");
}

/**
 * Return everything about a cell, by its number, with the block that it is in.
 * @param {number} cell
 * @returns {Promise<CellDetails & {from: Details}>}
 */
export async function details(cell) {
  const known = (await index()).cells[cell];
  if (!known) {
    throw new Error(`The page has no cell ${cell}.`);
  }
  /** @type {Details} */
  const from = await block(`details-${known.chunk}`);
  const found = cellIn(from, known.id);
  if (!found) {
    throw new Error(`The page carries no details of ${known.id}.`);
  }
  return { ...found, from };
}

/**
 * @param {Details} from
 * @param {string} id
 * @returns {CellDetails | null}
 */
function cellIn({ cells, ofCells, records, ofChecks }, id) {
  const row = cells.id?.rows.indexOf(valuesOf(cells.id).indexOf(id)) ?? -1;
  if (row < 0) {
    return null;
  }
  const { rows } = ofCells.checks;
  const counts = rows.map((number) => valuesOf(ofCells.checks)[number]);
  const first = counts.slice(0, row).reduce((sum, count) => sum + count, 0);
  const checks = Array.from({ length: counts[row] }, (_, n) => {
    const record = rowAt(records, first + n);
    return /** @type {CheckDetails} */ ({ ...rowAt(ofChecks, first + n), record });
  });
  return /** @type {CellDetails} */ ({ ...rowAt(ofCells, row), cell: rowAt(cells, row), checks });
}

/**
 * Return a row of what is kept in columns; a value that it has not is left out.
 * @param {Columns} columns
 * @param {number} row
 * @returns {Record<string, any>}
 */
function rowAt(columns, row) {
  const there = Object.entries(columns).filter(([, { rows }]) => rows[row] >= 0);
  return Object.fromEntries(
    there.map(([name, column]) => [name, valuesOf(column)[column.rows[row]]]),
  );
}

/**
 * Return the values of a column; objects are put together when one is first asked for.
 * @param {Pick<Column, "values" | "shapes">} column
 * @returns {any[]}
 */
function valuesOf(column) {
  column.values ??= (column.shapes ?? []).flatMap((shape) => {
    const parts = Object.entries(shape).map(([name, held]) => ({ name, all: valuesOf(held) }));
    return parts[0].all.map((_, row) =>
      Object.fromEntries(parts.map(({ name, all }) => [name, all[row]])),
    );
  });
  return column.values;
}

/**
 * @param {string} id
 * @returns {Promise<any>}
 */
function block(id) {
  const known = blocks.get(id) ?? decoded(document.getElementById(id)?.textContent ?? "");
  blocks.set(id, known);
  return known;
}

/**
 * @param {string} text Base64 of gzip of JSON.
 * @returns {Promise<any>}
 */
async function decoded(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
