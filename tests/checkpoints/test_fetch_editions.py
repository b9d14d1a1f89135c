"""Which file a row stands for: the project's own, the reference or the replica."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hub import BODY

from pytest_torchcompat.checkpoints import own as own_module
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Edition, LocalFile, SideFile
from pytest_torchcompat.checkpoints.fetch import fetch, locate, needs_download, verify
from pytest_torchcompat.errors import FetchError, MissingFileError, UnknownNameError

SMALL = b"a replica"
TERMS = {"licence": "CPML-1.0", "terms": "https://example.org/terms"}


def edition_of(row, *args):
    return locate(row, *args).edition


# Reference and replica


def test_reference_is_the_fetched_file(served, replica):
    assert edition_of(served(replica=replica), "reference") is Edition.REFERENCE


def test_reference_never_gives_way_to_the_replica(hub, served, replica):
    hub.fault = "gated"
    with pytest.raises(FetchError, match="refused access"):
        locate(served(replica=replica), "reference")


def test_replica_is_the_shipped_file_and_asks_nobody(hub, served, replica):
    file = locate(served(replica=replica), "replica")
    assert (file.path.read_bytes(), file.edition) == (SMALL, Edition.REPLICA)
    assert file.sha256 == replica.sha256
    assert hub.asked == []


def test_a_row_without_a_replica_says_what_to_ask_for(hub):
    assert not needs_download(hub.row(), "replica")
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


def test_what_lies_beside_a_replica_is_checked_with_it(hub, replica):
    beside = replica.path.with_name("config.json")
    side = SideFile("config.json", replica_sha256=hashlib.sha256(b"{}").hexdigest())
    row = hub.row(replica=replica, beside=(side,))
    with pytest.raises(MissingFileError, match=r"is not at .*config.json"):
        locate(row, "replica")
    beside.write_bytes(b"[]")
    with pytest.raises(FetchError, match=r"config.json is not the replica of some/model"):
        locate(row, "replica")
    beside.write_bytes(b"{}")
    assert edition_of(row, "replica") is Edition.REPLICA


# Whichever can be had


def test_auto_takes_the_reference_from_its_source_and_then_from_the_cache(hub, served, replica):
    row = served(replica=replica)
    assert needs_download(row)
    assert edition_of(row) is Edition.REFERENCE
    hub.asked.clear()
    assert not needs_download(row)
    assert edition_of(row) is Edition.REFERENCE
    assert hub.asked == []


@pytest.mark.parametrize("fault", ["gated", "no file", "wrong bytes"])
def test_auto_takes_the_replica_where_the_reference_cannot_be_had(
    hub, served, replica, fault, caplog
):
    hub.fault = fault
    assert edition_of(served(replica=replica)) is Edition.REPLICA
    assert "its replica stands in" in caplog.text


def test_auto_asks_a_host_that_cannot_be_reached_at_most_once(hub, served, replica, caplog):
    hub.fault = "hang up"
    for name in ("some/model", "another/model"):
        assert not needs_download(served(name, replica=replica))
        assert edition_of(served(name, replica=replica)) is Edition.REPLICA
    assert hub.asked == ["HEAD /"]
    assert caplog.text.count(f"{hub.endpoint} cannot be reached and is not asked again") == 1


def test_auto_takes_the_source_whose_host_answers(hub, replica):
    row = hub.row(replica=replica)
    dead = hub.url_row().sources[0].url.replace(hub.endpoint, "http://127.0.0.1:1")
    row = replace(row, sources=(replace(hub.url_row().sources[0], url=dead), *row.sources))
    assert edition_of(row) is Edition.REFERENCE


def test_auto_asks_nobody_where_the_row_has_no_source(hub, replica, caplog):
    row = hub.row(sources=(), replica=replica)
    assert not needs_download(row)
    assert edition_of(row) is Edition.REPLICA
    assert (hub.asked, caplog.text) == ([], "")


def test_auto_asks_nobody_offline(hub, served, replica, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert edition_of(served(replica=replica)) is Edition.REPLICA
    assert hub.asked == []


def test_auto_takes_the_replica_where_a_licence_has_to_be_accepted(hub, served, replica, caplog):
    row = served(replica=replica, **TERMS)
    assert not needs_download(row)
    assert edition_of(row) is Edition.REPLICA
    assert "has to be accepted" in caplog.text
    assert hub.asked == []
    fetch(row, accepted=["CPML-1.0"])
    assert edition_of(row) is Edition.REFERENCE


def test_auto_without_a_replica_says_why_there_is_no_reference(hub, served):
    hub.fault = "gated"
    with pytest.raises(FetchError, match="refused access"):
        locate(served())


def test_an_unknown_edition_is_told_with_the_valid_ones(hub):
    with pytest.raises(UnknownNameError) as caught:
        locate(hub.row(), "replika")
    assert str(caught.value) == (
        "'replika' is not a known edition. Choose one of: auto, reference, replica."
        " Did you mean 'replica'?"
    )


# The project's own file


@pytest.fixture
def voice(tmp_path, monkeypatch):
    """A project's own file, with the working directory above it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "assets" / "voice.pth"
    path.parent.mkdir()
    path.write_bytes(BODY)
    return path


def own(path, download="", **fields):
    return Checkpoint("my/voice", "torch", "a test", local=LocalFile(path, download), **fields)


def missing(row, *args):
    with pytest.raises(MissingFileError) as caught:
        locate(row, *args)
    return str(caught.value)


