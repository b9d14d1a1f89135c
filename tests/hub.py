"""
A server on localhost: a hub that speaks what huggingface_hub asks for, and plain URLs.

A file of the hub is served at ``/{repo}/resolve/{commit}/{file}`` with the headers that the client
needs: the commit, and the etag and size of the file behind a large-file pointer. What is served at
``/web/...`` is a plain file, with what a resumed download needs. It misbehaves when told to.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import threading
from dataclasses import dataclass, field, replace

from localhost import listening

from pytest_torchcompat.checkpoints import hub as hub_module
from pytest_torchcompat.checkpoints import web
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, UrlFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BODY = bytes(range(256)) * 40
LONG_AGO = "Wed, 21 Oct 2015 07:28:00 GMT"

# What the real hub answers, by the name of the misbehaviour: the status and its X-Error-Code.
REFUSALS = {
    "anonymous": (401, "GatedRepo"),
    "gated": (403, "GatedRepo"),
    "no file": (404, "EntryNotFound"),
    "no revision": (404, "RevisionNotFound"),
    "too often": (429, ""),
    "broken": (500, ""),
}
# What comes in a file's place.
PAGE = b"<!DOCTYPE html>\n<title>Sign in to the network</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 10240\n"
ERROR = b'{"error": "internal error - please try again later"}'


@dataclass
class Hub:
    """
    What the server serves, how it misbehaves, and what it was asked for.

    A ``fault`` whose name ends in "once" is over when it has happened. ``instead`` is served in the
    place of each file. With ``redirects`` large files come from another host, as the hub's do.
    ``held`` is set when an answer hangs, and ``gate`` lets it go on.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    fault: str = ""
    instead: bytes | None = None
    redirects: bool = False
    resumes: bool = True
    etags: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    endpoint: str = ""
    held: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def row(self, identifier: str = "some/model", body: bytes = BODY, **fields) -> Checkpoint:
        """Serve a file on the hub and return the catalogue row that describes it."""
        source = HubFile(repo=identifier, revision=COMMIT, filename="weights.pt")
        self.beside(source, source.filename, body)
        return _row(identifier, source, body, fields)

    def url_row(self, identifier: str = "some/model", body: bytes = BODY, **fields) -> Checkpoint:
        """Serve a file at a plain URL and return the catalogue row that describes it."""
        source = UrlFile(f"{self.endpoint}/web/{identifier}/weights.pt")
        self.beside(source, "weights.pt", body)
        return _row(identifier, source, body, fields)

    def beside(self, source: HubFile | UrlFile, name: str, body: bytes) -> None:
        """Serve a file in the folder of a source."""
        if isinstance(source, HubFile):
            folder = f"/{source.repo}/resolve/{COMMIT}"
        else:
            folder = source.url[len(self.endpoint) :].rpartition("/")[0]
        self.files[f"{folder}/{name}"] = body

    def misbehaves(self, name: str) -> bool:
        """Whether a fault is on; one that is to happen once is then over."""
        if self.fault == f"{name} once":
            self.fault = ""
            return True
        return self.fault == name

    def hold(self) -> None:
        """Let an answer hang until the test is over."""
        self.held.set()
        self.gate.wait()


