"""
Files at plain URLs, through pooch and into a cache of our own.

This is the one module that imports pooch. A download that breaks off leaves a ``.partial`` file,
which goes on where it stopped if the server still has the same file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Callable
from urllib.parse import quote, unquote, urljoin, urlsplit

from pytest_torchcompat.checkpoints.catalogue import UrlFile
from pytest_torchcompat.checkpoints.faults import OFFLINE, causes, disk_reason, is_offline
from pytest_torchcompat.checkpoints.hashes import (
    RunningSha256,
    own_folder,
    read_note,
    write_note,
)
from pytest_torchcompat.errors import FetchError

TIMEOUT = 10.0  # seconds without a byte
TRIES = 4  # without any more bytes than before
LONGEST_WAIT = 10.0  # seconds that a server may ask for before its answer is final
_AGAIN = {408, 429, 500, 502, 503, 504}
_PART, _NO_SUCH_PART = 206, 416
_CHUNK = 1 << 20
_ENDLESS = (
    "its server does not say how long it is, and its row knows neither its sha256 nor its bytes, so"
    " that half of it would look whole. Add one of them to the row"
)

Check = Callable[[Path, str, str], None]

_log = logging.getLogger(__name__)


class _BrokenOffError(Exception):
    """Fewer bytes came than were announced."""


@dataclass(frozen=True)
class WebSource:
    """A file at a URL and those beside it; ``folder`` is where they lie here."""

    file: UrlFile
    folder: Path

    @property
    def name(self) -> str:
        """The file's name in its folder."""
        return file_name(self.file)

    def present(self, name: str) -> Path | None:
        """Return where the cache has a file of the folder."""
        path = self.folder / name
        return path if os.path.isfile(path) else None  # noqa: PTH113 - Path's raises without access

    def get(self, name: str, check: Check, *, known: bool) -> tuple[Path, str]:
        """
        Download a file of the folder and return its sha256 with it.

        It comes to its place once ``check`` has accepted its bytes; ``known`` says that this tells
        a whole file from a part. The sha256 is empty where another process brought the file
        meanwhile.
        """
        pooch = _client()
        path, url = self.folder / name, self._url(name)
        downloader = _Downloader(path, check, known=known)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path), _quiet(pooch.get_logger()):
            shelf = pooch.Pooch(path.parent, "", registry={path.name: None}, urls={path.name: url})
            shelf.fetch(path.name, downloader=downloader)
        return path, downloader.sha256

    def claimed_sha256(self, _name: str) -> str:
        """Return the sha256 that the server gives, which is none."""
        return ""

    def remove(self, name: str) -> str:
        """Remove what is here of a file; say what is left to do."""
        path = self.folder / name
        try:
            path.unlink(missing_ok=True)
            _Partial(path).discard()
        except OSError as error:
            return f"It could not be removed ({error}): delete it and fetch again"
        return "It was removed: fetch again, and check the URL if it comes back"

    def reachable(self) -> bool:
        """Whether the URL's host answers; asked once."""
        return answers(_origin(self.file.url))

    def reason(self, error: BaseException) -> str:
        """Say why a download failed and what to do."""
        if isinstance(error, FetchError):
            return str(error)
        url, host = self.file.url, _origin(self.file.url)
        reply = getattr(error, "response", None)
        if reply is None:
            kind = "" if isinstance(error, _BrokenOffError) else f"{type(error).__name__}: "
            return disk_reason(causes(error), self.folder) or (
                f"the download from {host} failed ({kind}{error})."
                " Check the network and the URL, and fetch again"
            )
        status = reply.status_code
        if status in (401, 403):
            return f"{host} refused access to {url} ({status}). Check that anyone may read it"
        if status in (404, 410):
            return f"{host} does not have {url} ({status}). Check the catalogue's row"
        wait = _asked_to_wait(reply)
        return f"{host} answered {status}. Fetch again {f'in {wait} s' if wait else 'later'}"

    def _url(self, name: str) -> str:
        return self.file.url if name == self.name else urljoin(self.file.url, quote(name))


def web_folder(identifier: str, url: str, cache: Path | None) -> Path:
    """Return the folder of a row's file from one URL: each has its own."""
    digest = hashlib.sha256(f"{identifier}\n{url}".encode()).hexdigest()
    slug = re.sub("[^A-Za-z0-9._-]+", "-", identifier)
    return own_folder(cache) / "web" / f"{slug}-{digest[:16]}"


def file_name(file: UrlFile) -> str:
    """Return the name of the file that a URL ends in, which may be none."""
    return PurePosixPath(unquote(urlsplit(file.url).path)).name


@functools.cache
def answers(origin: str) -> bool:
    """Whether a host can be reached."""
    try:
        _session().head(origin, timeout=TIMEOUT)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, nothing comes from there
        _log.warning("%s cannot be reached and is not asked again: %s", origin, error)
        return False
    return True


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _client() -> Any:
    try:
        import pooch
    except ImportError as error:
        message = "pooch is not installed; pip install 'pytest-torchcompat[hub]'"
        raise FetchError(message) from error
    return pooch


def _session() -> Any:
    if is_offline():
        raise FetchError(OFFLINE)
    _client()
    import requests  # pooch's own client

    return requests.Session()


