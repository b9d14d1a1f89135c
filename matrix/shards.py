"""The parts of a plan for several machines: a job each, and together every cell once."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from matrix.plan import Plan, PlannedCell
from matrix.store import RunFolder, read_json, write_json
from pytest_torchcompat.errors import RecordError, TorchcompatError

MOST_JOBS = 256  # of one GitHub Actions matrix
# 280 cells of 4 to 52 checks took 63 s and 0.3 s a check: a cell weighs as much as 200 checks.
CHECKS_A_CELL = 200
_NAME = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True)
class Shard:
    """One job's part of a plan. ``name`` is ``3/20``."""

    name: str
    cells: tuple[PlannedCell, ...]

    @property
    def torch(self) -> tuple[str, ...]:
        """The torch versions that it installs."""
        return tuple(dict.fromkeys(cell.torch for cell in self.cells))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as a job of a GitHub Actions matrix has it."""
        return {"shard": self.name, "torch": list(self.torch), "cells": len(self.cells)}


def shards(plan: Plan, count: int) -> tuple[Shard, ...]:
    """
    Return the parts of a plan: ``count``, or one a cell where there are fewer cells.

    The cells of one torch stay together while there are not more parts than torch versions, and
    beyond that those of one torch and Python as far as parts of equal weight allow.
    """
    if not 1 <= count <= MOST_JOBS:
        message = f"a GitHub Actions matrix has 1 to {MOST_JOBS} jobs, not {count}; ask for as many"
        raise TorchcompatError(message)
    builds = _by_torch(plan.cells)
    count = min(count, len(plan.cells))
    apart = _together(builds, count) if len(builds) >= count else _split(builds, count)
    order = {cell.id: number for number, cell in enumerate(plan.cells)}
    sets = [sorted(cells, key=lambda cell: order[cell.id]) for cells in apart]
    sets.sort(key=lambda cells: order[cells[0].id])
    return tuple(Shard(f"{n}/{len(sets)}", tuple(cells)) for n, cells in enumerate(sets, 1))


def jobs(plan: Plan, count: int) -> dict[str, Any]:
    """Return the parts as the matrix of a GitHub Actions job."""
    return {"include": [shard.to_dict() for shard in shards(plan, count)]}


def part(plan: Plan, name: str) -> Plan:
    """Return the plan of one part, ``3/20``; the first resolves the stacks for all."""
    found = _NAME.fullmatch(name)
    if found is None:
        message = f"{name!r} names no part of a plan; the third of twenty is 3/20"
        raise TorchcompatError(message)
    number, count = int(found[1]), int(found[2])
    parts = shards(plan, count)
    if number > len(parts):
        message = f"there is no part {name}: the plan's {len(plan.cells)} cells make {len(parts)}"
        raise TorchcompatError(message)
    stacks = plan.stacks if number == 1 else ()
    whole = () if len(parts) == 1 else tuple(cell.id for cell in plan.cells)
    return dataclasses.replace(plan, cells=parts[number - 1].cells, stacks=stacks, whole=whole)


def save(plan: Plan, path: Path) -> Plan:
    """Write a plan for jobs that share no files; one without a name gets that of its time."""
    stamp = f"{datetime.fromisoformat(plan.frozen_at):%Y-%m-%dT%H%M}"
    named = dataclasses.replace(plan, run=plan.run or stamp)
    write_json(path, named.to_dict())
    return named


def saved(path: Path) -> Plan:
    """Read such a plan back."""
    return Plan.from_dict(read_json(path))


def open_run(file: Path, name: str, root: Path) -> tuple[Plan, RunFolder]:
    """
    Return the plan of a part, or of all where ``name`` is empty, and its run's folder in ``root``.

    The folder has the name of the plan; raises ``RecordError`` where it is another plan's.
    """
    plan = part(saved(file), name) if name else saved(file)
    folder = RunFolder(root / plan.run)
    if not folder.plan.exists():
        write_json(folder.plan, plan.to_dict())
    elif Plan.from_dict(read_json(folder.plan)) != plan:
        message = (
            f"{folder.path} is the run of another plan or another part; give each a folder of its "
            "own with --runs"
        )
        raise RecordError(message)
    return plan, folder


def _weight(cells: Sequence[PlannedCell]) -> int:
    return sum(CHECKS_A_CELL + len(cell.checks) for cell in cells)


def _by_torch(cells: Sequence[PlannedCell]) -> list[list[PlannedCell]]:
    builds: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        builds.setdefault(cell.torch, []).append(cell)
    return list(builds.values())


def _together(builds: list[list[PlannedCell]], count: int) -> list[list[PlannedCell]]:
    """Put whole builds together, the heaviest first and each where there is least."""
    found: list[list[PlannedCell]] = [[] for _ in range(count)]
    for cells in sorted(builds, key=_weight, reverse=True):
        min(found, key=_weight).extend(cells)
    return found


def _split(builds: list[list[PlannedCell]], count: int) -> list[list[PlannedCell]]:
    """Split builds, whichever has the heaviest parts first."""
    parts = [1] * len(builds)
    weights = [_weight(cells) for cells in builds]
    for _ in range(count - len(builds)):
        can = [n for n, cells in enumerate(builds) if parts[n] < len(cells)]
        parts[max(can, key=lambda n: weights[n] / parts[n])] += 1
    return [piece for cells, n in zip(builds, parts) for piece in _pieces(cells, n)]


def _pieces(cells: list[PlannedCell], count: int) -> list[list[PlannedCell]]:
    """Cut the cells of one torch, in the order of their Pythons, so that the heaviest is least."""
    ordered = [cell for group in _by_python(cells) for cell in group]
    weights = [_weight([cell]) for cell in ordered]
    sums = list(itertools.accumulate(weights))
    low, high = max(weights), sums[-1]
    while low < high:
        middle = (low + high) // 2
        if len(_cuts(sums, middle, 1)) <= count:
            high = middle
        else:
            low = middle + 1
    cuts = [0, *_cuts(sums, low, count)]
    return [ordered[start:end] for start, end in itertools.pairwise(cuts)]


def _by_python(cells: Sequence[PlannedCell]) -> list[list[PlannedCell]]:
    groups: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        groups.setdefault(cell.python, []).append(cell)
    return list(groups.values())


def _cuts(sums: Sequence[int], most: int, count: int) -> list[int]:
    """Return where pieces end: of a weight at most, ``count`` of them at least, none empty."""
    ends: list[int] = []
    start = before = 0
    while start < len(sums):
        reached = bisect.bisect_right(sums, before + most, start)
        start = min(reached, len(sums) - (count - len(ends) - 1))
        before = sums[start - 1]
        ends.append(start)
    return ends
