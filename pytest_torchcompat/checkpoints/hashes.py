"""The sha256 of files, remembered so that a large file is read once and not at every use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

_CHUNK = 1 << 20
# Chunks that may wait for the hashing thread: they bound its memory.
_WAITING = 4


class RunningSha256:
    """
    The hash of bytes as they come, computed in a thread of its own while the next ones arrive.

    To be used in a ``with`` block, which ends the thread.
    """

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._chunks: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._hash, daemon=True)

    def __enter__(self) -> RunningSha256:  # noqa: PYI034 - Python 3.9 knows no Self
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        self._chunks.put(chunk)

    def hexdigest(self) -> str:
        """Return the hash of all that came; nothing more may come after it."""
        self._end()
        return self._sha256.hexdigest()

    def _hash(self) -> None:
        for chunk in iter(self._chunks.get, None):
            self._sha256.update(chunk)

    def _end(self) -> None:
        if self._thread.is_alive():
            self._chunks.put(None)
            self._thread.join()


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes, in hex; the memory that it takes is constant."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def own_folder(cache: Path | None) -> Path:
    """Return where what is not the hub's is kept: in the cache that was named, else apart."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return cache or Path(home) / "torchcompat"


def notes_folder(cache: Path | None) -> Path:
    """Return where notes about verified files lie."""
    return own_folder(cache) / "verified"


def remembered_sha256(path: Path, notes: Path) -> str:
    """Return a file's sha256, from its note in ``notes`` while size and mtime are the same."""
    seen = _seen(path)
    known = read_note(_note(path, notes))
    if {name: known.get(name) for name in seen} == seen and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    return remember(path, notes)


def remember(path: Path, notes: Path, found: str = "") -> str:
    """Return a file's sha256, which is read from all its bytes unless just ``found``; note it."""
    seen = _seen(path)
    found = found or sha256_of(path)
    # A note that cannot be written costs a hash at the next use, and nothing else.
    with contextlib.suppress(OSError):
        write_note(_note(path, notes), {**seen, "sha256": found})
    return found


def read_note(note: Path) -> Mapping[str, Any]:
    """Return what a note says, which is nothing where it is missing or broken."""
    try:
        known = json.loads(note.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write_note(note: Path, data: Mapping[str, Any]) -> None:
    """Put a note in place whole, as two processes may write it at once; raises ``OSError``."""
    note.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=note.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(data, file)
        Path(name).replace(note)
    except OSError:
        Path(name).unlink()
        raise


def _seen(path: Path) -> Mapping[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _note(path: Path, notes: Path) -> Path:
    return notes / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}.json"
