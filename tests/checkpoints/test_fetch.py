"""Reference files through the real huggingface_hub client, from a hub on localhost."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import BODY, COMMIT, Hub, point_client_at, serving

from pytest_torchcompat.checkpoints import catalogue as catalogue_module
from pytest_torchcompat.checkpoints import hashes
from pytest_torchcompat.checkpoints.catalogue import Edition, Replica
from pytest_torchcompat.checkpoints.fetch import cached, fetch, locate, sha256_of
from pytest_torchcompat.errors import (
    CatalogueError,
    FetchError,
    MissingFileError,
    UnknownNameError,
)

SMALL = b"a replica"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    with serving() as hub:
        point_client_at(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture
def replica(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue_module, "REPLICAS", tmp_path)
    (tmp_path / "small.pt").write_bytes(SMALL)
    return Replica("small.pt", hashlib.sha256(SMALL).hexdigest(), "torch 2.5.1")


def refusal(row, **where) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(row, **where)
    return str(caught.value)


# Fetching


def test_a_file_is_downloaded_at_its_commit_and_its_hash_is_known(hub):
    row = hub.row()
    file = fetch(row)
    assert (file.path.read_bytes(), file.checkpoint) == (BODY, row)
    assert (file.edition, file.sha256) == (Edition.REFERENCE, row.sha256)
    path = f"/some/model/resolve/{COMMIT}/weights.pt"
    assert hub.asked == [f"HEAD {path}", f"GET {path}"]


def test_a_file_in_the_cache_is_not_asked_for_again(hub):
    row = hub.row()
    fetch(row)
    hub.asked.clear()
    assert fetch(row).path.read_bytes() == BODY
    assert hub.asked == []


def test_a_file_lies_in_the_hubs_own_cache(hub, tmp_path):
    assert tmp_path / "huggingface" in fetch(hub.row()).path.parents


def test_a_cache_that_is_named_holds_the_file_and_our_note(hub, tmp_path):
    mine = tmp_path / "mine"
    assert mine / "hub" in fetch(hub.row(), mine).path.parents
    assert len(list((mine / "verified").iterdir())) == 1
    assert cached(hub.row(), mine)
    assert cached(hub.row()) is None


def test_a_token_is_sent(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    fetch(hub.row())
    assert set(hub.tokens) == {"Bearer hf_abc"}


def test_a_download_that_broke_off_goes_on_where_it_stopped(hub):
    row = hub.row()
    hub.fault = "cut once"
    # Up to 1.17 the client goes on at the next fetch, later ones do so within the same.
    with contextlib.suppress(FetchError):
        fetch(row)
    assert fetch(row).path.read_bytes() == BODY
    assert hub.ranges == ["", f"bytes={len(BODY) // 2}-"]


# Misbehaving hubs: each is told by a sentence of its own, and a later fetch succeeds.

SENTENCES = {
    "anonymous": (
        "some/model was not fetched: {hub} refused access to some/model (401). Accept its terms at"
        " {hub}/some/model, set HF_TOKEN to a token that may read it, and fetch again"
    ),
    "gated": (
        "some/model was not fetched: {hub} refused access to some/model (403). Accept its terms at"
        " {hub}/some/model, set HF_TOKEN to a token that may read it, and fetch again"
    ),
    "no file": (
        "some/model was not fetched: {hub} does not have some/model/weights.pt at commit"
        f" {COMMIT} (404). Check HF_ENDPOINT and the catalogue's row"
    ),
    "no revision": (
        "some/model was not fetched: {hub} does not have some/model/weights.pt at commit"
        f" {COMMIT} (404). Check HF_ENDPOINT and the catalogue's row"
    ),
    "broken": "some/model was not fetched: {hub} answered 500. Fetch again later",
}


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_refusal_of_the_hub_says_what_to_do_and_a_later_fetch_succeeds(hub, fault):
    row = hub.row()
    hub.fault = fault
    assert refusal(row) == SENTENCES[fault].format(hub=hub.endpoint)
    assert cached(row) is None
    hub.fault = ""
    assert fetch(row).path.read_bytes() == BODY
    assert cached(row)


@pytest.mark.parametrize("fault", ["hang up", "cut"])
def test_a_broken_connection_is_a_fault_of_the_download_and_a_later_fetch_succeeds(hub, fault):
    row = hub.row()
    hub.fault = fault
    message = refusal(row)
    assert message.startswith(
        f"some/model was not fetched: the download from {hub.endpoint} failed ("
    )
    assert message.endswith("). Check the network, HF_ENDPOINT and the free disk, and fetch again")
    assert cached(row) is None
    hub.fault = ""
    assert fetch(row).path.read_bytes() == BODY


def test_wrong_bytes_of_the_right_length_are_removed_and_a_later_fetch_succeeds(hub, tmp_path):
    row = hub.row()
    hub.fault = "wrong bytes"
    message = refusal(row)
    wrong = hashlib.sha256(bytes(len(BODY))).hexdigest()
    assert f"has the sha256 {wrong} and the catalogue says {row.sha256}." in message
    assert message.endswith("It was removed: fetch again, and check HF_ENDPOINT if it comes back")
    left = [path for path in (tmp_path / "huggingface").rglob("*") if path.is_file()]
    assert all(path.stat().st_size < len(BODY) for path in left)
    hub.fault = ""
    assert fetch(row).path.read_bytes() == BODY


def test_wrong_bytes_that_cannot_be_removed_are_named(hub, monkeypatch):
    row = hub.row()
    path = fetch(row).path
    path.resolve().write_bytes(b"altered")

    def denied(_path, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    message = refusal(row)
    assert f"{path} has the sha256" in message
    assert "could not be removed ([Errno 13] Permission denied): delete it" in message


def test_a_client_that_is_not_installed_is_told_with_the_command(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    row = Hub().row()
    assert cached(row) is None
    assert refusal(row) == (
        "huggingface_hub is not installed; pip install 'pytest-torchcompat[hub]'"
    )


# Rows that cannot be fetched


def test_a_branch_where_a_commit_is_due_is_an_error_of_the_catalogue(hub):
    row = hub.row()
    row = dataclasses.replace(row, source=dataclasses.replace(row.source, revision="main"))
    for use in (fetch, cached):
        with pytest.raises(CatalogueError) as caught:
            use(row)
        assert str(caught.value) == (
            "some/model: revision 'main' is not a commit. A branch or tag moves;"
            " give the commit's 40 hex digits"
        )
    assert hub.asked == []


def test_a_source_without_a_sha256_is_an_error_of_the_catalogue(hub):
    with pytest.raises(CatalogueError) as caught:
        fetch(hub.row(sha256=None))
    assert str(caught.value) == (
        "some/model: the row has a source and no sha256 to verify it by; add sha256="
    )


def test_a_row_without_a_source_says_so(hub):
    row = hub.row(source=None)
    assert cached(row) is None
    assert refusal(row) == (
        "some/model was not fetched: its row names no file on the hub; use its replica"
    )


# What is in the cache


def test_nothing_in_the_cache_is_none_and_asks_nobody(hub):
    assert cached(hub.row()) is None
    assert hub.asked == []


def test_a_file_is_hashed_once_while_its_size_and_time_stay(hub, monkeypatch):
    hashed = []
    whole = hashes.sha256_of
    monkeypatch.setattr(hashes, "sha256_of", lambda path: hashed.append(path) or whole(path))
    path = fetch(hub.row()).path
    assert cached(hub.row())
    assert fetch(hub.row())
    assert hashed == [path]
    os.utime(path, ns=(1, 1))
    assert cached(hub.row())
    assert hashed == [path, path]


def test_a_file_that_was_altered_in_the_cache_is_noticed_and_removed(hub):
    row = hub.row()
    path = fetch(row).path
    path.resolve().write_bytes(bytes(len(BODY)))
    os.utime(path, ns=(1, 1))
    assert cached(row) is None
    assert "It was removed" in refusal(row)
    assert fetch(row).path.read_bytes() == BODY


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


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(3 << 20))
    assert sha256_of(file) == hashlib.sha256(bytes(3 << 20)).hexdigest()


# Editions


def test_reference_is_the_fetched_file(hub, replica):
    assert locate(hub.row(replica=replica), "reference").edition is Edition.REFERENCE


def test_reference_never_gives_way_to_the_replica(hub, replica):
    hub.fault = "gated"
    with pytest.raises(FetchError, match="refused access"):
        locate(hub.row(replica=replica), "reference")


def test_replica_is_the_shipped_file_and_asks_nobody(hub, replica):
    file = locate(hub.row(replica=replica), "replica")
    assert (file.path.read_bytes(), file.edition) == (SMALL, Edition.REPLICA)
    assert file.sha256 == replica.sha256
    assert hub.asked == []


def test_a_row_without_a_replica_says_what_to_ask_for(hub):
    with pytest.raises(MissingFileError) as caught:
        locate(hub.row(), "replica")
    assert str(caught.value) == (
        "some/model has no replica; ask for its reference: --torchcompat-edition=reference"
    )


def test_a_replica_that_is_gone_is_told_with_its_path(hub, replica):
    replica.path.unlink()
    with pytest.raises(MissingFileError) as caught:
        locate(hub.row(replica=replica), "replica")
    assert str(caught.value) == (
        f"the replica of some/model is not at {replica.path}; install pytest-torchcompat again"
    )


def test_a_replica_that_was_altered_is_refused(hub, replica):
    replica.path.write_bytes(b"something else")
    with pytest.raises(FetchError) as caught:
        locate(hub.row(replica=replica), "replica")
    assert str(caught.value) == (
        f"{replica.path} is not the replica of some/model; install pytest-torchcompat again"
    )


def test_auto_takes_the_reference_from_the_hub_and_then_from_the_cache(hub, replica):
    row = hub.row(replica=replica)
    assert locate(row).edition is Edition.REFERENCE
    hub.asked.clear()
    assert locate(row).edition is Edition.REFERENCE
    assert hub.asked == []


@pytest.mark.parametrize("fault", ["gated", "no file", "wrong bytes"])
def test_auto_takes_the_replica_where_the_reference_cannot_be_had(hub, replica, fault, caplog):
    hub.fault = fault
    assert locate(hub.row(replica=replica)).edition is Edition.REPLICA
    assert "its replica stands in" in caplog.text


def test_auto_asks_a_hub_that_cannot_be_reached_at_most_once(hub, replica, caplog):
    hub.fault = "hang up"
    for name in ("some/model", "another/model"):
        assert locate(hub.row(name, replica=replica)).edition is Edition.REPLICA
    assert hub.asked == ["HEAD /"]
    assert caplog.text.count("the hub cannot be reached, so replicas stand in") == 1


def test_auto_asks_nobody_where_the_row_has_no_source(hub, replica):
    assert locate(hub.row(source=None, replica=replica)).edition is Edition.REPLICA
    assert hub.asked == []


def test_auto_without_a_replica_says_why_there_is_no_reference(hub):
    hub.fault = "gated"
    with pytest.raises(FetchError, match="refused access"):
        locate(hub.row())


def test_an_unknown_edition_is_told_with_the_valid_ones(hub):
    with pytest.raises(UnknownNameError) as caught:
        locate(hub.row(), "replika")
    assert str(caught.value) == (
        "'replika' is not a known edition. Choose one of: auto, reference, replica."
        " Did you mean 'replica'?"
    )


# The environment, which the client reads once, in a process of its own

PROGRAM = """
import sys
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile
from pytest_torchcompat.checkpoints.fetch import fetch
from pytest_torchcompat.errors import FetchError
assert "huggingface_hub" not in sys.modules
repo, revision, filename, sha256 = sys.argv[1:]
source = HubFile(repo, revision, filename)
row = Checkpoint("my/row", "torch", "a test", source=source, sha256=sha256)
try:
    print(fetch(row).path)
except FetchError as error:
    print(error)
"""


def said(row, **environment) -> str:
    source = row.source
    command = [sys.executable, "-c", PROGRAM, source.repo, source.revision, source.filename]
    settings = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
    done = subprocess.run(
        [*command, row.sha256],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hubs_environment_is_honoured(hub, tmp_path):
    row = hub.row()
    here = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    offline = {**here, "HF_HUB_OFFLINE": "1"}
    assert said(row, **offline) == (
        "my/row was not fetched: it is not in the cache and HF_HUB_OFFLINE is set."
        " Unset it and fetch again"
    )
    assert hub.asked == []
    path = said(row, **here)
    assert Path(path).read_bytes() == BODY
    assert tmp_path / "home" in Path(path).parents
    assert said(row, **offline) == path
