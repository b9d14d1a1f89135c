"""
What the nightly calls nox for, with stubs: a small plan, this Python as every environment.

python nightly_program.py -s SESSION -- WORDS
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import sweep_program
from sweep_program import command

from matrix.plan import Plan, PlannedCell, PlannedCheck, Selection

COMMANDS = {"matrix": "run"}
TORCHES = ("2.5.1", "2.6.0")
LIBRARIES = (("ultralytics", "8.1.0"), ("coqui-tts", "0.28.0"))


def plan(*_, **__):
    """Return two libraries on two torches, as of the night that is asked for."""
    cells = tuple(cell(torch, *library) for torch in TORCHES for library in LIBRARIES)
    night = os.environ["STUB_NIGHT"]
    return Plan("", night, "replica", Selection(), TORCHES, cells)


def cell(torch, library, version):
    """Return a cell with one check, that works."""
    checks = (PlannedCheck("works", "stock"),)
    named = f"py3.11-torch{torch}-{library}{version}"
    return PlannedCell(named, "3.11", torch, library, version, "a test", (), (), checks)


def main(words):
    """Do what a session does."""
    session, given = words[1], words[3:]
    sweep_program.stand_in(Path(".matrix").absolute(), Path(__file__).parent / "stub_checks")
    command._new_plan = plan
    command.RUNS = Path("runs").absolute()
    # The disk of whoever runs this test is not asked.
    more = ["--force"] if session == "matrix" else []
    return command.main([COMMANDS.get(session, session), *given, *more])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
