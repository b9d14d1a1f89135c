"""
Old runs made small: what later runs ask of them is kept, and all else deleted.

Results are carried over from the last complete run and from what came after it, and it is compared
with the complete one before it that has the same selection, edition and project: each such kind has
its own two. Of older ones the feed of changes is made, and their lines in the history are files of
their own.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from matrix.store import RunFolder, read_json, runs
from pytest_torchcompat.errors import RecordError

WHOLE = 2  # complete runs of a kind that stay as they are, and as many that are not complete


class Kind(NamedTuple):
    """What runs that are compared have in common; the selection is empty where a run has all."""

    selection: str
    edition: str
    project: str


def thin(root: Path) -> int:
    """
    Delete of the runs before the last two of their kind all but their plans and changes.

    Returns of how many there was something to delete.
    """
    small = 0
    seen: Counter[tuple[Kind, bool]] = Counter()
    for run in runs(root):
        kind = kind_of(run)
        if kind is None:
            continue  # What can't be read may still be mended: it counts for nothing.
        complete = _is_complete(run)
        # Before two complete ones nobody asks for what was not, either.
        if WHOLE in (seen[kind, True], seen[kind, complete]):
            small += _thin(run)
        else:
            seen[kind, complete] += 1
    return small


def kind_of(run: RunFolder) -> Kind | None:
    """Return what a run is compared by, if its plan tells."""
    try:
        plan = read_json(run.plan)
        selection, edition = plan["selection"], str(plan["edition"])
        narrowed = any(selection.values())
        project = str((plan.get("project") or {}).get("name", ""))
    except (RecordError, KeyError, TypeError, AttributeError):
        return None
    return Kind(json.dumps(selection, sort_keys=True) if narrowed else "", edition, project)


def _thin(run: RunFolder) -> bool:
    gone = [path for path in run.path.iterdir() if path not in (run.plan, run.changes)]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return bool(gone)


def _is_complete(run: RunFolder) -> bool:
    try:
        return read_json(run.changes)["new"]["complete"] is True and run.matrix.exists()
    except (RecordError, KeyError, TypeError):
        return False  # as one that was stopped before it wrote them
