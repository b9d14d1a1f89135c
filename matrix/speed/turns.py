"""
Cells whose forward times differ from their baseline's, run again with it, turn by turn.

Two figures of a sweep are minutes or days apart, and a machine is not the same all that time. In
turn, and in the other order every second time, what else goes on meets both alike.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from matrix.environments import Environment
from matrix.plan import Plan, PlannedCell, PlannedCheck
from matrix.runner import Sweep
from matrix.speed.suspects import Suspect, asked_of, groups, suspects
from matrix.speed.ways import Way, way_of
from matrix.store import CellFolder, write_json
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.record import Record

TURNS = 4


@dataclass(frozen=True)
class Turns:
    """Takes turns of the cells of a plan, by what runs them."""

    sweep: Sweep
    plan: Plan
    say: Callable[[str], object] = print
    clock: Callable[[], float] = time.monotonic

    def confirm(self, matrix: Mapping[str, Any], seconds: float) -> bool:
        """Run again what differs, for as long as there is time; return whether anything was."""
        found = groups(suspects(matrix))
        if not found or not seconds:
            return False
        number = len({each.cell for group in found for each in group})
        cells = f"{number} cell{'s' if number > 1 else ''}"
        self.say(
            f"{cells} with a forward time that is not the baseline's: each runs {TURNS} times in"
            f" turn with it; none is begun after {seconds / 60:g} min."
        )
        end = self.clock() + seconds
        for done, group in enumerate(found):
            if self.clock() >= end:
                self.say(f"No time is left; {_counted(found[done:])} unconfirmed.")
                break
            try:
                self._taken(group)
            except (OSError, RecordError) as error:  # the sweep is done, and its results are kept
                self.say(f"Not confirmed: {error}")
        return True

    def _taken(self, group: Sequence[Suspect]) -> None:
        asked = asked_of(group)
        self.say(f"In turn: {', '.join(asked)}")
        found: list[dict[tuple[str, str], float]] = []
        with ExitStack() as stack:
            built = {cell: self._standing(stack, cell) for cell in asked}
            gpu = stack.enter_context(self.sweep.lease.gpu(group[0].base))
            for turn in range(TURNS):
                order = list(asked)[:: -1 if turn % 2 else 1]
                medians: dict[tuple[str, str], float] = {}
                for cell in order:
                    medians.update(self._medians(built[cell], asked[cell], gpu, group))
                found.append(medians)
        self._keep(group, found)

    def _standing(self, stack: ExitStack, name: str) -> tuple[PlannedCell, Environment | None]:
        cell = self.sweep.locked(self.plan.cell(name))
        environment = stack.enter_context(self.sweep.standing(cell))
        if isinstance(environment, Environment):
            return cell, environment
        self.say(f"{name} can't be built again: {environment.reason}")
        return cell, None

    def _medians(
        self,
        built: tuple[PlannedCell, Environment | None],
        asked: Sequence[PlannedCheck],
        gpu: Mapping[str, str],
        group: Sequence[Suspect],
    ) -> Iterator[tuple[tuple[str, str], float]]:
        """Yield the medians of one process of a cell, of those that were timed as before."""
        cell, environment = built
        if environment is None:
            return
        files = CellFolder(self.sweep.folder.cell(cell.id).path / "turn")
        shutil.rmtree(files.path, ignore_errors=True)  # of a sweep that was killed
        alone = dataclasses.replace(cell, checks=tuple(asked))
        ways = {each.checkpoint: each.way for each in group}
        try:
            for record in self.sweep.timed(environment, alone, files, gpu):
                if _timed_as(record, ways[record.checkpoint]):
                    yield (cell.id, record.checkpoint), (record.benchmark or {})["median"]
        finally:
            shutil.rmtree(files.path, ignore_errors=True)

    def _keep(self, group: Iterable[Suspect], found: Sequence[Mapping[Any, float]]) -> None:
        """Write down the turns of those that were timed in each."""
        for each in group:
            base, own = (each.base, each.checkpoint), (each.cell, each.checkpoint)
            if not all(base in medians and own in medians for medians in found):
                self.say(f"{each.checkpoint} in {each.cell} was not timed in each turn")
                continue
            files = self.sweep.folder.cell(each.cell)
            turns = [[medians[base], medians[own]] for medians in found]
            about = {"median": each.median, "baseline": each.base_median, "turns": turns}
            write_json(files.turns, {**files.read_turns(), each.checkpoint: about})


def _timed_as(record: Record, wanted: Way) -> bool:
    return bool(record.benchmark) and way_of(record.benchmark or {}) == wanted


def _counted(groups: Iterable[Iterable[Suspect]]) -> str:
    number = sum(1 for group in groups for _ in group)
    return f"{number} difference is" if number == 1 else f"{number} differences are"
