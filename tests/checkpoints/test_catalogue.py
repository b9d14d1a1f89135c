"""How rows are found, and what a catalogue refuses."""

from __future__ import annotations

import pytest

from pytest_torchcompat.checkpoints.catalogue import (
    REPLICAS,
    Catalogue,
    Checkpoint,
    Edition,
    Replica,
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


def test_the_rows_of_a_library_are_those_that_it_opens():
    known = Catalogue([row("a", library="torch"), row("b", library="fairseq")])
    assert [found.id for found in known.of_library("fairseq")] == ["b"]
    assert known.of_library("nothing") == ()


def test_a_file_is_known_by_its_sha256_in_either_edition():
    known = row(sha256="aa", replica=Replica("small.pt", "bb", "torch 2.5.1"))
    assert Catalogue([known, row("bare")]).by_sha256() == {"aa": known, "bb": known}


def test_a_replica_lies_in_the_package():
    assert Replica("small.pt", "bb", "torch 2.5.1").path == REPLICAS / "small.pt"


def test_an_edition_is_written_as_its_value():
    assert [edition.value for edition in Edition] == ["reference", "replica", "local"]