def _locked(path: Path) -> Any:
    from filelock import FileLock

    return FileLock(f"{path}.lock")


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from telling of the download, which our own bar shows."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Partial:
    """What came of a file so far, and of which version of it."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.partial")
        self._note = path.with_name(f"{path.name}.partial.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> str:
        return str(read_note(self._note).get("version", ""))

    def start(self, version: str) -> None:
        """Begin anew, with the version that the bytes to come are of."""
        self.path.unlink(missing_ok=True)
        write_note(self._note, {"version": version})

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Downloader:
    """What pooch calls to have a file downloaded."""

    def __init__(self, path: Path, check: Check, *, known: bool) -> None:
        self.sha256 = ""
        self._partial = _Partial(path)
        self._check = check
        self._known = known

    def __call__(self, url: str, output: str, _pooch: object) -> None:
        """Put the file into ``output`` once it is whole and what it should be."""
        with _session() as session:
            sha256 = self._tried(session, url)
        self._check(self._partial.path, sha256, url)
        self._partial.path.replace(output)
        self._partial.discard()
        self.sha256 = sha256

    def _tried(self, session: Any, url: str) -> str:
        from requests import RequestException

        tries, most = 0, self._partial.size()
        while True:
            try:
                return _attempt(session, url, self._partial, known=self._known)
            except (RequestException, _BrokenOffError) as error:
                came = self._partial.size()
                tries, most = (1, came) if came > most else (tries + 1, most)
                if tries >= TRIES or not _worth_another(error):
                    raise
                _log.info("%s: %s; trying again", url, error)
                time.sleep(_wait(error, tries))


def _worth_another(error: Exception) -> bool:
    from requests import ConnectionError as NoConnection
    from requests import Timeout

    reply = getattr(error, "response", None)
    if reply is not None:
        return reply.status_code in _AGAIN and _asked_to_wait(reply) <= LONGEST_WAIT
    return isinstance(error, (NoConnection, Timeout, _BrokenOffError))


def _wait(error: Exception, tries: int) -> float:
    return _asked_to_wait(getattr(error, "response", None)) or min(2.0 ** (tries - 1), LONGEST_WAIT)


def _asked_to_wait(reply: Any) -> int:
    asked = "" if reply is None else reply.headers.get("Retry-After", "")
    return int(asked) if asked.isdecimal() else 0


def _attempt(session: Any, url: str, partial: _Partial, *, known: bool) -> str:
    """Bring the file whole, or go on with what is here of it; return its sha256."""
    from requests.exceptions import ChunkedEncodingError

    with _asked(session, url, partial) as reply, RunningSha256() as digest:
        _begin(reply, partial)
        if not (known or _tells_its_end(reply)):
            raise FetchError(_ENDLESS)
        total = _total(reply, partial.size())
        try:
            _receive(reply, partial, digest, total)
        except ChunkedEncodingError as error:
            raise _broken_off(digest.size, total) from error
        if total is not None and digest.size != total:
            raise _broken_off(digest.size, total)
        return digest.hexdigest()


def _broken_off(came: int, total: int | None) -> _BrokenOffError:
    return _BrokenOffError(f"{came} of {'?' if total is None else total} bytes came")


def _begin(reply: Any, partial: _Partial) -> None:
    """Go on with what is here where the reply does, and else begin anew."""
    part = reply.headers.get("Content-Range", "")
    goes_on = reply.status_code == _PART and part.startswith(f"bytes {partial.size()}-")
    if reply.status_code in (_PART, _NO_SUCH_PART) and not goes_on:
        partial.discard()
        message = "the server went on with another part than was asked for"
        raise _BrokenOffError(message)
    reply.raise_for_status()
    if not goes_on:
        partial.start(_version(reply))


def _asked(session: Any, url: str, partial: _Partial) -> Any:
    headers = {"Accept-Encoding": "identity"}
    size, version = partial.size(), partial.version()
    if size and version:
        headers.update({"Range": f"bytes={size}-", "If-Range": version})
    return session.get(url, headers=headers, stream=True, timeout=TIMEOUT)


def _version(reply: Any) -> str:
    """Return what a server knows this version of the file by; a weak tag pins no bytes."""
    tag = str(reply.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(reply.headers.get("Last-Modified", ""))


def _tells_its_end(reply: Any) -> bool:
    chunked = "chunked" in reply.headers.get("Transfer-Encoding", "").lower()
    return chunked or "Content-Length" in reply.headers


def _total(reply: Any, start: int) -> int | None:
    """Return the size of the whole file as far as the server says it."""
    if reply.headers.get("Content-Encoding", "identity") != "identity":
        return None
    part = re.fullmatch(r"bytes \d+-\d+/(\d+)", reply.headers.get("Content-Range", ""))
    length = reply.headers.get("Content-Length", "")
    rest = start + int(length) if length.isdecimal() else None
    return int(part[1]) if part else rest


def _receive(reply: Any, partial: _Partial, digest: RunningSha256, total: int | None) -> None:
    with partial.path.open("a+b") as file:
        file.seek(0)
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
        with _bar(partial.path.name, digest.size, total) as bar:
            for chunk in reply.iter_content(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))


def _bar(name: str, start: int, total: int | None) -> Any:
    from tqdm import tqdm

    name = name.partition(".partial")[0]
    # None stands for: where stderr is a terminal.
    return tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=None)
