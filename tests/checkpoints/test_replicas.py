"""Each shipped replica is what its row says: its bytes, container, keys, dtypes and globals."""

from __future__ import annotations

import importlib
import pickle
import wave
import zipfile
from pathlib import Path

import pytest

from pytest_torchcompat.checkpoints.catalogue import REPLICAS
from pytest_torchcompat.checkpoints.hashes import sha256_of
from pytest_torchcompat.checkpoints.rows import ROWS, catalogue
from pytest_torchcompat.scan import scan_path
from pytest_torchcompat.scan.verdict import Verdict

ORIGINALS = {
    identifier: known
    for path in sorted(Path(__file__).parent.glob("original_*.py"))
    for identifier, known in importlib.import_module(path.stem).ORIGINALS.items()
}
DTYPES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
PICKLED = [row for row in ROWS if row.replica and row.pickled]

each_pickled_row = pytest.mark.parametrize("row", PICKLED, ids=lambda row: row.id)


class Inert(dict):
    """Stands in for whatever a pickle asks for, and does nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __call__(self, *args, **kwargs):
        return self

    def __setstate__(self, state):
        pass


class Reader(pickle.Unpickler):
    """Rebuilds plain containers and nothing else."""

    def find_class(self, module, name):
        return Inert

    def persistent_load(self, pid):
        return None


def content(path):
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _header in ("magic", "protocol", "system"):
                pickle.load(file)
            return Reader(file).load()
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(name) as file:
            return Reader(file).load()


def test_every_row_has_a_replica_for_machines_that_cannot_reach_the_reference():
    assert [row.id for row in ROWS if not row.replica] == []


def test_every_pickled_row_says_what_the_original_is_like():
    assert sorted(ORIGINALS) == sorted(row.id for row in PICKLED)


def test_all_replicas_together_are_small():
    assert sum(path.stat().st_size for path in REPLICAS.rglob("*") if path.is_file()) < 4_000_000


def test_every_file_among_the_replicas_belongs_to_a_row():
    known = {row.replica.path for row in ROWS if row.replica}
    known |= {row.replica.path.parent / side.filename for row in ROWS for side in row.beside}
    assert {path for path in REPLICAS.rglob("*") if path.is_file()} == known


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_replica_and_what_lies_beside_it_have_the_bytes_that_the_row_names(row):
    assert sha256_of(row.replica.path) == row.replica.sha256
    found = {side.filename: row.replica.path.parent / side.filename for side in row.beside}
    hashes = {name: sha256_of(path) for name, path in found.items()}
    assert hashes == {side.filename: side.replica_sha256 for side in row.beside}


@each_pickled_row
def test_a_replica_pickles_exactly_the_globals_of_its_row(row):
    scan = scan_path(row.replica.path)
    assert scan.verdict is not Verdict.REFUSED
    assert set(scan.beyond("2.6")) == set(row.globals)


@each_pickled_row
def test_a_replica_is_a_container_of_the_originals_kind(row):
    assert scan_path(row.replica.path).format == ORIGINALS[row.id]["format"]


@each_pickled_row
def test_a_replica_has_the_top_level_keys_of_the_original(row):
    keys, expected = list(content(row.replica.path)), ORIGINALS[row.id]["keys"]
    if isinstance(expected, tuple):  # of a state dict: how many, and the first
        assert (len(keys), keys[0]) == expected
    else:
        assert keys == expected


@each_pickled_row
def test_a_replica_has_tensors_of_the_originals_dtypes(row):
    found = scan_path(row.replica.path).globals
    dtypes = {DTYPES[name] for name in found if name.endswith("Storage")}
    assert dtypes == ORIGINALS[row.id]["dtypes"]


def test_the_tone_is_half_a_second_of_16_bit_mono():
    with wave.open(str(catalogue().get("torchaudio/wav").replica.path)) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 8000)
