"""How much disk a sweep needs, and whether there is as much."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from matrix import axes, gpus
from matrix.budget import Budget, Machine
from matrix.interpreters import find
from matrix.plan import PlannedCell
from matrix.processes import LIMITS, Processes, run_uv, uv, uv_cache
from pytest_torchcompat.errors import TorchcompatError

GB = 10**9
# Of the libraries in uv's cache, and of the links and folders of an environment.
GB_OF_A_CELL = 0.5
# Of uv's cache: a mark of each torch and each library that was fetched for a Python.
FETCHED = "torchcompat-fetched"

Build = tuple[str, str]


def needed_gb(builds: Iterable[Build], here: Iterable[Build] = (), *, cpu: bool = False) -> float:
    """
    Return the size of the packages of pairs of torch and Python, beside those that are here.

    Environments are links into uv's cache and take little themselves. The cache grows by a torch
    build with its NVIDIA packages, and by torch and triton for each further Python of that build.
    Nightlies are builds for CPUs; with ``cpu`` all are.
    """
    cached = set(here)
    pairs = set(builds) - cached
    if cpu:
        return len(pairs) * axes.GB_PER_CPU_TORCH
    nightlies = sum(axes.is_nightly(torch) for torch, _ in pairs)
    torches = {torch for torch, _ in pairs if not axes.is_nightly(torch)} - {t for t, _ in cached}
    further = len(pairs) - nightlies - len(torches)
    gpu = len(torches) * axes.GB_PER_TORCH + further * axes.GB_PER_FURTHER_PYTHON
    return nightlies * axes.GB_PER_CPU_TORCH + gpu


def builds_of(cells: Iterable[PlannedCell]) -> set[Build]:
    """Return the pairs of torch and Python that cells install."""
    return {(cell.torch, cell.python) for cell in cells if not cell.unsolved}


def not_cached(builds: Iterable[Build], work: Path) -> set[Build]:
    """Return the pairs whose torch uv's cache lacks; uv says what it would download."""
    return {(torch, python) for torch, python in builds if not _is_cached(torch, python, work)}


def _is_cached(torch: str, python: str, work: Path) -> bool:
    interpreter = find(python)
    if interpreter is None:
        return False
    command = uv("pip", "install", "--dry-run", "--no-deps", "-p", str(interpreter))
    if axes.is_nightly(torch):
        nightlies = axes.NIGHTLY_INDEX.format(backend=axes.NIGHTLY_BACKEND)
        command += ["--index", nightlies, "--index-strategy", "unsafe-best-match"]
    command += ["--target", str(work / "dry-run"), f"torch=={torch}"]
    done = run_uv(Processes(), command, LIMITS["listing"])
    return done.returncode == 0 and "Would download" not in done.output


def _free_gb(path: Path) -> float:
    # A cache that is not there yet will lie where its nearest parent does.
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free / GB


def is_for_cpus(backend: str) -> bool:
    """Whether torch is installed without NVIDIA's packages: uv chose it, and sees no GPU."""
    return bool(backend) and not gpus.of_machine()


def check(
    cells: Iterable[PlannedCell], work: Path, *, force: bool = False, cpu: bool = False
) -> str:
    """
    Return a sentence on the disk that cells need; raises when there is too little.

    Only where it looks like too little is uv asked what it has already: that takes a while.
    """
    cells = list(cells)
    builds = builds_of(cells)
    free = min(_free_gb(work), _free_gb(uv_cache(Processes()) or work))
    byte_code = len(builds) * axes.GB_OF_BYTE_CODE
    needed = needed_gb(builds, cpu=cpu) + byte_code
    if needed > free and not force:
        here = builds - not_cached(builds, work)
        needed = needed_gb(builds, here, cpu=cpu) + byte_code
    sentence = f"About {needed:.0f} GB of packages; {free:.0f} GB free."
    if needed <= free or force:
        return sentence
    message = (
        f"{sentence} That won't do: a torch build takes about {_of_one(cpu)} GB in uv's "
        "cache. Narrow the sweep with --torch or --library, make room with `uv cache clean`, "
        "or go on all the same with --force."
    )
    raise TorchcompatError(message)


def _of_one(cpu: bool) -> float:
    return axes.GB_PER_CPU_TORCH if cpu else axes.GB_PER_TORCH


@dataclass
class Needs:
    """
    The disk that the environments of cells take while a sweep goes on.

    ``cache`` is uv's: it has a mark of each torch that was fetched for a Python. ``cpu`` says that
    all of them are builds for CPUs.
    """

    work: Path
    cache: Path
    cpu: bool = False
    _asked: dict[Build, bool] = field(default_factory=dict)

    def of(self, cell: PlannedCell) -> Callable[[], int]:
        """
        Return what says how many bytes a cell's environment takes: less, once uv has its torch.

        Where nothing is marked, uv is asked now, and once.
        """
        build = (cell.torch, cell.python)
        if build not in self._asked and build not in self._marked(cell.torch):
            self._asked[build] = _is_cached(*build, self.work)
        return lambda: self._bytes(build)

    def _bytes(self, build: Build) -> int:
        asked = {each for each, is_here in list(self._asked.items()) if is_here}
        here = asked | self._marked(build[0])
        return int((needed_gb([build], here, cpu=self.cpu) + GB_OF_A_CELL) * GB)

    def _marked(self, torch: str) -> set[Build]:
        end = f"-torch{torch}"
        marks = (self.cache / FETCHED).glob(f"py*{end}")
        return {(torch, mark.name.removeprefix("py").removesuffix(end)) for mark in marks}


def budget_of(
    work: Path, cache: Path, say: Callable[[str], object], stopped: Callable[[], bool]
) -> Budget:
    """Return the budget of this machine's memory and of the disk on which a sweep works."""
    return Budget(
        disk=lambda: int(min(_free_gb(work), _free_gb(cache)) * GB),
        memory=Machine().free_memory,
        say=say,
        stopped=stopped,
    )
