"""Cells with a stub in the place of torch and its checks."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matrix.compare import merge
from matrix.environments import Environment
from matrix.plan import Selection
from matrix.processes import Finished, Processes
from matrix.runner import (
    Sweep,
    last_lines,
    missing,
    only_one,
    resumable,
    to_run,
    unfinished,
)
from matrix.stacks import Stack
from matrix.store import RunFolder, write_json
from matrix.verdicts import NoEnvironment
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STUB = HERE / "stub_checks"


class Here:
    """Gives this Python as an environment, or a reason that there is none."""

    def __init__(self, answer=None):
        self.answer = answer or Environment(Path(sys.executable), {"torch": "2.5.1"})
        self.deleted = []

    def create(self, cell):
        """Answer as a builder of environments does."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def delete(self, cell):
        """Remember it."""
        self.deleted.append(cell.id)


class Ended:
    """Processes that end as they are told, without starting."""

    def __init__(self, returncode):
        self.returncode = returncode

    def run(self, *_, **__):
        """End at once."""
        return Finished(self.returncode)

    def wait(self, _):
        """Wait for nothing: the sweep goes on."""
        return False


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "a-run")


@pytest.fixture
def stub_cell(planned_cell):
    def make(name, *checkpoints):
        return planned_cell(name, checks=[(checkpoint, "stock") for checkpoint in checkpoints])

    return make


def sweep(folder, environments=None, processes=None, **values):
    environments = environments or Here()
    return Sweep(folder, environments, processes or Processes(), STUB, "replica", **values)


def outcomes(folder, cell):
    return {record.checkpoint: record.outcome.value for record in folder.cell(cell.id).records()}


def test_a_cell_is_run_and_its_files_are_written(folder, stub_cell):
    cell = stub_cell("a", "works")
    environments = Here()
    result = sweep(folder, environments).run_cell(cell)
    assert (result.outcome, result.reason) == (None, None)
    assert outcomes(folder, cell) == {"works": "pass"}
    assert folder.cell("a").read_result() == json.loads(json.dumps(result.to_dict()))
    assert folder.cell("a").read_environment()["torch_build"] == "2.5.1+stub"
    assert set(result.seconds) == {"environment", "run"}
    assert environments.deleted == ["a"]
    assert not (folder.cell("a").path / "home").exists()


def test_a_cells_process_does_not_see_the_tokens_of_the_sweep(folder, stub_cell, monkeypatch):
    for name in ("GITHUB_TOKEN", "HF_TOKEN", "UV_INDEX_MINE_PASSWORD"):
        monkeypatch.setenv(name, "planted")
    monkeypatch.setenv("A_SETTING", "kept")
    sweep(folder).run_cell(stub_cell("a", "tells"))
    told = (folder.cell("a").path / "told.json").read_text()
    assert "planted" not in told
    assert json.loads(told)["A_SETTING"] == "kept"


@pytest.mark.parametrize(
    ("checkpoint", "outcome", "words"),
    [
        ("segfaults", Outcome.CRASH, "the cell's process died of SIGSEGV, with checks left to run"),
        ("exits", Outcome.CRASH, "ended with exit code 3, with checks left to run\n"),
        ("fills_the_disk", Outcome.INFRA, "No space left on device"),
    ],
)
def test_a_cell_that_dies_keeps_the_checks_before_it(folder, stub_cell, checkpoint, outcome, words):
    cell = stub_cell("a", "works", checkpoint, "never_reached")
    result = sweep(folder).run_cell(cell)
    assert result.outcome is outcome
    assert words in result.reason
    assert outcomes(folder, cell) == {"works": "pass"}


def test_a_cell_that_dies_after_its_last_check_has_no_verdict_of_its_own(folder, stub_cell):
    cell = stub_cell("a", "works")
    append_line(folder.cell("a").checks, passed("works").to_dict())
    result = sweep(folder, processes=Ended(-11)).run_cell(cell)
    assert result.outcome is None


def test_a_cell_that_runs_out_of_its_time_is_a_timeout(folder, stub_cell):
    result = sweep(folder, processes=Ended(None), timeout=1800).run_cell(stub_cell("a", "works"))
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "the cell ran out of its 1800 s",
    )


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (NoEnvironment(Outcome.UNAVAILABLE, "no wheel"), Outcome.UNAVAILABLE, "no wheel"),
        (OSError(28, "No space left on device"), Outcome.INFRA, "[Errno 28] No space left"),
    ],
)
def test_a_cell_without_an_environment_says_why(folder, stub_cell, answer, outcome, reason):
    environments = Here(answer)
    result = sweep(folder, environments).run_cell(stub_cell("a", "works"))
    assert result.outcome is outcome
    assert result.reason.startswith(reason)
    assert environments.deleted == ["a"]


