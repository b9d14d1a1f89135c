"""Shared by the tests of the catalogue and its files."""

from __future__ import annotations

import hashlib

import pytest
from hub import point_client_at, serving

from pytest_torchcompat.checkpoints import catalogue
from pytest_torchcompat.checkpoints.catalogue import Replica
from pytest_torchcompat.checkpoints.fetch import fetch
from pytest_torchcompat.errors import FetchError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server on localhost that both clients are pointed at."""
    pytest.importorskip("huggingface_hub")
    pytest.importorskip("pooch")
    with serving() as hub:
        point_client_at(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture(params=["hub", "url"])
def served(request, hub):
    """Serves a file from the hub or at a plain URL, and returns the row that describes it."""
    return hub.row if request.param == "hub" else hub.url_row


@pytest.fixture
def replica(tmp_path, monkeypatch):
    """A replica of its own folder."""
    monkeypatch.setattr(catalogue, "REPLICAS", tmp_path / "replicas")
    (tmp_path / "replicas").mkdir()
    (tmp_path / "replicas" / "small.pt").write_bytes(b"a replica")
    return Replica("small.pt", hashlib.sha256(b"a replica").hexdigest(), ("torch==2.5.1",))


@pytest.fixture
def refusal():
    """Fetches what cannot be fetched and returns what is said."""

    def ask(row, *args, **options) -> str:
        with pytest.raises(FetchError) as caught:
            fetch(row, *args, **options)
        return str(caught.value)

    return ask


@pytest.fixture
def left_over(tmp_path):
    """The files of the caches that could be taken for a checkpoint's."""

    def find() -> list[str]:
        places = [tmp_path / name for name in ("huggingface", "home", "torchcompat/web")]
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        return [path.name for path in files if not _is_bookkeeping(path)]

    return find


def _is_bookkeeping(path) -> bool:
    suffixes = (".incomplete", ".partial", ".partial.json", ".lock", ".TAG")
    # pooch's own temporary file is empty, and stays if the process is killed.
    temporary = path.name.startswith("tmp") and path.stat().st_size == 0
    notes = {".no_exist", "refs"} & {*path.parts}
    return temporary or path.name.endswith(suffixes) or bool(notes)
