"""
Files from the Hugging Face Hub, through its own client and into its own cache.

This is the one module that imports huggingface_hub.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import HubFile
from pytest_torchcompat.checkpoints.faults import OFFLINE, causes, disk_reason
from pytest_torchcompat.checkpoints.hashes import RunningSha256
from pytest_torchcompat.errors import FetchError

_log = logging.getLogger(__name__)
_watching = threading.Lock()


@dataclass(frozen=True)
class HubSource:
    """A file on the hub and those beside it; ``cache`` names a cache other than the hub's own."""

    file: HubFile
    cache: Path | None

    @property
    def name(self) -> str:
        """The file's name in its folder."""
        return PurePosixPath(self.file.filename).name

    def present(self, name: str) -> Path | None:
        """Return where the cache has a file of the folder; no network."""
        if self.file.revision is None:
            return None
        try:
            return self._download(name, local_files_only=True)
        except (ImportError, OSError, ValueError):
            return None

    def get(self, name: str, _check: object, *, known: bool) -> tuple[Path, str]:  # noqa: ARG002
        """
        Download a file of the folder and return its sha256 with it.

        The sha256 is empty where it has still to be hashed. The hub always says how long a file is,
        so that it is whole, ``known`` or not; it has still to be checked.
        """
        _client()
        with RunningSha256() as digest, _written(digest) as written:
            try:
                path = self._download(name)
            except Exception:
                written.discard_in_vain()
                raise
            return path, written.sha256_of(path)

    def commit(self) -> str:
        """Ask the hub which commit its default branch is at."""
        hub = _client()
        found = hub.get_hf_file_metadata(
            hub.hf_hub_url(self.file.repo, self.file.filename),
            timeout=hub.constants.HF_HUB_ETAG_TIMEOUT,
        )
        if not re.fullmatch("[0-9a-f]{40}", found.commit_hash or ""):
            message = "it did not name the commit of its default branch"
            raise ValueError(message)
        return str(found.commit_hash)

    def claimed_sha256(self, name: str) -> str:
        """Return the sha256 that the hub itself gives for a large file, which names its blob."""
        path = self.present(name)
        blob = path.readlink().name if path and path.is_symlink() else ""
        return blob if re.fullmatch("[0-9a-f]{64}", blob) else ""

    def remove(self, name: str) -> str:
        """Remove a file, with the blob that its entry links to; say what is left to do."""
        path = self.present(name)
        try:
            while path is not None:
                target = path.parent / path.readlink() if path.is_symlink() else None
                path.unlink(missing_ok=True)
                path = target
        except OSError as error:
            return f"It could not be removed ({error}): delete it and fetch again"
        return "It was removed: fetch again, and check HF_ENDPOINT if it comes back"

    def reachable(self) -> bool:
        """Whether the hub answers; asked once, as a download tries for half a minute."""
        return answers()

    def reason(self, error: BaseException) -> str:
        """Say why the client failed and what to do, by the status that the hub answered with."""
        chain = list(causes(error))
        if isinstance(error, FetchError):
            return str(error)
        hub = _client()
        if any(isinstance(cause, hub.errors.OfflineModeIsEnabled) for cause in chain):
            return OFFLINE
        replies = (getattr(cause, "response", None) for cause in chain)
        status = next((reply.status_code for reply in replies if reply is not None), None)
        if status is not None:
            return self._refusal(status, hub.constants.ENDPOINT)
        said, *_advice = str(chain[-1]).splitlines() or [""]
        return disk_reason(chain, self._folder(hub)) or (
            f"the download from {hub.constants.ENDPOINT} failed"
            f" ({type(chain[-1]).__name__}: {said.rstrip('.')})."
            " Check the network, HF_ENDPOINT and the free disk, and fetch again"
        )

    def _refusal(self, status: int, host: str) -> str:
        file = self.file
        if status in (401, 403):
            return (
                f"{host} refused access to {file.repo} ({status}). Accept its terms at"
                f" {host}/{file.repo}, set HF_TOKEN to a token that may read it, and fetch again"
            )
        if status == 404:  # noqa: PLR2004 - a status that everyone knows by its number
            where = f"at commit {file.revision}" if file.revision else "on its default branch"
            what = f"{file.repo}/{file.filename} {where}"
            return f"{host} does not have {what} (404). Check HF_ENDPOINT and the catalogue's row"
        return f"{host} answered {status}. Fetch again later"

    def _folder(self, hub: Any) -> Path:
        return self.cache / "hub" if self.cache else Path(hub.constants.HF_HUB_CACHE)

    def _download(self, name: str, *, local_files_only: bool = False) -> Path:
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(
            self.file.repo,
            str(PurePosixPath(self.file.filename).parent / name),
            revision=self.file.revision,
            cache_dir=None if self.cache is None else self.cache / "hub",
            local_files_only=local_files_only,
        )
        return Path(path)


