"""What runs cells on one machine, put together from the parts that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from matrix import disk, gpus
from matrix.budget import Machine
from matrix.environments import UvEnvironments
from matrix.pages import Pages
from matrix.processes import Processes, uv_cache
from matrix.releases import IndexReleases, endpoint
from matrix.resolution import Resolver, Settings
from matrix.retries import Patience
from matrix.runner import Sweep
from matrix.store import RunFolder

CHECKS = ("matrix", "checks")


@dataclass(frozen=True)
class Assembly:
    """The parts that differ: what makes environments and what resolves them ask uv by default."""

    settings: Settings
    folder: RunFolder
    processes: Processes
    say: Callable[[str], object]
    environments: Callable[..., UvEnvironments] = UvEnvironments
    resolver: Callable[..., Resolver] = Resolver

    @cached_property
    def frozen_at(self) -> datetime:
        """The date of the run's resolution."""
        return datetime.fromisoformat(self.settings.frozen_at)

    @cached_property
    def resolving(self) -> Resolver:
        """What resolves the requirements of cells."""
        return self.resolver(self.settings, self.processes, Pages(endpoint(), self.frozen_at))

    @cached_property
    def sweep(self) -> Sweep:
        """What runs cells here, its environments prepared; it knows no checkpoint yet."""
        index = IndexReleases(endpoint(), self.frozen_at)
        maker = self.environments(self.settings, self.processes, index)
        maker.prepare()
        work = self.settings.work
        cache = uv_cache(self.processes) or work
        lent = gpus.of_machine()
        return Sweep(
            self.folder,
            maker,
            self.processes,
            self.settings.project.joinpath(*CHECKS),
            budget=disk.budget_of(work, cache, self.say, self._stopped),
            needs=disk.Needs(work, cache, cpu=bool(self.settings.backend) and not lent),
            lease=gpus.Lease(lent, say=self.say, stopped=self._stopped),
            patience=Patience(),
            # What a GPU's driver reserves counts too, and is no memory of the machine.
            memory=None if lent else Machine().memory(),
            locked=self.resolving.lock,
        )

    def _stopped(self) -> bool:
        return self.processes.stopped
