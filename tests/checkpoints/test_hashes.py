"""Hashes of files: read once, noted, and computed while bytes come."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading

import pytest
from hub import BODY

from pytest_torchcompat.checkpoints import hashes
from pytest_torchcompat.checkpoints.fetch import cached, fetch, sha256_of
from pytest_torchcompat.checkpoints.hashes import RunningSha256
from pytest_torchcompat.checkpoints.hub import _Written

LARGE = bytes(range(256)) * (5 << 10)


@pytest.fixture
def hashed(monkeypatch):
    """The files that were read from beginning to end."""
    seen = []
    whole = hashes.sha256_of
    monkeypatch.setattr(hashes, "sha256_of", lambda path: seen.append(path) or whole(path))
    return seen


def test_a_download_is_hashed_while_it_comes(served, hashed):
    assert fetch(served(body=LARGE)).sha256 == hashlib.sha256(LARGE).hexdigest()
    assert hashed == []


def test_a_file_that_another_program_downloaded_is_hashed_whole(hub, hashed):
    import huggingface_hub

    row = hub.row()
    source = row.sources[0]
    huggingface_hub.hf_hub_download(source.repo, source.filename, revision=source.revision)
    file = cached(row)
    assert hashed == [file.path]


@pytest.mark.parametrize("gone", [True, False])
def test_a_client_that_writes_in_another_way_has_its_file_hashed_whole(
    hub, hashed, monkeypatch, gone
):
    from huggingface_hub import file_download

    def in_place(url, temp_file, **_options):
        with open(temp_file.name, "wb") as file:
            file.write(BODY)

    if gone:
        monkeypatch.setattr(file_download, "_download_to_tmp_and_move", moved, raising=True)
        monkeypatch.delattr(file_download, "http_get")
    else:
        monkeypatch.setattr(file_download, "http_get", in_place)
    file = fetch(hub.row())
    assert hashed == [file.path]


def moved(*args, **options):
    destination = options.get("destination_path") or args[1]
    destination.write_bytes(BODY)


@pytest.mark.parametrize("before", [b"", b"xy"])
def test_what_lay_in_a_file_before_is_no_part_of_a_running_hash(tmp_path, before):
    path = tmp_path / "file"
    path.write_bytes(before)
    with RunningSha256() as digest:
        written = _Written(digest)
        with path.open("ab") as file:
            watched = written.watch(file, None)
            watched.write(b"abcd")
            watched.truncate(4)  # which leaves as many bytes as were written
        right = hashlib.sha256(path.read_bytes()).hexdigest()
        assert written.sha256_of(path) == ("" if before else right)


def test_the_client_is_as_before_after_a_fetch(hub, refusal):
    from huggingface_hub import file_download

    before = file_download.http_get
    fetch(hub.row())
    hub.fault = "broken"
    refusal(hub.row("another/model"))
    assert file_download.http_get is before


def test_a_file_is_hashed_once_while_its_size_and_time_stay(served, hashed):
    row = served()
    path = fetch(row).path
    assert cached(row)
    assert fetch(row)
    assert hashed == []
    os.utime(path, ns=(1, 1))
    assert cached(row)
    assert cached(row)
    assert hashed == [path]


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"size": 1', '{"sha256": 3}'])
def test_a_broken_note_costs_a_hash_and_nothing_else(tmp_path, broken):
    file, notes = tmp_path / "file", tmp_path / "notes"
    file.write_bytes(BODY)
    hashes.remembered_sha256(file, notes)
    (note,) = notes.iterdir()
    note.write_text(broken)
    assert hashes.remembered_sha256(file, notes) == hashlib.sha256(BODY).hexdigest()
    assert json.loads(note.read_text())["size"] == len(BODY)


def test_a_note_that_cannot_be_written_is_done_without(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(BODY)
    assert hashes.remembered_sha256(file, file / "notes") == hashlib.sha256(BODY).hexdigest()


def test_a_note_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(OSError, match="No space left"):
        hashes.write_note(tmp_path / "note.json", {})
    assert list(tmp_path.iterdir()) == []


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(3 << 20))
    assert sha256_of(file) == hashlib.sha256(bytes(3 << 20)).hexdigest()


def test_a_running_hash_is_that_of_all_that_came_and_ends_its_thread():
    before = threading.active_count()
    with RunningSha256() as digest:
        for start in range(0, len(LARGE), 1000):
            digest.update(LARGE[start : start + 1000])
        assert digest.size == len(LARGE)
        assert digest.hexdigest() == hashlib.sha256(LARGE).hexdigest()
    with contextlib.suppress(TypeError), RunningSha256() as digest:
        digest.update(None)
    assert threading.active_count() == before
