"""The catalogue's data agrees with itself."""

from __future__ import annotations

import re

import pytest

from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.checkpoints.rows import ROWS, catalogue

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def test_ids_and_hashes_are_unique():
    assert len({row.id for row in ROWS}) == len(ROWS)
    hashes = [row.sha256 for row in ROWS if row.sha256]
    assert len(set(hashes)) == len(hashes)


def test_a_catalogue_is_fresh_at_each_call():
    mine = catalogue()
    assert isinstance(mine, Catalogue)
    mine.add(type(ROWS[0])(id="my/own", library="torch", why="mine"))
    assert "my/own" not in [row.id for row in catalogue()]


@each_row
def test_a_row_says_why_it_is_here_in_one_line(row):
    assert row.why
    assert "\n" not in row.why


@each_row
def test_an_id_is_a_subject_and_a_name_that_a_shell_and_a_path_can_carry(row):
    assert re.fullmatch(r"[a-z0-9.-]+/[a-z0-9.-]+", row.id)


@each_row
def test_a_source_is_pinned_to_a_commit_and_has_its_sha256_and_size(row):
    if row.source is None:
        return
    assert re.fullmatch("[0-9a-f]{40}", row.source.revision)
    assert row.sha256
    assert row.bytes


@each_row
def test_a_sha256_is_64_hex_digits_and_comes_with_a_licence(row):
    if row.sha256 is None:
        return
    assert re.fullmatch("[0-9a-f]{64}", row.sha256)
    assert row.licence


@each_row
def test_globals_are_sorted_dotted_names_and_say_how_they_are_known(row):
    assert list(row.globals) == sorted(set(row.globals))
    assert all("." in name for name in row.globals)
    assert row.globals_known_by or not row.globals


@each_row
def test_only_a_pickle_has_globals(row):
    assert row.pickled or not row.globals


@pytest.mark.parametrize(
    ("identifier", "library", "count"),
    [
        ("rvc/hubert-base", "fairseq", 1),
        ("ultralytics/yolov8n", "ultralytics", 15),
        ("torchaudio/legacy-api", "torchaudio", 0),
        ("torchaudio/wav", "torchaudio", 0),
    ],
)
def test_the_first_rows_are_these(identifier, library, count):
    row = catalogue().get(identifier)
    assert (row.library, len(row.globals)) == (library, count)
