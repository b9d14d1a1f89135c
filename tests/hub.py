"""
A hub on localhost that speaks what huggingface_hub asks for, and misbehaves when told to.

A file is served at ``/{repo}/resolve/{commit}/{file}`` with the headers that the client needs of
the real hub: the commit, and the etag and size of the file behind a large-file pointer.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import threading
from dataclasses import dataclass, field

from pytest_torchcompat.checkpoints import fetch
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BODY = bytes(range(256)) * 40

# What the real hub answers, by the name of the misbehaviour: the status and its X-Error-Code.
REFUSALS = {
    "anonymous": (401, "GatedRepo"),
    "gated": (403, "GatedRepo"),
    "no file": (404, "EntryNotFound"),
    "no revision": (404, "RevisionNotFound"),
    "broken": (500, ""),
}


@dataclass
class Hub:
    """What the server serves, how it misbehaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    fault: str = ""
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    endpoint: str = ""

    def row(self, identifier: str = "some/model", body: bytes = BODY, **fields) -> Checkpoint:
        """Serve a file and return the catalogue row that describes it."""
        source = HubFile(repo=identifier, revision=COMMIT, filename="weights.pt")
        self.files[f"/{source.repo}/resolve/{source.revision}/{source.filename}"] = body
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

    def _answer(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        if self.hub.fault == "hang up":
            self.close_connection = True
        elif self.hub.fault in REFUSALS:
            self._refuse(*REFUSALS[self.hub.fault])
        elif self.path in self.hub.files:
            self._serve(self.hub.files[self.path])
        else:
            self._refuse(404, "EntryNotFound")

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if code == "EntryNotFound":
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, body: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        sha256 = hashlib.sha256(body).hexdigest()
        for name in ("ETag", "X-Linked-Etag"):
            self.send_header(name, f'"{sha256}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(body)))
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "GET":
            self.hub.ranges.append(self.headers.get("Range", ""))
            self._send(body, start)

    def _send(self, body: bytes, start: int) -> None:
        if self.hub.fault == "wrong bytes":
            body = bytes(len(body))
        if self.hub.fault.startswith("cut"):
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.hub.fault == "cut once":
            self.hub.fault = ""
        self.wfile.write(body[start:])


@contextlib.contextmanager
def serving():
    """Run a hub on a free port of localhost."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


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
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The client waits between its tries; the tries themselves are what the tests are about.
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    fetch._answers.cache_clear()