def _row(identifier: str, source: HubFile | UrlFile, body: bytes, fields: dict) -> Checkpoint:
    sha256 = hashlib.sha256(body).hexdigest()
    known = {"library": "torch", "why": "a test", "sources": (source,), "sha256": sha256}
    return Checkpoint(id=identifier, **{**known, **fields})


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_args: object) -> None:
        """Keep the test's output quiet."""

    def handle(self) -> None:
        # A client that was killed, or has had enough, is no fault of the server.
        with contextlib.suppress(OSError):
            super().handle()

    def _answer(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        refusals = (REFUSALS[name] for name in REFUSALS if self.hub.misbehaves(name))
        refusal = next(refusals, None)
        path = re.sub("/resolve/main/", f"/resolve/{COMMIT}/", self.path)
        if self.hub.misbehaves("hang up"):
            self.close_connection = True
        elif self.hub.misbehaves("hang"):
            self.hub.hold()
            self.close_connection = True
        elif refusal:
            self._refuse(*refusal)
        elif path in self.hub.files:
            self._serve(path, self.hub.files[path])
        else:
            self._refuse(404, "EntryNotFound")

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if code == "EntryNotFound":
            self.send_header("X-Repo-Commit", COMMIT)
        for name, value in self.hub.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, path: str, body: bytes) -> None:
        sha256 = hashlib.sha256(body).hexdigest()
        body = body if self.hub.instead is None else self.hub.instead
        if path.startswith(("/web/", "/lfs/")):
            self._send_file(body, self._validators(path, sha256))
            return
        headers = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(body))}
        headers.update(dict.fromkeys(("ETag", "X-Linked-Etag"), f'"{sha256}"'))
        if self.hub.redirects:
            self._redirect(body, sha256, headers)
        else:
            self._send_file(body, headers if self.hub.fault != "portal" else {})

    def _validators(self, path: str, sha256: str) -> dict[str, str]:
        if not self.hub.resumes:
            return {}
        return {"ETag": self.hub.etags.get(path, f'"{sha256}"'), "Last-Modified": LONG_AGO}

    def _redirect(self, body: bytes, sha256: str, headers: dict[str, str]) -> None:
        """Send the client to a host of another name, as the real hub does for large files."""
        path = f"/lfs/{sha256}"
        self.hub.files[path] = body
        other = self.hub.endpoint.replace("127.0.0.1", "localhost")
        self.send_response(302)
        for name, value in {**headers, "Location": other + path, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_file(self, body: bytes, headers: dict[str, str]) -> None:
        start = self._start(body, headers)
        if start > len(body) or (start and start == len(body)):
            self._refuse(416, "")
            return
        self.send_response(206 if start else 200)
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        # A file without an announced length ends where the connection does.
        self.close_connection = self.hub.fault.startswith("cut unannounced")
        more = 100 if self.hub.fault == "too much" and self.command == "GET" else 0
        if not self.close_connection:
            headers = {**headers, "Content-Length": str(len(body) - start + more)}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.hub.ranges.append(self.headers.get("Range", ""))
            self._send(body, start)

    def _start(self, body: bytes, headers: dict[str, str]) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        only = self.headers.get("If-Range")
        if not asked or self.hub.fault == "evil resume" or not self.hub.resumes:
            return 0
        return int(asked[1]) if only is None or only in headers.values() else 0

    def _send(self, body: bytes, start: int) -> None:
        half = len(body) // 2
        if self.hub.misbehaves("wrong bytes"):
            body = bytes(len(body))
        if self.hub.fault == "too much":
            body += bytes(100)
        if self.hub.misbehaves("evil resume"):
            # The right beginning, and on resumption the whole file with another beginning.
            resumed = self.headers.get("Range")
            body = bytes(half) + body[half:] if resumed else body[:half]
            self.close_connection = True
        if self.hub.misbehaves("cut") or self.hub.misbehaves("cut unannounced"):
            body = body[:half]
            self.close_connection = True
        if self.hub.misbehaves("hang in the body"):
            self.wfile.write(body[start:half])
            self.hub.hold()
            start, self.close_connection = max(start, half), True
        self.wfile.write(body[start:])


@contextlib.contextmanager
def serving():
    """Run a hub on a free port of localhost."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with listening(handler) as hub.endpoint:
        try:
            yield hub
        finally:
            hub.gate.set()


def without_commit(row: Checkpoint) -> Checkpoint:
    """Return a row of the hub whose commit nobody has established."""
    return replace(row, sources=tuple(replace(source, revision=None) for source in row.sources))


def point_client_at(hub: Hub, folder, monkeypatch) -> None:
    """
    Point the client in this process at a hub, with ``folder`` as its cache and for our notes.

    The client reads its environment when it is imported, so that its constants are set here; that
    the environment is honoured is shown by a test with a process of its own.
    """
    from huggingface_hub import constants, file_download

    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    # 0.26 holds a second name for the same constant.
    monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "huggingface"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # The client keeps whole chunks of a broken download, and its own is larger than our files.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
    monkeypatch.setattr(web, "_CHUNK", 1024)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    # The clients wait between their tries; the tries themselves are what the tests are about.
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    hub_module.answers.cache_clear()
    web.answers.cache_clear()
