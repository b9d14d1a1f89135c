"""The catalogue's data agrees with itself."""

from __future__ import annotations

import re

import pytest

from pytest_torchcompat.checkpoints.catalogue import Catalogue, UrlFile
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
def test_a_source_is_pinned_to_a_commit_or_says_that_nobody_knows_it(row):
    for source in row.sources:
        if isinstance(source, UrlFile):
            assert source.url.startswith("https://")
        else:
            assert source.revision is None or re.fullmatch("[0-9a-f]{40}", source.revision)


@each_row
def test_a_sha256_is_64_hex_digits(row):
    known = [row.sha256, *(each.sha256 for each in row.beside)]
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in known if sha256)


@each_row
def test_what_is_fetched_says_which_system_asks_for_it(row):
    assert row.used_by or not row.sources


@each_row
def test_terms_come_with_the_licence_whose_terms_they_are(row):
    assert row.licence or not row.terms
    assert row.terms.startswith("https://") or not row.terms


UVR5 = {
    "rvc/uvr5-hp2",
    "rvc/uvr5-hp3",
    "rvc/uvr5-hp5",
    "rvc/uvr5-deecho-aggressive",
    "rvc/uvr5-deecho-dereverb",
    "rvc/uvr5-deecho-normal",
}
NO_SHA256 = {"fairseq/hubert-base-ls960", "fairseq/mhubert-base-vp", "ultralytics/yolov8n-seg"}

NO_SIZE = {"fairseq/wav2vec-small", "speechbrain/spkrec-ecapa-voxceleb"}


@pytest.mark.parametrize(
    ("unknown", "ids"),
    [
        (lambda row: not row.sha256, NO_SHA256),
        (lambda row: None in row.sizes, UVR5 | NO_SHA256 | NO_SIZE),
        (lambda row: not row.licence, UVR5 | {"fairseq/mhubert-base-vp"}),
        (
            lambda row: None in [getattr(source, "revision", "") for source in row.sources],
            UVR5 - {"rvc/uvr5-hp2"} | {"pyannote/segmentation-3.0"},
        ),
    ],
    ids=["sha256", "size", "licence", "commit"],
)
def test_what_nobody_could_establish_is_no_more_than_this(unknown, ids):
    assert {row.id for row in ROWS if row.sources and unknown(row)} <= ids


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
