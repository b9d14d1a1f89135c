"""Two runs, check by check: which verdicts differ, and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

from matrix import axes
from matrix.causes import of_cell
from matrix.tallies import SILENT, is_flaky
from matrix.versions import is_version, version_key
from pytest_torchcompat.diagnosis.failure import of_check
from pytest_torchcompat.diagnosis.grouping import group_of
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.pairing import minor

Cell = Mapping[str, Any]
Check = Mapping[str, Any]

NOT_RUN = Outcome.NOT_RUN.value
UNAVAILABLE = Outcome.UNAVAILABLE.value


class Kind(str, Enum):
    """How a check differs, the most urgent first."""

    REGRESSED = "regressed"  # it worked at every try, and does not any more
    FIXED = "fixed"  # it did not work, and does
    CHANGED = "changed"  # it works, or does not, in another way
    FLAKY = "flaky"  # the tries of one side disagree
    NEW = "new"  # the older run has no such check
    REMOVED = "removed"  # the newer run has no such check
    CARRIED = "carried"  # the newer run took an earlier one's word, which is the older one's too
    INFRA = "infra"  # one of the two runs says nothing of it
    INCOMPARABLE = "incomparable"  # different files were opened, or a night has no build of torch


@dataclass(frozen=True)
class Subject:
    """
    What two checks have in common that are one.

    ``torch`` is its minor, or ``nightly``: the newest patch of the one run is compared with that of
    the other. ``version`` is empty for what follows torch, and ``newest`` where each run has a
    highest one that the other lacks. Where either run has several cells of that, what tells them
    apart is named as well: the whole version of torch, and ``python``, which is else empty.
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
    run: str = ""

    @property
    def reached(self) -> bool:
        """Whether the check itself has a verdict."""
        return bool(self.check["outcome"] != NOT_RUN)

    @property
    def outcome(self) -> str:
        """The verdict."""
        return str((self.check if self.reached else self.cell)["outcome"])

    @property
    def carried(self) -> str:
        """The run whose word it is; empty where it is this run's own."""
        return self.cell.get("carried") or ""

    @property
    def tally(self) -> Mapping[str, int]:
        """How often each verdict came out; empty where it was tried once."""
        found: Mapping[str, int] = self.check.get("tally") or {}
        return found

    @property
    def flaky(self) -> bool:
        """Whether its tries disagree."""
        return is_flaky(self.check)

    @property
    def passed(self) -> bool:
        """Whether it works, at every try."""
        return self.outcome in WORKING and not self.flaky

    @property
    def verdicts(self) -> frozenset[str]:
        """What its tries say of the combination."""
        return frozenset(self.tally or (self.outcome,)) - {*SILENT}

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

    @property
    def carried(self) -> str:
        """The earlier run whose word the newer one took; empty where it has its own, or none."""
        return self.new.carried if self.new else ""


Pair = tuple[Side | None, Side | None]
Name = tuple[str, str, str, str]  # of a cell: its library, version, set and torch


@dataclass(frozen=True)
class Naming:
    """
    How a run's cells are named, so that those of another can be found by the name.

    ``newest`` has the version of each library that goes by that word. One ``torch`` names them all,
    and ``python`` is always named, where two columns of a run are compared.
    """

    newest: Mapping[str, str] = field(default_factory=dict)
    torch: str = ""
    python: bool = False

    def of(self, cell: Cell, following: Container[str]) -> Name:
        """Return the name of a cell; the versions of some libraries follow torch."""
        version = cell["version"]
        if cell["library"] in following:
            version = ""
        elif self.newest.get(cell["library"]) == version:
            version = axes.NEWEST
        return (cell["library"], version, cell["beside"], self.torch or torch_of(cell["torch"]))


@cache
def torch_of(version: str) -> str:
    """
    Return the column of a torch that stays the same over nights: its minor, or ``nightly``.

    What is no version has a column of its own.
    """
    if axes.is_nightly(version):
        return axes.NIGHTLY
    return minor(version) if is_version(version) else version


def pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[Subject, Pair]:
    """Return both words on each check, in the order of the newer run."""
    newest = newest_of(old, new)
    # What else there is of a part's cell may be in another part: its Python is named outright.
    python = is_part(old) or is_part(new)
    ours, theirs = (
        Naming({name: both[side] for name, both in newest.items()}, python=python)
        for side in (0, 1)
    )
    return joined(old, new, ours, theirs)


def joined(
    old: Mapping[str, Any], new: Mapping[str, Any], ours: Naming, theirs: Naming
) -> dict[Subject, Pair]:
    """Return both words on each check; the older run has no say in the order."""
    found = (_named(old, ours), _named(new, theirs))
    # What one run has several cells of is told apart in the other as well.
    several, patches = (_differing(found, key) for key in ("id", "torch"))

    def exact(name: Name, cell: Cell) -> tuple[Name, str]:
        full = (*name[:3], cell["torch"]) if name in patches else name
        return full, cell["python"] if name in several or ours.python else ""

    before, after = (_sides(*each, exact) for each in zip(found, (old["run"], new["run"])))
    return {subject: (before.get(subject), after.get(subject)) for subject in (*after, *before)}


