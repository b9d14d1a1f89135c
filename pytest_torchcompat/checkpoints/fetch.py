"""
Reference files from the Hugging Face Hub, pinned to a commit and known by their sha256.

The hub's client checks the size of what it downloads and no more, so that a file counts as good
only once its bytes have been hashed here. This is the one module that imports huggingface_hub.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, CheckpointFile, Edition, HubFile
from pytest_torchcompat.checkpoints.hashes import notes_folder, remembered_sha256, sha256_of
from pytest_torchcompat.errors import CatalogueError, FetchError, MissingFileError, unknown_name

__all__ = ["EDITIONS", "cached", "fetch", "locate", "sha256_of"]

EDITIONS = ("auto", Edition.REFERENCE.value, Edition.REPLICA.value)

_log = logging.getLogger(__name__)


def fetch(row: Checkpoint, cache: Path | None = None) -> CheckpointFile:
    """
    Return a row's reference file, downloaded unless the cache has it, its sha256 verified.

    The hub's own cache is used unless ``cache`` names a folder. Raises ``FetchError``; a file with
    the wrong bytes is removed first, so that a later fetch starts anew.
    """
    source = _pinned(row)
    hub = _client()
    try:
        path = _download(source, cache)
        found = remembered_sha256(path, notes_folder(cache))
    except Exception as error:  # the classes of its HTTP client differ in 0.x, 1.x and 2.x
        message = f"{row.id} was not fetched: {_reason(hub, source, error)}"
        raise FetchError(message) from error
    if found != row.sha256:
        message = (
            f"{row.id} was not fetched: {path} has the sha256 {found} and the catalogue says"
            f" {row.sha256}. {_remove(path)}"
        )
        raise FetchError(message)
    return CheckpointFile(row, path, Edition.REFERENCE, found)


def cached(row: Checkpoint, cache: Path | None = None) -> CheckpointFile | None:
    """Return a row's reference file if the cache has it with the right bytes; no network."""
    if not row.sources:
        return None
    source = _pinned(row)
    try:
        path = _download(source, cache, local_files_only=True)
        found = remembered_sha256(path, notes_folder(cache))
    except (ImportError, OSError):
        return None
    return CheckpointFile(row, path, Edition.REFERENCE, found) if found == row.sha256 else None


def locate(row: Checkpoint, edition: str = "auto", cache: Path | None = None) -> CheckpointFile:
    """
    Return a row's file in an edition.

    ``reference`` fetches or fails, ``replica`` never touches the network, ``auto`` takes the
    reference where it can be had and else the replica.
    """
    if edition not in EDITIONS:
        error = unknown_name("edition", edition, EDITIONS)
        raise error
    if edition == Edition.REFERENCE.value:
        return fetch(row, cache)
    return _replica(row) if edition == Edition.REPLICA.value else _best(row, cache)


def _best(row: Checkpoint, cache: Path | None) -> CheckpointFile:
    found = cached(row, cache)
    if found is not None:
        return found
    if row.replica is None:
        return fetch(row, cache)
    if not row.sources or not _answers():
        return _replica(row)
    try:
        return fetch(row, cache)
    except FetchError as error:
        _log.warning("%s; its replica stands in", error)
        return _replica(row)


def _replica(row: Checkpoint) -> CheckpointFile:
    if row.replica is None:
        message = f"{row.id} has no replica; ask for its reference: --torchcompat-edition=reference"
        raise MissingFileError(message)
    path = row.replica.path
    if not path.is_file():
        message = f"the replica of {row.id} is not at {path}; install pytest-torchcompat again"
        raise MissingFileError(message)
    if sha256_of(path) != row.replica.sha256:
        message = f"{path} is not the replica of {row.id}; install pytest-torchcompat again"
        raise FetchError(message)
    return CheckpointFile(row, path, Edition.REPLICA, row.replica.sha256)


def _pinned(row: Checkpoint) -> HubFile:
    if not row.sources:
        message = f"{row.id} was not fetched: its row names no file on the hub; use its replica"
        raise FetchError(message)
    if not re.fullmatch("[0-9a-f]{40}", row.sources[0].revision):
        message = (
            f"{row.id}: revision {row.sources[0].revision!r} is not a commit. A branch or tag moves;"
            " give the commit's 40 hex digits"
        )
        raise CatalogueError(message)
    if row.sha256 is None:
        message = f"{row.id}: the row has a source and no sha256 to verify it by; add sha256="
        raise CatalogueError(message)
    return row.sources[0]


def _client() -> Any:
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        message = "huggingface_hub is not installed; pip install 'pytest-torchcompat[hub]'"
        raise FetchError(message) from error
    return huggingface_hub


def _download(source: HubFile, cache: Path | None, *, local_files_only: bool = False) -> Path:
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        source.repo,
        source.filename,
        revision=source.revision,
        cache_dir=None if cache is None else cache / "hub",
        local_files_only=local_files_only,
    )
    return Path(path)


@functools.cache
def _answers() -> bool:
    """Whether the hub can be reached; asked once, as a download tries for half a minute."""
    try:
        hub = _client()
        limit = hub.constants.HF_HUB_ETAG_TIMEOUT
        hub.utils.get_session().head(hub.constants.ENDPOINT, timeout=limit)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, there is no hub to fetch from
        _log.warning("the hub cannot be reached, so replicas stand in: %s", error)
        return False
    return True


def _reason(hub: Any, source: HubFile, error: BaseException) -> str:
    """Say why the client failed and what to do, by the status that the hub answered with."""
    host = hub.constants.ENDPOINT
    chain = list(_causes(error))
    if any(isinstance(cause, hub.errors.OfflineModeIsEnabled) for cause in chain):
        return "it is not in the cache and HF_HUB_OFFLINE is set. Unset it and fetch again"
    answers = (getattr(cause, "response", None) for cause in chain)
    status = next((answer.status_code for answer in answers if answer is not None), None)
    if status in (401, 403):
        return (
            f"{host} refused access to {source.repo} ({status}). Accept its terms at"
            f" {host}/{source.repo}, set HF_TOKEN to a token that may read it, and fetch again"
        )
    if status == 404:  # noqa: PLR2004 - a status that everyone knows by its number
        what = f"{source.repo}/{source.filename} at commit {source.revision}"
        return f"{host} does not have {what} (404). Check HF_ENDPOINT and the catalogue's row"
    if status is not None:
        return f"{host} answered {status}. Fetch again later"
    return (
        f"the download from {host} failed ({type(chain[-1]).__name__}: {chain[-1]})."
        " Check the network, HF_ENDPOINT and the free disk, and fetch again"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _remove(path: Path) -> str:
    """Remove a snapshot's entry and the blob that it links to; say what is left to do."""
    try:
        for file in (path.resolve(), path):
            file.unlink(missing_ok=True)
    except OSError as error:
        return f"It could not be removed ({error}): delete it and fetch again"
    return "It was removed: fetch again, and check HF_ENDPOINT if it comes back"
