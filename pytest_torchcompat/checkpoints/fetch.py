"""
Reference files from where their rows say, known by their sha256.

No client checks more than the size of what it downloads, so that a file counts as good only once
its bytes have been hashed here. Where a row does not know the sha256, the first download is
trusted, and what it brought is what every later use has to find.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from pytest_torchcompat.checkpoints.catalogue import (
    Checkpoint,
    CheckpointFile,
    Edition,
)
from pytest_torchcompat.checkpoints.faults import is_offline
from pytest_torchcompat.checkpoints.hashes import (
    sha256_of,
)
from pytest_torchcompat.checkpoints.offers import Offer, offers
from pytest_torchcompat.checkpoints.own import is_here, missing, own_file
from pytest_torchcompat.errors import FetchError, MissingFileError, unknown_name

__all__ = ["EDITIONS", "cached", "fetch", "locate", "needs_download", "sha256_of", "verify"]

EDITIONS = ("auto", Edition.REFERENCE.value, Edition.REPLICA.value)

_log = logging.getLogger(__name__)


def fetch(
    row: Checkpoint, cache: Path | None = None, *, accepted: Collection[str] = ()
) -> CheckpointFile:
    """
    Return a row's reference file, downloaded unless the cache has it, its bytes verified.

    Sources are tried in their order. ``accepted`` are the licences whose terms the caller accepts.
    The hub's own cache is used unless ``cache`` names a folder; of a row without sources, the
    project's own file is returned. Raises ``FetchError``; a file with the wrong bytes is removed
    first, so that a later fetch starts anew.
    """
    if row.local and not row.sources:
        return own_file(row, row.local, cache)
    known = offers(row, cache)
    return _cached(known) or _fetched(row, known, accepted)


def cached(row: Checkpoint, cache: Path | None = None) -> CheckpointFile | None:
    """Return a row's reference file if the cache has it with the right bytes; no network."""
    return _cached(offers(row, cache))


def verify(row: Checkpoint, cache: Path | None = None) -> CheckpointFile:
    """
    Return a row's file after reading every byte of what is here again; no network.

    That is its reference in the cache, and of a row without sources the project's own file. Raises
    ``FetchError`` where it is not here or not right.
    """
    if row.local and not row.sources:
        return own_file(row, row.local, cache, fresh=True)
    offer = next((each for each in offers(row, cache) if each.is_here()), None)
    if offer is None:
        message = f"{row.id} is not in the cache. Get it with: torchcompat fetch {row.id}"
        raise FetchError(message)
    try:
        return offer.read_again()
    except FetchError as error:
        message = f"{row.id} is not what it should be: {error}"
        raise FetchError(message) from error


def needs_download(row: Checkpoint, edition: str = "auto", cache: Path | None = None) -> bool:
    """Whether ``locate`` would download; a host that does not answer is asked once for that."""
    if edition == Edition.REPLICA.value:
        return False
    if edition == "auto" and is_here(row):
        return False
    known = offers(row, cache)
    if not known or row.terms or is_offline() or _cached(known):
        return False
    return edition != "auto" or row.replica is None or bool(_reachable(known))


def locate(row: Checkpoint, edition: str = "auto", cache: Path | None = None) -> CheckpointFile:
    """
    Return a row's file in an edition.

    ``reference`` fetches or fails, ``replica`` never touches the network, ``auto`` takes the
    project's own file, else the reference where it can be had, and else the replica.
    """
    if edition not in EDITIONS:
        error = unknown_name("edition", edition, EDITIONS)
        raise error
    if edition == Edition.REFERENCE.value:
        return fetch(row, cache)
    if edition == "auto":
        return _best(row, cache)
    return own_file(row, row.local, cache) if row.local and not row.replica else _replica(row)


def _cached(known: Sequence[Offer]) -> CheckpointFile | None:
    found = (offer.cached() for offer in known)
    return next((file for file in found if file), None)


def _fetched(
    row: Checkpoint, known: Sequence[Offer], accepted: Collection[str] = ()
) -> CheckpointFile:
    if not known:
        message = (
            f"{row.id} was not fetched: its row names no file on the hub or elsewhere;"
            " use its replica"
        )
        raise FetchError(message)
    _require_accepted(row, accepted)
    failures = []
    for offer in known:
        try:
            return offer.pinned().fetched()
        except FetchError as error:
            _log.info("%s was not fetched from %s: %s", row.id, offer.source, error)
            failures.append(error)
    raise _no_source(row, known, failures) from failures[-1]


def _no_source(
    row: Checkpoint, known: Sequence[Offer], failures: Sequence[FetchError]
) -> FetchError:
    if len(failures) == 1:
        return FetchError(f"{row.id} was not fetched: {failures[0]}")
    reasons = [f"{offer.source}: {error}" for offer, error in zip(known, failures)]
    return FetchError(f"{row.id} was not fetched from any of its sources. {'. '.join(reasons)}")


def _require_accepted(row: Checkpoint, accepted: Collection[str]) -> None:
    if row.terms and row.licence not in accepted:
        message = (
            f"{row.id} was not fetched: its licence {row.licence} has to be accepted. Read"
            f" {row.terms}, then run: torchcompat fetch {row.id} --accept-licence {row.licence}"
        )
        raise FetchError(message)


def _best(row: Checkpoint, cache: Path | None) -> CheckpointFile:
    if row.local and is_here(row):
        return own_file(row, row.local, cache)
    known = offers(row, cache)
    found = _cached(known)
    if found is None and row.replica is None:
        return _wanted(row, known)
    return found or _fetched_if_possible(row, known) or _replica(row)


def _wanted(row: Checkpoint, known: Sequence[Offer]) -> CheckpointFile:
    """Return a file that nothing can stand in for."""
    if row.local is None:
        return _fetched(row, known)
    if not known:
        raise missing(row, row.local.path)
    try:
        return _fetched(row, known)
    except FetchError as error:
        message = f"{missing(row, row.local.path, searched=True)}. {error}"
        raise FetchError(message) from error


def _fetched_if_possible(row: Checkpoint, known: Sequence[Offer]) -> CheckpointFile | None:
    try:
        _require_accepted(row, ())
        reachable = _reachable(known)
        return _fetched(row, reachable) if reachable else None
    except FetchError as error:
        _log.warning("%s; its replica stands in", error)
        return None


def _reachable(known: Sequence[Offer]) -> list[Offer]:
    return [offer for offer in known if offer.store.reachable()]


def _replica(row: Checkpoint) -> CheckpointFile:
    if row.replica is None:
        message = f"{row.id} has no replica; ask for its reference: --torchcompat-edition=reference"
        raise MissingFileError(message)
    _require_replica(row, row.replica.path, row.replica.sha256)
    for side in row.beside:
        if side.replica_sha256:
            _require_replica(row, row.replica.path.parent / side.filename, side.replica_sha256)
    return CheckpointFile(row, row.replica.path, Edition.REPLICA, row.replica.sha256)


def _require_replica(row: Checkpoint, path: Path, sha256: str) -> None:
    if not path.is_file():
        message = f"the replica of {row.id} is not at {path}; install pytest-torchcompat again"
        raise MissingFileError(message)
    if sha256_of(path) != sha256:
        message = f"{path} is not the replica of {row.id}; install pytest-torchcompat again"
        raise FetchError(message)
