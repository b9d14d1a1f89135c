"""What was timed, and in which way: figures of two ways are never compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from matrix.page.table import Check, Set, Subject, Table, subject_of
from matrix.page.text import counted
from matrix.speed.ways import BATCH, DTYPE, Way, way_of
from pytest_torchcompat.record import FORWARD

NAMED = 12  # kinds of machines


class Point(NamedTuple):
    """A check that was timed, with the number of its column and its cell's id."""

    column: int
    torch: str
    cell: str
    check: Check


@dataclass(frozen=True)
class Timed:
    """One checkpoint with one library version, timed in one way, across the torch builds."""

    library: str
    versions: tuple[str, ...]
    beside: str
    subject: Subject
    way: Way
    points: tuple[Point, ...]

    @property
    def version(self) -> str:
        """How the library is called, with its versions from first to last."""
        last = f" … {self.versions[-1]}" if len(self.versions) > 1 else ""
        beside = f" beside {self.beside}" if self.beside else ""
        return f"{self.library} {self.versions[0]}{last}{beside}"

    @property
    def about(self) -> str:
        """How the checkpoint is called, with its use where that is another than a forward pass."""
        use = f" · {self.subject.use}" if self.subject.use != FORWARD else ""
        return f"{self.subject.checkpoint}{use}"


def timed(table: Table) -> Iterator[Timed]:
    """Yield what was timed, in the order of the table; experiments are no benchmarks."""
    for found in table.sets:
        ways: dict[tuple[Subject, Way], dict[int, Point]] = {}
        for point in _points(table, found):
            key = (subject_of(point.check), way_of(point.check["benchmark"]))
            # What a policy loaded is the same: that of the first stands for all.
            ways.setdefault(key, {}).setdefault(point.column, point)
        names = (found.library, found.versions, found.beside)
        for (subject, way), points in ways.items():
            yield Timed(*names, subject, way, tuple(points.values()))


def _points(table: Table, found: Set) -> Iterator[Point]:
    for column, slot in enumerate(found.rows[0].slots):
        if slot:
            cell = table.cells[slot.cell]
            order = table.policies.index
            for check in sorted(cell["checks"], key=lambda each: order(each["policy"])):
                if check["benchmark"] and not check["experiment"]:
                    yield Point(column, table.torch[column], cell["id"], check)


class Machines:
    """The machines of a run by number: their ids tell a reader nothing."""

    def __init__(self, checks: Iterable[Check]) -> None:
        self._numbers: dict[str, int] = {}
        self._kinds: dict[tuple[str, int], list[int]] = {}
        self._unknown = False
        for machine in (machine for check in checks for machine in _machines(check)):
            if not machine:
                self._unknown = True
            elif machine["id"] not in self._numbers:
                self._add(machine)

    def _add(self, machine: Mapping[str, Any]) -> None:
        number = self._numbers[machine["id"]] = len(self._numbers) + 1
        kind = (machine.get("cpu") or "a processor without a name", machine.get("cores") or 0)
        self._kinds.setdefault(kind, []).append(number)

    @property
    def several(self) -> bool:
        """Whether figures are of more than one, as far as they say."""
        return len(self._numbers) + self._unknown > 1

    @property
    def sentence(self) -> str:
        """What they are, in words; empty where none is known."""
        kinds = list(self._kinds.items())
        told = [f"{self._called(numbers)}: {_kind(*kind)}" for kind, numbers in kinds[:NAMED]]
        if len(kinds) > NAMED:
            told.append(f"and {counted(len(kinds) - NAMED, 'more kind')} of machine")
        return f"{'; '.join(told)}." if told else ""

    def name(self, machine: str) -> str:
        """Return how the machine of an id is called; empty where all figures are of one."""
        if not self.several:
            return ""
        return f"machine {self._numbers[machine]}" if machine else "an unknown machine"

    def words(self, way: Way) -> str:
        """Return a way in words, without what goes without saying."""
        dtype = way.dtype if way.dtype != DTYPE else ""
        batch = f"batch {way.batch}" if way.batch != BATCH else ""
        parts = (way.method, way.device, dtype, batch, self.name(way.machine))
        return ", ".join(filter(None, parts))

    def _called(self, numbers: list[int]) -> str:
        if not self.several:
            return "Machine"
        *others, last = map(str, numbers)
        return f"Machines {', '.join(others)} and {last}" if others else f"Machine {last}"


def _machines(check: Check) -> Iterator[Mapping[str, Any]]:
    for figures in (check["benchmark"], check.get("loading")):
        if figures:
            yield figures.get("machine") or {}


def _kind(cpu: str, cores: int) -> str:
    return f"{cpu}, {counted(cores, 'core')}" if cores else cpu
