"""Commands, timed: the wall clock's seconds and the processor's."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix.processes import Finished, Processes

# A switch that some machines set, and that makes every process compile what it imports.
REMOVED = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Spent:
    """What a command took, and what it said."""

    command: str
    wall: float
    cpu: float
    returncode: int
    output: str


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, with byte code kept."""
    kept = {name: value for name, value in os.environ.items() if name != REMOVED}
    return {**kept, **more}


def spend(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Spent:
    """Run a command to its end; what it says comes back and is not shown."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=environment() if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        # os.times counts in hundredths; this counts a child with its own children in microseconds.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    cpu = usage.ru_utime + usage.ru_stime
    return Spent(shlex.join(command), wall, cpu, process.returncode, said)


def must(spent: Spent) -> Spent:
    """Return what a command took; ends the program with its last words where it failed."""
    if spent.returncode != 0:
        words = "\n".join(spent.output.splitlines()[-15:])
        sys.exit(f"no figure: exit code {spent.returncode} of {spent.command}\n{words}")
    return spent


@dataclass
class Clock:
    """The seconds of a ``with`` block."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def clocked() -> Iterator[Clock]:
    """Take the wall time of a block, and the processor's time of the children that end in it."""
    clock = Clock()
    start, before = time.monotonic(), _children()
    try:
        yield clock
    finally:
        clock.wall, clock.cpu = time.monotonic() - start, _children() - before


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass
class Noting(Processes):
    """Starts processes as the sweep does, and notes what was started."""

    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def run(self, command: Sequence[str], **options: Any) -> Finished:
        """Run a command."""
        self.commands.append(shlex.join(command))
        return super().run(command, **options)
