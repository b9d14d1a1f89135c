"""Folders that come to their place whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matrix.store import RunFolder

COMING = ".coming"  # under the run's folder, so that a rename is enough


@contextmanager
def whole(run: RunFolder, target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` once it is filled without error."""
    (run.path / COMING).mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=run.path / COMING))
    try:
        new = beside / "new"
        new.mkdir()
        yield new
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(beside / "old")
        new.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def forget_halves(run: RunFolder) -> None:
    """Delete what was on its way when a process was killed."""
    shutil.rmtree(run.path / COMING, ignore_errors=True)
