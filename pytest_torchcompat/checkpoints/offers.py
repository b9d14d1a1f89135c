"""One source of a row: its files in the cache or downloaded from it, and whether they are right."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Union

from pytest_torchcompat.checkpoints.catalogue import (
    Checkpoint,
    CheckpointFile,
    Edition,
    HubFile,
    Known,
    Source,
)
from pytest_torchcompat.checkpoints.faults import WrongFileError, what_came
from pytest_torchcompat.checkpoints.hashes import (
    notes_folder,
    read_note,
    remember,
    remembered_sha256,
    write_note,
)
from pytest_torchcompat.checkpoints.hub import HubSource
from pytest_torchcompat.checkpoints.web import WebSource, file_name, web_folder
from pytest_torchcompat.errors import CatalogueError, FetchError

Store = Union[HubSource, WebSource]
Found = tuple[Path, str]


@dataclass(frozen=True)
class Offer:
    """A source of a row, and the store that its files come from."""

    row: Checkpoint
    source: Source
    store: Store
    notes: Path

    def cached(self) -> CheckpointFile | None:
        """Return the row's file if it and those beside it are here and right; no network."""
        files = [(name, known, self.store.present(name)) for name, known in self._files()]
        try:
            found = [self._verified(*each) for each in files]
        except (FetchError, OSError):
            return None
        return self._described(found)

    def is_here(self) -> bool:
        """Whether the cache has the row's file and those beside it, right or wrong."""
        return all(self.store.present(name) for name, _ in self._files())

    def pinned(self) -> Offer:
        """
        Return the offer at a commit: the hub is asked where the row names none and none is here.

        Raises ``FetchError``, whose words are but the reason.
        """
        store = self.store
        if _states_commit(self.source) or isinstance(store, WebSource) or store.present(store.name):
            return self
        commit = self._reported(store.commit)
        return replace(self, store=replace(store, file=replace(store.file, revision=commit)))

    def fetched(self) -> CheckpointFile:
        """
        Return the row's file, downloaded unless it is here; what is wrong is removed.

        Raises ``FetchError``, whose words are but the reason.
        """
        found = [self._reported(self._brought, *each) for each in self._files()]
        self._reported(self._keep_commit)
        return self._described(found)

    def read_again(self) -> CheckpointFile:
        """Return the row's file with every byte of it read again; what is wrong is removed."""
        found = [self._reported(self._read_again, *each) for each in self._files()]
        return self._described(found)

    def _files(self) -> Iterator[tuple[str, Known]]:
        yield self.store.name, self.row
        yield from ((side.filename, side) for side in self.row.beside)

    def _reported(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Take a step; whatever goes wrong with it becomes a reason."""
        try:
            return step(*arguments)
        except WrongFileError as error:
            message = f"{error} {self.store.remove(arguments[0])}"
            raise FetchError(message) from error
        except CatalogueError:
            raise
        except Exception as error:  # the classes of the HTTP clients differ with their versions
            raise FetchError(self.store.reason(error)) from error

    def _brought(self, name: str, known: Known) -> Found:
        path, found = self.store.present(name), ""
        if path is None:
            pinned = bool(known.sha256 or known.bytes or self._first(name))
            path, found = self.store.get(name, partial(self._check, name, known), known=pinned)
        if found:
            remember(path, self.notes, found)
        return self._verified(name, known, path)

    def _read_again(self, name: str, known: Known) -> Found:
        path = self.store.present(name)
        if path:
            remember(path, self.notes)
        return self._verified(name, known, path)

    def _verified(self, name: str, known: Known, path: Path | None) -> Found:
        if path is None:
            message = f"{name} is not in the cache"
            raise FetchError(message)
        found = remembered_sha256(path, self.notes)
        self._check(name, known, path, found, str(path))
        if known.sha256 is None and not self._first(name):
            size = path.stat().st_size
            write_note(self._note(name), {"sha256": found, "bytes": size})
        return path, found

    def _check(self, name: str, known: Known, path: Path, found: str, called: str) -> None:
        """Compare bytes with what the row says of them, else with what the first download was."""
        expected, origin = known.sha256, "the catalogue says"
        if expected is None:
            expected, origin = self._first(name), "its first download had"
        if expected and found != expected:
            raise _wrong(path, name, f"{called} has the sha256 {found} and {origin} {expected}.")
        if not expected:
            self._check_first(name, known, path, found, called)

    def _check_first(self, name: str, known: Known, path: Path, found: str, called: str) -> None:
        """Refuse to trust at first use what is plainly not the file."""
        size = path.stat().st_size
        if known.bytes not in (None, size):
            words = f"{called} has {size} bytes and the catalogue says {known.bytes}."
            raise _wrong(path, name, words)
        claimed = self.store.claimed_sha256(name)
        if claimed and claimed != found:
            words = f"{called} has the sha256 {found} and its hub says {claimed}."
            raise _wrong(path, name, words)
        cause = what_came(path, name)
        if cause:
            message = f"{called} is not the file: {cause}"
            raise WrongFileError(message)

    def _first(self, name: str) -> str:
        """Return the sha256 that the first download of a file had, empty where there was none."""
        return str(read_note(self._note(name)).get("sha256", ""))

    def _keep_commit(self) -> None:
        if isinstance(self.store, HubSource) and not _states_commit(self.source):
            write_note(self._note("commit"), {"revision": self.store.file.revision})

    def _note(self, name: str) -> Path:
        return _first_note(self.notes, self.row, self.source, name)

    def _described(self, files: list[Found]) -> CheckpointFile:
        (path, sha256), *beside = files
        told = (*self._established(path, sha256), *_established_beside(self.row, beside))
        return CheckpointFile(self.row, path, Edition.REFERENCE, sha256, told)

    def _established(self, path: Path, sha256: str) -> Iterator[str]:
        if self.row.sha256 is None:
            yield f'sha256="{sha256}"'
        if self.row.bytes is None:
            yield f"bytes={path.stat().st_size}"
        if isinstance(self.store, HubSource) and not _states_commit(self.source):
            yield f'revision="{self.store.file.revision}"'


def offers(row: Checkpoint, cache: Path | None) -> list[Offer]:
    """Return a row's sources in their order; raises ``CatalogueError`` where one pins nothing."""
    notes = notes_folder(cache)
    stores = [_store(row, source, cache) for source in row.sources]
    return [Offer(row, source, store, notes) for source, store in zip(row.sources, stores)]


def _store(row: Checkpoint, source: Source, cache: Path | None) -> Store:
    if isinstance(source, HubFile):
        _require_pin(row, source)
        note = _first_note(notes_folder(cache), row, source, "commit")
        revision = source.revision or read_note(note).get("revision")
        return HubSource(replace(source, revision=revision), cache)
    if not file_name(source):
        message = f"{row.id}: {source.url} names no file; give the URL of a file"
        raise CatalogueError(message)
    return WebSource(source, web_folder(row.id, source.url, cache))


def _require_pin(row: Checkpoint, source: HubFile) -> None:
    if source.revision is None and row.sha256 is None:
        message = (
            f"{row.id}: {source.repo}/{source.filename} has neither a revision nor a sha256."
            " One of them must be known: give the commit's 40 hex digits"
        )
        raise CatalogueError(message)
    if source.revision is not None and not re.fullmatch("[0-9a-f]{40}", source.revision):
        message = (
            f"{row.id}: revision {source.revision!r} is not a commit. A branch or tag moves;"
            " give the commit's 40 hex digits"
        )
        raise CatalogueError(message)


def _states_commit(source: Source) -> bool:
    return isinstance(source, HubFile) and source.revision is not None


def _first_note(notes: Path, row: Checkpoint, source: Source, name: str) -> Path:
    """Return where it is noted what a row's first download from a source brought."""
    key = json.dumps([row.id, type(source).__name__, dataclasses.astuple(source), name])
    return notes / "first" / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _established_beside(row: Checkpoint, files: list[Found]) -> Iterator[str]:
    for side, (path, sha256) in zip(row.beside, files):
        if side.sha256 is None or side.bytes is None:
            size = path.stat().st_size
            yield f'SideFile("{side.filename}", sha256="{sha256}", bytes={size})'


def _wrong(path: Path, name: str, words: str) -> WrongFileError:
    cause = what_came(path, name)
    return WrongFileError(f"{words} {cause}" if cause else words)
