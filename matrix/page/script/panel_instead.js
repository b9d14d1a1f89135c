/** What does work where a check does not: the same checkpoint in the same cell, in another way. */

/** @import {Opened} from "./panel_check.js" */

import { copyable, h } from "./dom.js";
import { checksOf } from "./panel_cell.js";
import { panelPart } from "./panel_parts.js";
import { href } from "./state.js";
import { SAFEST } from "./ways.js";

// What needs no other policy than stock is no way around anything.
const WAYS = SAFEST.filter((policy) => policy !== "stock");

/**
 * Return under which policy it works here and with which shims; nothing where it works already.
 * @param {Opened} opened
 */
export function insteadPart({ index, cell, check }) {
  const { subject, outcome, shims } = index.checks;
  if (index.outcomes[outcome[check]].works) {
    return null;
  }
  const row = checksOf(index, cell).get(subject[check]) ?? new Map();
  const ways = WAYS.map((name) => ({ name, number: row.get(index.policies.indexOf(name)) }));
  const found = ways.find(({ number }) => index.outcomes[outcome[number]]?.works);
  if (!found) {
    return null;
  }
  const link = h("a", { href: href({ check: found.name }) }, found.name);
  const also = shims[found.number];
  const says = also.length ? `, with ${also.length > 1 ? "the shims" : "the shim"} ` : ".";
  const named = also.length ? h("b", null, also.join(", ")) : null;
  const command = `torchcompat shims ${also.join(" ")}`;
  const code = also.length ? copyable(command, "the command that prints the shims") : null;
  return panelPart(
    "What works here",
    h("p", null, "In this environment it works under ", link, says, named, also.length ? "." : ""),
    code,
  );
}
