"""The checkpoints' files are found once, before the first cell, and each cell is told where."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hub import BODY, point_client_at, serving

from matrix import files
from matrix.files import locate_all
from matrix.keys import Keys
from matrix.plan import Plan, PlannedCheck, Selection
from pytest_torchcompat.checkpoints.catalogue import (
    Catalogue,
    Checkpoint,
    CheckpointFile,
    Edition,
    LocalFile,
    SideFile,
)
from pytest_torchcompat.checkpoints.rows import catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(planned_cell):
    def make(edition, *checkpoints):
        checks = [(checkpoint, "stock") for checkpoint in checkpoints]
        cells = (planned_cell("a", checks=checks), planned_cell("b", checks=checks))
        return Plan("run", "2026-11-20", edition, Selection(), ("2.5.1",), cells)

    return make


@pytest.fixture
def hub(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    with serving() as hub:
        point_client_at(hub, tmp_path, monkeypatch)
        yield hub


def test_a_replica_is_told_with_its_path_and_hash(plan, capsys):
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
    assert capsys.readouterr().out == ""


def test_a_file_of_the_project_is_local(plan, tmp_path, capsys):
    path = tmp_path / "voice.pth"
    path.write_bytes(BODY)
    row = Checkpoint("my/voice", "torch", "a test", local=LocalFile(path))
    assert locate_all(plan("auto", "my/voice"), Catalogue([row])) == {
        "my/voice": {
            "path": str(path),
            "edition": "local",
            "sha256": hashlib.sha256(BODY).hexdigest(),
        }
    }
    assert capsys.readouterr().out == ""


def test_another_file_beside_a_checkpoint_is_another_part_of_its_key(plan, tmp_path, planned_cell):
    path, side = tmp_path / "voice.pth", tmp_path / "conf.yaml"
    path.write_bytes(BODY)
    row = Checkpoint(
        *("ultralytics/mine", "ultralytics", "a test"),
        local=LocalFile(path),
        beside=(SideFile("conf.yaml"),),
    )
    known = Catalogue([row])
    found = []
    for content in ("a: 1", "a: 1", "b: !apply:os.abort"):
        side.write_text(content)
        located = locate_all(plan("auto", row.id), known)
        found.append(Keys(ROOT, known, located).parts(planned_cell())["files"])
    assert (found[0] == found[1], found[1] == found[2]) == (True, False)


def test_a_file_is_located_once_and_told_before_it_is_downloaded(plan, hub, capsys):
    known = Catalogue([hub.row(bytes=len(BODY))])
    found = locate_all(plan("auto", "some/model"), known)
    assert found["some/model"]["edition"] == "reference"
    assert capsys.readouterr().out == "fetching some/model (10.2 kB) from some/model\n"
    assert sum(line.startswith("GET") for line in hub.asked) == 1
    locate_all(plan("auto", "some/model"), known)
    assert capsys.readouterr().out == ""


def test_each_file_is_asked_for_once_however_many_cells_need_it(plan, monkeypatch):
    asked = []

    def stand_in(row, edition):
        asked.append(row.id)
        return CheckpointFile(row, Path("x"), Edition.REPLICA, "aa")

    monkeypatch.setattr(files, "locate", stand_in)
    locate_all(plan("replica", "rvc/hubert-base", "rvc/rmvpe"), catalogue())
    assert asked == ["rvc/hubert-base", "rvc/rmvpe"]


def test_what_cannot_be_had_is_told_and_keeps_nothing_else_back(plan):
    found = locate_all(plan("reference", "torchaudio/wav", "no/such"), catalogue())
    assert "torchaudio/wav was not fetched: " in found["torchaudio/wav"]["problem"]
    assert "'no/such' is not a known checkpoint" in found["no/such"]["problem"]


def test_a_planned_check_is_plain_data():
    planned = PlannedCheck("a/b", "strict", "stream").to_dict()
    assert planned == {"checkpoint": "a/b", "policy": "strict", "use": "stream"}