def passed(checkpoint):
    return Record(checkpoint, "replica", "stock", Outcome.PASS)


def test_only_the_checks_without_a_record_are_asked_for(folder, stub_cell):
    cell = stub_cell("a", "exits", "works")
    append_line(folder.cell("a").checks, passed("exits").to_dict())
    assert [check.checkpoint for check in missing(cell, folder.cell("a"))] == ["works"]
    assert sweep(folder).run_cell(cell).outcome is None
    request = json.loads(folder.cell("a").request.read_text())
    assert request == {
        "library": "ultralytics",
        "version": "8.1.0",
        "checks": [{"checkpoint": "works", "policy": "stock", "use": "forward"}],
        "files": {},
        "parts": {},
        "loading": True,
    }


def test_a_cell_killed_after_its_last_check_is_not_built_again(folder, stub_cell):
    append_line(folder.cell("a").checks, passed("works").to_dict())
    never = Here(AssertionError("built again"))
    assert sweep(folder, never).run_cell(stub_cell("a", "works")).outcome is None


def planned(folder, plan, results):
    write_json(folder.plan, plan.to_dict())
    for name, outcome in results.items():
        write_json(folder.cell(name).result, {"outcome": outcome, "finished": "then"})
    return plan


def test_a_run_goes_on_with_what_has_not_ended_and_what_the_machine_ended(
    folder, stub_cell, make_plan_of
):
    cells = [stub_cell(name, "works") for name in ("ended", "infra", "red", "left")]
    results = {"ended": None, "infra": "infra", "red": "unavailable"}
    plan = planned(folder, make_plan_of(*cells), results)
    assert [cell.id for cell in to_run(plan, folder)] == ["infra", "left"]
    assert [cell.id for cell in unfinished(plan, folder)] == ["left"]


@pytest.fixture
def one_cell_plan(planned_cell, make_plan_of):
    return make_plan_of(planned_cell("a"))


@pytest.mark.parametrize(
    ("asked", "results", "found"),
    [
        ((Selection(), "replica"), {}, True),
        ((Selection(), "replica"), {"a": None}, False),
        ((Selection(), "replica"), {"a": "infra"}, False),
        ((Selection(), "reference"), {}, False),
        ((Selection(torch=("2.5.1",)), "replica"), {}, False),
    ],
)
def test_a_run_is_gone_on_with_if_it_is_incomplete_and_asks_for_the_same(
    tmp_path, one_cell_plan, asked, results, found
):
    folder = RunFolder(tmp_path / "2026-11-20")
    plan = planned(folder, one_cell_plan, results)
    write_json(RunFolder(tmp_path / "of-another-version").plan, {"schema": 0})
    assert resumable(tmp_path, *asked) == ((plan, folder) if found else None)


def test_an_older_run_is_left_where_a_newer_one_is_complete(tmp_path, one_cell_plan):
    planned(RunFolder(tmp_path / "2026-11-19"), one_cell_plan, {})
    planned(RunFolder(tmp_path / "2026-11-20"), one_cell_plan, {"a": None})
    assert resumable(tmp_path, Selection(), "replica") is None


def test_one_sweep_at_a_time(tmp_path):
    with only_one(tmp_path / "work"):
        sentence = r"another sweep is using .*; wait for it"
        with pytest.raises(TorchcompatError, match=sentence), only_one(tmp_path / "work"):
            pass
    with only_one(tmp_path / "work"):
        pass


def test_the_end_of_an_output_is_its_last_lines_with_words():
    assert last_lines("one\n\ntwo\n  \nthree\n", 2) == "two\nthree"
    assert last_lines("") == ""


@pytest.fixture
def program(tmp_path, folder, stub_cell, make_plan_of):
    """Plan two cells, the second of which stops at its second check, and run the command."""
    fifo = tmp_path / "meeting"
    os.mkfifo(fifo)
    free = tmp_path / "free"
    cells = [stub_cell("first", "works"), stub_cell("second", "works", "meets")]
    planned(folder, make_plan_of(*cells), {})
    variables = {"STUB_MEETING": str(fifo), "STUB_FREE": str(free), "PYTHONPATH": str(ROOT)}

    class Program:
        def start(self, *arguments):
            words = ["run", "--runs", folder.path.parent, "--edition", "replica", "--jobs", "1"]
            command = [sys.executable, HERE / "sweep_program.py", tmp_path / "work", *words]
            return subprocess.Popen(
                [*map(str, command), "--force", *arguments],
                env={**os.environ, **variables},
                cwd=tmp_path,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )

        def start_and_meet(self):
            """Start and return once the second cell is in its second check, with its process."""
            reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            process = self.start()
            assert select.select([reading], [], [], 60)[0], process.communicate()
            pid = int(os.read(reading, 20))
            os.close(reading)
            return process, pid

        def go_on(self, *arguments):
            free.touch()
            process = self.start(*arguments)
            output, _ = process.communicate()
            return process.returncode, output

    return Program()


