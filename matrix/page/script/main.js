/** What runs when the page is open: its table is there already, the rest is made lively. */

import { index } from "./data.js";
import { startFilters } from "./filters.js";
import { startMine } from "./mine.js";
import { startPanel } from "./panel.js";
import { startPastes } from "./pastes.js";
import { startPlots } from "./plots.js";
import { startSheets } from "./sheets.js";
import { startTable } from "./table.js";

async function main() {
  const root = document.documentElement;
  root.classList.add("live");
  try {
    const known = await index();
    const starts = [startTable, startFilters, startPanel, startMine, startPlots, startPastes];
    // The sheets come last: they scroll to a place, which what is above it moves.
    for (const start of [...starts, startSheets]) {
      begin(() => start(known));
    }
    root.classList.add("ready");
    performance.mark("interactive");
  } catch (error) {
    root.classList.remove("live"); // what there is without a script
    throw error;
  }
}

/** @param {() => void} start What breaks is without itself, and not the rest without it. */
function begin(start) {
  try {
    start();
  } catch (error) {
    reportError(error);
  }
}

main();
