"""The checkpoints' files are found once, before the first cell, and each cell is told where."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrix.files import locate_all
from matrix.plan import Plan, PlannedCheck, Selection
from pytest_torchcompat.checkpoints.rows import catalogue


@pytest.fixture
def plan(planned_cell):
    def make(edition, *checkpoints):
        checks = [(checkpoint, "stock") for checkpoint in checkpoints]
        cells = (planned_cell("a", checks=checks), planned_cell("b", checks=checks))
        return Plan("run", "2026-11-20", edition, Selection(), ("2.5.1",), cells)

    return make


def test_a_replica_is_told_with_its_path_and_hash(plan):
    found = locate_all(plan("replica", "rvc/hubert-base"), catalogue())
    replica = catalogue().get("rvc/hubert-base").replica
    assert found == {
        "rvc/hubert-base": {
            "path": str(replica.path),
            "edition": "replica",
            "sha256": replica.sha256,
        }
    }
    assert Path(found["rvc/hubert-base"]["path"]).is_file()


def test_what_cannot_be_had_is_told_and_keeps_nothing_else_back(plan):
    found = locate_all(plan("reference", "torchaudio/wav", "no/such"), catalogue())
    assert "its row names no file on the hub" in found["torchaudio/wav"]["problem"]
    assert "'no/such' is not a known checkpoint" in found["no/such"]["problem"]


def test_a_planned_check_is_plain_data():
    assert PlannedCheck("a/b", "strict").to_dict() == {"checkpoint": "a/b", "policy": "strict"}
