"""Wheels of libraries that lie in a project's folder: each built once in a run for its Python."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matrix.axes import Library
from matrix.interpreters import find
from matrix.plan import PlannedCell
from matrix.processes import Processes, limited, uv
from matrix.verdicts import NoEnvironment, classify
from pytest_torchcompat.outcome import Outcome

DAYS_KEPT = 30
METADATA = ".dist-info/METADATA"
# What tells a wheel of the same code from another: the builder's own version, and a list of files.
WITHOUT_MEANING = (METADATA, ".dist-info/WHEEL", ".dist-info/RECORD")


@dataclass
class FolderWheels:
    """
    The wheels that are built of folders, under ``<work>/wheels/project``.

    uv itself would look at no more than the date of a folder's pyproject.toml: each run builds
    anew. What can't be built is not tried again in this run.
    """

    work: Path
    frozen_at: str
    libraries: Sequence[Library]
    processes: Processes
    _found: dict[tuple[str, str], Path | NoEnvironment] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def required(self, cell: PlannedCell) -> PlannedCell | NoEnvironment:
        """Return a cell that requires the wheel of its folder, or why there is none."""
        wheel = self._wheel(cell)
        if wheel is None or isinstance(wheel, NoEnvironment):
            return wheel or cell
        named = f"{cell.library} @ "
        lines = [
            f"{named}{wheel.as_uri()}" if each.startswith(named) else each
            for each in cell.requirements
        ]
        return dataclasses.replace(cell, requirements=tuple(lines))

    def code(self, cell: PlannedCell) -> str:
        """Return the digest of what a cell's folder installs; empty where it has none."""
        return self._digest(cell, lambda name: not name.endswith(WITHOUT_MEANING))

    def metadata(self, cell: PlannedCell) -> str:
        """Return the digest of what it says of itself, such as its requirements."""
        return self._digest(cell, lambda name: name.endswith(METADATA))

    def _digest(self, cell: PlannedCell, counts: Callable[[str], bool]) -> str:
        wheel = self._wheel(cell)
        return _contents(wheel, counts) if isinstance(wheel, Path) else ""

    def _wheel(self, cell: PlannedCell) -> Path | NoEnvironment | None:
        folder = next((row.folder for row in self.libraries if row.name == cell.library), "")
        if not folder:
            return None
        with self._lock:
            key = (folder, cell.python)
            if key in self._found:
                return self._found[key]
            wheel = self._of_any_python(folder) or self._built(folder, cell)
            # A fault of the machine passes: who asks again builds again.
            if isinstance(wheel, Path) or wheel.outcome is not Outcome.INFRA:
                self._found[key] = wheel
            return wheel

    def _of_any_python(self, folder: str) -> Path | None:
        found = (wheel for (built, _), wheel in self._found.items() if built == folder)
        wheels = (wheel for wheel in found if isinstance(wheel, Path))
        return next((wheel for wheel in wheels if wheel.name.endswith("py3-none-any.whl")), None)

    def _built(self, folder: str, cell: PlannedCell) -> Path | NoEnvironment:
        kept = self.work / "wheels" / "project"
        kept.mkdir(parents=True, exist_ok=True)
        python = str(find(cell.python) or cell.python)
        with tempfile.TemporaryDirectory(dir=kept) as here:
            words = ("--wheel", "-p", python, "--out-dir", here)
            command = uv("build", *words, "--exclude-newer", self.frozen_at, folder)
            done = limited(self.processes, "build", command)
            wheel = next(Path(here).glob("*.whl"), None) if done.returncode == 0 else None
            return _kept(wheel, kept) if wheel else classify(done.output)


def _kept(wheel: Path, folder: Path) -> Path:
    """Move a wheel to where no other takes its place: a sweep may be installing that one."""
    target = folder / _contents(wheel, lambda _: True) / wheel.name
    target.parent.mkdir(exist_ok=True)
    wheel.replace(target)
    _forget_old(folder)
    return target


def _contents(wheel: Path, counts: Callable[[str], bool]) -> str:
    """Return the digest of the files of a wheel that count, whenever it was built."""
    found = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(filter(counts, archive.namelist())):
            content = archive.read(name)
            found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()[:16]


def _forget_old(folder: Path) -> None:
    """Delete the wheels of long ago; one that is built anew is as young as its last build."""
    old = time.time() - DAYS_KEPT * 24 * 3600
    for each in folder.glob("*/*.whl"):
        if each.stat().st_mtime < old:
            shutil.rmtree(each.parent, ignore_errors=True)
