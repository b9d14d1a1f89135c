"""
What a cell's requirements resolve to: a lock, by uv, as of a run's date.

A lock is kept with the pages of the index that uv read for it. While those say the same, so would
uv, and it is not asked again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomllib
from packaging.utils import canonicalize_name

from matrix import axes
from matrix.interpreters import find
from matrix.pages import Pages
from matrix.plan import PlannedCell
from matrix.processes import Processes, run_uv, uv
from matrix.store import write_json, write_text
from matrix.verdicts import NoEnvironment, classify
from matrix.wheels import FolderWheels
from pytest_torchcompat.outcome import Outcome

# Where PyTorch's index serves torch, its files may have no upload time, and uv would leave them
# out. torch is pinned and the others follow it, so that they need no date.
TORCH_INDEX_PACKAGES = ("torch", "torchvision", "torchaudio", "torchcodec", "triton")
SIDE_BY_SIDE = 8  # uv waits for the index more than it computes
TIMEOUT = 600.0  # of a resolution, with the builds that tell what a source requires

# What uv says with --verbose of each page that it reads, and of each project that it looks at.
READS = re.compile(r"/simple/([\w.-]+)/|compatible version of ([\w.-]+)")
PAGE = re.compile(r" for: (https?://\S+/)[\w.-]+/$", re.MULTILINE)
NO_SOLUTION = "No solution found"
FROM_FILE = " @ file:"  # in a lock: a wheel of this machine, which no index has


@dataclass(frozen=True)
class Settings:
    """What all environments of a run share; ``wheels`` are of a project's own folder."""

    work: Path
    project: Path
    frozen_at: str
    backend: str = ""
    wheels: FolderWheels | None = None


def from_torch_index(cell: PlannedCell, settings: Settings) -> bool:
    """Whether torch comes from PyTorch's own index, whose pages have no part in a lock's."""
    return bool(settings.backend) or axes.is_nightly(cell.torch)


def arguments(cell: PlannedCell, settings: Settings) -> list[str]:
    """Return what uv is told about a cell's packages: the date, the indexes, what is left out."""
    words = ["--exclude-newer", settings.frozen_at]
    if from_torch_index(cell, settings):
        for name in TORCH_INDEX_PACKAGES:
            words += ["--exclude-newer-package", f"{name}=false"]
    if axes.is_nightly(cell.torch):
        # PyTorch's index has old copies of other packages; the best match over both counts.
        nightlies = axes.NIGHTLY_INDEX.format(backend=axes.NIGHTLY_BACKEND)
        words += ["--index", nightlies, "--index-strategy", "unsafe-best-match"]
    elif settings.backend:
        words += ["--torch-backend", settings.backend]
    if cell.excludes:
        words += ["--excludes", str(_listed("excludes", cell, cell.excludes, settings))]
    if cell.constraints:
        listed = str(_listed("constraints", cell, cell.constraints, settings))
        words += ["--constraints", listed]
        # What builds against torch would fetch the newest one, 5 GB that no cell may have.
        words += ["--build-constraints", listed] if from_repository(cell) else []
    return words


def from_repository(cell: PlannedCell) -> bool:
    """Whether a cell's library is required from a git repository."""
    return any(each.startswith(f"{cell.library} @ git+") for each in cell.requirements)


def from_file(cell: PlannedCell) -> bool:
    """Whether a cell's library is a wheel that was built of a folder."""
    return any(each.startswith(f"{cell.library}{FROM_FILE}") for each in cell.requirements)


def is_own(line: str, cell: PlannedCell) -> bool:
    """Whether a line of a lock is the wheel of the cell's own library."""
    named, from_file, _ = line.partition(FROM_FILE)
    own = canonicalize_name(named.partition("[")[0]) == canonicalize_name(cell.library)
    return bool(from_file) and own


def _listed(kind: str, cell: PlannedCell, lines: Sequence[str], settings: Settings) -> Path:
    path = settings.work / kind / f"{cell.id}.txt"
    # Whole: a plan that is explained writes it while a sweep's uv may be reading it.
    write_text(path, "\n".join(lines) + "\n")
    return path


