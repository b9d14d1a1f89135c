"""The versions that a bisect goes over, and the plan of each: a cell as the sweep has them."""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.version import InvalidVersion, Version

from matrix import axes, nightly
from matrix.bisect import companions
from matrix.bisect.question import TORCH, Question
from matrix.plan import Heading, Plan, PlannedCell, Selection
from matrix.planning.cells import UNPICKLED
from matrix.planning.planner import make_plan
from matrix.planning.pythons import choose_python
from matrix.planning.torches import selected_torches
from matrix.planning.world import World
from matrix.releases import IndexUnreachableError, Release
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.errors import TorchcompatError, unknown_name
from pytest_torchcompat.record import FORWARD

DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
FEWEST = 2


@dataclass(frozen=True)
class Candidates:
    """The versions of one package, oldest first, and the plan of each."""

    question: Question
    heading: Heading
    world: World

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The releases in the range that is asked for; raises where there are less than two."""
        known = self._known()
        found = within(known, self.question, "" if self.question.first else self._series())
        if len(found) < FEWEST:
            raise TorchcompatError(_too_few(self.question, found, known))
        if self.question.python:
            self._require_python(found)
        return tuple(found)

    def _require_python(self, found: Iterable[str]) -> None:
        """Raise where no cell of these versions could have the Python that is asked for."""
        fitting = self._pythons(frozenset(found))
        if self.question.python not in fitting:
            name, torch = self.question.name, self.question.torch
            of = name if self.question.goes_over_torch else f"both torch {torch} and {name}"
            there = ", ".join(sorted(fitting, key=Version)) or "no Python at all"
            message = (
                f"no version of this bisect has wheels of {of} for Python "
                f"{self.question.python}; name one with --python that has: {there}"
            )
            raise TorchcompatError(message)

    def _pythons(self, found: frozenset[str]) -> set[str]:
        """Return the Pythons that the cells of some versions can have, by the wheels there are."""
        question = self.question
        row, releases = question.row, [Release("")]
        if question.goes_over_torch:
            torches = self._torches(found)
        else:
            torches = selected_torches(self.world, question.selection)
            if not question.over and not row.source_only:
                known = self.world.releases.of(question.name)
                releases = [each for each in known if each.version in found]
        built = set[str]().union(*(torch.pythons or () for torch in torches))
        sides = list(itertools.product(torches, releases))
        return {p for p in built if any(choose_python(row, *side, p.__eq__) == p for side in sides)}

    def _torches(self, found: frozenset[str]) -> list[Release]:
        if self.question.nightly:
            index = self.world.nightlies
            built = nightly.builds(index) if index else []
            return [each for each in built if Version(each.version).public in found]
        return [each for each in self.world.releases.of(TORCH) if each.version in found]

    def _known(self) -> list[str]:
        name = self.question.name
        if self.question.nightly:
            index = self.world.nightlies
            # A night has builds for several backends, and one public version.
            listed = index.listed(TORCH) if index else ()
            return list(dict.fromkeys(Version(each).public for each in listed))
        known = [release.version for release in self.world.releases.of(name)]
        if not known:
            message = (
                f"the package index lists no release of {name} that this machine can use; check "
                "that what answers is a package index, and that it has wheels for this platform"
            )
            raise IndexUnreachableError(message)
        floor = Version(axes.TORCH_FLOOR)
        return [each for each in known if name != TORCH or Version(each) >= floor]

    def _series(self) -> str:
        """Return where to begin unasked: with the series of the oldest that the sweep lists."""
        if self.question.goes_over_torch:
            return ""
        listed = [each.version for each in self.question.row.versions if not each.requirement]
        if self.question.over:
            listed = companions.pins(self._sets, self.question.name)
        oldest = min((Version(each) for each in listed if each != axes.NEWEST), default=None)
        return str(oldest.major) if oldest else ""

    def plan(self, version: str) -> Plan:
        """Return the plan of a version's cell; it has none where no Python fits, and says so."""
        question = self.question
        if question.nightly and version not in self._built:
            return self._without(f"The night of {version} has no build for this platform: no cell.")
        if question.over:
            made = self._base
            cells = [companions.beside(self._sets, question.name, version)] if self._sets else []
        else:
            made = self._made(self._selection(version))
            # Of several sets of one version the last has the newest companions.
            cells = list(made.cells[-1:])
        if any(question.python not in ("", cell.python) for cell in cells):
            return self._without(
                f"Python {question.python} does not fit, or is not on this machine: no cell."
            )
        return dataclasses.replace(made, cells=tuple(self._narrowed(cell) for cell in cells))

    @cached_property
    def _built(self) -> frozenset[str]:
        """The nights that this platform has."""
        found = nightly.builds(self.world.nightlies) if self.world.nightlies else ()
        return frozenset(Version(each.version).public for each in found)

    def _without(self, note: str) -> Plan:
        heading = self.heading
        return Plan("", heading.frozen_at, heading.edition, Selection(), (), (), (note,))

    def _selection(self, version: str) -> Selection:
        question = self.question
        torch, library = question.torch, f"{question.name}=={version}"
        if question.goes_over_torch:
            torch, library = version, question.opened_by
        return Selection((torch,), (library,), (), (question.policy,))

    @cached_property
    def _base(self) -> Plan:
        question = self.question
        selection = Selection((question.torch,), (question.subject,), (), (question.policy,))
        return self._made(selection)

    @property
    def _sets(self) -> tuple[PlannedCell, ...]:
        """The cells of the version that stays, one beside each companion that the sweep lists."""
        return self._base.cells

    def _made(self, selection: Selection) -> Plan:
        python, world = self.question.python, self.world
        if python:
            world = dataclasses.replace(world, has_python=lambda each: each == python)
        return make_plan(self.heading, selection, world)

    def _narrowed(self, cell: PlannedCell) -> PlannedCell:
        wanted = set(deciding(self.question, self.world.catalogue))
        checks = (each for each in cell.checks if each.use == FORWARD)
        kept = tuple(check for check in checks if check.checkpoint in wanted)
        return dataclasses.replace(cell, checks=kept)


