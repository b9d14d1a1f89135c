"""A run from its plan to its page, as the terminal sees it."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from matrix import disk, history
from matrix.carry import Decision
from matrix.diff import Diff, Kind
from matrix.engine import Engine
from matrix.plan import Plan, PlannedCell
from matrix.progress import Reporter, resolving
from matrix.published import Publisher, compared
from matrix.runner import CellResult, to_run
from matrix.speed.suspects import suspects
from matrix.speed.turns import Turns
from matrix.stacks import resolved_beside
from matrix.store import RunFolder, in_order
from matrix.tallies import SILENT, is_flaky

# What is a change between two runs only if it is seen twice.
TO_CONFIRM = (Kind.REGRESSED, Kind.FIXED, Kind.CHANGED)
SECOND, THIRD = 2, 3


@dataclass(frozen=True)
class Asked:
    """
    How a run is asked for: tries of each cell, the disk however small.

    ``speed_minutes`` bound what is spent on being sure of differences of speed.
    """

    repeat: int = 1
    force: bool = False
    speed_minutes: float = 0


def swept(engine: Engine, asked: Asked) -> dict[str, Any]:
    """Carry over what is still good, run the rest, confirm what changed; return the matrix."""
    engine.folder.unsettled.touch()
    if engine.fresh:
        _forget_carried(engine)
    publisher = Publisher(engine.plan, engine.folder)
    left = to_run(engine.plan, engine.folder)
    decisions = decided(engine, left)
    cells = engine.carried(decisions)
    # The disks of a cluster are not this one's.
    force = asked.force or bool(engine.scheduler)
    cpu = disk.is_for_cpus(engine.plan.backend)
    sentence = disk.check(cells, engine.places.work, force=force, cpu=cpu)
    print(headline(engine.plan, left), sentence)
    if len(cells) < len(left):
        print(carried_over(decisions, len(cells)))
    if cells:
        page = shown(engine.folder.page)
        print(f"Boundary versions first. The page grows as cells finish: {page}")
    _run(engine, cells, publisher)
    for number in range(SECOND, asked.repeat + 1):
        engine.again(_untried(engine, number), number)
    matrix = _confirmed(engine, publisher)
    matrix = _sure_of_speed(engine, publisher, matrix, asked.speed_minutes)
    publisher.beside(matrix)
    history.write(engine.folder.path.parent, matrix)
    engine.folder.unsettled.unlink(missing_ok=True)
    return matrix


def _sure_of_speed(
    engine: Engine, publisher: Publisher, matrix: dict[str, Any], minutes: float
) -> dict[str, Any]:
    """Run in turn with its baseline what seems slower or faster; return the matrix."""
    if not (minutes and suspects(matrix)):
        return matrix
    if engine.scheduler:
        print("What seems slower or faster stays unconfirmed: its cells ran on other machines.")
        return matrix
    confirmed = Turns(engine.sweep, engine.plan, print).confirm(matrix, minutes * 60)
    return publisher.page() if confirmed else matrix


def _forget_carried(engine: Engine) -> None:
    """Delete what this run carried over before it was stopped; where it ran it stays."""
    for cell in engine.plan.cells:
        files = engine.folder.cell(cell.id)
        if (files.read_result() or {}).get("carried"):
            # At once: half of a cell would count. What a kill leaves of such a name is tidied up.
            gone = files.path.rename(files.path.with_name(f".{cell.id}"))
            shutil.rmtree(gone)


def _untried(engine: Engine, number: int) -> list[PlannedCell]:
    """Return the cells whose try of that number has not ended, in this sweep or a stopped one."""
    found = ((cell, engine.folder.cell(cell.id).again(number)) for cell in engine.plan.cells)
    return [cell for cell, files in found if not files.result.exists()]


def decided(engine: Engine, cells: Sequence[PlannedCell]) -> list[Decision]:
    """Return whether each cell has to run; what that takes is shown as it goes."""
    with resolving(Console()) as told:
        return engine.decisions(cells, told)


def explained(engine: Engine) -> dict[str, str]:
    """Return why each cell would run, or that it would not."""
    decisions = decided(engine, engine.plan.cells)
    return {each.cell.id: ("" if each.earlier else "runs: ") + each.why for each in decisions}


def carried_over(decisions: Sequence[Decision], to_run: int) -> str:
    """Say how many results are still good, and how old the oldest of them is."""
    names = [decision.earlier.ran_in for decision in decisions if decision.earlier]
    oldest = min(names, key=in_order)
    rest = f"{to_run} to run" if to_run else "nothing to run"
    return f"{counted(len(names))} carried over, the oldest from {oldest}; {rest}."


def _run(engine: Engine, cells: Sequence[PlannedCell], publisher: Publisher) -> None:
    plan, folder = engine.plan, engine.folder
    beside = resolved_beside(plan.stacks, folder, engine.processes, plan.frozen_at)
    page = _Page(publisher)
    done = len(plan.cells) - len(cells)
    with Reporter(Console(), done, len(plan.cells), engine.jobs) as reporter, beside:

        def finished(cell: PlannedCell, result: CellResult) -> None:
            reporter.finished(cell, result, folder.cell(cell.id).records())
            page.grow()

        engine.run(cells, finished)


class _Page:
    """The page of a run that goes on; it takes a tenth of the time at most."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._due = time.monotonic()

    def grow(self) -> None:
        """Render, unless that was done just before: of a large run it takes seconds."""
        start = time.monotonic()
        if start >= self._due:
            self._publisher.page()
            now = time.monotonic()
            self._due = now + 9 * (now - start)


