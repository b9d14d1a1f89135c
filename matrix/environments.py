"""
One environment a cell, built by uv at a path that stays the same, and deleted after its cell.

What is installed there are hard links into uv's cache: nothing may edit an installed file, or every
other environment of the machine has the edit too.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from matrix import axes, byte_code, inherited, intact
from matrix.byte_code import ByteCode
from matrix.disk import FETCHED
from matrix.interpreters import find
from matrix.plan import PlannedCell
from matrix.processes import Finished, Processes, limited, uv, uv_cache
from matrix.releases import Releases
from matrix.resolution import Settings, arguments, from_file, from_repository
from matrix.sources import SourceWheels
from matrix.verdicts import BuildError, NoEnvironment, classify, no_interpreter, trimmed
from pytest_torchcompat.outcome import Outcome

# Of the user's environment, what would change what a cell does.
REMOVED = (
    "PYTHONDONTWRITEBYTECODE",  # byte code is kept: it makes imports three times as fast
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",
    "ULTRALYTICS_SAFE_LOAD",
)
SET = {
    "OMP_NUM_THREADS": "1",  # cells run beside each other, and one thread keeps sums in one order
    "PYTHONNOUSERSITE": "1",
    # The libraries bring plugins of their own: hydra 1.0's can't be imported on Python 3.11 and
    # takes pytest down with it.
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "YOLO_AUTOINSTALL": "false",
    "PYANNOTE_METRICS_ENABLED": "false",  # it reports each load of a model to its makers
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
    "NO_COLOR": "1",
}
# Settings and caches that a library writes; name in the environment to folder under the cell's.
HOMES = {
    "HOME": "",
    "XDG_CONFIG_HOME": "config",
    "XDG_CACHE_HOME": "cache",
    "YOLO_CONFIG_DIR": "ultralytics",
    "MPLCONFIGDIR": "matplotlib",
    "TORCH_HOME": "torch",
}


@dataclass(frozen=True)
class Environment:
    """A cell's environment: its interpreter, what is installed, and where byte code is kept."""

    python: Path
    distributions: Mapping[str, str] = field(default_factory=dict)
    byte_code: Path | None = None

    def variables(self, home: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment of a cell's processes; everything they write goes to ``home``."""
        given = inherited.without_credentials(environ).items()
        kept = {name: value for name, value in given if name not in REMOVED}
        homes = {name: str(home / folder) for name, folder in HOMES.items()}
        for folder in homes.values():
            Path(folder).mkdir(parents=True, exist_ok=True)
        # Reference files are large, known by their hash, and shared with the user's own cache.
        cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        kept.setdefault("HF_HOME", str(cache / "huggingface"))
        kept.update(SET, **homes)
        kept["PATH"] = os.pathsep.join([str(self.python.parent), environ.get("PATH", os.defpath)])
        if self.byte_code:
            kept["PYTHONPYCACHEPREFIX"] = str(self.byte_code)
        return kept


class Environments(Protocol):
    """Makes and deletes the environments of cells."""

    def create(self, cell: PlannedCell) -> Environment | NoEnvironment:
        """Build a cell's environment."""

    def delete(self, cell: PlannedCell) -> None:
        """Delete it."""


@dataclass
class UvEnvironments:
    """
    Environments through uv, under ``<work>/envs``.

    ``prepare`` is called once before the first cell.
    """

    settings: Settings
    processes: Processes
    releases: Releases
    _plugin: Path | None = None
    _fetched: Path | None = None
    _deleting: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _locks: defaultdict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def __post_init__(self) -> None:
        self._sources = SourceWheels(self.settings, self.releases, self.processes)

    def prepare(self) -> None:
        """Build the wheel of this project's plugin, and tidy up; raises ``BuildError``."""
        shutil.rmtree(self.settings.work / "trash", ignore_errors=True)  # of a run that was killed
        target = self.settings.work / "wheels" / "plugin"
        shutil.rmtree(target, ignore_errors=True)
        command = uv("build", "--wheel", "--out-dir", str(target), str(self.settings.project))
        done = limited(self.processes, "build", command)
        if done.returncode != 0:
            message = "this project's own wheel was not built, and each cell needs it: "
            raise BuildError(message + trimmed(done.output))
        self._plugin = next(target.glob("*.whl"))
        self._prune()

    def _prune(self) -> None:
        """Delete what a killed sweep left, and byte code that no cell has had for a while."""
        shutil.rmtree(self.settings.work / "envs", ignore_errors=True)
        shutil.rmtree(self.settings.work / "pycache", ignore_errors=True)
        byte_code.prune(self.settings.work / "byte-code")
        self._sources.prune()

    def create(self, cell: PlannedCell) -> Environment | NoEnvironment:
        """Build a cell's environment."""
        if cell.unsolved:
            return NoEnvironment(Outcome.UNAVAILABLE, cell.unsolved)
        wheels = self.settings.wheels
        required = wheels.required(cell) if wheels else cell
        return required if isinstance(required, NoEnvironment) else self._created(required)

    def _created(self, cell: PlannedCell) -> Environment | NoEnvironment:
        # uv may fetch an interpreter that the machine lacks.
        python = str(find(cell.python) or cell.python)
        wheel = self._sources.wheel(cell, python) if _source_only(cell) else None
        if isinstance(wheel, NoEnvironment):
            return wheel
        path = self._path(cell)
        shutil.rmtree(path, ignore_errors=True)
        done = limited(self.processes, "interpreter", uv("venv", "-p", python, str(path)))
        if done.returncode != 0:
            return no_interpreter(cell.python, done.output)
        executable = path / "bin" / "python"
        done = self._installed(cell, self._install(cell, executable, wheel))
        if done.returncode != 0:
            return classify(done.output)
        return self._described(cell, executable)

    def _installed(self, cell: PlannedCell, command: list[str]) -> Finished:
        """
        Install; the first cell of a torch, and that of a library, does it alone for its Python.

        Two that download the same packages at once leave both copies in uv's cache: measured,
        17 GB too many after nine cells. Two that need the same source both build it.
        """
        marks = self._marks(cell)
        if not all(mark.exists() for mark in marks):
            with self._locks["fetching"]:
                if not all(mark.exists() for mark in marks):
                    done = limited(self.processes, "installation", command)
                    if done.returncode == 0:
                        _touch(marks)
                    return done
        return limited(self.processes, "installation", command)

    def _marks(self, cell: PlannedCell) -> list[Path]:
        # In uv's cache, so that they go when it is cleaned.
        with self._locks["marks"]:
            if self._fetched is None:
                cache = uv_cache(self.processes) or self.settings.work
                self._fetched = cache / FETCHED
        library = " ".join((f"{cell.library}{cell.version}", cell.beside)).strip()
        fetched = dict.fromkeys((f"torch{cell.torch}", library))
        return [self._fetched / f"py{cell.python}-{name}" for name in fetched]

    def delete(self, cell: PlannedCell) -> None:
        """
        Delete a cell's environment, beside the next cell: it is tens of thousands of files.

        Python waits for it before it exits; what a kill leaves, the next run deletes.
        """
        path = self._path(cell)
        if path.exists():
            shared = self._byte_code(cell)
            shared.keep()
            shared.delete()
            grave = Path(tempfile.mkdtemp(dir=self._trash()))
            path.rename(grave / path.name)
            self._deleting.submit(shutil.rmtree, grave, ignore_errors=True)

    def _trash(self) -> Path:
        path = self.settings.work / "trash"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _path(self, cell: PlannedCell) -> Path:
        return self.settings.work / "envs" / cell.id

    def _described(self, cell: PlannedCell, executable: Path) -> Environment | NoEnvironment:
        torn = self._torn(cell)
        if torn:
            return torn
        command = uv("pip", "freeze", "-q", "-p", str(executable))
        done = limited(self.processes, "listing", command)
        if done.returncode != 0:
            return classify(done.output)
        shared = self._byte_code(cell)
        shared.lay_out()
        return Environment(executable, installed(done.output), shared.prefix)

    def _torn(self, cell: PlannedCell) -> NoEnvironment | None:
        """Say what uv's cache gave in part, and have uv forget it, so that it is fetched anew."""
        torn = intact.broken(self._path(cell) / f"lib/python{cell.python}/site-packages")
        if not torn:
            return None
        # uv waits for all that is using its cache, which is for as long as others install.
        limited(self.processes, "cleaning", uv("cache", "clean", *torn))
        files = ", ".join(f"{file} of {name}" for name, file in torn.items())
        sentence = f"uv's cache has not all of what it installs: {files}; it is fetched anew"
        return NoEnvironment(Outcome.INFRA, sentence)

    def _byte_code(self, cell: PlannedCell) -> ByteCode:
        work, packages = self.settings.work, f"lib/python{cell.python}/site-packages"
        return ByteCode(work / "byte-code", work / "pycache" / cell.id, self._path(cell) / packages)

    def _install(self, cell: PlannedCell, executable: Path, wheel: Path | None) -> list[str]:
        command = uv("pip", "install", "-p", str(executable), *arguments(cell, self.settings))
        if wheel:
            command += ["--find-links", str(wheel.parent), "--only-binary", cell.library]
        # A lock is whole: uv has nothing left to choose.
        wanted = ("--no-deps", *cell.lock) if cell.lock else cell.requirements
        return [*command, *wanted, str(self._plugin)]


def _touch(marks: Iterable[Path]) -> None:
    for mark in marks:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _source_only(cell: PlannedCell) -> bool:
    # What is required from a repository, uv builds itself, once, and keeps.
    rows = (row for row in axes.LIBRARIES if row.name == cell.library)
    of_an_index = not (from_repository(cell) or from_file(cell))
    return any(row.source_only for row in rows) and of_an_index


def installed(frozen: str) -> dict[str, str]:
    """Return name and version of each line of ``uv pip freeze``."""
    found: dict[str, str] = {}
    for line in frozen.splitlines():
        if " @ " in line:
            name, url = line.split(" @ ", 1)
            found[name] = _at(url)
        elif "==" in line:
            name, version = line.split("==", 1)
            found[name] = version
    return found


def _at(url: str) -> str:
    """Return the commit of a repository, and of a wheel the version that its name has."""
    if url.startswith("git+"):
        return url.rpartition("@")[2]
    return Path(url).name.removesuffix(".whl").split("-")[1]