@pytest.mark.parametrize("edition", ["auto", "reference", "replica"])
def test_the_projects_own_file_is_local_in_each_edition(voice, edition):
    file = locate(own(voice), edition)
    assert (file.path, file.edition) == (voice, Edition.LOCAL)
    assert file.sha256 == hashlib.sha256(BODY).hexdigest()
    assert not needs_download(own(voice), edition)


def test_the_projects_own_file_is_fetched_and_verified_where_it_lies(voice):
    assert fetch(own(voice)).edition is Edition.LOCAL
    assert verify(own(voice)).edition is Edition.LOCAL


@pytest.mark.parametrize("use", [fetch, verify, locate])
def test_a_file_of_the_project_with_other_bytes_is_refused_and_kept(voice, use):
    found = hashlib.sha256(BODY).hexdigest()
    with pytest.raises(FetchError) as caught:
        use(own(voice, sha256="ff"))
    assert str(caught.value) == (
        f"{voice} is not the file of my/voice: it has the sha256 {found} and the row says ff."
        " Put the right file there or correct the row"
    )
    assert voice.read_bytes() == BODY


def test_where_it_is_missing_its_own_command_is_named(voice):
    voice.unlink()
    assert missing(own(voice, "python tools/get.py")) == (
        f"my/voice: assets/voice.pth is not there; looked at {voice}."
        " Get it with: python tools/get.py"
    )


def test_where_nothing_is_known_of_its_origin_that_is_said(voice):
    voice.unlink()
    assert missing(own(voice)) == (
        f"my/voice: assets/voice.pth is not there; looked at {voice}."
        " Put it there, or say in a row of pyproject.toml where it comes from"
    )


def test_a_folder_in_its_place_is_told(voice):
    voice.unlink()
    voice.mkdir()
    assert missing(own(voice)).startswith(
        f"my/voice: assets/voice.pth is a folder; looked at {voice}."
    )


def test_a_path_outside_of_the_working_directory_is_said_in_full(voice, monkeypatch):
    voice.unlink()
    monkeypatch.chdir(voice.parent)
    other = voice.parents[1] / "other.pth"
    assert missing(own(other)).startswith(f"my/voice: {other} is not there; looked at {other}. ")


def test_a_file_beside_it_that_is_missing_is_named(voice):
    row = own(voice, beside=(SideFile("config.json"),))
    assert missing(row).startswith("my/voice: assets/config.json is not there; looked at ")


def test_auto_takes_the_projects_own_file_before_its_source(hub, served, voice):
    row = served("my/voice", local=LocalFile(voice))
    assert not needs_download(row)
    assert edition_of(row) is Edition.LOCAL
    assert hub.asked == []
    assert edition_of(row, "reference") is Edition.REFERENCE


def test_auto_fetches_it_where_it_is_missing_and_has_a_source(hub, served, voice):
    voice.unlink()
    row = served("my/voice", local=LocalFile(voice))
    assert needs_download(row)
    assert edition_of(row) is Edition.REFERENCE
    assert edition_of(row, "reference") is Edition.REFERENCE


def test_auto_takes_its_replica_where_it_is_missing(hub, voice, replica):
    voice.unlink()
    assert edition_of(own(voice, replica=replica)) is Edition.REPLICA
    assert edition_of(own(voice, replica=replica), "replica") is Edition.REPLICA
    assert missing(own(voice, replica=replica), "reference").startswith("my/voice: assets/voice")


@pytest.mark.parametrize("fault", ["gated", "hang up"])
def test_where_its_source_fails_too_that_is_a_fault_of_the_download(hub, served, voice, fault):
    voice.unlink()
    hub.fault = fault
    with pytest.raises(FetchError) as caught:
        locate(served("my/voice", local=LocalFile(voice)))
    assert str(caught.value).startswith(
        f"my/voice: assets/voice.pth is not there; looked at {voice}, and in the cache."
        " Get it with: torchcompat fetch my/voice. my/voice was not fetched: "
    )


def test_as_a_replica_it_is_looked_for_in_its_place_alone(served, voice):
    voice.unlink()
    assert missing(served("my/voice", local=LocalFile(voice)), "replica") == (
        f"my/voice: assets/voice.pth is not there; looked at {voice}."
        " Put it there, or say in a row of pyproject.toml where it comes from"
    )


def test_a_name_that_no_disk_can_hold_is_a_missing_file(voice):
    assert "is not there; looked at" in missing(own(voice.with_name("a" * 300 + ".pt")))


def test_a_file_that_cannot_be_read_is_told(voice, monkeypatch):
    def denied(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(own_module, "remembered_sha256", denied)
    assert missing(own(voice)) == (
        f"my/voice: {voice} cannot be read (Permission denied). Check its permissions"
    )


def test_a_file_of_the_project_with_another_size_is_refused(voice):
    with pytest.raises(FetchError, match=f"it has {len(BODY)} bytes and the row says 7"):
        locate(own(voice, bytes=7))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "It is a git-lfs pointer"),
        (b"<html>", "It is a web page"),
        (b"", "The file is empty"),
    ],
)
def test_what_a_download_left_instead_of_the_file_is_named(voice, body, sentence):
    voice.write_bytes(body)
    with pytest.raises(FetchError) as caught:
        locate(own(voice))
    said = str(caught.value)
    assert said.startswith(f"{voice} is no checkpoint: {sentence}")
    assert said.endswith(". Put the right file there")


def test_nothing_is_downloaded_where_the_user_is_offline(served, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not needs_download(served("my/voice"))
