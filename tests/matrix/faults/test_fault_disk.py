"""A disk that fills up: what had ended is kept, and the same command goes on."""

from __future__ import annotations

import shutil
import sys

import pytest
from fault_traces import fill

from matrix.environments import UvEnvironments
from matrix.processes import Processes
from matrix.releases import IndexReleases
from matrix.resolution import Settings
from matrix.store import RunFolder
from pytest_torchcompat.outcome import Outcome

MEGABYTE = 2**20
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def on_small_disk(small_disk):
    return RunFolder(small_disk(4 * MEGABYTE) / "runs" / "2026-11-20T1031")


def records(folder, name):
    return {each.checkpoint: each.outcome.value for each in folder.cell(name).records()}


def test_a_disk_that_is_full_while_a_sweep_runs_ends_it_and_loses_nothing(scene):
    scene.monkeypatch.setenv("STUB_MEGABYTES", "1")
    # What it printed is in the last check's record, which is longer than a block of the disk.
    cells = scene.cell_of("first", "works"), scene.cell_of("second", "works", "meets", "prints")
    started = scene.program(*cells, folder=scene.on_small_disk)
    process = started.start()
    scene.meeting.wait()
    filler = fill(scene.on_small_disk.path)
    scene.meeting.go_on()
    output = started.end(process)
    assert process.returncode == 2
    assert "error: [Errno 28] No space left on device" in output
    # The last check ended, and there was no room to say so.
    kept = records(scene.on_small_disk, "second")
    assert kept == {"works": "pass", "meets": "pass"}
    assert scene.on_small_disk.cell("second").read_result() is None
    assert started.says_complete() is False
    scene.traces.assert_none(scene.on_small_disk)
    filler.unlink()
    code, output = started.run()
    assert code == 0, output
    assert records(scene.on_small_disk, "second") == {**kept, "prints": "crash"}
    assert started.says_complete() is True
    scene.traces.assert_none(scene.on_small_disk)


def test_a_check_that_fills_the_disk_is_a_fault_of_the_machine(
    on_small_disk, run_cell, cell_of, meeting, traces
):
    result = run_cell(cell_of("a", "works", "fills_its_home"), folder=on_small_disk)
    # Its own line still found room; where it does not, the cell is infra.
    found = records(on_small_disk, "a")
    said = found.pop("fills_its_home", result.outcome and result.outcome.value)
    assert (found, said) == ({"works": "pass"}, "infra")
    traces.assert_none(on_small_disk)


@pytest.mark.parametrize("size", [MEGABYTE // 64, MEGABYTE], ids=["venv", "installation"])
def test_a_work_folder_without_room_is_infra(scene, size):
    work = scene.small_disk(size) / "work"
    for name, value in {
        "UV_DEFAULT_INDEX": scene.index.url,
        "UV_CACHE_DIR": str(scene.tmp_path / "uv-cache"),
        "UV_LINK_MODE": "copy",
    }.items():
        scene.monkeypatch.setenv(name, value)
    scene.index.wheel("torch", "2.5.1", module="x = 1\n" * MEGABYTE)
    settings = Settings(work, scene.tmp_path, "2025-01-01T00:00:00+00:00")
    made = UvEnvironments(settings, Processes(), IndexReleases(scene.index.url))
    made._plugin = scene.index.wheel("the-plugin", "0.1.0")
    cell = scene.planned_cell("a-cell", requirements=["torch==2.5.1"])
    cell = cell.__class__(**{**vars(cell), "python": PYTHON})
    found = made.create(cell)
    assert found.outcome is Outcome.INFRA, found
    assert "No space left on device" in found.reason
    made.delete(cell)
    made._deleting.shutdown()
    shutil.rmtree(work)
    assert scene.traces.processes() == []
