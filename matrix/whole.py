"""Folders that come to their place whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matrix.store import RunFolder

# Under the run's folder, so that a rename is enough; what a kill leaves of it is tidied up there.
COMING = ".coming"


@contextmanager
def whole(run: RunFolder, target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` once it is filled without error."""
    name = uuid.uuid4().hex
    new, old = run.path / COMING / name, run.path / COMING / f"{name}.old"
    new.mkdir(parents=True)
    try:
        yield new
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        for path in (new, old):
            if path.exists():
                shutil.rmtree(path, ignore_errors=True)
