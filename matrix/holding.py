"""One sweep at a time on a run, which is first put in order after a kill or a power loss."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matrix.store import END, CellFolder, RunFolder, read_end, read_json, write_text
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.record import Record


@contextmanager
def hold(folder: RunFolder) -> Iterator[None]:
    """
    Keep other sweeps from a run, and put in order what is there of it.

    The lock goes with the process, however that ends.
    """
    with _locked(folder.path / "lock"):
        mend(folder)
        yield


def require_free(folder: RunFolder) -> None:
    """Raise ``RecordError`` where a sweep is working on a run."""
    lock = folder.path / "lock"
    if lock.exists():
        with _locked(lock):
            pass


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    with lock.open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another sweep is working on {lock.parent}; wait for it, or stop it"
            raise RecordError(message) from error
        yield


def mend(folder: RunFolder) -> None:
    """Set aside what can't be read, and delete what was being written when a process was killed."""
    cells = [CellFolder(path) for path in (folder.path / "cells").glob("[!.]*")]
    for files in [*cells, *(again for each in cells for again in each.tries())]:
        _mend(files)
        _tidy(files.path)
    for path in (folder.path, folder.path / "cells", folder.path / "stacks"):
        _tidy(path)


def _mend(files: CellFolder) -> None:
    """A cell without an end is run again, and so is a check without a record."""
    for path in (files.result, files.request, files.environment, files.turns):
        if path.exists() and not _is_object(path):
            _set_aside(path)
    lines = files.checks.read_bytes().splitlines(keepends=True) if files.checks.exists() else []
    kept = [line for line in lines if _is_record(line)]
    if len(kept) < len(lines):
        _set_aside(files.checks)
        write_text(files.checks, b"".join(kept).decode("utf-8"))
        files.result.unlink(missing_ok=True)


def _is_object(path: Path) -> bool:
    try:
        read_end(path) if path.name == END else read_json(path)
    except RecordError:
        return False
    return True


def _is_record(line: bytes) -> bool:
    """Whether a line of a report is whole, and the check that it tells of can be read."""
    try:
        data = json.loads(line)
        if data["kind"] == "check":
            Record.from_dict(data)
    except (ValueError, KeyError, TypeError, RecordError):
        return False
    return line.endswith(b"\n")


def _set_aside(path: Path) -> None:
    path.replace(path.with_name(f"{path.name}.broken"))


def _tidy(folder: Path) -> None:
    """Delete what has a name for the time of its writing: it begins with a dot."""
    for path in folder.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
