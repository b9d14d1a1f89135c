"""How much disk a sweep needs, and whether there is as much."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from matrix import axes
from matrix.interpreters import find
from matrix.plan import PlannedCell
from matrix.processes import Processes, uv, uv_cache
from pytest_torchcompat.errors import TorchcompatError

GB = 10**9


def needed_gb(builds: Iterable[tuple[str, str]], here: Iterable[tuple[str, str]] = ()) -> float:
    """
    Return the size of the packages of pairs of torch and Python, beside those that are here.

    Environments are links into uv's cache and take little themselves. The cache grows by a torch
    build with its NVIDIA packages, and by torch and triton for each further Python of that build.
    """
    cached = set(here)
    pairs = set(builds) - cached
    torches = {torch for torch, _ in pairs} - {torch for torch, _ in cached}
    further = len(pairs) - len(torches)
    return len(torches) * axes.GB_PER_TORCH + further * axes.GB_PER_FURTHER_PYTHON


def builds_of(cells: Iterable[PlannedCell]) -> set[tuple[str, str]]:
    """Return the pairs of torch and Python that cells install."""
    return {(cell.torch, cell.python) for cell in cells}


def not_cached(builds: Iterable[tuple[str, str]], work: Path) -> set[tuple[str, str]]:
    """Return the pairs whose torch uv's cache lacks; uv says what it would download."""
    return {(torch, python) for torch, python in builds if not _is_cached(torch, python, work)}


def _is_cached(torch: str, python: str, work: Path) -> bool:
    interpreter = find(python)
    if interpreter is None:
        return False
    command = uv("pip", "install", "--dry-run", "--no-deps", "-p", str(interpreter))
    done = Processes().run([*command, "--target", str(work / "dry-run"), f"torch=={torch}"])
    return done.returncode == 0 and "Would download" not in done.output


def _free_gb(path: Path) -> float:
    # A cache that is not there yet will lie where its nearest parent does.
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free / GB


def check(cells: Iterable[PlannedCell], work: Path, *, force: bool = False) -> str:
    """
    Return a sentence on the disk that cells need; raises when there is too little.

    Only where it looks like too little is uv asked what it has already: that takes a while.
    """
    cells = list(cells)
    builds = builds_of(cells)
    free = min(_free_gb(work), _free_gb(uv_cache(Processes()) or work))
    byte_code = len(builds) * axes.GB_OF_BYTE_CODE
    needed = needed_gb(builds) + byte_code
    if needed > free and not force:
        here = builds - not_cached(builds, work)
        needed = needed_gb(builds, here) + byte_code
    sentence = f"About {needed:.0f} GB of packages; {free:.0f} GB free."
    if needed <= free or force:
        return sentence
    message = (
        f"{sentence} That won't do: a torch build takes about {axes.GB_PER_TORCH} GB in uv's "
        "cache. Narrow the sweep with --torch or --library, make room with `uv cache clean`, "
        "or go on all the same with --force."
    )
    raise TorchcompatError(message)
