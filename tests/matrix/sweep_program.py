"""The sweep's command as it is, with this Python as every cell's environment."""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path

from matrix import __main__ as command
from matrix import assembly
from matrix.environments import Environment
from matrix.retries import Patience


class ThisEnvironment:
    """Give each cell the Python that runs the sweep."""

    def __init__(self, *_):
        """Need nothing of a run's settings."""

    def prepare(self):
        """Have nothing to build."""

    def create(self, cell):
        """Return this Python."""
        return Environment(Path(sys.executable))

    def delete(self, cell):
        """Leave this Python as it is."""


class NoIndex:
    """Take each cell as resolved, its requirements being what is here."""

    def __init__(self, *_):
        """Need no index."""

    def locked(self, cells, told):
        """Return them as they are."""
        return [self.lock(cell) for cell in cells]

    def lock(self, cell):
        """Return a cell whose lock is what it requires."""
        return dataclasses.replace(cell, lock=("torch==2.5.1", *cell.requirements))


def stand_in(work, checks):
    """Put what is here in the place of what asks the index and waits for the network."""
    command.UvEnvironments = ThisEnvironment
    command.Resolver = NoIndex
    command.WORK = work
    command.CHECKS = checks
    assembly.Patience = functools.partial(Patience, ())


if __name__ == "__main__":
    stand_in(Path(sys.argv[1]), Path(__file__).parent / "stub_checks")
    sys.exit(command.main(sys.argv[2:]))
