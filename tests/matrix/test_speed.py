"""Forward times against the baseline's: what differs, and what is sure of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics
import sys
from pathlib import Path

import jsonschema
import pytest

from matrix import __main__ as command
from matrix.cell_files import CellFiles
from matrix.compare import document
from matrix.engine import Engine
from matrix.environments import Environment
from matrix.executors import local
from matrix.gpus import Gpu, Lease
from matrix.processes import Processes
from matrix.runner import Sweep as CellRunner
from matrix.speed import judging
from matrix.speed.suspects import AT_ONCE, groups, suspects
from matrix.speed.turns import TURNS, Turns
from matrix.store import CellFolder, RunFolder, runs
from matrix.verdicts import NoEnvironment
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record
from pytest_torchcompat.timing.host import host

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "matrix" / "matrix.schema.json").read_text(encoding="utf-8")
)
STUB = Path(__file__).parent / "stub_checks"
YOLO = "ultralytics/yolov8n"


def figures(median, spread=0.02, **values):
    quartiles = [median * (1 - spread / 2), median * (1 + spread / 2)]
    found = {
        "method": "perf_counter, 1 thread",
        "device": "cpu",
        "rounds": 30,
        "median": median,
        "min": quartiles[0],
        "max": quartiles[1],
        "iqr": quartiles[1] - quartiles[0],
        "quartiles": quartiles,
        "machine": host(),
    }
    return {**found, **values}


def record(benchmark, policy="stock", outcome=Outcome.PASS, **values):
    named = (values.pop("checkpoint", YOLO), "replica", policy, outcome)
    return Record(*named, library="ultralytics", benchmark=benchmark, **values)


def ended():
    return {"outcome": None, "reason": None, "seconds": {}, "finished": "2026-11-20T11:00:00+00:00"}


@pytest.fixture
def merged(planned_cell, make_plan_of):
    """Merge cells, one a torch, of which each has the records given; return plan and matrix."""

    def merge(*, turns=None, **cells):
        plan, found = make_plan_of(), []
        for torch, records in cells.items():
            checks = [(each.checkpoint, each.policy) for each in records]
            version = torch.strip("t").replace("_", ".")
            cell = planned_cell(torch, torch=version, checks=checks)
            plan = dataclasses.replace(plan, cells=(*plan.cells, cell))
            kept = (turns or {}).get(torch, {})
            found.append(CellFiles(cell, ended(), {}, tuple(records), turns=kept))
        plan = dataclasses.replace(plan, torch=tuple(cell.torch for cell in plan.cells))
        return plan, document(plan, found, {})

    return merge


def speed_of(matrix, cell, number=0):
    [found] = [each for each in matrix["cells"] if each["id"] == cell]
    return found["checks"][number]["speed"]


# --- what differs -------------------------------------------------------------------------------


def test_the_fences_are_one_and_a_half_interquartile_ranges_beyond_the_quartiles():
    assert judging.fences([10.0, 12.0]) == (7.0, 15.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "differs"),
    [
        (figures(1.03), figures(1.0), False),
        (figures(1.30), figures(1.0), True),
        (figures(0.70), figures(1.0), True),
        # By a fixed part of it these would differ; by what they vary they do not.
        (figures(1.30, spread=0.4), figures(1.0), False),
        (figures(1.30), figures(1.0, spread=0.4), False),
        # And these would not.
        (figures(1.01, spread=0.001), figures(1.0, spread=0.001), True),
    ],
)
def test_two_times_differ_where_each_is_outside_of_the_fences_of_the_other(ours, theirs, differs):
    assert judging.differ(ours, theirs) is differs
    assert judging.differ(theirs, ours) is differs


def test_the_baseline_is_the_lowest_torch_and_has_no_speed_itself(merged):
    _, matrix = merged(
        t2_15_0=[record(figures(1.3))], t2_5_1=[record(figures(1.0))], t2_9_1=[record(figures(1.0))]
    )
    assert speed_of(matrix, "t2_5_1") is None
    alike = {"verdict": "alike", "ratio": 1.0, "runs": 0}
    of = {"cell": "t2_5_1", "torch": "2.5.1", "policy": "stock"}
    assert speed_of(matrix, "t2_9_1") == {**of, **alike}
    slower = {"verdict": "unconfirmed", "ratio": 1.3, "runs": 0}
    assert speed_of(matrix, "t2_15_0") == {**of, **slower}
    jsonschema.validate(json.loads(json.dumps(matrix)), SCHEMA)


def test_what_is_far_off_is_not_called_alike_however_much_it_varies(merged):
    _, matrix = merged(t2_5_1=[record(figures(1.0, 0.9))], t2_9_1=[record(figures(1.5, 0.9))])
    assert speed_of(matrix, "t2_9_1")["verdict"] == "unconfirmed"


def test_a_baseline_works_and_what_is_compared_with_it_need_not(merged):
    broken = record(figures(9.0), outcome=Outcome.DEGRADED)
    _, matrix = merged(
        t2_5_1=[broken], t2_6_0=[record(figures(1.0))], t2_9_1=[record(figures(1.0))]
    )
    assert speed_of(matrix, "t2_9_1")["torch"] == "2.6.0"
    assert speed_of(matrix, "t2_5_1")["torch"] == "2.6.0"


@pytest.mark.parametrize(
    "values",
    [
        {"method": "cuda events, cache flushed"},
        {"device": "cuda"},
        {"machine": {"id": "another", "cpu": "", "cores": 1}},
        {"machine": None},
        {"dtype": "float16"},
        {"batch": 32},
        {"gpu": "NVIDIA T4"},
        {"remarks": ["another benchmark may have run beside this one"]},
        {"quartiles": None},
        {"quartiles": [1.0, None]},
        {"median": None},
        {"median": 0.0},
    ],
)
def test_what_was_timed_in_another_way_or_not_wholly_is_not_compared(merged, values):
    other = record(figures(1.3) | values)
    _, matrix = merged(t2_5_1=[record(figures(1.0))], t2_9_1=[other])
    assert speed_of(matrix, "t2_9_1") is None


def test_another_file_or_use_is_not_compared(merged):
    base = [record(figures(1.0), sha256="a" * 64)]
    for values in ({"sha256": "b" * 64}, {"use": "masking", "sha256": "a" * 64}):
        _, matrix = merged(t2_5_1=base, t2_9_1=[record(figures(1.3), **values)])
        assert [check["speed"] for check in matrix["cells"][1]["checks"]] == [None] * len(
            matrix["cells"][1]["checks"]
        )


def test_a_cell_that_timed_a_model_twice_is_not_compared_with_itself(merged):
    _, matrix = merged(t2_5_1=[record(figures(1.0)), record(figures(1.5), "strict")])
    assert [check["speed"] for check in matrix["cells"][0]["checks"]] == [None, None]


# --- turns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict", "ratio"),
    [
        ([1.0, 1.01, 1.0, 1.01], [1.4, 1.42, 1.4, 1.42], "slower", 1.403),
        ([1.0, 1.01, 1.0, 1.01], [0.7, 0.71, 0.7, 0.71], "faster", 0.7015),
        # The machine was slow for a while: it met both.
        ([1.0, 1.5, 1.0, 1.5], [1.4, 1.9, 1.4, 1.9], "slower", 1.3333),
        ([1.0, 1.0, 1.02, 1.0], [1.02, 1.0, 1.0, 1.01], "alike", 1.005),
        # One turn of ours is as fast as the baseline's: what the others say is not sure.
        ([1.0, 1.01, 1.0, 1.01], [1.4, 1.42, 1.4, 1.01], "unclear", 1.4),
        # All of ours are faster, or slower, by ratios that are far from one another.
        ([1.0, 1.3, 1.6, 1.9], [0.9, 0.8, 0.95, 0.9], "unclear", 0.6046),
        ([1.9, 1.6, 1.3, 1.0], [2.0, 2.1, 1.95, 2.0], "unclear", 1.4063),
    ],
)
def test_the_verdict_of_turns(theirs, ours, verdict, ratio):
    said, times = judging.seen_again(list(zip(theirs, ours)))
    assert said == verdict
    assert times == pytest.approx(ratio, rel=1e-3)


@pytest.mark.parametrize("theirs", [1.0, 2.0])
def test_turns_count_for_the_figures_that_they_were_taken_for(merged, theirs):
    kept = {"median": 1.3, "baseline": theirs, "turns": [[1.0, 1.4]] * 4}
    _, matrix = merged(
        turns={"t2_9_1": {YOLO: kept}},
        t2_5_1=[record(figures(1.0))],
        t2_9_1=[record(figures(1.3))],
    )
    speed = speed_of(matrix, "t2_9_1")
    counts = ("slower", 1.4, 4) if theirs == 1.0 else ("unconfirmed", 1.3, 0)
    assert (speed["verdict"], pytest.approx(speed["ratio"]), speed["runs"]) == counts


@pytest.mark.parametrize(
    "turns", [None, [], [[1.0, 1.4]], "1234", [[1.0], [1.0]], [[0, 1], [0, 1]]]
)
def test_a_file_of_turns_that_says_something_else_says_nothing(merged, turns):
    kept = {"median": 1.3, "baseline": 1.0, "turns": turns}
    _, matrix = merged(
        turns={"t2_9_1": {YOLO: kept}},
        t2_5_1=[record(figures(1.0))],
        t2_9_1=[record(figures(1.3))],
    )
    assert speed_of(matrix, "t2_9_1")["verdict"] == "unconfirmed"


class Sweep:
    """Stands in for what runs cells: a process takes the next time of its cell."""

    def __init__(self, folder, times, *, missing=(), lease=None):
        self.folder, self.times, self.missing = RunFolder(folder), times, missing
        self.lease = lease or Lease(())
        self.order, self.gpus, self.there, self.most = [], set(), set(), 0

    def locked(self, cell):
        return cell

    @contextlib.contextmanager
    def standing(self, cell):
        if cell.id in self.missing:
            yield NoEnvironment(Outcome.INFRA, "no network")
            return
        self.there.add(cell.id)
        self.most = max(self.most, len(self.there))
        yield Environment(Path(sys.executable))
        self.there.remove(cell.id)

    def timed(self, environment, cell, files, gpu):
        assert cell.id in self.there
        self.order.append(cell.id)
        self.gpus.update(gpu.values())
        median = self.times[cell.id].pop(0)
        checks = cell.checks if median else ()
        return [record(figures(median), each.policy, checkpoint=each.checkpoint) for each in checks]


def confirmed(merged, tmp_path, said=None, seconds=60.0, clock=lambda: 0.0, **values):
    plan, matrix = merged(
        t2_5_1=[record(figures(1.0))],
        t2_6_0=[record(figures(1.2))],
        t2_9_1=[record(figures(1.3), "strict")],
    )
    times = {"t2_5_1": [1.0] * 4, "t2_6_0": [1.0] * 4, "t2_9_1": [1.4] * 4}
    sweep = Sweep(tmp_path, times, **values)
    say = said.append if said is not None else print
    return sweep, Turns(sweep, plan, say, clock).confirm(matrix, seconds)


def test_what_differs_runs_in_turn_with_its_baseline_and_every_second_time_backwards(
    merged, tmp_path
):
    said = []
    sweep, anything = confirmed(merged, tmp_path, said)
    assert anything is True
    there = ["t2_5_1", "t2_9_1", "t2_6_0"]
    assert sweep.order == [*there, *there[::-1], *there, *there[::-1]]
    assert sweep.there == set()
    kept = {YOLO: {"median": 1.3, "baseline": 1.0, "turns": [[1.0, 1.4]] * TURNS}}
    assert sweep.folder.cell("t2_9_1").read_turns() == kept
    assert said == [
        "2 cells with a forward time that is not the baseline's: each runs 4 times in turn with"
        " it; none is begun after 1 min.",
        "In turn: t2_5_1, t2_9_1, t2_6_0",
    ]


def test_all_turns_of_a_baseline_are_on_one_gpu(merged, tmp_path):
    lease = Lease((Gpu("GPU-1"), Gpu("GPU-2")), tmp_path / "locks")
    sweep, _ = confirmed(merged, tmp_path, lease=lease)
    assert sweep.gpus == {"GPU-1"}


def test_what_no_time_is_left_for_stays_unconfirmed_and_is_counted(merged, tmp_path):
    said, times = [], iter([0.0, 99.0])
    sweep, _ = confirmed(merged, tmp_path, said, clock=lambda: next(times))
    assert said[-1] == "No time is left; 2 differences are unconfirmed."
    assert sweep.order == []


def test_no_time_at_all_runs_nothing_and_says_nothing(merged, tmp_path):
    said = []
    sweep, anything = confirmed(merged, tmp_path, said, seconds=0)
    assert (anything, said, sweep.order) == (False, [], [])


def test_a_cell_that_can_not_be_built_again_leaves_its_difference_unconfirmed(merged, tmp_path):
    said = []
    sweep, _ = confirmed(merged, tmp_path, said, missing=("t2_9_1",))
    assert "t2_9_1 can't be built again: no network" in said
    assert f"{YOLO} in t2_9_1 was not timed in each turn" in said
    assert sweep.folder.cell("t2_9_1").read_turns() == {}
    assert len(sweep.folder.cell("t2_6_0").read_turns()[YOLO]["turns"]) == TURNS


def test_a_process_that_timed_nothing_leaves_the_difference_unconfirmed(merged, tmp_path):
    plan, matrix = merged(t2_5_1=[record(figures(1.0))], t2_9_1=[record(figures(1.3))])
    said, times = [], {"t2_5_1": [1.0, 1.0, None, 1.0], "t2_9_1": [1.4] * 4}
    sweep = Sweep(tmp_path, times)
    Turns(sweep, plan, said.append).confirm(matrix, 60.0)
    assert said[-1] == f"{YOLO} in t2_9_1 was not timed in each turn"


@pytest.mark.parametrize("values", [{"device": "cuda"}, {"method": "cuda events, cache flushed"}])
@pytest.mark.parametrize("name", ["t2_5_1", "t2_9_1"])
def test_a_turn_that_was_timed_in_another_way_is_none(merged, tmp_path, name, values):
    class Differently(Sweep):
        def timed(self, environment, cell, files, gpu):
            found = super().timed(environment, cell, files, gpu)
            if cell.id != name or self.order.count(name) != 3:
                return found
            return [each.changed(benchmark={**each.benchmark, **values}) for each in found]

    said = []
    plan, matrix = merged(t2_5_1=[record(figures(1.0))], t2_9_1=[record(figures(1.3))])
    sweep = Differently(tmp_path, {"t2_5_1": [1.0] * 4, "t2_9_1": [1.4] * 4})
    Turns(sweep, plan, said.append).confirm(matrix, 60.0)
    assert said[-1] == f"{YOLO} in t2_9_1 was not timed in each turn"
    assert sweep.folder.cell("t2_9_1").read_turns() == {}


def test_a_turn_measures_no_loads(planned_cell, tmp_path):
    cell, files = planned_cell(checks=[("works", "stock")]), CellFolder(tmp_path / "turn")
    runner = CellRunner(RunFolder(tmp_path), World(), Processes(), STUB, "replica")
    records = runner.timed(Environment(Path(sys.executable)), cell, files, {})
    assert [each.checkpoint for each in records] == ["works"]
    assert json.loads(files.request.read_text("utf-8"))["loading"] is False


def test_what_a_killed_sweep_left_of_a_turn_is_not_taken_for_one(merged, tmp_path):
    left = RunFolder(tmp_path).cell("t2_9_1").path / "turn" / "checks.jsonl"
    left.parent.mkdir(parents=True)
    left.write_text("of another time")
    seen = []

    class Looking(Sweep):
        def timed(self, environment, cell, files, gpu):
            seen.append(files.checks.exists())
            return super().timed(environment, cell, files, gpu)

    plan, matrix = merged(t2_5_1=[record(figures(1.0))], t2_9_1=[record(figures(1.3))])
    sweep = Looking(tmp_path, {"t2_5_1": [1.0] * 4, "t2_9_1": [1.4] * 4})
    Turns(sweep, plan).confirm(matrix, 60.0)
    assert seen == [False] * 8
    assert not left.exists()


def test_a_fault_of_the_machine_ends_no_sweep_that_is_done(merged, tmp_path):
    class Full(Sweep):
        def timed(self, environment, cell, files, gpu):
            raise OSError(28, "No space left on device")

    said = []
    plan, matrix = merged(t2_5_1=[record(figures(1.0))], t2_9_1=[record(figures(1.3))])
    Turns(Full(tmp_path, {}), plan, said.append).confirm(matrix, 60.0)
    assert said[-1] == "Not confirmed: [Errno 28] No space left on device"


def test_what_another_machine_timed_is_not_run_here(merged):
    other = {"id": "another", "cpu": "", "cores": 1}
    _, matrix = merged(
        t2_5_1=[record(figures(1.0, machine=other))], t2_9_1=[record(figures(1.3, machine=other))]
    )
    assert speed_of(matrix, "t2_9_1")["verdict"] == "unconfirmed"
    assert suspects(matrix) == []


def test_a_baseline_has_few_environments_beside_it_at_a_time(merged):
    medians = {f"t2_{minor}_0": 1.0 + minor / 10 for minor in range(6, 14)}
    cells = {name: [record(figures(median))] for name, median in medians.items()}
    _, matrix = merged(t2_5_1=[record(figures(1.0))], **cells)
    found = groups(suspects(matrix))
    assert [len(group) for group in found] == [AT_ONCE, AT_ONCE, 2]
    assert found[0][0].cell == "t2_13_0"  # the largest difference first


# --- in a sweep ---------------------------------------------------------------------------------


class World:
    """The environment of every cell is this Python, and its packages are resolved offline."""

    def __init__(self, *_):
        """Need nothing of a run's settings."""

    def prepare(self):
        """Have nothing to build."""

    def create(self, cell):
        return Environment(Path(sys.executable))

    def delete(self, cell):
        """Leave this Python as it is."""

    def lock(self, cell):
        return dataclasses.replace(cell, lock=(f"torch=={cell.torch}",))

    def locked(self, cells, told):
        return [self.lock(cell) for cell in cells]


