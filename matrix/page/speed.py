"""Forward times as a table, for those who read without a script or prefer figures to plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from matrix.page.table import Set, Subject, Table, subject_of

MOST = 300  # rows
_LONG = 999.5  # what three figures would write with an exponent

Check = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """The medians of one checkpoint with one library version, a column for each torch."""

    library: str
    versions: tuple[str, ...]
    beside: str
    checkpoint: str
    use: str
    method: str
    device: str
    medians: tuple[str, ...]


@dataclass(frozen=True)
class Speed:
    """The rows; ``more`` is how many are left out."""

    torch: tuple[str, ...]
    rows: tuple[Row, ...]
    more: int


def speed(table: Table) -> Speed:
    """Return the medians of a matrix, never of two methods or devices in a row."""
    rows = [row for found in table.sets for row in _rows(table, found)]
    return Speed(tuple(table.torch), tuple(rows[:MOST]), len(rows[MOST:]))


def _rows(table: Table, found: Set) -> Iterator[Row]:
    timed: dict[tuple[Subject, str, str], dict[int, Check]] = {}
    for column, slot in enumerate(found.rows[0].slots):
        checks = table.cells[slot.cell]["checks"] if slot else ()
        for check in sorted(checks, key=lambda check: table.policies.index(check["policy"])):
            if check["benchmark"] and not check["experiment"]:
                key = (subject_of(check), _text(check, "method"), _text(check, "device"))
                # What a policy loaded is the same: that of the first stands for all.
                timed.setdefault(key, {}).setdefault(column, check)
    for (subject, method, device), columns in timed.items():
        medians = (_median(columns.get(number)) for number in range(len(table.torch)))
        names = (found.library, found.versions, found.beside, subject.checkpoint, subject.use)
        yield Row(*names, method, device, tuple(medians))


def _text(check: Check, name: str) -> str:
    return str(check["benchmark"].get(name) or "")


def _median(check: Check | None) -> str:
    return "" if check is None else in_milliseconds(check["benchmark"]["median"])


def in_milliseconds(seconds: float | None) -> str:
    """Write a time in milliseconds to three figures, without the unit."""
    if seconds is None:
        return "not finite"
    value = seconds * 1000
    return f"{value:,.0f}" if value >= _LONG else f"{value:.3g}"
