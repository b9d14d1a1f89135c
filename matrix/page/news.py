"""What changed since the last complete run, as the page tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matrix.diff.changes import Change, Kind
from matrix.diff.report import Diff, Group
from matrix.diff.text import (
    COUNTED,
    besides,
    carried_over,
    cautions,
    headline,
    named,
    said,
    suspected,
    verdicts,
)
from matrix.page import links

MOST = 60  # groups: what changed in more ways than that is another matrix
GLYPHS = {
    Kind.REGRESSED: "↘",
    Kind.FIXED: "↗",
    Kind.CHANGED: "↔",
    Kind.FLAKY: "≈",
    Kind.NEW: "⊕",
    Kind.REMOVED: "⊖",
    Kind.INFRA: "?",
    Kind.INCOMPARABLE: "≠",
}


@dataclass(frozen=True)
class Changed:
    """Checks that changed in one way by one cause."""

    kind: str
    glyph: str
    named: str
    verdicts: str
    said: str
    diagnosis: Mapping[str, Any] | None
    filter: str
    carried: str
    differs: str
    command: str
    checks: int
    cells: links.Cells


@dataclass(frozen=True)
class News:
    """
    What changed from one run to the next.

    ``groups`` are changes of a verdict, the most urgent first; ``counted`` says no more than what
    came, went or could not be compared. ``more`` is how many groups are left out.
    """

    headline: str
    cautions: tuple[str, ...]
    besides: tuple[str, ...]
    groups: tuple[Changed, ...]
    counted: tuple[Changed, ...]
    more: int


def news(found: Diff) -> News:
    """Return what a page says of a comparison."""
    groups = [group for group in found.groups if group.kind not in COUNTED]
    counted = [group for group in found.groups if group.kind in COUNTED]
    known = {cell["id"] for cell in found.new["cells"]}
    return News(
        headline=headline(found),
        cautions=tuple(cautions(found)),
        besides=tuple(besides(found)),
        groups=tuple(_changed(found, group, known) for group in groups[:MOST]),
        counted=tuple(_changed(found, group, known) for group in counted[:MOST]),
        more=len(groups[MOST:]),
    )


def _changed(found: Diff, group: Group, known: set[str]) -> Changed:
    first = group.changes[0]
    return Changed(
        kind=group.kind.value,
        glyph=GLYPHS[group.kind],
        named=named(first),
        verdicts=verdicts(first).replace(" -> ", " → "),
        said=said(group),
        diagnosis=group.diagnosis,
        filter=links.to_cause(group.diagnosis["id"]) if group.diagnosis else "",
        carried=carried_over(group) if group.carried else "",
        differs=_differs(group).replace(" -> ", " → "),
        command=found.command(first),
        checks=len(group.changes),
        cells=_cells(group, known),
    )


def _differs(group: Group) -> str:
    first = group.changes[0]
    if group.suspects:
        return suspected(group.suspects)
    return "nothing in the two environments" if first.old and first.new else ""


def _cells(group: Group, known: set[str]) -> links.Cells:
    """Return a link to the first check of each cell; one that is gone is no link."""
    firsts: dict[str, Change] = {}
    for change in group.changes:
        firsts.setdefault(change.latest.cell["id"], change)
    shown = [
        links.Link(cell, _href(cell, change) if cell in known else "")
        for cell, change in list(firsts.items())[: links.FEW]
    ]
    return links.Cells(shown, len(firsts))


def _href(cell: str, change: Change) -> str:
    return links.to_check("changes", cell, change.latest.check)
