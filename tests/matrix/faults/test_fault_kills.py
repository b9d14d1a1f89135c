"""Whatever is killed or hangs: what had ended is kept, and the same command goes on."""

from __future__ import annotations

import os
import signal

import pytest

from matrix.processes import Processes
from pytest_torchcompat.outcome import Outcome


@pytest.fixture
def two_cells(cell_of):
    return cell_of("first", "works"), cell_of("second", "works", "meets", "is_killed")


ALL_OF_SECOND = {"works": "pass", "meets": "pass", "is_killed": "crash"}


INCOMPLETE = "<strong>Incomplete run.</strong>"


def end_of(folder):
    return folder.cell("first").result.stat().st_mtime_ns


def test_a_sweep_that_is_killed_leaves_no_process_and_goes_on_in_another_work_folder(scene):
    started = scene.program(*scene.two_cells)
    process = started.start(work="one")
    scene.meeting.wait()
    process.kill()
    started.end(process)
    scene.traces.assert_no_process()
    assert started.says_complete() is False
    assert INCOMPLETE in scene.folder.page.read_text()
    assert scene.outcomes(scene.two_cells[1]) == {"works": "pass"}
    first = end_of(scene.folder)
    scene.meeting.free.touch()
    code, output = started.run(work="other")
    assert code == 0, output
    assert f"Going on with runs/{scene.folder.path.name}." in output
    assert end_of(scene.folder) == first
    assert scene.outcomes(scene.two_cells[1]) == ALL_OF_SECOND
    assert started.says_complete() is True
    assert INCOMPLETE not in scene.folder.page.read_text()
    scene.traces.assert_none(scene.folder)


def test_a_sweep_that_is_killed_while_its_guard_is_stopped_leaves_no_process(
    program, two_cells, meeting, outcomes, traces
):
    started = program(*two_cells)
    process = started.start()
    _, worker = meeting.wait()
    guard = parent_of(worker)
    os.kill(guard, signal.SIGSTOP)
    process.kill()
    started.end(process)
    os.kill(guard, signal.SIGCONT)
    traces.assert_no_process()
    assert outcomes(two_cells[1]) == {"works": "pass"}
    assert started.says_complete() is False


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_a_worker_that_is_killed_is_a_crash_of_its_cell_and_keeps_its_checks(scene):
    started = scene.program(*scene.two_cells)
    process = started.start()
    _, worker = scene.meeting.wait()
    os.kill(worker, signal.SIGKILL)
    output = started.end(process)
    assert process.returncode == 0, output
    result = scene.folder.cell("second").read_result()
    assert result["outcome"] == "crash"
    assert result["reason"].startswith("the cell's process died of SIGKILL, with checks left")
    assert scene.outcomes(scene.two_cells[1]) == {"works": "pass"}
    # A crash is a verdict: the run is complete, and the checks that were not reached say so.
    assert started.says_complete() is True
    scene.traces.assert_none(scene.folder)


def test_a_check_that_is_killed_from_outside_is_a_crash_and_the_rest_runs(scene):
    started = scene.program(*scene.two_cells)
    process = started.start()
    check, _ = scene.meeting.wait()
    os.kill(check, signal.SIGKILL)
    output = started.end(process)
    assert process.returncode == 0, output
    assert scene.outcomes(scene.two_cells[1]) == {**ALL_OF_SECOND, "meets": "crash"}
    assert scene.folder.cell("second").read_result()["outcome"] is None
    scene.traces.assert_none(scene.folder)


def test_a_worker_that_is_stopped_is_a_timeout_of_its_cell_and_dies_with_its_checks(scene):
    running = scene.beside(scene.run_cell, scene.two_cells[1], timeout=1800)
    _, worker = scene.meeting.wait()
    os.kill(worker, signal.SIGSTOP)
    scene.clock.ahead = 1800
    result = running.result()
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "the cell ran out of its 1800 s",
    )
    assert scene.outcomes(scene.two_cells[1]) == {"works": "pass"}
    scene.traces.assert_none(scene.folder)


def test_a_check_that_is_stopped_is_a_timeout_and_the_next_runs(
    run_cell, cell_of, folder, outcomes, traces
):
    cell = cell_of("a", "stops", "works")
    assert run_cell(cell).outcome is None
    assert outcomes(cell) == {"stops": "timeout", "works": "pass"}
    traces.assert_none(folder)


def test_a_sweep_that_stops_its_processes_leaves_none(scene):
    processes = Processes()
    running = scene.beside(scene.run_cell, scene.two_cells[1], processes=processes)
    scene.meeting.wait()
    processes.stop()
    assert type(running.exception()).__name__ == "StoppedError"
    assert scene.folder.cell("second").read_result() is None
    assert scene.outcomes(scene.two_cells[1]) == {"works": "pass"}
    scene.traces.assert_none(scene.folder)