@dataclass(frozen=True)
class Resolver:
    """Resolves the requirements of cells; ``pages`` are those of the package index."""

    settings: Settings
    processes: Processes
    pages: Pages

    def locked(
        self, cells: Iterable[PlannedCell], told: Callable[[PlannedCell], object]
    ) -> list[PlannedCell]:
        """Return cells with their locks, and tell of each; some may be resolved already."""

        def lock(cell: PlannedCell) -> PlannedCell:
            found = self.lock(cell)
            told(found)
            return found

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            try:
                return list(pool.map(lock, cells))
            except BaseException:
                self.processes.stop()
                pool.shutdown(cancel_futures=True)
                raise

    def lock(self, cell: PlannedCell) -> PlannedCell:
        """
        Return a cell with its lock, or with the resolver's words where there is none.

        One that is resolved stays so. Where the machine is at fault the cell stays as it is, and
        its environment is tried later.
        """
        if cell.lock or cell.unsolved:
            return cell
        wheels = self.settings.wheels
        required = wheels.required(cell) if wheels else cell
        if isinstance(required, NoEnvironment):
            is_final = required.outcome is Outcome.UNAVAILABLE
            return dataclasses.replace(cell, unsolved=required.reason) if is_final else cell
        return self._locked(required)

    def _locked(self, cell: PlannedCell) -> PlannedCell:
        python = find(cell.python)
        if python is None:
            return cell
        question = self._question(cell, python)
        kept = self.settings.work / "locks" / f"{_digest(question)}.json"
        found = self._kept(kept)
        if found is None:
            found = self._resolved(cell, python, question["requirements"])
            if found and found["pages"] and not from_torch_index(cell, self.settings):
                write_json(kept, found)
        return _with(cell, found) if found else cell

    def _question(self, cell: PlannedCell, python: Path) -> dict[str, Any]:
        """Return all that the answer depends on, but for what the index says."""
        needed = self.settings.project / "pyproject.toml"
        own = tomllib.loads(needed.read_text("utf-8"))["project"]["dependencies"]
        wheels = self.settings.wheels
        metadata = wheels.metadata(cell) if wheels else ""
        return {
            **({"wheel": metadata} if metadata else {}),
            "requirements": [*cell.requirements, *own],
            "excludes": cell.excludes,
            "constraints": cell.constraints,
            "python": str(python),
            "index": self.pages.url,
            "backend": self.settings.backend,
            "uv": {name: value for name, value in os.environ.items() if _is_setting(name)},
        }

    def _kept(self, path: Path) -> dict[str, Any] | None:
        """Return an answer of before, if the index still says what it was made from."""
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8"))
            same = all(self.pages.digest(name) == each for name, each in found["pages"].items())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None  # There is none, or a part of one.
        return found if same else None

    def _resolved(
        self, cell: PlannedCell, python: Path, requirements: Sequence[str]
    ) -> dict[str, Any] | None:
        folder = self.settings.work / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as here:
            asked, lock = Path(here) / "requirements.in", Path(here) / "lock.txt"
            asked.write_text("\n".join(requirements) + "\n", encoding="utf-8")
            command = uv("pip", "compile", "-v", "--no-header", "--no-annotate", "--color", "never")
            command += ["-p", str(python), "-o", str(lock), *arguments(cell, self.settings)]
            done = run_uv(self.processes, [*command, str(asked)], TIMEOUT)
            if done.returncode is None or done.returncode < 0:  # it hung, or was killed
                return None
            read = {a or b for a, b in READS.findall(done.output)}
            if not self._read_here(done.output):
                read = set()  # Of the pages of another index no digest is taken.
            if done.returncode == 0:
                lines = lock.read_text("utf-8").splitlines()
                # Another file may ask for other packages the next time: its lock is not kept.
                foreign = any(FROM_FILE in line and not is_own(line, cell) for line in lines)
                pages = {} if foreign else self._pages(read, lines)
                return {"lock": lines, "unsolved": "", "pages": pages}
            return self._unsolved(done.output, read)

    def _unsolved(self, output: str, read: set[str]) -> dict[str, Any] | None:
        why: NoEnvironment = classify(spoken(output))
        if why.outcome is not Outcome.UNAVAILABLE:
            return None
        # A build that failed may succeed when the machine has a compiler: it is tried again.
        pages = self._pages(read, ()) if NO_SOLUTION in output else {}
        return {"lock": [], "unsolved": why.reason, "pages": pages}

    def _read_here(self, output: str) -> bool:
        """Whether uv read no page of another index: an extra one, or one of uv's own settings."""
        here = _place(self.pages.url)
        return all(_place(url) == here for url in set(PAGE.findall(output)))

    def _pages(self, read: set[str], lock: Sequence[str]) -> dict[str, str]:
        """Return the digests of the pages that were read; none where that is not known."""
        names = {canonicalize_name(name) for name in read}
        listed = (line for line in lock if FROM_FILE not in line)
        if not names >= {canonicalize_name(re.split("[= @]", line)[0]) for line in listed}:
            return {}
        found = {str(name): self.pages.digest(name) for name in sorted(names)}
        return found if all(found.values()) else {}


def _place(url: str) -> tuple[str | None, int | None, str]:
    """Return where a URL leads, without a user's name and password."""
    parts = urlsplit(url)
    return parts.hostname, parts.port, parts.path.strip("/")


def spoken(output: str) -> str:
    """Return what uv says, without what it logs."""
    logged = re.compile(r"(DEBUG|TRACE|INFO|WARN) |uv \d")
    return "\n".join(line for line in output.splitlines() if not logged.match(line))


def _with(cell: PlannedCell, found: Mapping[str, Any]) -> PlannedCell:
    return dataclasses.replace(cell, lock=tuple(found["lock"]), unsolved=found["unsolved"])


def _is_setting(name: str) -> bool:
    # How long uv waits, and where it keeps what, does not change its answer.
    return name.startswith("UV_") and not name.startswith(("UV_HTTP", "UV_CACHE", "UV_CONCURRENT"))


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
