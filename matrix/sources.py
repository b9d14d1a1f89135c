"""Wheels of libraries that exist as source only: each built once, kept whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tomllib
from packaging.requirements import InvalidRequirement, Requirement

from matrix.plan import PlannedCell
from matrix.processes import Processes, limited, uv
from matrix.releases import IndexUnreachableError, Releases
from matrix.resolution import Settings
from matrix.verdicts import NoEnvironment, classify
from pytest_torchcompat.outcome import Outcome

DAMAGED = "the build of {name} ended well and left no whole wheel; look whether the disk is full"

# What was built, and what was learned of it: the library, its version, the Python, and the torch
# where it is built against one.
_Key = tuple[str, ...]


@dataclass
class SourceWheels:
    """
    The wheels built of a library's source, under ``<work>/wheels``.

    One that is built against torch is built for each torch, any other once for its Python. What
    can't be built is not tried again in this run.
    """

    settings: Settings
    releases: Releases
    processes: Processes
    _failed: dict[_Key, NoEnvironment] = field(default_factory=dict)
    _whole: set[tuple[Path, int, int]] = field(default_factory=set)
    _locks: defaultdict[_Key, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def prune(self) -> None:
        """Delete what a killed run left of its builds."""
        shutil.rmtree(self._workshop, ignore_errors=True)

    def wheel(self, cell: PlannedCell, python: str) -> Path | NoEnvironment:
        """Return the wheel of a cell's library for its Python, or why there is none."""
        keys = (_key(cell), (*_key(cell), cell.torch))
        with self._locks[keys[0]]:  # Two cells may need the same.
            found = next((path for key in keys for path in self._kept(key)), None)
            failed = next((self._failed[key] for key in keys if key in self._failed), None)
            return found or failed or self._fetched_and_built(cell, python)

    @property
    def _workshop(self) -> Path:
        return self.settings.work / "building"

    def _folder(self, key: _Key) -> Path:
        return self.settings.work / "wheels" / "-torch".join((f"py{key[2]}", *key[3:]))

    def _kept(self, key: _Key) -> Iterator[Path]:
        """Yield the wheel of a key; one that was cut short is deleted."""
        name = re.sub(r"[-_.]+", "_", key[0])
        for path in sorted(self._folder(key).glob(f"{name}-{key[1]}-*.whl")):
            if self._is_whole(path):
                yield path
            else:
                path.unlink(missing_ok=True)

    def _is_whole(self, path: Path) -> bool:
        status = path.stat()
        known = (path, status.st_size, status.st_mtime_ns)
        if known not in self._whole and is_whole(path):
            self._whole.add(known)
        return known in self._whole

    def _fetched_and_built(self, cell: PlannedCell, python: str) -> Path | NoEnvironment:
        self._workshop.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._workshop, ignore_cleanup_errors=True) as name:
            here = Path(name)
            try:
                sdist = self.releases.sdist(cell.library, cell.version, here)
            except IndexUnreachableError as error:
                return NoEnvironment(Outcome.INFRA, str(error))
            key = (*_key(cell), cell.torch) if is_built_with_torch(sdist) else _key(cell)
            built = self._built(cell, self._build(key, sdist, python, here), here)
            if isinstance(built, NoEnvironment):
                if built.outcome is Outcome.UNAVAILABLE:
                    self._failed[key] = built
                return built
            return self._keep(built, key)

    def _build(self, key: _Key, sdist: Path, python: str, here: Path) -> list[str]:
        command = uv("build", "--wheel", "-p", python, "--out-dir", str(here / "built"))
        if key[3:]:
            constraints = here / "constraints.txt"
            constraints.write_text(f"torch=={key[3]}\n", encoding="utf-8")
            command += ["--build-constraints", str(constraints)]
        return [*command, "--exclude-newer", self.settings.frozen_at, str(sdist)]

    def _built(self, cell: PlannedCell, command: list[str], here: Path) -> Path | NoEnvironment:
        done = limited(self.processes, "build", command)
        if done.returncode != 0:
            return classify(done.output)
        wheel = next((path for path in (here / "built").glob("*.whl") if is_whole(path)), None)
        words = DAMAGED.format(name=f"{cell.library} {cell.version}")
        return wheel or NoEnvironment(Outcome.INFRA, words)

    def _keep(self, built: Path, key: _Key) -> Path:
        folder = self._folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        # A rename is seen as a whole; one that outlives a power cut needs its contents before.
        with built.open("rb") as file:
            os.fsync(file.fileno())
        return built.replace(folder / built.name)


def _key(cell: PlannedCell) -> _Key:
    return (cell.library, cell.version, cell.python)


def is_whole(wheel: Path) -> bool:
    """Whether a wheel can be read to its end; what was cut short, or filled with zeros, can't."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError):
        return False


def is_built_with_torch(sdist: Path) -> bool:
    """Whether a source distribution names torch among what it needs to be built."""
    try:
        with tarfile.open(sdist) as archive:
            named = (each for each in archive if re.fullmatch(r"[^/]+/pyproject\.toml", each.name))
            file = next((archive.extractfile(each) for each in named), None)
            needed = tomllib.loads(file.read().decode())["build-system"]["requires"] if file else []
            return any(Requirement(each).name.lower() == "torch" for each in needed)
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError, InvalidRequirement):
        return False  # Of another form: the build says what it lacks.
