"""
Whether what was installed or built is whole.

uv verifies what it downloads, and not what has lain in its cache since: a power loss, or a library
that edits its own files, is in every later environment. A cell would be blamed for it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path


def broken(packages: Path) -> dict[str, str]:
    """Return the installed projects that have a file of another size, or lack one, and which."""
    found = {}
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        unlike = _not_as_recorded(packages, record)
        file = next((each for each in unlike if not _is_of_another(packages, each)), None)
        if file is not None:
            found[record.parent.name.partition("-")[0]] = file
    return found


def _not_as_recorded(packages: Path, record: Path) -> Iterator[str]:
    return (name for name, size in _recorded(record) if not _is(packages / name, size))


def _is_of_another(packages: Path, file: str) -> bool:
    """Whether a file is as another project has it: of two that bring one, the later stays."""
    records = packages.glob("*.dist-info/RECORD")
    recorded = (each for record in records for each in _recorded(record))
    return any(name == file and _is(packages / name, size) for name, size in recorded)


def _recorded(record: Path) -> Iterator[tuple[str, int]]:
    """Yield the files of a project and their sizes."""
    with record.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.reader(file):
            name, size = (row[0], row[2]) if len(row) > 2 else ("", "")  # noqa: PLR2004 - name, hash, size
            # The record is written after itself, and byte code comes and goes.
            if size.isdigit() and not name.endswith((".pyc", "/RECORD")):
                yield name, int(size)


def _is(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
