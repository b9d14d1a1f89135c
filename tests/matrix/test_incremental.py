"""Runs one after the other: what is still good is carried over, what changed is confirmed."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from matrix import __main__ as command
from matrix.engine import Engine
from matrix.environments import Environment
from matrix.questions import before
from matrix.store import RunFolder, runs, write_json

STUB = Path(__file__).parent / "stub_checks"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class World:
    """What a plan is made of, and how often its cells were given an environment."""

    def __init__(self):
        self.lock = ("torch==2.5.1", "numpy==2.1.0")
        self.cells = []
        self.created = []

    def prepare(self):
        """Have nothing to build."""

    def create(self, cell):
        """Give this Python."""
        self.created.append(cell.id)
        packages = dict(line.split("==") for line in self.lock)
        return Environment(Path(sys.executable), packages)

    def delete(self, cell):
        """Leave this Python as it is."""

    def locked(self, cells, told):
        """Resolve cells without an index."""
        return [self.resolved(cell) for cell in cells]

    def resolved(self, cell):
        return dataclasses.replace(cell, lock=self.lock)


class Resolving:
    def __init__(self, world):
        self.locked, self.lock = world.locked, world.resolved


@pytest.fixture
def world(tmp_path, monkeypatch, planned_cell, make_plan_of):
    world = World()
    monkeypatch.setattr(command, "UvEnvironments", lambda *_: world)
    monkeypatch.setattr(command, "Resolver", lambda *_: Resolving(world))
    monkeypatch.setattr(command, "WORK", tmp_path / "work")
    monkeypatch.setattr(command, "CHECKS", STUB)
    monkeypatch.setenv("STUB_OUTCOMES", str(tmp_path / "outcomes"))
    monkeypatch.chdir(tmp_path)

    def plan(selection, edition, run, stacks=(), project=None):
        del stacks, project
        made = make_plan_of(*world.cells, selection=selection, edition=edition)
        return dataclasses.replace(made, run=run)

    monkeypatch.setattr(command, "_new_plan", plan)

    def add(name, *checkpoints):
        checks = [(checkpoint, "stock") for checkpoint in checkpoints]
        cell = planned_cell(name, checks=checks)
        world.cells.append(dataclasses.replace(cell, python=PYTHON))

    world.add = add
    world.says = lambda *outcomes: (tmp_path / "outcomes").write_text("\n".join(outcomes))
    return world


@pytest.fixture
def sweep(tmp_path, capsys):
    """Run the command; return what it printed and its matrix."""

    def run(*words, code=0):
        words = ["run", "--edition", "replica", "--jobs", "1", "--force", *words]
        assert command.main([*words, "--runs", str(tmp_path / "runs")]) == code
        folder = next(runs(tmp_path / "runs"))
        return capsys.readouterr().out, json.loads(folder.matrix.read_text())

    return run


def check_of(matrix, cell="a"):
    [found] = [each for each in matrix["cells"] if each["id"] == cell]
    return found["checks"][0]


def test_a_run_on_which_nothing_changed_runs_nothing(world, sweep):
    world.add("a", "works")
    world.add("b", "works")
    _, first = sweep()
    said, second = sweep()
    assert world.created == ["a", "b"]
    assert f"2 cells carried over, the oldest from {first['run']}; nothing to run." in said
    assert second["complete"] is True
    assert [cell["carried"] for cell in second["cells"]] == [first["run"]] * 2
    assert [c["finished"] for c in second["cells"]] == [c["finished"] for c in first["cells"]]
    assert [c["checks"] for c in second["cells"]] == [c["checks"] for c in first["cells"]]


def test_a_release_runs_the_cells_that_have_it(world, sweep):
    world.add("a", "works")
    sweep()
    world.lock = ("torch==2.5.1", "numpy==2.2.0")
    _, matrix = sweep()
    assert world.created == ["a", "a"]
    assert matrix["cells"][0]["carried"] is None


def test_a_fresh_run_runs_everything(world, sweep):
    world.add("a", "works")
    sweep()
    sweep("--fresh")
    assert world.created == ["a", "a"]


def test_the_plan_says_of_each_cell_why_it_would_run(world, sweep, tmp_path, capsys):
    world.add("a", "works")
    _, first = sweep()
    world.add("b", "works")
    words = ["plan", "--explain", "--edition", "replica", "--runs", str(tmp_path / "runs")]
    assert command.main(words) == 0
    said = capsys.readouterr().out
    assert f"1 checks  carried over from {first['run']}\n" in said
    assert "1 checks  runs: no run has it\n" in said
    world.lock = ("torch==2.5.1", "numpy==2.2.0")
    assert command.main(words) == 0
    assert f"runs: since {first['run']}: numpy 2.1.0 -> 2.2.0\n" in capsys.readouterr().out
    assert len(list(runs(tmp_path / "runs"))) == 1


def test_a_verdict_that_differs_is_confirmed_before_it_is_a_change(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    _, first = sweep()
    world.says("fail", "fail")
    said, matrix = sweep("--fresh")
    assert f"1 cell to run once more: not what it was in {first['run']}." in said
    assert world.created == ["a"] * 3
    assert check_of(matrix)["outcome"] == "fail"
    assert check_of(matrix)["tally"] == {"fail": 2}


def test_a_verdict_that_comes_and_goes_is_flaky_with_its_tally(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    sweep()
    world.says("fail", "pass", "pass")
    said, matrix = sweep("--fresh")
    assert "1 cell to run once more: the two tries disagree." in said
    assert check_of(matrix)["tally"] == {"fail": 1, "pass": 2}


def test_only_a_confirmed_regression_fails_a_run_that_is_to_fail_on_it(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    sweep("--fail-on", "regression")
    world.says("fail", "pass", "pass")
    sweep("--fresh", "--fail-on", "regression")
    world.says("pass")
    sweep("--fresh")
    world.says("fail", "fail")
    sweep("--fresh", "--fail-on", "regression", code=1)


def test_what_is_carried_over_is_not_confirmed_again(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    sweep()
    world.says("fail", "fail")
    sweep("--fresh")
    ran = len(world.created)
    said, matrix = sweep()
    assert len(world.created) == ran
    assert "once more" not in said
    assert check_of(matrix)["tally"] == {"fail": 2}


def test_a_run_can_repeat_each_cell_to_measure_how_stable_it_is(world, sweep):
    world.add("a", "varies")
    world.says("pass", "fail", "pass", "pass")
    _, matrix = sweep("--repeat", "4")
    assert check_of(matrix)["tally"] == {"fail": 1, "pass": 3}
    folder = RunFolder(Path("runs") / matrix["run"])
    assert [files.path.name for files in folder.cell("a").tries()] == ["2", "3", "4"]


def test_a_narrower_run_carries_over_from_a_wider_one(world, sweep):
    world.add("a", "works", "works")
    world.add("b", "works")
    sweep()
    world.cells.pop()
    said, _ = sweep("--cell", "a")
    assert world.created == ["a", "b"]
    assert "1 cell carried over" in said


def test_a_change_that_a_run_of_other_cells_saw_once_is_confirmed(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    _, first = sweep()
    world.says("fail")
    sweep("--cell", "a", "--fresh")
    world.says("pass", "pass")
    said, matrix = sweep("--fail-on", "regression")
    assert f"1 cell to run once more: not what it was in {first['run']}." in said
    assert check_of(matrix)["tally"] == {"fail": 1, "pass": 2}


def test_a_second_try_that_the_machine_failed_confirms_nothing(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    sweep()
    world.says("fail", "infra", "pass")
    said, matrix = sweep("--fresh", "--fail-on", "regression")
    assert "1 cell to run once more: one of the two tries met a fault of the machine." in said
    assert check_of(matrix)["tally"] == {"fail": 1, "infra": 1, "pass": 1}


@pytest.fixture
def stopped(monkeypatch):
    """Have the next further try of a number be interrupted."""
    again = Engine.again
    numbers = []

    def stop(engine, cells, number):
        if number in numbers:
            numbers.remove(number)
            raise KeyboardInterrupt
        again(engine, cells, number)

    monkeypatch.setattr(Engine, "again", stop)
    return numbers.append


def test_a_run_that_is_stopped_while_it_confirms_goes_on_with_that(world, sweep, stopped):
    world.add("a", "varies")
    world.says("pass")
    sweep()
    world.says("fail", "fail")
    stopped(2)
    said, first = sweep("--fresh", code=130)
    assert "1 cell kept; nox -s matrix -- --edition replica --runs" in said
    assert "goes on with what is to be run once more." in said
    _, matrix = sweep("--fail-on", "regression", code=1)
    assert matrix["run"] == first["run"]
    assert check_of(matrix)["tally"] == {"fail": 2}
    assert sweep()[1]["run"] != first["run"]


def test_a_run_that_is_stopped_while_it_repeats_makes_each_try_once(world, sweep, stopped):
    world.add("a", "varies")
    world.says("pass", "fail", "pass")
    stopped(3)
    sweep("--repeat", "3", code=130)
    _, matrix = sweep("--repeat", "3")
    assert check_of(matrix)["tally"] == {"fail": 1, "pass": 2}
    assert world.created == ["a"] * 3


def test_a_run_that_goes_on_fresh_runs_what_it_carried_over_before(world, sweep, stopped):
    world.add("a", "works")
    world.add("b", "varies")
    world.says("pass")
    sweep()
    world.cells.pop()
    world.add("b", "varies", "works")
    world.says("fail", "fail")
    stopped(2)
    sweep(code=130)
    world.created.clear()
    _, matrix = sweep("--fresh")
    assert world.created == ["a", "b"]
    assert [cell["carried"] for cell in matrix["cells"]] == [None, None]


def test_a_run_of_before_that_can_not_be_read_hides_no_regression(world, sweep):
    world.add("a", "varies")
    world.says("pass")
    sweep()
    _, torn = sweep()
    (Path("runs") / torn["run"] / "matrix.json").write_text("{half")
    world.says("fail", "fail")
    sweep("--fresh", "--fail-on", "regression", code=1)


def test_the_tenth_run_of_a_minute_is_compared_with_the_ninth(tmp_path):
    asked = {"selection": {}, "edition": "replica"}
    for number in ("", "-2", "-9", "-10"):
        folder = RunFolder(tmp_path / f"2026-11-20T0300{number}")
        write_json(folder.plan, {})
        write_json(folder.matrix, {**asked, "complete": True})
    path, _ = before(tmp_path / "2026-11-20T0300-10", asked)
    assert path.name == "2026-11-20T0300-9"
