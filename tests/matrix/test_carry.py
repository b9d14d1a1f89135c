from __future__ import annotations

import dataclasses
import json

import pytest

from matrix.carry import Past, carry_over, decide
from matrix.store import RunFolder, write_json
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line

PARTS = {"lock": "a", "Python": "b", "code": "c", "files": "d"}


class FixedKeys:
    """Keys that say what they are told."""

    def __init__(self, **parts):
        self.found = {name: value for name, value in {**PARTS, **parts}.items() if value}

    def parts(self, cell):
        return self.found


@pytest.fixture
def cell(planned_cell):
    made = planned_cell("a", checks=[("one", "stock"), ("two", "stock")])
    return dataclasses.replace(made, lock=("torch==2.5.1", "numpy==2.2.0", "six==1.17"))


@pytest.fixture
def ended(tmp_path, cell):
    """Write a cell that ended in a run."""

    def write(run="2026-11-19T0300", *, outcomes=("pass", "fail"), result=None, **values):
        folder = RunFolder(tmp_path / "runs" / run)
        write_json(folder.plan, {})
        files = folder.cell("a")
        files.path.mkdir(parents=True)
        for check, outcome in zip(cell.checks, outcomes):
            record = Record(check.checkpoint, "replica", "stock", Outcome(outcome))
            append_line(files.checks, record.to_dict())
        packages = {"torch": "2.5.1", "numpy": "2.1.0", "six": "1.17"}
        data = {"id": "a", "outcome": result, "parts": PARTS, "distributions": packages}
        write_json(files.result, {**data, "carried": "", "finished": "then", **values})
        return folder

    return write


@pytest.fixture
def decided(tmp_path, cell):
    def decide_on(*, fresh=False, **parts):
        past = Past([tmp_path / "runs"])
        return decide(cell, FixedKeys(**parts), past, fresh=fresh)

    return decide_on


def test_a_cell_whose_key_has_a_result_is_carried_over(ended, decided):
    folder = ended()
    found = decided()
    assert found.earlier.files == folder.cell("a")
    assert found.why == "carried over from 2026-11-19T0300"


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"lock": "other"}, "since 2026-11-19T0300: numpy 2.1.0 -> 2.2.0"),
        ({"code": "other"}, "since 2026-11-19T0300: its code"),
        (
            {"lock": "other", "Python": "other"},
            "since 2026-11-19T0300: numpy 2.1.0 -> 2.2.0, its Python",
        ),
        ({"lock": ""}, "its packages could not be resolved"),
        ({"lock": "", "Python": ""}, "this machine has no Python 3.11"),
    ],
)
def test_a_cell_runs_where_something_differs_and_says_what(ended, decided, parts, why):
    ended()
    found = decided(**parts)
    assert found.earlier is None
    assert found.why == why


def test_a_part_that_one_of_the_two_does_not_know_makes_no_difference(ended, decided):
    ended()
    assert decided(files="").earlier
    assert decided(GPUs="x").earlier


def test_a_cell_that_no_run_has_says_so(decided):
    assert decided().why == "no run has it"


def test_a_fresh_run_carries_nothing_over(ended, decided):
    ended()
    found = decided(fresh=True)
    assert (found.earlier, found.why) == (None, "asked for anew")


@pytest.mark.parametrize(
    "values",
    [
        {"result": "infra"},
        {"outcomes": ("pass", "infra")},
        {"outcomes": ("pass",)},
    ],
    ids=["a fault of the machine", "a check with one", "a check that was not asked for"],
)
def test_a_result_that_does_not_say_everything_is_not_carried_over(ended, decided, values):
    ended(**values)
    found = decided()
    assert found.earlier is None
    assert found.why == "2026-11-19T0300 has no verdict on all of its checks"


def test_a_crash_is_a_result(ended, decided):
    ended(outcomes=("pass",), result="crash")
    assert decided().earlier


def test_a_result_from_before_keys_is_not_carried_over(ended, decided):
    ended(parts={})
    found = decided()
    assert found.earlier is None
    assert found.why == "2026-11-19T0300 does not say what its result depends on"


def test_a_result_that_can_not_be_read_is_no_evidence(ended, decided):
    ended().cell("a").result.write_text("{half")
    assert decided().why == "no run has it"


def test_the_newest_result_that_is_still_good_is_taken(ended, decided):
    ended("2026-11-17T0300")
    ended("2026-11-18T0300")
    ended("2026-11-19T0300", parts={**PARTS, "lock": "between"})
    assert decided().earlier.run == "2026-11-18T0300"


def test_the_run_that_goes_on_is_none_of_the_earlier(ended, tmp_path, cell):
    folder = ended()
    past = Past([tmp_path / "runs"], folder.path)
    assert not past.has(cell)
    assert list(past.of(cell)) == []


def test_what_is_carried_over_has_its_files_and_says_where_it_ran(ended, decided, tmp_path):
    old = ended("2026-11-18T0300")
    tried = old.cell("a").again(2)
    tried.path.mkdir(parents=True)
    tried.checks.write_text("")
    (old.cell("a").path / "home").mkdir()
    new = RunFolder(tmp_path / "runs" / "2026-11-20T0300")
    carry_over(decided(), new)
    result = new.cell("a").read_result()
    assert result["carried"] == "2026-11-18T0300"
    assert result["finished"] == "then"
    assert new.cell("a").records() == old.cell("a").records()
    assert len(new.cell("a").tries()) == 1
    assert not (new.cell("a").path / "home").exists()
    assert [path.name for path in (new.path / "cells").iterdir()] == ["a"]


def test_what_is_carried_on_says_where_it_really_ran(ended, decided, tmp_path):
    ended("2026-11-19T0300", carried="2026-11-02T0300")
    found = decided()
    assert found.why == "carried over from 2026-11-02T0300"
    new = RunFolder(tmp_path / "runs" / "2026-11-20T0300")
    carry_over(found, new)
    assert json.loads(new.cell("a").result.read_text())["carried"] == "2026-11-02T0300"


def test_a_copy_that_fails_leaves_nothing(ended, decided, tmp_path, monkeypatch):
    ended()
    new = RunFolder(tmp_path / "runs" / "2026-11-20T0300")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matrix.carry.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        carry_over(decided(), new)
    assert not new.cell("a").path.exists()


ONE = {"checkpoint": "one", "policy": "stock", "use": "forward"}


@pytest.mark.parametrize(("outcome", "good"), [("crash", False), ("unavailable", True)])
def test_what_a_cell_that_died_was_not_asked_for_is_not_carried_over(ended, decided, outcome, good):
    folder = ended(outcomes=(), result=outcome)
    write_json(folder.cell("a").request, {"checks": [ONE]})
    assert bool(decided().earlier) is good


def test_a_crash_beside_a_fault_of_the_machine_is_not_carried_over(ended, decided):
    ended(outcomes=("infra",), result="crash")
    assert decided().earlier is None


def test_a_cell_with_a_try_that_can_not_be_read_is_not_carried_over(ended, decided):
    tried = ended().cell("a").again(2)
    tried.path.mkdir(parents=True)
    tried.result.write_text("")
    assert decided().earlier is None
