"""What goes wrong with downloads, whichever client makes them, and the words for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_torchcompat.errors import FetchError
from pytest_torchcompat.scan import scan_path

OFFLINE = "it is not in the cache and HF_HUB_OFFLINE is set. Unset it and fetch again"

_YES = {"1", "ON", "YES", "TRUE"}

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
# A web page, a pointer and an error are small, and a large file would be read for nothing.
_LARGEST_INSTEAD = 16 << 20


class WrongFileError(FetchError):
    """A file that came whole and is not the one that it should be."""


def is_offline() -> bool:
    """Whether the user asked for no network, in the way of the hub's client."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def disk_reason(chain: Iterable[BaseException], folder: Path) -> str:
    """Say what is wrong with the disk, or nothing where the fault is another."""
    for error in chain:
        number = error.errno if isinstance(error, OSError) else None
        if number in _FULL:
            return (
                f"the disk of {folder} is full, or a limit on files is reached ({error})."
                " Make room or name another cache, and fetch again"
            )
        if number in _DENIED:
            return (
                f"{folder} cannot be read or written ({error})."
                " Change that or name another cache, and fetch again"
            )
    return ""


def what_came(path: Path, name: str) -> str:
    """Say what came instead of the file of that name, where its bytes tell."""
    if path.stat().st_size > _LARGEST_INSTEAD:
        return ""
    scan = scan_path(path, hashed=False)
    is_json = scan.format == "json" and name.endswith(".json")
    return scan.cause if scan.reason in ("download-fault", "empty") and not is_json else ""
