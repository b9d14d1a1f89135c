"""Each shipped replica is what its row says: the same bytes, keys and globals."""

from __future__ import annotations

import pickle
import wave
import zipfile

import pytest

from pytest_torchcompat.checkpoints.rows import ROWS, catalogue
from pytest_torchcompat.scan import scan_path

WITH_REPLICA = [row for row in ROWS if row.replica]
PICKLED = [row for row in WITH_REPLICA if row.pickled]
# What fairseq's and ultralytics' trainers write; from their sources at 0.12.2 and 8.1.0.
KEYS = {
    "rvc/hubert-base": [
        "args",
        "cfg",
        "model",
        "criterion",
        "optimizer_history",
        "task_state",
        "extra_state",
        "last_optimizer_state",
    ],
    "ultralytics/yolov8n": [
        "epoch",
        "best_fitness",
        "model",
        "ema",
        "updates",
        "optimizer",
        "train_args",
        "train_metrics",
        "train_results",
        "date",
        "version",
    ],
}


class Inert(dict):
    """Stands in for whatever a pickle asks for, and does nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __setstate__(self, state):
        pass


class Reader(pickle.Unpickler):
    """Rebuilds plain containers and nothing else."""

    def find_class(self, module, name):
        return Inert

    def persistent_load(self, pid):
        return None


def content(path):
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(name) as file:
            return Reader(file).load()


@pytest.mark.parametrize("row", WITH_REPLICA, ids=lambda row: row.id)
def test_a_replica_has_the_bytes_that_its_row_names_and_is_small(row):
    scan = scan_path(row.replica.path)
    assert scan.sha256 == row.replica.sha256
    assert scan.bytes < 1_000_000


@pytest.mark.parametrize("row", PICKLED, ids=lambda row: row.id)
def test_a_replica_pickles_exactly_the_globals_of_its_row(row):
    scan = scan_path(row.replica.path)
    assert scan.format == "zip"
    assert set(scan.beyond("2.6")) == set(row.globals)


@pytest.mark.parametrize("row", PICKLED, ids=lambda row: row.id)
def test_a_replica_has_the_top_level_keys_of_the_original(row):
    assert list(content(row.replica.path)) == KEYS[row.id]


def test_the_tone_is_half_a_second_of_16_bit_mono():
    with wave.open(str(catalogue().get("torchaudio/wav").replica.path)) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 8000)


def test_every_row_has_a_replica_for_machines_that_cannot_reach_the_reference():
    assert [row.id for row in ROWS if not row.replica] == []