def deciding(question: Question, catalogue: Catalogue) -> list[str]:
    """Return the checkpoints that decide; raises where a glob or the policy leaves none."""
    rows = list(question.row.opened(catalogue))
    names = [row.id for row in rows if row.pickled or question.policy in UNPICKLED]
    for glob in question.checkpoint:
        if not fnmatch.filter(names, glob):
            kind = f"checkpoint of {question.row.name} under {question.policy}"
            raise unknown_name(kind, glob, names)
    if not names:
        message = f"{question.row.name} has no check under {question.policy}: ask under stock"
        raise TorchcompatError(message)
    globs = question.checkpoint or ("*",)
    return [name for name in names if any(fnmatch.fnmatchcase(name, glob) for glob in globs)]


def within(known: Iterable[str], question: Question, series: str = "") -> list[str]:
    """Return the versions from one to another, both included; ``--to 2.6`` includes 2.6.1."""
    low = question.first or series
    first = _stripped(_place(low, question)) if low else ()
    last = _place(question.last, question) if question.last else ()
    found = [(each, _place(each, question)) for each in known]
    return [
        each for each, place in found if place >= first and (not last or place[: len(last)] <= last)
    ]


def _stripped(place: tuple[int, ...]) -> tuple[int, ...]:
    """Return a lower bound that lets 8.2 be no older than 8.2.0."""
    return _stripped(place[:-1]) if place[-1:] == (0,) else place


def _place(text: str, question: Question) -> tuple[int, ...]:
    """Return what orders versions as their bounds; of a nightly that is its date alone."""
    if question.nightly and (date := DATE.fullmatch(text)):
        return (int("".join(date.groups())),)
    try:
        version = Version(text)
    except InvalidVersion:
        what = "a date such as 20261119" if question.nightly else "a version such as 2.8.0"
        message = f"{text!r} is no bound of a bisect; give {what}"
        raise TorchcompatError(message) from None
    return (version.dev or 0,) if question.nightly else version.release


def _too_few(question: Question, found: Sequence[str], known: Sequence[str]) -> str:
    bounds = [f"from {question.first}"] if question.first else []
    bounds += [f"to {question.last}"] if question.last else []
    there = f"is {found[0]} alone" if found else "is none"
    span = f"{known[0]} … {known[-1]}" if known else "nothing"
    return (
        f"a bisect needs two releases of {question.name}, and {' '.join([*bounds, 'there'])} "
        f"{there}. The index has {span}: choose other bounds with --from and --to"
    )
