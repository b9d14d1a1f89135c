"""
The table of a matrix: a row for each library version, a column for each torch version.

They meet in a slot, which holds no cell or one. Below a version whose cells open several
checkpoints, or one in several uses, each of these has a row of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from matrix import axes
from matrix.page import text
from matrix.tallies import is_flaky
from matrix.versions import version_key
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.policies import Policy

Cell = Mapping[str, Any]
Check = Mapping[str, Any]

NOT_RUN = Outcome.NOT_RUN.value
_NO_VERDICT = (Outcome.INFRA.value, NOT_RUN)

# Colour never stands alone: each outcome has its own shape, from blocks that every system font has
# and that no system replaces by an emoji.
GLYPHS = {
    Outcome.PASS.value: "✓",
    Outcome.SHIMMED.value: "⊕",
    Outcome.DEGRADED.value: "≈",
    Outcome.REFUSED.value: "⊘",
    Outcome.FAIL.value: "✕",
    Outcome.CRASH.value: "↯",
    Outcome.TIMEOUT.value: "◔",
    Outcome.UNAVAILABLE.value: "∅",
    Outcome.INFRA.value: "?",
    NOT_RUN: "○",
}
MIXED, MIXED_GLYPH = "mixed", "◐"
_SEVERITY = {outcome.value: outcome.severity for outcome in Outcome}


class Subject(NamedTuple):
    """A checkpoint in one use."""

    checkpoint: str
    use: str


class Mark(NamedTuple):
    """
    A verdict in a slot: an outcome, or how many of several checks work where they disagree.

    ``outcome`` is empty where nothing was planned.
    """

    outcome: str
    word: str = ""

    @property
    def glyph(self) -> str:
        """The shape that goes with the word."""
        return MIXED_GLYPH if self.outcome == MIXED else GLYPHS.get(self.outcome, "")


@dataclass(frozen=True)
class Slot:
    """
    A cell in a row: its number in the matrix, and a mark for each policy of the table.

    ``version`` is set where the cells of the row differ in it, ``age`` where the result was carried
    over from an earlier run.
    """

    cell: int
    marks: tuple[Mark, ...]
    version: str = ""
    age: str = ""


@dataclass(frozen=True)
class Row:
    """What is said of one subject, or of all where ``subject`` is -1: a slot for each column."""

    subject: int
    slots: tuple[Slot | None, ...]


@dataclass(frozen=True)
class Set:
    """
    The rows of a library in one version, beside what tells it from another set of that version.

    A library that is paired with torch has another version in each column, and is one set.
    """

    library: str
    versions: tuple[str, ...]
    beside: str
    pythons: tuple[str, ...]
    why: str
    rows: tuple[Row, ...]

    @property
    def version(self) -> str:
        """Its version; empty where it has several."""
        return self.versions[0] if len(self.versions) == 1 else ""


class Table:
    """The rows of a matrix, and the numbers by which the rest of the page names their parts."""

    def __init__(self, matrix: Mapping[str, Any]) -> None:
        self.cells: list[Cell] = list(matrix["cells"])
        self._started = matrix["started"]
        self.torch = _unique([*matrix["torch"], *(cell["torch"] for cell in self.cells)])
        self._checks = [check for cell in self.cells for check in cell["checks"]]
        self.policies = _policies(self._checks)
        self.subjects = _subjects(self._checks)
        self.experiments = {subject_of(each) for each in self._checks if each["experiment"]}
        self._said = [said_by(cell) for cell in self.cells]
        self._numbers = {subject: number for number, subject in enumerate(self.subjects)}

    @cached_property
    def sets(self) -> list[Set]:
        """The sets of rows: libraries as the run has them, versions from old to new."""
        return [found for library in self._by_library() for found in self._sets(library)]

    @cached_property
    def left(self) -> dict[int, int]:
        """The cell to the left of each in its row, by their numbers."""
        found: dict[int, int] = {}
        for each in self.sets:
            there = [slot.cell for slot in each.rows[0].slots if slot]
            found.update(zip(there[1:], there))
        return found

    def _by_library(self) -> list[list[int]]:
        found: dict[str, list[int]] = {}
        for number, cell in enumerate(self.cells):
            found.setdefault(cell["library"], []).append(number)
        return list(found.values())

    def _sets(self, numbers: Sequence[int]) -> Iterator[Set]:
        for group in self._groups(numbers):
            for layer in self._layers(group):
                yield self._set(layer)

    def _groups(self, numbers: Sequence[int]) -> list[list[int]]:
        """Return the cells of each version, or all of a library that follows torch."""
        paired = axes.is_paired(self.cells[numbers[0]]["library"])
        found: dict[tuple[str, str], list[int]] = {}
        for number in numbers:
            cell = self.cells[number]
            key = ("" if paired else cell["version"], cell["beside"])
            found.setdefault(key, []).append(number)
        return [found[key] for key in sorted(found, key=lambda k: (version_key(k[0]), k[1]))]

    def _layers(self, numbers: Sequence[int]) -> list[list[int]]:
        """Return cells apart that have one torch: several Pythons, the most frequent first."""
        often = Counter(self.cells[number]["python"] for number in numbers)
        order = sorted(numbers, key=lambda n: -often[self.cells[n]["python"]])
        layers: list[dict[str, int]] = []
        for number in order:
            torch = self.cells[number]["torch"]
            free = next((layer for layer in layers if torch not in layer), None)
            if free is None:
                layers.append(free := {})
            free[torch] = number
        return [sorted(layer.values()) for layer in layers]

    def _set(self, numbers: Sequence[int]) -> Set:
        cells = [self.cells[number] for number in numbers]
        columns = {self.cells[number]["torch"]: number for number in numbers}
        found = {subject for number in numbers for subject in self._said[number]}
        subjects = sorted(found, key=self._numbers.__getitem__)
        rows = [self._row(columns, subjects)]
        if len(subjects) > 1:
            rows += [self._row(columns, [subject]) for subject in subjects]
        whys = _unique(cell.get("why") or "" for cell in cells)
        return Set(
            library=cells[0]["library"],
            versions=tuple(sorted({c["version"] for c in cells}, key=version_key)),
            beside=cells[0]["beside"],
            pythons=tuple(sorted({c["python"] for c in cells}, key=version_key)),
            why=whys[0] if len(whys) == 1 else "",
            rows=tuple(rows),
        )

    def _row(self, columns: Mapping[str, int], subjects: Sequence[Subject]) -> Row:
        subject = self._numbers[subjects[0]] if len(subjects) == 1 else -1
        alike = len({self.cells[number]["version"] for number in columns.values()}) == 1
        slots = (
            self._slot(columns[torch], subjects, named=not alike) if torch in columns else None
            for torch in self.torch
        )
        return Row(subject, tuple(slots))

    def _slot(self, number: int, subjects: Sequence[Subject], *, named: bool) -> Slot:
        cell = self.cells[number]
        version = cell["version"] if named else ""
        age = text.age(cell.get("finished"), self._started) if cell.get("carried") else ""
        return Slot(number, self._marks(number, subjects), version, age)

    def _marks(self, number: int, subjects: Sequence[Subject]) -> tuple[Mark, ...]:
        said = self._said[number]
        if not said:
            whole = self.cells[number]["outcome"]
            return (Mark(whole, whole),) * len(self.policies)
        # An experiment says nothing of its cell; in a row of its own it is all there is.
        counted = [s for s in subjects if s not in self.experiments] or subjects
        return tuple(
            marked([mark for s in counted if (mark := said.get(s, {}).get(policy))])
            for policy in self.policies
        )


def marked(marks: Sequence[Mark]) -> Mark:
    """
    Return what several checks say together: the worst, unless some work and some do not.

    Of what has no verdict nobody knows that it does not.
    """
    works = sum(mark.outcome in WORKING for mark in marks)
    told = sum(mark.outcome not in _NO_VERDICT for mark in marks)
    if 0 < works < told:
        return Mark(MIXED, f"{works}/{len(marks)}")
    return max(marks, key=lambda mark: _SEVERITY[mark.outcome], default=Mark(""))


def said_by(cell: Cell) -> dict[Subject, dict[str, Mark]]:
    """Return the word of each check of a cell by its subject and policy."""
    found: dict[Subject, dict[str, Mark]] = {}
    ran = has_run(cell)
    for check in cell["checks"]:
        outcome = check["outcome"] if ran else cell["outcome"]
        word = f"{outcome}, flaky" if is_flaky(check) else outcome
        found.setdefault(subject_of(check), {})[check["policy"]] = Mark(outcome, word)
    return found


def has_run(cell: Cell) -> bool:
    """
    Whether any check of a cell has a verdict.

    Where none has, the cell's own (unavailable, say) tells more than theirs, not-run for each.
    """
    return any(check["outcome"] != NOT_RUN for check in cell["checks"])


def subject_of(check: Check) -> Subject:
    """Return what a check is about."""
    return Subject(check["checkpoint"], check["use"])


def _subjects(checks: Iterable[Check]) -> list[Subject]:
    """Return what was asked for, the uses of a checkpoint beside each other."""
    found = dict.fromkeys(map(subject_of, checks))
    order = {name: number for number, name in enumerate(_unique(s.checkpoint for s in found))}
    return sorted(found, key=lambda subject: order[subject.checkpoint])


def _policies(checks: Iterable[Check]) -> tuple[str, ...]:
    known = [policy.value for policy in Policy]
    seen = dict.fromkeys(check["policy"] for check in checks)
    other = [name for name in seen if name not in known]
    return tuple([policy for policy in known if policy in seen] + other) or tuple(known)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
