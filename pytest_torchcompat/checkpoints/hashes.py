"""The sha256 of files, remembered so that a large file is read once and not at every use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes, in hex; the memory that it takes is constant."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def notes_folder(cache: Path | None) -> Path:
    """Return where notes lie: in the cache that the user named, else apart from the hub's own."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (cache or Path(home) / "torchcompat") / "verified"


def remembered_sha256(path: Path, notes: Path) -> str:
    """Return a file's sha256, from its note in ``notes`` while size and mtime are the same."""
    stat = path.stat()
    seen = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    note = notes / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}.json"
    known = _read(note)
    if {name: known.get(name) for name in seen} == seen and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    found = sha256_of(path)
    # A note that cannot be written costs a hash at the next use, and nothing else.
    with contextlib.suppress(OSError):
        _write(note, {**seen, "sha256": found})
    return found


def _read(note: Path) -> Mapping[str, Any]:
    try:
        known = json.loads(note.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(note: Path, data: Mapping[str, Any]) -> None:
    """Put the note in place whole, as two processes may write it at once."""
    note.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=note.parent)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump(data, file)
    Path(name).replace(note)
