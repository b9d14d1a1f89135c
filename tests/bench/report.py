"""One table of every promise: in a terminal, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from matrix.markdown import plain
from tests.bench.promises import PROMISES, SUITES

HEADINGS = ("suite", "promise", "ours", "peer", "ratio", "aim", "met")
_SAID = {True: "yes", False: "no", None: ""}
_COLOURS = {"yes": "green", "no": "red"}


def rows(found: Mapping[str, Any], *, everything: bool) -> Iterator[tuple[str, ...]]:
    """
    Yield the table's rows, suite by suite.

    Without ``everything`` only what is promised or has a peer is in it. A promise that was not
    measured says so: at other sizes, or in a suite that could not run here.
    """
    for suite in (each for each in SUITES if each in found["suites"]):
        reason = found["suites"][suite]["reason"]
        if reason:
            yield suite, reason, "", "", "", "", ""
            continue
        figures = [each for each in found["figures"] if each["suite"] == suite]
        for each in figures:
            if everything or each["promise"] or each["peer"]:
                yield _row(each)
        measured = {each["promise"] for each in figures}
        for promise in PROMISES[suite]:
            if promise.name not in measured:
                yield suite, promise.name, "not measured at these sizes", "", "", promise.aim, ""


def _row(figure: Mapping[str, Any]) -> tuple[str, ...]:
    peer, unit = figure["peer"], figure["unit"]
    over = "" if figure["ratio"] is None else number(figure["ratio"])
    other = f"{peer['name']}: {_with_unit(peer['value'], unit)}" if peer else ""
    ours = figure.get("reason") or _with_unit(figure["ours"], unit)
    return figure["suite"], figure["name"], ours, other, over, _aim(figure), _SAID[figure["met"]]


def _aim(figure: Mapping[str, Any]) -> str:
    """Return the aim, and what it is about where that is in no other column."""
    if figure["value"] in (None, figure["ours"], figure["ratio"]) or not figure["aim"]:
        return figure["aim"] or ""
    return f"{figure['aim']} (it is {number(figure['value'])})"


def _with_unit(value: float | None, unit: str) -> str:
    if value is None:
        return "none"
    return f"{number(value)} {unit}".rstrip()


def number(value: float) -> str:
    """Return a number as a reader takes it in: three figures, and thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(found: Mapping[str, Any], *, everything: bool) -> Table:
    """Return the table for a terminal."""
    made = Table(*HEADINGS)
    for row in rows(found, everything=everything):
        *plain, met = row
        made.add_row(*map(Text, plain), Text(met, style=_COLOURS.get(met, "")))
    return made


def markdown(found: Mapping[str, Any], *, everything: bool) -> str:
    """Return the same table in Markdown, with the machine that it is of."""
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    lines += [tuple(map(plain, row)) for row in rows(found, everything=everything)]
    of = found["machine"]
    made = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## Promises, measured\n\n{made}\n\n{plain(of['cpu'])}, {of['cores']} cores.\n"
