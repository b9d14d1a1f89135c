/** What `matrix/page/payload.py` writes into the page, and what the view's address holds. */

/** The index: enough for the table's filters, read before anything is asked for. */
export interface Index {
  run: string;
  /** ISO moment. */
  started: string;
  /** The columns of the table, in their order. */
  torch: string[];
  /** In the order of the marks of every slot of the table. */
  policies: string[];
  outcomes: Outcome[];
  editions: string[];
  /** Distributions, as `name version`. */
  packages: string[];
  subjects: Subject[];
  /** Libraries of which each torch has one version, which nobody chooses. */
  following: string[];
  /** Known causes; a check has the number of its own, or -1. */
  causes: { id: string; cause: string }[];
  /** What was said, the first 300 characters of each, control characters replaced. */
  texts: string[];
  /** In which ways forward passes were timed: `perf_counter, 1 thread, cpu`. */
  ways: string[];
  /** What a comparison of two times can say. */
  speeds: { word: string; glyph: string }[];
  /** How tries that disagree came out: `pass 2, fail 1`. */
  tallies: string[];
  cells: IndexCell[];
  checks: Checks;
  gpus: Gpus;
}

export interface Outcome {
  word: string;
  glyph: string;
  /** Whether the combination can be used. */
  works: boolean;
  meaning: string;
}

/** A checkpoint in one use. */
export interface Subject {
  checkpoint: string;
  /** `forward` for the forward pass. */
  use: string;
  /** Names of its files, as people have them on their disks: `hubert_base.pt`. */
  files: string[];
  /** It tests a claim and is not counted. */
  experiment: boolean;
}

export interface IndexCell {
  id: string;
  python: string;
  /** Number of its column in `torch`. */
  torch: number;
  /** The build, as `2.8.0+cu128`; empty where none was installed. */
  build: string;
  library: string;
  version: string;
  /** What it was installed beside on purpose, as `lightning 2.5.6`. */
  beside: string;
  /** Number in `outcomes`. */
  outcome: number;
  /** Numbers in `packages`. */
  packages: number[];
  /** Number of a build in `gpus.builds`, or -1. */
  fits: number;
  /** Number in `texts` of why the cell has no better verdict, or -1. */
  text: number;
  /** Number in `causes`, or -1. */
  cause: number;
  /** The script element with its details: `details-<number>`. */
  chunk: number;
  /** Number of the cell to its left in its row of the table, or -1. */
  left: number;
}

/** Columns of the same length: the n-th entry of each is about the n-th check. */
export interface Checks {
  /** Numbers in `cells`, ascending. */
  cell: number[];
  subject: number[];
  policy: number[];
  /** Of the check; of its cell where the check was not reached. Numbers in `outcomes`. */
  outcome: number[];
  edition: number[];
  /** Number in `causes`, or -1. */
  cause: number[];
  /** Number in `texts`, or -1. */
  text: number[];
  /** 1 where the verdict differs from that of the last complete run. */
  changed: number[];
  /** Median seconds of a forward pass, or null. */
  median: (number | null)[];
  /** Interquartile range of the same, or null. */
  iqr: (number | null)[];
  /** Where the median is, at 95 % confidence: so far below and above it, in thousandths; or null. */
  interval: ([below: number, above: number] | null)[];
  /** Number in `ways`: only the same are compared. -1 where it was not timed. */
  way: number[];
  /** The ratio to the baseline's time, a number in `speeds`, and the baseline's torch; or null. */
  speed: ([ratio: number, verdict: number, torch: string] | null)[];
  /** How many globals the file names beyond what torch allows. */
  globals: number[];
  /** Shims that it took. */
  shims: string[][];
  /** Number in `tallies`, or -1 where its tries agree or there was one. */
  tally: number[];
}

export interface Gpus {
  /** Names of cards and architectures, with the architecture of each: `RTX 5080` -> `sm_120`. */
  names: Record<string, string>;
  /** Each distinct build: the architectures that it runs on, `fits`; null where unknown. */
  builds: { archs: string[]; fits: string[] | null }[];
}

/**
 * Values of rows, each once, and the number of that which each row has, or -1. Objects may stand in
 * shapes, one after the other: what those of the same names have under each.
 */
export interface Column {
  values?: any[];
  shapes?: Record<string, Pick<Column, "values" | "shapes">>[];
  rows: number[];
}
export type Columns = Record<string, Column>;

/** One compressed block: everything about some cells, read when one of them is opened. */
export interface Details {
  /** `cell` of each CellDetails. */
  cells: Columns;
  /** The rest of each, `checks` being how many it has. */
  ofCells: Columns;
  /** `record` of each CheckDetails, of one cell after another. */
  records: Columns;
  /** The rest of each. */
  ofChecks: Columns;
  /** Diagnoses, by number. */
  diagnoses: Diagnosis[];
  /** Code to paste that allows a file's globals, by number. */
  codes: string[];
}

/** What data.js makes of a block, for one cell. */
export interface CellDetails {
  /** The cell as in matrix.json, without its checks and distributions. */
  cell: Record<string, unknown>;
  /** Number in `diagnoses`, or -1. */
  diagnosis: number;
  /** The command that runs it again. */
  command: string;
  history: Trend | null;
  checks: CheckDetails[];
}

export interface CheckDetails {
  /** The record as in matrix.json. */
  record: Record<string, unknown>;
  diagnosis: number;
  /** Number in `codes` of its allow-list, or -1. */
  code: number;
  command: string;
  history: Trend | null;
  /** What it was in the last complete run, where that differs. */
  changed: { kind: string; was: string } | null;
  /** The check that it is measured against, of the same run: its cell and policy. */
  baseline: { cell: string; policy: string; median: number | null } | null;
}

export interface Diagnosis {
  id: string;
  cause: string;
  remedies: { kind: string; says: string; code: string; when: string }[];
  link: string;
}

/** As `matrix history` tells it. */
export interface Trend {
  state: string;
  outcome: string | null;
  last_good: Place | null;
  first_bad: Place | null;
  streak: number;
  flips: number;
  flaky: number;
  seen: number;
}

export interface Place {
  run: string;
  started: string;
  torch: string | null;
}

/** The whole state of the view: what stands behind the `#` of its address. Empty is unset. */
export interface State {
  /** The section that is shown: `matrix`, `changes`, ... */
  sheet: string;
  /** The policy whose verdicts are large, or `all`. */
  policy: string;
  library: string;
  version: string;
  torch: string;
  python: string;
  outcome: string;
  /** A known cause's id. */
  cause: string;
  edition: string;
  /** Free text. */
  text: string;
  /** `1`: only what differs from the last complete run. */
  changed: string;
  /** The open panel: a cell's id; with `checkpoint`, `use` and `check` one of its checks. */
  cell: string;
  checkpoint: string;
  use: string;
  /** The policy of the open check. */
  check: string;
  /** "Works for me": `ultralytics==8.1.0`, and a card. */
  have: string;
  gpu: string;
}
