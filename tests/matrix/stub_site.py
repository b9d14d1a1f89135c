"""A worker's place for cells, with this Python as every cell's environment."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path

from matrix.environments import Environment
from matrix.jobs import Site
from matrix.runner import Sweep
from matrix.store import RunFolder

STUB = Path(__file__).parent / "stub_checks"


class ThisEnvironment:
    """Give each cell this Python."""

    def create(self, cell):
        """Return it."""
        return Environment(Path(sys.executable))

    def delete(self, cell):
        """Leave it as it is."""


class StubSite(Site):
    """Runs stub checks, and has each cell say which worker ran it."""

    @cached_property
    def base(self):
        """Return what runs stub checks."""
        folder = RunFolder(self.work / "run")
        return Sweep(folder, ThisEnvironment(), self.processes, STUB, self.plan.edition)

    def sweep(self, alone):
        """Locate nothing; name the worker in the cell's folder."""
        folder = self.base.folder.cell(alone.cells[0].id).path
        folder.mkdir(parents=True)
        (folder / "worker.txt").write_text(os.environ["STUB_WORKER"])
        return self.base