def is_complete(folder):
    return json.loads(folder.matrix.read_text())["complete"]


def test_a_killed_run_keeps_its_checks_and_goes_on_with_the_rest(program, folder):
    process, _ = program.start_and_meet()
    process.kill()
    process.communicate()
    first = folder.cell("first").result.stat().st_mtime_ns
    assert is_complete(folder) is False
    returncode, output = program.go_on()
    assert returncode == 0, output
    assert "Going on with runs/a-run." in output
    assert "2/2  second" in output
    assert folder.cell("first").result.stat().st_mtime_ns == first
    request = json.loads(folder.cell("second").request.read_text())
    assert request["checks"] == [{"checkpoint": "meets", "policy": "stock", "use": "forward"}]
    assert is_complete(folder) is True
    assert folder.page.read_text().startswith("<!")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_what_it_kept(program, folder, number):
    process, cell_process = program.start_and_meet()
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 130
    again = f"nox -s matrix -- --edition replica --runs {folder.path.parent}"
    expected = f"Stopped. 1 cell kept; {again} goes on with the other 1."
    assert output.splitlines()[-1] == expected
    with pytest.raises(ProcessLookupError):
        os.kill(cell_process, 0)
    assert [record.checkpoint for record in folder.cell("second").records()] == ["works"]
    assert not folder.cell("second").result.exists()
    assert is_complete(folder) is False


def test_a_red_cell_is_data_unless_the_run_is_asked_to_fail_on_it(program, folder):
    write_json(folder.cell("first").result, {"outcome": "unavailable", "finished": "2026"})
    assert program.go_on("--fail-on", "any")[0] == 1


@pytest.mark.parametrize("returncode", [2, 3, 4, 5])
def test_a_pytest_that_refuses_to_start_is_our_own_fault(folder, stub_cell, returncode):
    result = sweep(folder, processes=Ended(returncode)).run_cell(stub_cell("a", "works"))
    assert result.outcome is Outcome.INFRA


def test_a_check_that_the_machine_failed_is_run_again(folder, stub_cell, make_plan_of):
    cell = stub_cell("a", "works")
    infra = passed("works").changed(outcome=Outcome.INFRA)
    append_line(folder.cell("a").checks, infra.to_dict())
    plan = planned(folder, make_plan_of(cell), {"a": None})
    assert to_run(plan, folder) == [cell]
    sweep(folder).run_cell(cell)
    assert outcomes(folder, cell) == {"works": "pass"}
    assert to_run(plan, folder) == []


def test_checks_of_a_lock_are_kept_where_the_index_does_not_say_what_it_is_now(folder, stub_cell):
    cell = stub_cell("a", "works", "exits")
    files = folder.cell("a")
    append_line(files.checks, passed("works").to_dict())
    write_json(files.request, {"parts": {"lock": "a", "code": "b"}})
    result = sweep(folder, parts=lambda _: {"code": "b"}).run_cell(cell)
    assert result.outcome is Outcome.INFRA
    assert (
        "has checks of a lock, and what its packages resolve to now is not known" in result.reason
    )
    assert outcomes(folder, cell) == {"works": "pass"}


def test_a_run_with_a_stack_that_was_not_resolved_is_not_complete(
    folder, one_cell_plan, make_plan_of
):
    stack = Stack("one", "agrees", "3.11", ("torch",), "a document", "")
    plan = planned(folder, dataclasses.replace(one_cell_plan, stacks=(stack,)), {})
    write_json(folder.cell("a").result, {"outcome": "unavailable", "finished": "then"})
    assert merge(plan, folder, {})["complete"] is False


def test_an_environment_that_can_not_be_deleted_stops_nothing(folder, stub_cell, monkeypatch):
    environments = Here()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(environments, "delete", full)
    cell = stub_cell("a", "works")
    assert sweep(folder, environments).run_cell(cell).outcome is None
    assert outcomes(folder, cell) == {"works": "pass"}