def _differing(found: Iterable[Mapping[Name, Sequence[Cell]]], key: str) -> set[Name]:
    """Return the names under which a run has cells that differ in something."""
    every = (item for named in found for item in named.items())
    return {name for name, cells in every if len({cell[key] for cell in cells}) > 1}


def _sides(
    found: Mapping[Name, Sequence[Cell]], run: str, exact: Callable[[Name, Cell], tuple[Name, str]]
) -> dict[Subject, Side]:
    """Return a run's word on each check; experiments are none."""
    return {
        Subject(*full, check["checkpoint"], check["use"], check["policy"], python): Side(
            cell, check, run
        )
        for name, cells in found.items()
        for cell in cells
        for full, python in [exact(name, cell)]
        for check in cell["checks"]
        if not check["experiment"]
    }


def newest_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """
    Return the libraries whose highest version moved, with both.

    A plan asks the index for it, so that it is another one on another night. Where the runs were
    asked for other cells, their highest versions have nothing to do with each other.
    """
    if _asked(old) != _asked(new) or is_part(old) or is_part(new):
        return {}
    before, after = _versions(old), _versions(new)
    both = {name: (before[name][-1], after[name][-1]) for name in before if name in after}
    return {
        name: (older, newer)
        for name, (older, newer) in both.items()
        if older not in after[name] and newer not in before[name]
    }


def is_part(matrix: Mapping[str, Any]) -> bool:
    """Whether a run has some of its plan's cells alone."""
    return bool(matrix.get("whole"))


def _asked(matrix: Mapping[str, Any]) -> tuple[Any, ...]:
    selection = matrix.get("selection") or {}
    return tuple(selection.get(name) or [] for name in ("library", "cell"))


def _versions(matrix: Mapping[str, Any]) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for cell in matrix["cells"]:
        found[cell["library"]].add(cell["version"])
    return {
        name: sorted(versions, key=version_key)
        for name, versions in found.items()
        if not axes.is_paired(name)
    }


def _named(matrix: Mapping[str, Any], naming: Naming) -> dict[Name, list[Cell]]:
    libraries = {cell["library"] for cell in matrix["cells"]}
    following = {name for name in libraries if axes.is_paired(name)}
    found: defaultdict[Name, list[Cell]] = defaultdict(list)
    for cell in matrix["cells"]:
        found[naming.of(cell, following)].append(cell)
    return found


def changes(found: Mapping[Subject, Pair]) -> tuple[list[Change], int]:
    """Return the checks that differ, and how many were carried over as they were."""
    kinds = {subject: kind_of(*pair) for subject, pair in found.items()}
    changed = [
        Change(kind, subject, *found[subject])
        for subject, kind in kinds.items()
        if kind and kind is not Kind.CARRIED
    ]
    return changed, sum(kind is Kind.CARRIED for kind in kinds.values())


def kind_of(old: Side | None, new: Side | None) -> Kind | None:
    """
    Return how a check differs; ``None`` where it does not, or nobody says anything.

    A word that was carried over and differs is a change like another: the two runs disagree.
    """
    if old is None or new is None:
        return Kind.NEW if old is None else Kind.REMOVED
    silent = [side.outcome in SILENT for side in (old, new)]
    if any(silent):
        return None if all(silent) else Kind.INFRA
    if _is_incomparable(old, new):
        return Kind.INCOMPARABLE
    differs = _difference(old, new)
    return Kind.CARRIED if new.carried and not differs else differs


def _is_incomparable(old: Side, new: Side) -> bool:
    if old.reached and new.reached:
        return old.file != new.file
    return (old.outcome == UNAVAILABLE) != (new.outcome == UNAVAILABLE) and _is_nightly(old, new)


def _is_nightly(old: Side, new: Side) -> bool:
    # A night without a build, for this platform or of what goes with it, is nobody's fault.
    gone = new if new.outcome == UNAVAILABLE else old
    return axes.is_nightly(gone.cell["torch"])


def _difference(old: Side, new: Side) -> Kind | None:
    if _is_same_evidence(old, new) and old.outcome == new.outcome:
        return None
    if old.flaky or new.flaky:
        return None if old.verdicts == new.verdicts else Kind.FLAKY
    worked, works = (side.outcome in WORKING for side in (old, new))
    if worked != works:
        return Kind.FIXED if works else Kind.REGRESSED
    same = (old.outcome, old.cause) == (new.outcome, new.cause)
    return None if same else Kind.CHANGED


def _is_same_evidence(old: Side, new: Side) -> bool:
    # The records are the same ones; what is told from them, the drift, may differ all the same.
    return bool(new.carried) and new.carried == (old.carried or old.run)
