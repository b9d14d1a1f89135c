"""A run in GitHub's Markdown: for the summary of a job, or an issue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matrix import axes, commands, diff
from matrix.diff import Diff
from matrix.markdown import code, plain
from matrix.page.speed import slower
from matrix.page.table import GLYPHS, MIXED, MIXED_GLYPH, NOT_RUN, Mark, Set, Table
from pytest_torchcompat.outcome import MEANINGS, Outcome
from pytest_torchcompat.policies import Policy

LIMIT = 60_000  # characters; an issue takes 65,536
OF_CHANGES, OF_TABLE = 20_000, 25_000  # at most
SHOWN = (Policy.STOCK.value, Policy.ALLOWLISTED.value)
LONGEST, NOTES = 300, 20  # characters of what was said, and how many notes
SLOWEST = 5  # of what is slower
NOT_PLANNED = "-"
NO_EARLIER = "No earlier run of this selection is complete: there is nothing to compare with."


def summary(
    matrix: Mapping[str, Any], changes: Diff | None = None, why_not: str = NO_EARLIER
) -> str:
    """
    Return a run in Markdown, cut after a whole row or item where it would be too long.

    ``why_not`` says why there are no changes.
    """
    table = Table(matrix)
    parts = [
        _heading(matrix),
        _outcomes(matrix),
        *_slower(table),
        _changes(changes, why_not or NO_EARLIER),
        _table(table, OF_TABLE),
    ]
    text = "\n".join(parts)
    return text + _unknown(matrix, LIMIT - len(text))


def _changes(changes: Diff | None, why_not: str) -> str:
    if changes:
        return diff.markdown(changes, OF_CHANGES)
    return f"### Changes\n\n{plain(why_not)}\n"


def _heading(matrix: Mapping[str, Any]) -> str:
    cells = matrix["cells"]
    checks = sum(len(cell["checks"]) for cell in cells)
    counted = f"{_count(len(cells), 'cell')} with {_count(checks, 'check')}"
    files = f"{_editions(matrix)}, packages as of {plain(matrix['frozen_at'])}"
    lines = [
        f"## Matrix run {plain(_cut(matrix['run']))}",
        f"{_completeness(matrix)} {counted}, {files}.",
        *(plain(_cut(note)) for note in matrix["notes"][:NOTES]),
    ]
    return "\n\n".join(lines) + "\n"


def _editions(matrix: Mapping[str, Any]) -> str:
    """Return which files the verdicts are about; what was asked for may be any."""
    checks = (check for cell in matrix["cells"] for check in cell["checks"])
    ran = sorted({check["edition"] for check in checks if check["outcome"] != NOT_RUN})
    found = " and ".join(map(plain, ran)) or f"asked for the {matrix['edition']}"
    return f"{found} edition{'s' if len(ran) > 1 else ''}"


def _completeness(matrix: Mapping[str, Any]) -> str:
    if matrix["complete"]:
        return "Complete:"
    if matrix.get("whole"):
        return f"**Not complete**, a part of the {matrix['whole']:,} cells of its plan:"
    project = commands.project_in(matrix)
    command = commands.go_on(matrix["selection"] or {}, matrix["edition"], project=project)
    return f"**Not complete**: what was not run is no verdict, and {code(command)} goes on with it."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _outcomes(matrix: Mapping[str, Any]) -> str:
    cells = Counter(cell["outcome"] for cell in matrix["cells"])
    checks = Counter(
        check["outcome"]
        for cell in matrix["cells"]
        for check in cell["checks"]
        if not check["experiment"]
    )
    rows = [
        f"| {GLYPHS[each.value]} {each.value} | {checks[each.value]} | {cells[each.value]} "
        f"| {plain(MEANINGS[each])} |"
        for each in Outcome
        if checks[each.value] or cells[each.value]
    ]
    return _rows(("outcome", "checks", "cells", "meaning"), rows, LIMIT)


def _slower(table: Table) -> Iterator[str]:
    """Yield a line on what a newer torch is confirmed to make slower, if there is any."""
    if found := slower(table):
        more = [f"and {len(found) - SLOWEST} more"] * (len(found) > SLOWEST)
        told = [plain(_cut(each)) for each in found[:SLOWEST]]
        yield f"**Confirmed to be slower:** {'; '.join([*told, *more])}.\n"


def _table(table: Table, limit: int) -> str:
    policies = [each for each in SHOWN if each in table.policies] or list(table.policies[:1])
    numbers = [table.policies.index(each) for each in policies]
    often = Counter(map(_of_all_pythons, table.sets))
    rows = [_row(each, numbers, python=often[_of_all_pythons(each)] > 1) for each in table.sets]
    legend = (
        f"### {' and '.join(policies)}\n\nIn each column {', then '.join(policies)}; {MIXED_GLYPH} "
        f"1/2: one of two checks works; {NOT_PLANNED} was not planned.\n\n"
    )
    header = ["library", *(plain(_cut(torch)) for torch in table.torch)]
    return legend + _rows(header, rows, limit - len(legend))


def _of_all_pythons(each: Set) -> tuple[str, str, str]:
    return (each.library, "" if axes.is_paired(each.library) else each.version, each.beside)


def _name(each: Set) -> str:
    name = f"{each.library} {each.version}".rstrip()
    return f"{name} beside {each.beside}" if each.beside else name


def _row(each: Set, numbers: Sequence[int], *, python: bool) -> str:
    name = f"{_name(each)}, Python {', '.join(each.pythons)}" if python else _name(each)
    slots = (_slot([slot.marks[n] for n in numbers] if slot else []) for slot in each.rows[0].slots)
    return f"| {plain(_cut(name))} | {' | '.join(slots)} |"


def _slot(marks: Sequence[Mark]) -> str:
    return " ".join(
        f"{each.glyph} {each.word}" if each.outcome == MIXED else each.glyph or NOT_PLANNED
        for each in marks
    )


def _rows(header: Sequence[str], rows: Sequence[str], limit: int) -> str:
    """Return a table that ends where the limit would be passed, and says so."""
    text = f"| {' | '.join(header)} |\n|{' --- |' * len(header)}\n"
    return text + "".join(_fitting([f"{row}\n" for row in rows], limit - len(text), "rows"))


def _fitting(items: Sequence[str], limit: int, what: str) -> Iterator[str]:
    """Yield items for as long as they fit, then how many are left out."""
    for number, item in enumerate(items):
        rest = f"\n{len(items) - number} more {what} do not fit here.\n"
        limit -= len(item)
        if limit < len(rest):
            yield rest
            return
        yield item


def _unknown(matrix: Mapping[str, Any], limit: int) -> str:
    """Return the failures that no signature knows, that of the most cells first."""
    found = [cause for cause in matrix["causes"] if not cause["known"]]
    if not found:
        return ""
    title = "\n### Failures that are not known yet\n\n"
    items = [_cause(each, matrix) for each in found]
    return title + "".join(_fitting(items, limit - len(title), "causes"))


def _cause(cause: Mapping[str, Any], matrix: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {versions}" for name, versions in cause["libraries"].items())
    cells = _count(len(cause["cells"]), "cell")
    where = f"{', '.join(cause['outcomes'])}, {libraries} on torch {cause['torch']}, {cells}"
    example, project = cause["example"], commands.project_in(matrix)
    policy, edition = example["policy"], matrix["edition"]
    command = commands.one_cell(example["cell"], edition, policy, project)
    said = plain(_cut(cause["name"]))
    return f"- {said}\n  - {plain(_cut(where))}\n  - reproduce: {code(command)}\n"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
