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
from matrix.carry import Earlier, says_something
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
        small = thin(options.runs)
        repeated = list(_repeated(places.probes))
        for files in repeated:
            shutil.rmtree(files.path)
    print(f"{small} old runs made small; {len(repeated)} results of old probes deleted")
    return 0


def _repeated(probes: Path) -> Iterator[CellFolder]:
    """Yield the cells of which a newer probe says as much: a bisect asks that one first."""
    newer: defaultdict[tuple[str, str], list[Earlier]] = defaultdict(list)
    for name, edition, cell, files in _ended(probes):
        seen = newer[edition, cell.id]
        if any(says_something(cell, each) for each in seen):
            yield files
        else:
            seen.append(Earlier(name, files, files.read_result() or {}))


def _ended(probes: Path) -> Iterator[tuple[str, str, PlannedCell, CellFolder]]:
    """Yield each cell that ended with the name and the edition of its probe, newest first."""
    for folder in runs(probes):
        try:
            plan = read_plan(folder)
            cells = [(cell, folder.cell(cell.id)) for cell in plan.cells]
            ended = [(cell, files) for cell, files in cells if files.read_result()]
        except RecordError:
            continue  # What can't be read may still be mended.
        for cell, files in ended:
            yield folder.path.name, plan.edition, cell, files
