"""A plan's cells brought to their results: carried over where they are still good, else run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from matrix import gpus
from matrix.assembly import Assembly
from matrix.budget import default_jobs
from matrix.carry import Decision, Past, carry_over, decide
from matrix.environments import UvEnvironments
from matrix.executors import Task, local, remote, run_cells
from matrix.files import Files, locate_all
from matrix.keys import Keys
from matrix.plan import Plan, PlannedCell
from matrix.processes import Processes
from matrix.project import Project
from matrix.resolution import Resolver, Settings
from matrix.runner import CellResult, Sweep
from matrix.staging import Staged
from matrix.store import RunFolder
from matrix.wheels import FolderWheels
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.checkpoints.rows import catalogue

Finished = Callable[[PlannedCell, CellResult], None]
Told = Callable[[PlannedCell], object]


def _untold(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Places:
    """
    Where things lie: the work folder, the checkout, the checks that a cell's process runs.

    ``runs`` are the folders of runs whose results may still be good. ``guest`` is the project whose
    sweep it is, where it is not our own.
    """

    work: Path
    project: Path
    checks: Path
    runs: tuple[Path, ...] = ()
    guest: Project | None = None

    @property
    def probes(self) -> Path:
        """The runs of single cells, which no page shows."""
        return self.work / "probes"

    @property
    def past(self) -> tuple[Path, ...]:
        """Where results that may still be good are looked for."""
        return tuple(dict.fromkeys((*self.runs, self.probes)))


@dataclass
class Engine:
    """
    Brings the cells of one run to their results.

    ``jobs`` is how many run at a time on this machine. The two that are made, what builds
    environments and what resolves them, ask uv.
    """

    plan: Plan
    folder: RunFolder
    places: Places
    fresh: bool = False
    show: bool = False
    environments: Callable[..., UvEnvironments] = UvEnvironments
    resolver: Callable[..., Resolver] = Resolver
    files: Files | None = None
    scheduler: str = ""
    jobs: int = field(default_factory=default_jobs)
    say: Callable[[str], object] = print

    @cached_property
    def processes(self) -> Processes:
        """All processes of the run."""
        return Processes()

    @cached_property
    def settings(self) -> Settings:
        """What all environments share."""
        places, plan = self.places, self.plan
        return Settings(places.work, places.project, plan.frozen_at, plan.backend, self._wheels)

    @cached_property
    def _wheels(self) -> FolderWheels | None:
        guest, date = self.places.guest, self.plan.frozen_at
        if guest is None:
            return None
        return FolderWheels(self.places.work, date, guest.libraries, self.processes)

    @cached_property
    def _staged(self) -> Staged | None:
        guest = self.places.guest
        return Staged(guest, self.places.work / "plugins") if guest else None

    @cached_property
    def catalogue(self) -> Catalogue:
        """The rows of the sweep."""
        return self.places.guest.catalogue if self.places.guest else catalogue()

    @cached_property
    def located(self) -> Files:
        """The checkpoints' files; asking for them fetches those that are not here."""
        return locate_all(self.plan, self.catalogue) if self.files is None else self.files

    @cached_property
    def assembly(self) -> Assembly:
        """What runs cells on this machine."""
        made = (self.environments, self.resolver)
        return Assembly(self.settings, self.folder, self.processes, self.say, *made)

    @cached_property
    def keys(self) -> Keys:
        """What tells a cell's key."""
        known = (self.places.project, self.catalogue, self.located or None, gpus.names())
        guest, staged = self.places.guest, self._staged
        if guest is None or staged is None:
            return Keys(*known)
        return Keys(*known, guest.libraries, lambda cell: staged.code(cell, self._wheels))

    @cached_property
    def sweep(self) -> Sweep:
        """What runs a cell; asking for it prepares the environments."""
        if self._staged:
            self._staged.lay_out()
        return dataclasses.replace(
            self.assembly.sweep,
            staged=self._staged,
            checks=self.places.checks,
            edition=self.plan.edition,
            files=self.located,
            show=self.show,
            parts=self.keys.parts,
        )

    def decisions(self, cells: Sequence[PlannedCell], told: Told = _untold) -> list[Decision]:
        """Return whether each cell has to run; what never ran is not resolved for that."""
        past = Past(self.places.past, self.folder.path)
        seen = [cell for cell in cells if not self.fresh and past.has(cell)]
        locked = {cell.id: cell for cell in self.assembly.resolving.locked(seen, told)}
        resolved = (locked.get(cell.id, cell) for cell in cells)
        return [decide(cell, self.keys, past, fresh=self.fresh) for cell in resolved]

    def carried(self, decisions: Iterable[Decision]) -> list[PlannedCell]:
        """Carry over what is still good, and return the cells that have to run."""
        decisions = list(decisions)
        for decision in decisions:
            carry_over(decision, self.folder)
        return [decision.cell for decision in decisions if decision.earlier is None]

    def run(self, cells: Sequence[PlannedCell], finished: Finished = _untold) -> None:
        """Run cells; what they leave lies in the run's folder."""
        self._run(cells, finished, 1)

    def _run(self, cells: Sequence[PlannedCell], finished: Finished, number: int) -> None:
        if cells:
            task, executor = self._executor(number)
            # Resolved here: whichever machine installs them, they are the same.
            locked = self.assembly.resolving.locked(cells, _untold) if self.scheduler else cells
            with executor:
                run_cells(task, locked, executor, finished)

    def _executor(self, number: int) -> tuple[Task, Executor]:
        if self.scheduler:
            return remote(self.plan, self.folder, self.places.work, self.scheduler, number)
        return local(self.sweep, self.jobs, number)

    def again(self, cells: Sequence[PlannedCell], number: int) -> None:
        """Run cells once more, each as its try of that number."""
        self._run(cells, _untold, number)
