"""Two runs, check by check: which verdicts differ, and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from packaging.version import Version

from matrix import axes
from matrix.causes import of_cell
from pytest_torchcompat.diagnosis.failure import of_check
from pytest_torchcompat.diagnosis.grouping import group_of
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.pairing import minor

Cell = Mapping[str, Any]
Check = Mapping[str, Any]

# What says nothing about the combination.
SILENT = (Outcome.INFRA.value, Outcome.NOT_RUN.value)


class Kind(str, Enum):
    """How a check differs, the most urgent first."""

    REGRESSED = "regressed"  # it worked, and does not any more
    FIXED = "fixed"  # it did not work, and does
    CHANGED = "changed"  # it works, or does not, in another way
    NEW = "new"  # the older run has no such check
    REMOVED = "removed"  # the newer run has no such check
    INFRA = "infra"  # one of the two runs says nothing of it
    INCOMPARABLE = "incomparable"  # the two runs opened different files


@dataclass(frozen=True)
class Subject:
    """
    What two checks have in common that are one.

    ``torch`` is its minor, or ``nightly``: the newest patch of the one run is compared with that of
    the other. ``version`` is empty for what follows torch, and ``python`` unless it tells two cells
    of a run apart.
    """

    library: str
    version: str
    beside: str
    torch: str
    checkpoint: str
    use: str
    policy: str
    python: str = ""


@dataclass(frozen=True)
class Side:
    """One run's word on a check; that of its cell, where it was not reached."""

    cell: Cell
    check: Check

    @property
    def reached(self) -> bool:
        """Whether the check itself has a verdict."""
        return bool(self.check["outcome"] != Outcome.NOT_RUN.value)

    @property
    def outcome(self) -> str:
        """The verdict."""
        return str((self.check if self.reached else self.cell)["outcome"])

    @property
    def said(self) -> str:
        """What was said where it does not work."""
        return str((self.check["message"] if self.reached else self.cell["reason"]) or "")

    @property
    def cause(self) -> str:
        """Why: a signature's id or the normalised words; the shims of what works or drifts."""
        if self.outcome in (*WORKING, Outcome.DEGRADED.value):
            return ", ".join(self.check["shims"])
        known = (self.check if self.reached else self.cell)["diagnosis"]
        return str(known).rpartition("/")[0] if known else self._group()

    def _group(self) -> str:
        failure = of_check(self.check, {}) if self.reached else of_cell(self.cell, {})
        return group_of(failure) if failure else ""

    @property
    def file(self) -> tuple[str, str]:
        """Which file it is about."""
        return (self.check["edition"], self.check["sha256"])


@dataclass(frozen=True)
class Change:
    """A check that differs; a run that has no such check is ``None``."""

    kind: Kind
    subject: Subject
    old: Side | None
    new: Side | None

    @property
    def latest(self) -> Side:
        """The newer word on it."""
        side = self.new or self.old
        if side is None:
            message = "a change has a side"
            raise ValueError(message)
        return side


Pair = tuple[Side | None, Side | None]


def pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[Subject, Pair]:
    """Return both words on each check, in the order of the newer run."""
    before, after = _sides(old["cells"]), _sides(new["cells"])
    return {subject: (before.get(subject), after.get(subject)) for subject in (*after, *before)}


def _sides(cells: Iterable[Cell]) -> dict[Subject, Side]:
    found: defaultdict[Subject, list[Side]] = defaultdict(list)
    for cell in cells:
        for check in cell["checks"]:
            if not check["experiment"]:
                found[_subject(cell, check)].append(Side(cell, check))
    return {
        _with_python(subject, side, several=len(sides) > 1): side
        for subject, sides in found.items()
        for side in sides
    }


def _subject(cell: Cell, check: Check) -> Subject:
    version = "" if axes.is_paired(cell["library"]) else cell["version"]
    torch = "nightly" if Version(cell["torch"]).is_devrelease else minor(cell["torch"])
    names = (check["checkpoint"], check["use"], check["policy"])
    return Subject(cell["library"], version, cell["beside"], torch, *names)


def _with_python(subject: Subject, side: Side, *, several: bool) -> Subject:
    values = vars(subject) | {"python": side.cell["python"]}
    return Subject(**values) if several else subject


def changes(found: Mapping[Subject, Pair]) -> list[Change]:
    """Return the checks that differ."""
    told = ((subject, pair, kind_of(*pair)) for subject, pair in found.items())
    return [Change(kind, subject, *pair) for subject, pair, kind in told if kind]


def kind_of(old: Side | None, new: Side | None) -> Kind | None:
    """Return how a check differs; ``None`` where it does not, or nobody says anything."""
    if old is None or new is None:
        return Kind.NEW if old is None else Kind.REMOVED
    silent = [side.outcome in SILENT for side in (old, new)]
    if any(silent):
        return None if all(silent) else Kind.INFRA
    if old.reached and new.reached and old.file != new.file:
        return Kind.INCOMPARABLE
    worked, works = (side.outcome in WORKING for side in (old, new))
    if worked != works:
        return Kind.FIXED if works else Kind.REGRESSED
    same = (old.outcome, old.cause) == (new.outcome, new.cause)
    return None if same else Kind.CHANGED