def regressed(folder: RunFolder, matrix: dict[str, Any]) -> int:
    """Return how many checks regressed since the last complete run of the same selection."""
    found = compared(folder, matrix)
    return found.count(Kind.REGRESSED) if found else 0


def _confirmed(engine: Engine, publisher: Publisher) -> dict[str, Any]:
    """
    Run the cells again whose verdicts differ from those of the last run; return the matrix.

    Where the second try says otherwise than the first, a third decides which is the rarer.
    """
    matrix = publisher.page()
    found = publisher.changes(matrix)
    if found is None:
        return matrix
    why = f"not what it was in {found.old['run']}"
    matrix = _again(engine, publisher, _changed(found), SECOND, why) or matrix
    half = "one of the two tries met a fault of the machine"
    matrix = _again(engine, publisher, _half_heard(matrix), THIRD, half) or matrix
    why = "the two tries disagree"
    return _again(engine, publisher, _disagreeing(matrix), THIRD, why) or matrix


def _again(
    engine: Engine, publisher: Publisher, names: set[str], number: int, why: str
) -> dict[str, Any] | None:
    """Run cells once more; ``None`` where there are none."""
    cells = [cell for cell in engine.plan.cells if cell.id in names]
    if not cells:
        return None
    print(f"{counted(len(cells))} to run once more: {why}.")
    engine.again(cells, number)
    return publisher.page()


def _half_heard(matrix: dict[str, Any]) -> set[str]:
    """Return the cells of whose two tries one says something."""
    return {
        cell["id"]
        for cell in matrix["cells"]
        if any(_tries(check) == SECOND and _verdicts(check) == 1 for check in cell["checks"])
    }


def _disagreeing(matrix: dict[str, Any]) -> set[str]:
    return {
        cell["id"]
        for cell in matrix["cells"]
        if any(is_flaky(check) and _tries(check) < THIRD for check in cell["checks"])
    }


def _changed(found: Diff) -> set[str]:
    """Return the cells with a change that was seen once, be it by an earlier run."""
    told = [each for group in found.groups if group.kind in TO_CONFIRM for each in group.changes]
    return {each.new.cell["id"] for each in told if each.new and _tries(each.new.check) == 1}


def _tries(check: Any) -> int:
    return sum((check.get("tally") or {"": 1}).values())


def _verdicts(check: Any) -> int:
    tally = check.get("tally") or {}
    return sum(number for outcome, number in tally.items() if outcome not in SILENT)


def headline(plan: Plan, cells: Sequence[PlannedCell]) -> str:
    """Return how many cells there are, and of what."""
    torches = [t for t in plan.torch if "dev" not in t]
    nightly = [f"nightly {t}" for t in plan.torch if "dev" in t]
    span = [f"{torches[0]} … {torches[-1]}" if len(torches) > 1 else "".join(torches)]
    libraries = {cell.library for cell in cells}
    named = " and ".join(name for name in [*span, *nightly] if name)
    kinds = "library" if len(libraries) == 1 else "libraries"
    notes = "".join(f"\n{note}" for note in plan.notes)
    return f"{counted(len(cells))}: torch {named} x {len(libraries)} {kinds}.{notes}"


def shown(path: Path) -> str:
    """Return a path as it is named from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def counted(cells: int) -> str:
    """Return a number of cells in words."""
    return f"{cells} cell" if cells == 1 else f"{cells} cells"
