"""The sweep's command as it is, with this Python as every cell's environment."""

from __future__ import annotations

import sys
from pathlib import Path

from matrix import __main__ as command
from matrix.environments import Environment


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


if __name__ == "__main__":
    command.UvEnvironments = ThisEnvironment
    command.WORK = Path(sys.argv[1])
    command.CHECKS = Path(__file__).parent / "stub_checks"
    sys.exit(command.main(sys.argv[2:]))
