"""
Byte code that cells share, by the hash of each source.

An environment is new and has none, and compiling what torch and a library import takes longer than
all checks. Python takes byte code for a file's own where time and size agree, and wheels' files may
agree in both with other contents. The hashes that an installer writes down tell them apart.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Versions come and go as the index does: a week serves the runs that are repeated.
KEPT = 7 * 24 * 3600.0


@dataclass(frozen=True)
class ByteCode:
    """
    The byte code of one environment, linked from a store that all share.

    ``prefix`` is its ``PYTHONPYCACHEPREFIX``. Links take no room, and their targets stay whole:
    Python replaces a file of byte code and never writes into one.
    """

    store: Path
    prefix: Path
    packages: Path

    def lay_out(self) -> None:
        """Link what the store has of the installed sources."""
        made: set[Path] = set()
        for kept, used in self._pairs():
            if kept.exists():
                if used.parent not in made:
                    used.parent.mkdir(parents=True, exist_ok=True)
                    made.add(used.parent)
                _link(kept, used)

    def keep(self) -> None:
        """Link what was compiled in this environment into the store."""
        for kept, used in self._pairs():
            if used.exists() and not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                _link(used, kept)

    def delete(self) -> None:
        """Delete the environment's links."""
        shutil.rmtree(self.prefix, ignore_errors=True)

    def _pairs(self) -> Iterator[tuple[Path, Path]]:
        """Yield each source's place in the store and in the environment."""
        python = self.packages.parent.name
        tag = f"cpython-{python.removeprefix('python').replace('.', '')}"
        for source, key in (*_installed(self.packages), *_standard(self.packages)):
            with contextlib.suppress(OSError):  # a source that a package lists and does not have
                name = f"{key}-{int(source.stat().st_mtime)}.{tag}.pyc"
                place = self.prefix / source.relative_to(source.anchor)
                yield self.store / key[:2] / name, place.with_name(f"{source.stem}.{tag}.pyc")


def _installed(packages: Path) -> Iterator[tuple[Path, str]]:
    """Yield the sources that packages installed, and their hashes."""
    for record in packages.glob("*.dist-info/RECORD"):
        with record.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                # A script of the environment's own lies outside, and names its interpreter.
                if row and row[0].endswith(".py") and not row[0].startswith("."):
                    kind, _, digest = row[1].partition("=")
                    if kind == "sha256":
                        yield packages / row[0], digest


def _standard(packages: Path) -> Iterator[tuple[Path, str]]:
    """Yield the sources of Python's own library: of one place they are the same in each cell."""
    settings = packages.parents[2] / "pyvenv.cfg"
    lines = settings.read_text("utf-8").splitlines() if settings.exists() else []
    home = next((line.partition("=")[2].strip() for line in lines if line.startswith("home")), "")
    # Without a home there is nothing to walk.
    for folder, within, names in os.walk(Path(home).parent / "lib" / packages.parent.name):
        within[:] = [name for name in within if name not in ("site-packages", "test")]
        for source in (Path(folder, name) for name in names if name.endswith(".py")):
            yield source, hashlib.sha256(str(source).encode()).hexdigest()


def _link(source: Path, target: Path) -> None:
    # Another cell may be as far; and a file system may have no room for more links to one file.
    with contextlib.suppress(OSError):
        os.link(source, target)


def prune(store: Path) -> None:
    """Delete what was compiled a while ago."""
    for path in store.glob("*/*.pyc"):
        if path.stat().st_mtime < time.time() - KEPT:
            path.unlink()
