"""A cell that is run on another machine: the job that goes out, and the files that come back."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from matrix import gpus
from matrix.assembly import Assembly
from matrix.files import locate_all
from matrix.keys import Keys
from matrix.plan import Plan
from matrix.processes import Processes
from matrix.resolution import Settings
from matrix.runner import Sweep
from matrix.store import CellFolder, RunFolder
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("matrix", "pytest_torchcompat", "pyproject.toml")
# A library may leave anything in its cell's folder; what was printed is kept by its end.
MOST_OF_A_FILE = 16 * 2**20
MOST_OF_AN_OUTPUT = 2**20
WORDS = (".json", ".jsonl", ".txt")
CUT = "[the first {count} bytes stayed on the machine that ran this cell]\n"
FOLDER = CellFolder(Path())
KNOWN = tuple(
    path.name for path in (FOLDER.request, FOLDER.checks, FOLDER.environment, FOLDER.result)
)

Contents = dict[str, bytes]


class OtherCodeError(TorchcompatError):
    """A worker has another checkout than the one that planned."""


@functools.cache
def code_digest(project: Path = PROJECT) -> str:
    """Return the digest of the code that plans, runs and judges cells, as it is in a checkout."""
    found = hashlib.sha256()
    for path in sorted(each for name in CODE for each in _sources(project / name)):
        content = path.read_bytes()
        name = path.relative_to(project).as_posix()
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts]


@dataclass(frozen=True)
class Places:
    """Where a machine has a run's folder, what its environments are built in, and the checkout."""

    run: Path
    work: Path
    project: Path = PROJECT


@dataclass(frozen=True)
class Site:
    """A worker's own place for the cells of one run: all of its files lie under ``work``."""

    plan: Plan
    work: Path
    slots: int

    @property
    def places(self) -> Places:
        """Where it has what."""
        return Places(self.work / "run", self.work)

    @cached_property
    def processes(self) -> Processes:
        """All processes of the run on this worker."""
        return Processes()

    @cached_property
    def base(self) -> Sweep:
        """What runs cells here, prepared once."""
        settings = Settings(self.work, PROJECT, self.plan.frozen_at, self.plan.backend)
        folder, say = RunFolder(self.places.run), logging.getLogger(__name__).info
        found = Assembly(settings, folder, self.processes, say).sweep
        return replace(found, edition=self.plan.edition, slots=threading.Semaphore(self.slots))

    def sweep(self, alone: Plan) -> Sweep:
        """Return what runs the one cell of a plan, whose checkpoints are located here."""
        say = logging.getLogger(__name__).info
        files = locate_all(alone, catalogue(), say)
        keys = Keys(PROJECT, catalogue(), files, self.gpus)
        return replace(self.base, files=files, parts=keys.parts)

    @cached_property
    def gpus(self) -> tuple[str, ...]:
        """What this worker's GPUs are called; asked once, and not by each cell."""
        return gpus.names()


@dataclass(frozen=True)
class Job:
    """
    One cell as it travels: the plan with no other cell in it, and what its folder has already.

    ``code`` is the digest of the checkout that sends it, ``run`` tells the runs on one worker
    apart, ``site`` is a class that the worker can import. ``places`` are those of the sender.
    """

    plan: Mapping[str, Any]
    code: str
    run: str
    have: Mapping[str, bytes] = field(default_factory=dict)
    site: type[Site] = Site
    gpu: bool = False
    places: Places | None = None

    def __call__(self, scratch: Path, slots: int) -> Contents:
        """Run the cell under a folder that is this worker's own; return the files it left."""
        if code_digest() != self.code:
            message = (
                f"a worker's checkout, {PROJECT}, is not the one that planned: bring both to one "
                "commit and start the worker again"
            )
            raise OtherCodeError(message)
        plan = Plan.from_dict(self.plan)
        site = _site(self, plan, scratch, slots)
        contents = _run(site, plan, self.have)
        return moved(contents, site.places, self.places) if self.places else contents


_SITES: dict[tuple[Path, str], Site] = {}
_MAKING = threading.Lock()


def _site(job: Job, plan: Plan, scratch: Path, slots: int) -> Site:
    """Return the place of a run on this worker, prepared by the first cell that comes."""
    with _MAKING:
        key = (scratch, job.run)
        site = _SITES.get(key) or job.site(plan, scratch / job.run, slots)
        _SITES[key] = site
        _ = site.base
        return site


def leave(scratch: Path, run: str) -> None:
    """Kill what a run has on a worker, and delete its files."""
    site = _SITES.pop((scratch, run), None)
    if site is not None:
        site.processes.stop()
    # Not in the worker's own loop: environments are tens of thousands of files.
    threading.Thread(target=shutil.rmtree, args=(scratch / run, True)).start()


def _run(site: Site, plan: Plan, have: Mapping[str, bytes]) -> Contents:
    [cell] = plan.cells
    sweep = site.sweep(plan)
    files = sweep.folder.cell(cell.id)
    try:
        unpack(have, files.path)
        sweep.run_cell(cell)
        return packed(files.path)
    finally:
        shutil.rmtree(files.path, ignore_errors=True)


def packed(folder: Path) -> Contents:
    """Return the files of a cell's folder by name; of what is too large, none, or its end."""
    found: Contents = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            if path.name == FOLDER.output.name:
                found[name] = _end(path)
            elif path.stat().st_size <= MOST_OF_A_FILE or path.name in KNOWN:
                found[name] = path.read_bytes()
    return found


def _end(path: Path) -> bytes:
    size = path.stat().st_size
    if size <= MOST_OF_AN_OUTPUT:
        return path.read_bytes()
    with path.open("rb") as file:
        file.seek(size - MOST_OF_AN_OUTPUT)
        return CUT.format(count=size - MOST_OF_AN_OUTPUT).encode() + file.read()


def moved(contents: Mapping[str, bytes], there: Places, here: Places) -> Contents:
    """Return files whose words name the places of this machine, as if the cell had run here."""
    pairs = ((there.run, here.run), (there.work, here.work), (there.project, here.project))
    names = {os.fsencode(old): os.fsencode(new) for old, new in pairs}
    # In one pass, the longest first: one may lie in another, and a name in what replaces it.
    either = b"|".join(re.escape(old) for old in sorted(names, key=len, reverse=True))
    places = re.compile(rb"(?<![\w.-])(?:" + either + rb")(?![\w.-])")
    return {
        name: places.sub(lambda found: names[found[0]], data)
        if PurePath(name).suffix in WORDS
        else data
        for name, data in contents.items()
    }


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by name, the one that says that the cell ended as the last."""
    last = FOLDER.result.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == last):
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            message = f"a cell came back with a file outside of its folder, {name!r}; it was left"
            raise TorchcompatError(message)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
