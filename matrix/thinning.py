"""
Old runs made small: what later runs ask of them is kept, and all else deleted.

Results are carried over from the last complete run and from what came after it, and it is compared
with the complete one before it. Of older ones the feed of changes is made, and their lines in the
history are files of their own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from matrix.store import RunFolder, read_json, runs
from pytest_torchcompat.errors import RecordError

WHOLE = 2  # complete runs that stay as they are


def thin(root: Path) -> None:
    """Delete of the runs before the last two complete ones all but their plans and changes."""
    complete = 0
    for run in runs(root):
        if complete == WHOLE:
            _thin(run)
        else:
            complete += _is_complete(run)


def _thin(run: RunFolder) -> None:
    for path in list(run.path.iterdir()):
        if path not in (run.plan, run.changes):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_complete(run: RunFolder) -> bool:
    try:
        return read_json(run.changes)["new"]["complete"] is True and run.matrix.exists()
    except (RecordError, KeyError, TypeError):
        return False  # What can't be read may still be mended: it counts for nothing.
