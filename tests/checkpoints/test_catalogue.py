"""How rows are found, and what a catalogue refuses."""

from __future__ import annotations

import pytest

from pytest_torchcompat.checkpoints.catalogue import (
    REPLICAS,
    Catalogue,
    Checkpoint,
    Edition,
    HubFile,
    Replica,
    SideFile,
    UrlFile,
    in_megabytes,
)
from pytest_torchcompat.errors import CatalogueError, UnknownNameError


def row(identifier="some/model", **fields):
    return Checkpoint(**{"id": identifier, "library": "torch", "why": "a test", **fields})


def test_a_row_is_found_by_its_id():
    known = row()
    assert Catalogue([known]).get("some/model") is known


def test_an_unknown_id_is_told_with_the_valid_ones_and_the_near_miss():
    with pytest.raises(UnknownNameError) as caught:
        Catalogue([row("a/b"), row("c/d")]).get("a/bb")
    assert str(caught.value) == (
        "'a/bb' is not a known checkpoint. Choose one of: a/b, c/d. Did you mean 'a/b'?"
    )


def test_an_id_that_is_taken_is_refused():
    with pytest.raises(CatalogueError) as caught:
        Catalogue([row(), row()])
    assert str(caught.value) == (
        "checkpoint 'some/model' is in the catalogue already; give yours another id"
    )


def test_rows_keep_their_order():
    assert [found.id for found in Catalogue([row("b"), row("a")])] == ["b", "a"]


def test_a_file_is_known_by_its_sha256_in_either_edition():
    known = row(sha256="aa", replica=Replica("small.pt", "bb", "torch 2.5.1"))
    assert Catalogue([known, row("bare")]).by_sha256() == {"aa": known, "bb": known}


def test_a_replica_that_is_not_saved_yet_is_no_file_without_a_hash():
    assert Catalogue([row(replica=Replica("small.pt", "", ("torch",)))]).by_sha256() == {}


def test_a_replica_lies_in_the_package():
    assert Replica("small.pt", "bb", "torch 2.5.1").path == REPLICAS / "small.pt"


def test_an_edition_is_written_as_its_value():
    assert [edition.value for edition in Edition] == ["reference", "replica", "local"]


def test_an_id_can_be_asked_for():
    known = Catalogue([row("a/b")])
    assert "a/b" in known
    assert "a/c" not in known


def test_the_globals_of_a_file_are_those_of_all_its_rows():
    replica = Replica("small.pt", "bb", ("torch==2.5.1",))
    beside = (SideFile("config.json", "cc", replica_sha256="dd"),)
    first = row("a", sha256="aa", globals=("x.A",), replica=replica, beside=beside)
    known = Catalogue([first, row("mine", sha256="aa", globals=("x.B",)), row("bare")])
    assert known.globals_by_sha256() == {
        "aa": ("x.A", "x.B"),
        "bb": ("x.A",),
        "cc": (),
        "dd": (),
    }


@pytest.mark.parametrize(
    ("own", "beside", "words"),
    [
        (189_507_909, (), "189.5 MB"),
        (1_000_000, (SideFile("a", bytes=500_000),), "1.5 MB"),
        (1_000_000, (SideFile("a"),), "over 1.0 MB"),
        (None, (SideFile("a"),), "unknown"),
    ],
)
def test_a_size_counts_the_files_beside_and_says_what_nobody_knows(own, beside, words):
    assert row(bytes=own, beside=beside).size == words


def test_what_is_small_is_told_in_a_smaller_unit():
    words = [in_megabytes(size) for size in (999, 1_067, 100_000)]
    assert words == ["999 bytes", "1.1 kB", "0.1 MB"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (HubFile("me/voices", "0123456789abcdef" * 2, "v.pt"), "me/voices/v.pt@0123456789ab"),
        (HubFile("me/voices", None, "v.pt"), "me/voices/v.pt@commit unknown"),
        (UrlFile("https://example.org/v.pt"), "https://example.org/v.pt"),
    ],
)
def test_a_source_is_named_with_its_commit(source, words):
    assert str(source) == words