@pytest.fixture
def sweep(tmp_path, monkeypatch, planned_cell, make_plan_of, capsys):
    """Sweep two cells whose processes take the times given, one after the other."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    cells = [
        dataclasses.replace(
            planned_cell(name, torch=torch, checks=[("timed", "stock")]), python=python
        )
        for name, torch in (("old", "2.5.1"), ("new", "2.15.0"))
    ]
    monkeypatch.setattr(command, "UvEnvironments", World)
    monkeypatch.setattr(command, "Resolver", World)
    monkeypatch.setattr(command, "WORK", tmp_path / "work")
    monkeypatch.setattr(command, "CHECKS", STUB)
    monkeypatch.setenv("STUB_SECONDS", str(tmp_path / "seconds.json"))
    monkeypatch.chdir(tmp_path)

    def plan(selection, edition, run, stacks=(), project=None):
        made = make_plan_of(*cells, selection=selection, edition=edition)
        return dataclasses.replace(made, run=run)

    monkeypatch.setattr(command, "_new_plan", plan)

    def run(old, new, *words):
        (tmp_path / "seconds.json").write_text(json.dumps({"old": old, "new": new}))
        words = ["run", "--edition", "replica", "--jobs", "1", "--force", *words]
        assert command.main([*words, "--runs", str(tmp_path / "runs")]) == 0
        folder = next(runs(tmp_path / "runs"))
        return capsys.readouterr().out, json.loads(folder.matrix.read_text())

    return run


def test_a_sweep_confirms_what_became_slower(sweep):
    said, matrix = sweep([1.0, 1.0, 1.01, 1.0, 1.01], [1.3, 1.4, 1.42, 1.4, 1.42])
    assert "1 cell with a forward time that is not the baseline's" in said
    speed = speed_of(matrix, "new")
    assert (speed["verdict"], speed["runs"]) == ("slower", TURNS)
    assert speed["ratio"] == pytest.approx(statistics.median([1.4, 1.42 / 1.01]))
    jsonschema.validate({k: v for k, v in matrix.items() if k != "$schema"}, SCHEMA)


def test_what_a_sweep_does_not_see_again_is_alike(sweep):
    _, matrix = sweep([1.0, 1.0, 1.01, 1.0, 1.01], [1.3, 1.0, 1.01, 1.0, 1.01])
    assert speed_of(matrix, "new")["verdict"] == "alike"


def test_a_sweep_without_time_for_turns_leaves_it_unconfirmed(sweep):
    said, matrix = sweep([1.0], [1.3], "--speed-minutes", "0")
    assert "in turn" not in said
    assert speed_of(matrix, "new")["verdict"] == "unconfirmed"


def test_cells_of_a_cluster_are_not_run_in_turn_on_this_machine(sweep, monkeypatch):
    monkeypatch.setattr(Engine, "_executor", lambda self, number: local(self.sweep, 1, number))
    words = ["--executor", "dask", "--scheduler", "tcp://a-cluster:8786"]
    said, matrix = sweep([1.0, 1.0, 1.01, 1.0, 1.01], [1.3, 1.4, 1.42, 1.4, 1.42], *words)
    assert "in turn" not in said
    sentence = "What seems slower or faster stays unconfirmed: its cells ran on other machines."
    assert sentence in said
    speed = speed_of(matrix, "new")
    assert (speed["verdict"], speed["runs"]) == ("unconfirmed", 0)


def test_turns_are_carried_over_with_the_cells_that_they_are_about(sweep):
    sweep([1.0, 1.0, 1.01, 1.0, 1.01], [1.3, 1.4, 1.42, 1.4, 1.42])
    said, matrix = sweep([9.0], [9.0])
    assert "nothing to run" in said
    assert "in turn" not in said
    assert speed_of(matrix, "new")["verdict"] == "slower"


@pytest.mark.parametrize("words", ["a few", "-1", "nan", "inf"])
def test_minutes_are_a_number(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["run", f"--speed-minutes={words}"])
    assert stopped.value.code == 2
    assert f"{words!r} is no number of minutes; give 0 or more" in capsys.readouterr().err
