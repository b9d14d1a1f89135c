"""What a library does to its process stays with that check, and nothing of it is left."""

from __future__ import annotations

import re

import pytest

from matrix.processes import KEPT
from pytest_torchcompat.isolation import TAIL

LIMIT = 512 * 2**20


@pytest.fixture
def record_of(folder):
    def found(cell, checkpoint):
        records = folder.cell(cell.id).records()
        return next(record for record in records if record.checkpoint == checkpoint)

    return found


def test_a_segfault_is_a_crash_of_that_check_alone(scene):
    cell = scene.cell_of("a", "works", "segfaults", "leaves_children")
    assert scene.run_cell(cell).outcome is None
    expected = {"works": "pass", "segfaults": "crash", "leaves_children": "crash"}
    assert scene.outcomes(cell) == expected
    assert "signal SIGSEGV" in scene.record_of(cell, "segfaults").message
    scene.traces.assert_none(scene.folder)


def test_a_check_that_is_killed_is_a_crash_and_the_next_runs(run_cell, cell_of, outcomes, traces):
    cell = cell_of("a", "is_killed", "works")
    run_cell(cell)
    assert outcomes(cell) == {"is_killed": "crash", "works": "pass"}


def test_what_a_check_leaves_behind_is_dead_when_the_check_has_ended(
    run_cell, cell_of, traces, folder, record_of
):
    cell = cell_of("a", "leaves_children", "works")
    run_cell(cell)
    # One in the check's own session and one in a session of its own.
    left = re.findall(r"left (\d+)", record_of(cell, "leaves_children").output)
    assert len(left) == 2
    traces.assert_none(folder)


def test_more_memory_than_a_check_may_take_is_infra_and_names_the_limit(scene):
    scene.monkeypatch.setenv("STUB_ALLOCATES", str(2 * LIMIT))
    cell = scene.cell_of("a", "allocates", "works")
    scene.run_cell(cell, memory=LIMIT)
    assert scene.outcomes(cell) == {"allocates": "infra", "works": "pass"}
    sentence = "a check may take 512 MiB of memory here, and this one wants more: MemoryError: "
    assert scene.record_of(cell, "allocates").message == sentence
    scene.traces.assert_none(scene.folder)


def test_without_a_limit_it_is_the_checks_own_failure(
    run_cell, cell_of, outcomes, monkeypatch, traces
):
    monkeypatch.setenv("STUB_ALLOCATES", str(2**60))
    cell = cell_of("a", "allocates")
    run_cell(cell)
    assert outcomes(cell) == {"allocates": "fail"}


def test_a_gigabyte_of_output_is_cut_and_nobody_is_killed(scene):
    scene.monkeypatch.setenv("STUB_MEGABYTES", "1024")
    cell = scene.cell_of("a", "prints", "works")
    assert scene.run_cell(cell).outcome is None
    assert scene.outcomes(cell) == {"prints": "crash", "works": "pass"}  # it aborts at its end
    output = scene.record_of(cell, "prints").output
    assert len(output) <= TAIL
    assert "the last words\n" in output
    scene.traces.assert_none(scene.folder)
    assert (
        sum(path.stat().st_size for path in scene.folder.path.rglob("*") if path.is_file()) < KEPT
    )
