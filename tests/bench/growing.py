"""
Matrices of up to a hundred thousand checks, grown from a recorded real sweep of 2,928.

One grows as a real one does: the same libraries in more versions and on more Pythons.
"""

from __future__ import annotations

import copy
import itertools
import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix import axes, history
from matrix.causes import marked
from matrix.compare import answered
from matrix.diff import Diff, diff
from matrix.history import CellTrend
from tests.bench.made_up import with_figures

REAL = Path(__file__).parents[1] / "browser" / "real_sweep.json.xz"
PYTHONS = ("3.10", "3.11", "3.12")
CHANGED = 100  # of so many checks one has another verdict than the night before


def grown(checks: int) -> dict[str, Any]:
    """
    Return a matrix of that many checks; one smaller than the sweep is of the first torch alone.

    What its cells answer (causes, claims, who needs what) is worked out anew.
    """
    real: dict[str, Any] = json.loads(lzma.decompress(REAL.read_bytes()))
    cells: list[dict[str, Any]] = []
    held = 0
    for again in _again(real["cells"]):
        if held >= checks:
            break
        cells.append(again)
        held += len(again["checks"])
    there = {cell["torch"] for cell in cells}
    torch = [version for version in real["torch"] if version in there]
    return answered({**real, "torch": torch, "cells": with_figures(cells)})


def _again(cells: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for turn in itertools.count():
        patch, shift = divmod(turn, len(PYTHONS))
        for cell in cells:
            # A library that follows torch has no version of its own.
            if not (patch and axes.is_paired(cell["library"])):
                python = PYTHONS[PYTHONS.index(cell["python"]) - shift]
                yield _slower(_moved(cell, patch, python), 1 + turn / 97)


def _moved(cell: Mapping[str, Any], patch: int, python: str) -> dict[str, Any]:
    """Return a cell of another Python and version; its paths are in what it says as well."""
    library, version = cell["library"], f"{cell['version']}.{patch}" if patch else cell["version"]
    name = f"{library}{cell['version']}"
    rest = cell["id"].removeprefix(f"py{cell['python']}").replace(name, f"{library}{version}")
    moved = json.loads(json.dumps(cell).replace(cell["id"], f"py{python}{rest}"))
    held = {k: version if k == library else v for k, v in cell["distributions"].items()}
    return {**moved, "python": python, "version": version, "distributions": held}


def _slower(cell: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return a cell whose times are its own, as no two of a run are alike."""
    for item in (cell, *cell["checks"]):
        for name in {"seconds", "benchmark"} & item.keys():
            item[name] = item[name] and {
                key: round(value * factor, 18 if name == "benchmark" else 6)
                if isinstance(value, float)
                else value
                for key, value in item[name].items()
            }
    return cell


def night(matrix: Mapping[str, Any], folder: Path) -> tuple[Diff, Sequence[CellTrend]]:
    """Return what changed since a night before, one verdict of a hundred, and the history."""
    old = {**copy.deepcopy(dict(matrix)), "run": "before", "started": "2026-11-01T00:00:00+00:00"}
    checks = [check for cell in old["cells"] for check in cell["checks"]]
    for check in checks[::CHANGED]:
        check["outcome"] = "fail" if check["outcome"] == "pass" else "pass"
    history.write(folder, old)
    kept = history.as_of(history.read(folder), matrix)
    return diff(marked(old), matrix), history.trends(kept)
