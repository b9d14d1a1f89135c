"""A project's own file, checked against what its row says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_torchcompat.checkpoints.catalogue import (
    Checkpoint,
    CheckpointFile,
    Edition,
    Known,
    LocalFile,
)
from pytest_torchcompat.checkpoints.faults import what_came
from pytest_torchcompat.checkpoints.hashes import notes_folder, remember, remembered_sha256
from pytest_torchcompat.errors import FetchError, MissingFileError

_BY_HAND = "Put it there, or say in a row of pyproject.toml where it comes from"


def is_here(row: Checkpoint) -> bool:
    """Whether the row's own file is where it says."""
    return row.local is not None and _is_file(row.local.path)


def own_file(
    row: Checkpoint, local: LocalFile, cache: Path | None = None, *, fresh: bool = False
) -> CheckpointFile:
    """
    Return a project's own file; ``fresh`` reads its bytes again.

    Raises ``MissingFileError`` where it or one beside it is not there, and ``FetchError`` where it
    is not the file that the row says.
    """
    notes = notes_folder(cache)
    found = [_checked(row, *each, notes, fresh=fresh) for each in _files(row, local)]
    return CheckpointFile(row, local.path, Edition.LOCAL, found[0])


def missing(row: Checkpoint, path: Path, *, searched: bool = False) -> MissingFileError:
    """Return the error of a file that is not there; ``searched`` says that the cache was too."""
    command = row.local.download if row.local else ""
    command = command or (f"torchcompat fetch {row.id}" if searched else "")
    here = Path.cwd()
    shown = path.relative_to(here) if here in path.parents else path
    cache = ", and in the cache" if searched else ""
    way = f"Get it with: {command}" if command else _BY_HAND
    fault = "is a folder" if os.path.isdir(path) else "is not there"  # noqa: PTH112 - as below
    return MissingFileError(f"{row.id}: {shown} {fault}; looked at {path.absolute()}{cache}. {way}")


def _files(row: Checkpoint, local: LocalFile) -> Iterator[tuple[Path, Known]]:
    yield local.path, row
    for side in row.beside:
        yield local.path.parent / side.filename, side


def _checked(row: Checkpoint, path: Path, known: Known, notes: Path, *, fresh: bool) -> str:
    if not _is_file(path):
        raise missing(row, path)
    try:
        found = remember(path, notes) if fresh else remembered_sha256(path, notes)
        differs = _difference(path, found, known)
    except OSError as error:
        message = f"{row.id}: {path} cannot be read ({error.strerror}). Check its permissions"
        raise MissingFileError(message) from error
    if differs:
        stated = known.sha256 or known.bytes is not None
        fault = f"is not the file of {row.id}" if stated else "is no checkpoint"
        correct = " or correct the row" if stated else ""
        message = f"{path} {fault}: {differs}. Put the right file there{correct}"
        raise FetchError(message)
    return found


def _difference(path: Path, found: str, known: Known) -> str:
    """Say how a file differs from what is known of it, or nothing."""
    if found == known.sha256:
        return ""
    instead = what_came(path, path.name).rstrip(".")
    if known.sha256 or instead:
        return instead or f"it has the sha256 {found} and the row says {known.sha256}"
    held = path.stat().st_size
    differs = known.bytes not in (None, held)
    return f"it has {held} bytes and the row says {known.bytes}" if differs else ""


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path's raises for a name that is too long
