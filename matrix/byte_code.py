"""
Byte code that cells share, by the hash of each source.

An environment is new and has none, and compiling what torch and a library import takes longer than
all checks. Python takes byte code for a file's own where time and size agree, and wheels' files may
agree in both with other contents. The hashes that an installer writes down tell them apart; those
of Python's own library are computed, for patch releases may lie at one place with one time.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matrix import inherited

# Versions come and go as the index does: a week serves the runs that are repeated.
KEPT = 7 * 24 * 3600.0

# Python overlooks a short write: of a full disk remains byte code that no later import survives.
_WHOLE = """
import marshal, sys
for name in sys.stdin.read().splitlines():
    try:
        with open(name, "rb") as file:
            marshal.loads(file.read()[16:])
    except Exception:
        continue
    print(name)
"""


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
        for kept, used in self._pairs():
            if kept.exists():
                _link(kept, used)

    def keep(self) -> None:
        """Link what was compiled in this environment, and is whole, into the store."""
        new = {u: kept for kept, u in self._pairs() if u.exists() and not kept.exists()}
        for used in self._whole(new) if new else ():
            _link(used, new[used])

    def _whole(self, compiled: Iterable[Path]) -> list[Path]:
        """Return those that the environment's own Python can read."""
        command = [str(self.packages.parents[2] / "bin" / "python"), "-I", "-S", "-c", _WHOLE]
        names = {str(path): path for path in compiled}
        try:
            done = subprocess.run(
                command,
                input="\n".join(names),
                env=inherited.without_credentials(),
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
        except OSError:  # An environment that was not finished.
            return []
        return [names[name] for name in done.stdout.splitlines() if name in names]

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
    found: dict[str, set[str]] = {}
    for record in packages.glob("*.dist-info/RECORD"):
        with record.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.reader(file):
                # A script of the environment's own lies outside, and names its interpreter.
                if row and row[0].endswith(".py") and not row[0].startswith("."):
                    found.setdefault(row[0], set()).update(row[1:2])
    for name, hashes in found.items():
        kind, _, digest = "".join(hashes).partition("=")
        # Of two packages with one file nobody knows whose is there.
        if len(hashes) == 1 and kind == "sha256":
            yield packages / name, digest


def _standard(packages: Path) -> Iterator[tuple[Path, str]]:
    """Yield the sources of Python's own library, and their hashes."""
    settings = packages.parents[2] / "pyvenv.cfg"
    lines = settings.read_text("utf-8").splitlines() if settings.exists() else []
    home = next((line.partition("=")[2].strip() for line in lines if line.startswith("home")), "")
    # Without a home there is nothing to walk.
    for folder, within, names in os.walk(Path(home).parent / "lib" / packages.parent.name):
        within[:] = [name for name in within if name not in ("site-packages", "test")]
        for source in (Path(folder, name) for name in names if name.endswith(".py")):
            with contextlib.suppress(OSError):  # a link to nothing
                yield source, _hash(source, source.stat().st_ctime_ns)


@functools.cache
def _hash(source: Path, _changed: int) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def _link(source: Path, target: Path) -> None:
    # Another cell may be as far; a file system may have no links, or no room. It is only slower.
    with contextlib.suppress(OSError):
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


def prune(store: Path) -> None:
    """Delete what was compiled a while ago."""
    for path in store.glob("*/*.pyc"):
        if path.stat().st_mtime < time.time() - KEPT:
            path.unlink()
