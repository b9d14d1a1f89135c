"""What the tests of faults share: traces of processes and files, and a disk that is filled."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

PATIENCE = 60  # seconds that a step may take on a machine that does much else
MARK = "TORCHCOMPAT_FAULT_TEST"


def until(condition, what="it"):
    """Wait for what the kernel tells nobody of."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        os.sched_yield()


def marked(mark):
    """Return the living processes that have inherited a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The environment of a process that has ended is empty.
            if mark.encode() in (path / "environ").read_bytes() and path.name != str(os.getpid()):
                found.append(int(path.name))
    return found


class Traces:
    """What a test's processes may leave behind: processes, and files in the temporary folder."""

    def __init__(self, folder):
        self.mark = f"{MARK}={uuid.uuid4()}"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def processes(self):
        return marked(self.mark)

    def assert_no_process(self):
        until(lambda: not self.processes(), "the end of all processes")

    def assert_none(self, folder):
        self.assert_no_process()
        assert list(self.temporary.iterdir()) == []
        assert half_written(folder.path) == []


def half_written(folder):
    return [path for path in folder.rglob(".*") if path.name != "."]


def fill(folder):
    """Take what is left of a disk."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**12))
    return path
