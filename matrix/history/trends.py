"""What the lines of a history say: since when a cell or a check works, or does not."""

from __future__ import annotations

import fnmatch
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from matrix.history.files import SCHEMA, History, Line, Word
from matrix.tallies import SILENT, told
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.outcome import WORKING, Outcome

Key = tuple[str, str, str]  # of a check: its checkpoint, use and policy
_FINE = (*WORKING, Outcome.REFUSED.value)


class State(str, Enum):
    """What a word comes to, the worst first."""

    BAD = "bad"
    FLAKY = "flaky"  # the tries of one night disagree
    UNKNOWN = "unknown"  # infra and not-run say nothing
    GOOD = "good"


class Point(NamedTuple):
    """A word, the line that it stands in, and which editions of checkpoints it is about."""

    line: Line
    state: State
    word: Word
    editions: Mapping[str, str]


@dataclass(frozen=True)
class Trend:
    """
    The words of a cell or a check, the oldest first, each seen once.

    A word that was carried over counts where it changes something, or where the run that saw it is
    not known here: else it is no night of evidence. Flaky nights are counted by themselves: they
    neither end a streak nor flip. Words on another edition than the newest one's are left out.
    """

    points: tuple[Point, ...]

    @property
    def state(self) -> State:
        """What the last word comes to."""
        return self.points[-1].state if self.points else State.UNKNOWN

    @cached_property
    def _telling(self) -> list[Point]:
        return [point for point in self.points if point.state is not State.FLAKY]

    @cached_property
    def present(self) -> tuple[Point, ...]:
        """The streak that lasts until now."""
        found: list[Point] = []
        flaky = self.state is State.FLAKY
        for point in reversed(self.points if flaky else self._telling):
            if point.state is not self.state:
                break
            found.append(point)
        return tuple(reversed(found))

    @property
    def first_bad(self) -> Point | None:
        """Where the present streak began, if it is a bad one."""
        return self.present[0] if self.state is State.BAD else None

    @property
    def last_good(self) -> Point | None:
        """Where it worked last."""
        return next((each for each in reversed(self.points) if each.state is State.GOOD), None)

    @property
    def flips(self) -> int:
        """How often it went from working to not, or back."""
        telling = self._telling
        return sum(a.state is not b.state for a, b in zip(telling, telling[1:]))

    @property
    def flaky(self) -> int:
        """On how many nights its tries disagreed."""
        return len(self.points) - len(self._telling)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        word = self.points[-1].word if self.points else None
        return {
            "state": self.state.value,
            "outcome": told(word) if isinstance(word, Mapping) else word,
            "last_good": _place(self.last_good),
            "first_bad": _place(self.first_bad),
            "streak": len(self.present),
            "flips": self.flips,
            "flaky": self.flaky,
            "seen": len(self.points),
        }


