"""
What a cell's result depends on, each part as a digest: a result is good for as long as they stay.

The parts are its lock, its Python, its checkpoints' rows and files, this project's code that can
affect it, and the machine's GPUs and tools.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import uuid4

from packaging.requirements import Requirement

from matrix import axes
from matrix.files import Files
from matrix.interpreters import find
from matrix.plan import PlannedCell
from matrix.processes import Processes
from matrix.resolution import FROM_FILE, is_own
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.checkpoints.hashes import notes_folder, remembered_sha256
from pytest_torchcompat.libraries import Libraries

PACKAGE = "pytest_torchcompat"
# What no cell's process runs, or what only says how its results are read: a signature that is new
# is found in old results too. Rows and files of checkpoints are parts of their own.
WITHOUT_EFFECT = (
    *("audit", "commands", "convert", "doctor", "diagnosis/signatures"),
    *("checkpoints/rows", "checkpoints/replicas", "allowlist_code.py"),
)
ADAPTERS = "libraries"
# Of the sweep, what builds a cell's environment, starts its process and says how it ended.
OF_THE_SWEEP = (
    *("matrix/checks", "matrix/environments.py", "matrix/processes.py", "matrix/resolution.py"),
    *("matrix/runner.py", "matrix/sources.py", "matrix/staging.py", "matrix/verdicts.py"),
    "matrix/wheels.py",
)
# Of the machine, what a source is built with and what sound is read with.
PROGRAMS = ("g++", "gcc", "cc", "git", "ffmpeg", "sox")
SHARED_LIBRARIES = ("avcodec", "sndfile", "sox")


@dataclass(frozen=True)
class Keys:
    """
    Tells the keys of cells.

    ``files`` are the checkpoints', where they are known already; ``gpus`` names the machine's.
    ``libraries`` are those of the sweep; ``own`` is the digest of a project's code for a cell.
    """

    project: Path
    catalogue: Catalogue
    files: Files | None = None
    gpus: tuple[str, ...] = ()
    libraries: tuple[axes.Library, ...] = axes.LIBRARIES
    own: Callable[[PlannedCell], str] | None = None

    def parts(self, cell: PlannedCell) -> dict[str, str]:
        """
        Return the parts of a cell's key.

        One that is not known is left out, and a key without its lock is none.
        """
        rows = tuple(axes.library(cell.library, self.libraries).opened(self.catalogue))
        found = {
            "lock": self._lock(cell),
            "Python": python(cell.python),
            "checkpoints": digest([repr(row) for row in rows]),
            "files": self._files(rows),
            # A project's plugins may make use of any of our adapters.
            "code": code(self.project, "" if self.own else cell.opened_by),
            "project's code": self.own(cell) if self.own else "",
            "GPUs": digest(self.gpus),
            "tools": tools(),
        }
        return {name: value for name, value in found.items() if value}

    def _lock(self, cell: PlannedCell) -> str:
        if not (cell.lock or cell.unsolved):
            return ""
        row = axes.library(cell.library, self.libraries)
        # Of what is built of a folder the name may have a date in it; its code is another part.
        lines = (each for each in cell.lock if not (row.folder and is_own(each, cell)))
        return digest([*map(_with_content, lines), cell.unsolved])

    def _files(self, rows: Iterable[Checkpoint]) -> str:
        if self.files is None:
            return ""
        # Rows that are not planned were not located, and no check of this cell opens them.
        located = ((row.id, self.files.get(row.id, {})) for row in rows)
        facts = ("edition", "sha256", "beside")
        return digest([f"{name} {' '.join(str(at.get(f)) for f in facts)}" for name, at in located])


def _with_content(line: str) -> str:
    """Return a line of a lock, and the digest of what it names on this machine."""
    if FROM_FILE not in line:
        return line
    path = Path(url2pathname(urlsplit(Requirement(line).url or "").path))
    if path.is_file():
        return f"{line} {remembered_sha256(path, notes_folder(None))}"
    return f"{line} {uuid4().hex}"  # A folder may be another each time: nothing is carried over.


def digest(lines: Iterable[str]) -> str:
    """Return the digest of some lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def python(version: str) -> str:
    """Return which build of a Python the machine has; empty where it has none."""
    found = find(version)
    if found is None:
        return ""
    done = Processes().run([str(found), "-c", "import sys; print(sys.version)"])
    return digest([done.output, platform.system(), platform.machine()])


@cache
def tools() -> str:
    """Return which of the programs and libraries that cells may need the machine has."""
    programs = [f"{name} {shutil.which(name)}" for name in PROGRAMS]
    return digest([*programs, *(f"{name} {find_library(name)}" for name in SHARED_LIBRARIES)])


@cache
def code(project: Path, adapter: str) -> str:
    """Return the digest of the code that affects the cells of an adapter; of any without one."""
    found = [p for p in _modules(project) if not (adapter and _of_another(p, adapter))]
    return digest(_meaning(path) for path in found)


def _modules(project: Path) -> list[Path]:
    root = project / PACKAGE
    without = [root / each for each in WITHOUT_EFFECT]
    found = [path for path in root.rglob("*.py") if not _within(path, without)]
    for each in (project / name for name in OF_THE_SWEEP):
        found += each.rglob("*.py") if each.is_dir() else [each]
    return sorted(found)


def _within(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)


def _of_another(path: Path, adapter: str) -> bool:
    """Whether a module is the adapter of another library."""
    adapters = _adapters()
    others = set(adapters.values()) - {adapters[adapter]}
    return path.parent.name == ADAPTERS and path.stem in others


@cache
def _adapters() -> dict[str, str]:
    """Return the module of each adapter."""
    return {each.name: type(each).__module__.rpartition(".")[2] for each in Libraries()}


@cache
def _meaning(path: Path) -> str:
    """Return what a module does: its code, without comments, docstrings and line numbers."""
    # Not by its syntax tree: Python 3.11 can't make two of those in two threads at once.
    code = compile(path.read_bytes(), path.name, "exec", dont_inherit=True, optimize=2)
    return "\n".join(_instructions(code))


def _instructions(code: CodeType) -> Iterator[str]:
    named = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield f"{code.co_code.hex()} {code.co_flags} {code.co_argcount} {named}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
        else:
            # The order in a set is another one in each process.
            is_set = isinstance(constant, frozenset)
            yield repr(sorted(map(repr, constant)) if is_set else constant)


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the parts that differ, of those that both know."""
    return [name for name in new if name in old and old[name] != new[name]]
