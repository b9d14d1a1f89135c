"""
``python -m matrix thin``: what later runs and bisects ask of old ones is kept, all else deleted.

Nothing is deleted unless it is asked for, and nothing while a sweep or a bisect is going on.
"""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import functools
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matrix.bisect.command import PlacesOf
from matrix.carry import Earlier, is_good, says_something
from matrix.holding import require_free
from matrix.plan import PlannedCell
from matrix.runner import only_one, read_plan
from matrix.store import CellFolder, runs
from matrix.thinning import thin
from pytest_torchcompat.errors import RecordError


def add_parser(subparsers: Any, places: PlacesOf) -> argparse.ArgumentParser:
    """Add the command, and return its parser; ``places`` says where things lie."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "thin", help="Make all runs small but the last two of each selection, and old probes"
    )
    parser.set_defaults(command=functools.partial(clear, places))
    return parser


def clear(places_of: PlacesOf, options: argparse.Namespace) -> int:
    """Make runs and probes small, and say how many."""
    places = places_of(options.runs, options.project)
    with only_one(places.work):
        for run in runs(options.runs):
            require_free(run)
        small = thin(options.runs)
        repeated = list(_repeated(places.probes))
        for files in repeated:
            shutil.rmtree(files.path)
    print(f"made small: {small} old runs; deleted: {len(repeated)} results of old probes")
    return 0


def _repeated(probes: Path) -> Iterator[CellFolder]:
    """Yield the cells of which a newer probe says as much, of the same: it is asked first."""
    newer: defaultdict[tuple[str, str], list[Earlier]] = defaultdict(list)
    for edition, cell, probe in _ended(probes):
        seen = newer[edition, cell.id]
        parts = probe.result.get("parts") or {}
        if any(is_good(each, parts) and says_something(cell, each) for each in seen):
            yield probe.files
        else:
            seen.append(probe)


def _ended(probes: Path) -> Iterator[tuple[str, PlannedCell, Earlier]]:
    """Yield each cell that ended, with the edition of its probe, newest first."""
    for folder in runs(probes):
        try:
            plan = read_plan(folder)
            found = [(cell, folder.cell(cell.id)) for cell in plan.cells]
            ended = [(cell, files, files.read_result()) for cell, files in found]
        except RecordError:
            continue  # What can't be read may still be mended.
        for cell, files, result in ended:
            if result:
                yield plan.edition, cell, Earlier(folder.path.name, files, result)