@functools.cache
def answers() -> bool:
    """Whether the hub can be reached."""
    host = "the hub"
    try:
        hub = _client()
        host = hub.constants.ENDPOINT
        if hub.constants.HF_HUB_OFFLINE:
            raise FetchError(OFFLINE)  # noqa: TRY301 - as where the client itself notices
        hub.utils.get_session().head(host, timeout=hub.constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, there is no hub to fetch from
        _log.warning("%s cannot be reached and is not asked again: %s", host, error)
        return False
    return True


def _client() -> Any:
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        message = "huggingface_hub is not installed; pip install 'pytest-torchcompat[hub]'"
        raise FetchError(message) from error
    return huggingface_hub


class _Written:
    """What the client wrote into its file, if it wrote it from start to end."""

    def __init__(self, digest: RunningSha256) -> None:
        self.digest = digest
        self.file: _Watched | None = None
        self.expected: int | None = None

    def watch(self, file: Any, expected: int | None) -> Any:
        self.expected = expected
        if isinstance(file, _Watched):  # the client goes on with the same file after a fault
            return file
        self.file = _Watched(file, self.digest)
        return self.file

    def discard_in_vain(self) -> None:
        """
        Remove what was written if it is longer than the file, and so no beginning of it.

        Up to 1.17 the client keeps it, and would go on with it at each later fetch, in vain.
        """
        path = Path(self.file.name) if self.file else None
        if path and path.exists() and self.expected is not None:
            with contextlib.suppress(OSError):
                if path.stat().st_size > self.expected:
                    path.unlink()

    def sha256_of(self, path: Path) -> str:
        """Return the hash of what was written if it is this very file, and nothing else."""
        stat = path.stat()
        if self.file is None or not self.file.began_empty:
            return ""
        identity = (stat.st_dev, stat.st_ino, stat.st_size)
        return self.digest.hexdigest() if identity == self.file.identity() else ""


class _Watched:
    """
    The client's file, each chunk of which is hashed as it is written.

    The client rewinds its file when a server answers a resumed download with the whole. What counts
    therefore is a file that began empty and is as long as all that was written into it.
    """

    def __init__(self, file: Any, digest: RunningSha256) -> None:
        stat = os.fstat(file.fileno())
        self._inode = (stat.st_dev, stat.st_ino)
        self._file = file
        self._digest = digest
        self.began_empty = stat.st_size == 0

    def identity(self) -> tuple[int, int, int]:
        return (*self._inode, self._digest.size)

    def write(self, chunk: bytes) -> int:
        written: int = self._file.write(chunk)
        self._digest.update(chunk)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def _written(digest: RunningSha256) -> Iterator[_Written]:
    """
    See what the client writes in this thread, so that it is hashed while the next bytes come.

    The client offers no place for that; where its own function is gone, or another writes the
    file, the file is hashed when it is whole.
    """
    from huggingface_hub import file_download

    written = _Written(digest)
    with _watching:
        original = getattr(file_download, "http_get", None)
        if original is None:
            yield written
            return
        file_download.http_get = _watched(original, written)
        try:
            yield written
        finally:
            file_download.http_get = original


def _watched(original: Callable[..., Any], written: _Written) -> Callable[..., Any]:
    ours = threading.get_ident()

    @functools.wraps(original)
    def http_get(url: str, temp_file: Any, *args: Any, **options: Any) -> Any:
        if threading.get_ident() == ours:
            temp_file = written.watch(temp_file, options.get("expected_size"))
        return original(url, temp_file, *args, **options)

    return http_get
