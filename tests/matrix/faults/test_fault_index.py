"""An index that answers badly says nothing about a cell, with the real uv."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from localhost import listening

from matrix.environments import Environment, UvEnvironments
from matrix.processes import Processes
from matrix.releases import IndexReleases, IndexUnreachableError
from matrix.resolution import Settings
from pytest_torchcompat.outcome import Outcome

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FROZEN = "2025-01-01T00:00:00+00:00"


ANSWERS = {"answers 500": 500, "asks for patience": 429}


@dataclass
class BadIndex:
    """Whose files are served, and with what fault: its name, and what a path has in it then."""

    folder: Path
    url: str = ""
    fault: tuple[str, str] = ("", "nothing")
    over: threading.Event = field(default_factory=threading.Event)


class Bad(BaseHTTPRequestHandler):
    """Serves the index's files, but for those whose path has the fault's name in it."""

    index: BadIndex

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        fault, where = self.index.fault
        path = self.index.folder / self.path.strip("/")
        if path.is_dir():
            path /= "index.html"
        if not path.exists():
            self.send_error(404)
            return
        body = path.read_bytes()
        bad = where in self.path
        if bad and fault in ANSWERS:
            self.send_error(ANSWERS[fault])
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if path.suffix == ".html" else "application/x")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: len(body) // 2] if bad else body)
        self.wfile.flush()
        if bad and fault == "hangs":
            self.index.over.wait()
        self.close_connection = True


@pytest.fixture
def bad_index(index, monkeypatch, tmp_path):
    """An index with a switch for its fault."""
    bad = BadIndex(index.folder)
    with listening(type("Handler", (Bad,), {"index": bad})) as url:
        bad.url = f"{url}/"
        monkeypatch.setenv("UV_DEFAULT_INDEX", bad.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        for name in ("UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND"):
            monkeypatch.delenv(name, raising=False)
        yield bad
        bad.over.set()


@pytest.fixture
def create(index, bad_index, planned_cell, tmp_path):
    """Build the environment of a cell that needs torch, and have nothing left of it."""
    settings = Settings(tmp_path / "work", tmp_path, FROZEN)
    made = UvEnvironments(settings, Processes(), IndexReleases(bad_index.url, timeout=1))
    made._plugin = index.wheel("the-plugin", "0.1.0")
    cell = planned_cell("a-cell", requirements=["torch==2.5.1"])
    cell = cell.__class__(**{**vars(cell), "python": PYTHON})
    return lambda: made.create(cell)


FAULTS = ("answers 500", "asks for patience", "hangs", "is cut off")


@pytest.mark.parametrize("where", ["/torch/", ".whl"], ids=["a page", "a file"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_index_that_fails_is_infra_and_the_next_try_is_as_if_nothing_had_been(
    create, index, bad_index, fault, where
):
    # Where its metadata lies beside it, a wheel is downloaded when it is installed.
    index.wheel("torch", "2.5.1", metadata=True, module="x = 1\n" * 50_000)
    bad_index.fault = (fault, where)
    made = create()
    assert made.outcome is Outcome.INFRA, made
    bad_index.fault = ("", "nothing")
    bad_index.over.set()
    made = create()
    assert isinstance(made, Environment), made
    assert made.distributions == {"the-plugin": "0.1.0", "torch": "2.5.1"}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("where", ["/oldlib/", ".tar.gz"], ids=["a page", "a file"])
def test_a_source_that_comes_badly_is_no_source(index, bad_index, tmp_path, fault, where):
    index.file("oldlib", "oldlib-1.0.tar.gz", b"source" * 50_000)
    bad_index.fault = (fault, where)
    folder = tmp_path / "sources"
    folder.mkdir()
    with pytest.raises(IndexUnreachableError):
        IndexReleases(bad_index.url, timeout=1).sdist("oldlib", "1.0", folder)
    bad_index.fault = ("", "nothing")
    found = IndexReleases(bad_index.url, timeout=1).sdist("oldlib", "1.0", folder)
    assert Path(found).read_bytes() == b"source" * 50_000
