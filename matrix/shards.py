"""The parts of a plan for several machines: a job each, and together every cell once."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from matrix import axes
from matrix.plan import Plan, PlannedCell
from matrix.store import RunFolder, read_json, write_json
from pytest_torchcompat.errors import RecordError, TorchcompatError

MOST_JOBS = 256  # of one GitHub Actions matrix
# 280 cells of 4 to 52 checks took 63 s and 0.3 s a check: a cell weighs as much as 200 checks.
CHECKS_A_CELL = 200
TORCH, LIBRARY = WAYS = ("torch", "library")
_NAME = re.compile(r"(?:(torch|library):)?([1-9]\d*)/([1-9]\d*)")

# What no cut goes through: cells that stay together.
Atom = Sequence[PlannedCell]


@dataclass(frozen=True)
class Shard:
    """One job's part of a plan. ``name`` is ``3/20``, or ``library:3/20``."""

    name: str
    cells: tuple[PlannedCell, ...]

    @property
    def torch(self) -> tuple[str, ...]:
        """The torch versions that it installs."""
        return tuple(dict.fromkeys(cell.torch for cell in self.cells))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as a job of a GitHub Actions matrix has it."""
        return {"shard": self.name, "torch": list(self.torch), "cells": len(self.cells)}


def shards(plan: Plan, count: int, by: str = TORCH) -> tuple[Shard, ...]:
    """
    Return the parts of a plan: ``count``, or one a cell where there are fewer cells.

    By torch, which installs each build once, the cells of one stay together while there are not
    more parts than torch versions, and beyond that those of one torch and Python as far as parts of
    equal weight allow. By library, which keeps what a forward time is compared with on its machine,
    each version of one stays together with every torch, beside others of its Pythons while there
    are as many parts as that takes; there are at most as many parts as versions.
    """
    if not 1 <= count <= MOST_JOBS:
        message = f"a GitHub Actions matrix has 1 to {MOST_JOBS} jobs, not {count}; ask for as many"
        raise TorchcompatError(message)
    groups = _by_pythons(plan.cells) if by == LIBRARY else _by_torch(plan.cells)
    count = min(count, sum(map(len, groups)))
    apart = _together(groups, count) if len(groups) >= count else _split(groups, count)
    order = {cell.id: number for number, cell in enumerate(plan.cells)}
    sets = [sorted(cells, key=lambda cell: order[cell.id]) for cells in apart]
    sets.sort(key=lambda cells: order[cells[0].id])
    cut = f"{LIBRARY}:" if by == LIBRARY else ""
    return tuple(Shard(f"{cut}{n}/{len(sets)}", tuple(cells)) for n, cells in enumerate(sets, 1))


def jobs(plan: Plan, count: int, by: str = TORCH) -> dict[str, Any]:
    """Return the parts as the matrix of a GitHub Actions job."""
    parts = shards(plan, count, by)
    return {"include": [{**shard.to_dict(), "run": plan.run} for shard in parts]}


def part(plan: Plan, name: str) -> Plan:
    """Return the plan of one part, as ``Shard`` names it; the first resolves the stacks for all."""
    found = _NAME.fullmatch(name)
    if found is None:
        message = (
            f"{name!r} names no part of a plan; the third of twenty is 3/20, or library:3/20 where "
            "the plan was cut by library"
        )
        raise TorchcompatError(message)
    number, count = int(found[2]), int(found[3])
    parts = shards(plan, count, found[1] or TORCH)
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
    """Read such a plan back; raises ``RecordError`` where there is none."""
    if not path.is_file():
        message = f"{path} is not there; `python -m matrix plan --save {path}` writes a plan"
        raise RecordError(message)
    anew = f"`python -m matrix plan --save {path}` writes it anew"
    return Plan.from_dict(read_json(path, anew))


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


def _by_torch(cells: Sequence[PlannedCell]) -> list[list[Atom]]:
    """Return the cells of each torch, in the order of their Pythons; a cut may be anywhere."""
    builds = _grouped(cells, lambda cell: cell.torch)
    apart = [_grouped(build, lambda cell: cell.python) for build in builds]
    return [[[cell] for group in groups for cell in group] for groups in apart]


def _by_pythons(cells: Sequence[PlannedCell]) -> list[list[Atom]]:
    """
    Return what is compared over all torches, by the Pythons that it takes.

    A part with cells of another Python would install every torch once more.
    """
    found: dict[tuple[str, ...], list[Atom]] = {}
    for row in _grouped(cells, _row):
        found.setdefault(tuple(sorted({cell.python for cell in row})), []).append(row)
    return list(found.values())


def _row(cell: PlannedCell) -> tuple[str, ...]:
    # A paired library has another version with each torch, and is compared with itself.
    version = "" if axes.is_paired(cell.library) else cell.version
    return (cell.library, version, cell.beside)


def _grouped(
    cells: Iterable[PlannedCell], key: Callable[[PlannedCell], object]
) -> list[list[PlannedCell]]:
    found: dict[object, list[PlannedCell]] = {}
    for cell in cells:
        found.setdefault(key(cell), []).append(cell)
    return list(found.values())


def _flat(atoms: Iterable[Atom]) -> list[PlannedCell]:
    return [cell for atom in atoms for cell in atom]


def _together(groups: Sequence[Sequence[Atom]], count: int) -> list[list[PlannedCell]]:
    """Put whole groups together, the heaviest first and each where there is least."""
    found: list[list[PlannedCell]] = [[] for _ in range(count)]
    for cells in sorted(map(_flat, groups), key=_weight, reverse=True):
        min(found, key=_weight).extend(cells)
    return found


def _split(groups: Sequence[Sequence[Atom]], count: int) -> list[list[PlannedCell]]:
    """Split groups, whichever has the heaviest parts first."""
    parts = [1] * len(groups)
    weights = [_weight(_flat(atoms)) for atoms in groups]
    for _ in range(count - len(groups)):
        can = [n for n, atoms in enumerate(groups) if parts[n] < len(atoms)]
        parts[max(can, key=lambda n: weights[n] / parts[n])] += 1
    return [piece for atoms, n in zip(groups, parts) for piece in _pieces(atoms, n)]


def _pieces(atoms: Sequence[Atom], count: int) -> list[list[PlannedCell]]:
    """Cut a group between its atoms, in their order, so that the heaviest piece is least."""
    sums = list(itertools.accumulate(map(_weight, atoms)))
    low, high = max(map(_weight, atoms)), sums[-1]
    while low < high:
        middle = (low + high) // 2
        if len(_cuts(sums, middle, 1)) <= count:
            high = middle
        else:
            low = middle + 1
    cuts = [0, *_cuts(sums, low, count)]
    return [_flat(atoms[start:end]) for start, end in itertools.pairwise(cuts)]


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