def _place(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    line = point.line
    where = {"run": line.run, "started": line.started, "carried": line.carried}
    return {**where, "torch": line.build}


@dataclass(frozen=True)
class CellTrend:
    """
    The trend of a cell and of each of its checks, by checkpoint, use and policy.

    A cell is bad where one of its checks does not work; a refusal is a policy doing its work, and
    no more than that. ``lines`` are in their order. It is ``gone`` where a later sweep of
    everything has its library on its torch, and not this cell.
    """

    lines: Sequence[Line]
    trend: Trend
    gone: bool = False

    @property
    def newest(self) -> Line:
        """Its last line."""
        return self.lines[-1]

    @cached_property
    def checks(self) -> dict[Key, Trend]:
        """The trends of its checks."""
        found: defaultdict[Key, list[Point]] = defaultdict(list)
        for line in self.lines:
            for key, point in _points(line):
                found[key].append(point)
        return {key: trend(points) for key, points in found.items()}

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.newest.cell

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        identity = ("library", "version", "beside", "torch", "python")
        names = ("checkpoint", "use", "policy")
        checks = [
            {**dict(zip(names, key)), **trend.to_dict()} for key, trend in self.checks.items()
        ]
        cell = {name: getattr(self.newest, name) for name in identity}
        seen = {"last_run": self.newest.run, "gone": self.gone}
        return {"cell": self.name, **cell, **seen, **self.trend.to_dict(), "checks": checks}


def trends(history: History) -> list[CellTrend]:
    """Return the trend of every cell, the worst first."""
    by_cell: dict[tuple[str, ...], list[Line]] = {}
    swept: dict[tuple[str, str], datetime] = {}
    for line in history.lines:
        by_cell.setdefault(line.identity, []).append(line)
        if line.whole:
            swept[line.library, line.torch] = line.when
    return sorted((_of_cell(lines, swept) for lines in by_cell.values()), key=_urgency)


def _urgency(cell: CellTrend) -> tuple[Any, ...]:
    trend = cell.trend
    # What has never been seen to work is no news: a flaky cell is more.
    bad = 0 if trend.last_good else 2
    rank = {State.BAD: bad, State.FLAKY: 1, State.UNKNOWN: 3, State.GOOD: 4}[trend.state]
    figures = (-trend.flips, -trend.flaky, -len(trend.present))
    return (cell.gone, rank, *figures, cell.name)


def _of_cell(lines: Sequence[Line], swept: Mapping[tuple[str, str], datetime]) -> CellTrend:
    last = lines[-1]
    gone = swept.get((last.library, last.torch), last.when) > last.when
    return CellTrend(lines, trend(_cell(line) for line in lines), gone)


def _points(line: Line) -> Iterator[tuple[Key, Point]]:
    for checkpoint, uses in line.checks.items():
        edition = line.editions.get(checkpoint)
        editions = {checkpoint: edition} if edition else {}
        for use, policies in uses.items():
            for policy, word in policies.items():
                yield (checkpoint, use, policy), Point(line, state_of(word), word, editions)


def state_of(word: Word) -> State:
    """Return what a word comes to."""
    if isinstance(word, dict):
        return State.FLAKY
    if word in SILENT:
        return State.UNKNOWN
    return State.GOOD if word in WORKING else State.BAD


def _cell(line: Line) -> Point:
    checks = (policies for uses in line.checks.values() for policies in uses.values())
    words = [word for policies in checks for word in policies.values()]
    states = {_of_its_cell(word) for word in words or [line.outcome]}
    telling = [state for state in State if state in states and state is not State.UNKNOWN]
    state = telling[0] if telling else State.UNKNOWN
    return Point(line, state, line.outcome, line.editions)


def _of_its_cell(word: Word) -> State:
    return State.GOOD if word in _FINE else state_of(word)


def trend(points: Iterable[Point]) -> Trend:
    """Return what is evidence among the words of successive runs."""
    kept: list[Point] = []
    sources: set[str] = set()
    for point in points:
        if point.state is State.UNKNOWN:
            continue
        known = point.line.carried is not None and point.line.source in sources
        if known and _says_the_same(point, kept[-1]):
            continue
        sources.add(point.line.source)
        kept.append(point)
    return Trend(tuple(_on_the_newest_files(kept)))


def _says_the_same(point: Point, last: Point) -> bool:
    return (point.state, point.editions) == (last.state, last.editions)


def _on_the_newest_files(points: Sequence[Point]) -> Iterator[Point]:
    newest = {name: edition for point in points for name, edition in point.editions.items()}
    known = newest.items()
    return (point for point in points if point.editions.items() <= known)


def chosen(cells: Sequence[CellTrend], glob: str) -> list[CellTrend]:
    """Return the cells whose name matches; raises ``UnknownNameError`` where none does."""
    found = [cell for cell in cells if fnmatch.fnmatchcase(cell.name, glob)]
    if not found:
        message = (
            f"no cell of the history matches {glob!r}; `python -m matrix history` lists the "
            f"{len(cells)} that there are"
        )
        raise UnknownNameError(message)
    return found


def summary(cells: Iterable[CellTrend]) -> dict[str, int]:
    """Return how many cells are in which state; ``broken`` of the bad ones were good once."""
    cells = list(cells)
    here = [cell.trend for cell in cells if not cell.gone]
    counts = Counter(trend.state.value for trend in here)
    broken = sum(trend.state is State.BAD and trend.last_good is not None for trend in here)
    states = {state.value: counts[state.value] for state in State}
    return {"cells": len(cells), "broken": broken, **states, "gone": len(cells) - len(here)}


def to_dict(history: History, cells: Sequence[CellTrend]) -> dict[str, Any]:
    """Return plain data."""
    nights = dict.fromkeys((line.run, line.started) for line in history.lines)
    return {
        "schema": SCHEMA,
        "runs": [{"run": run, "started": started} for run, started in nights],
        "counts": summary(cells),
        "cells": [cell.to_dict() for cell in cells],
        "unreadable": [
            {"path": str(each.path), "line": each.number or None, "why": each.why}
            for each in history.unreadable
        ],
    }
