"""The command that bisects, over an index that is a dictionary."""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path

import pytest
from sweep_program import NoIndex, ThisEnvironment

import matrix.bisect
from matrix import axes, clearing, disk, engine
from matrix.bisect import command, prober
from matrix.engine import Engine, Places
from matrix.holding import hold
from matrix.planning.world import World
from matrix.runner import only_one
from matrix.store import RunFolder, in_order, write_json
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record, append_line

RELEASES = tuple(f"8.{minor}.{patch}" for minor in range(3) for patch in range(10))


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "work", tmp_path, tmp_path / "checks", (tmp_path / "runs",))


@pytest.fixture(autouse=True)
def world(fake_releases, release, monkeypatch):
    """Have thirty releases of ultralytics, one torch and enough room."""
    built = ("3.10", "3.11", "3.12")
    projects = {
        "torch": [release(version, *built) for version in ("2.6.0", "2.8.0")],
        "ultralytics": [release(version) for version in RELEASES],
    }
    known = tuple(row for row in axes.LIBRARIES if row.name in projects)
    monkeypatch.setattr(axes, "LIBRARIES", known)
    found = World(fake_releases(projects), built.__contains__, catalogue())
    monkeypatch.setattr(command, "world", lambda *_: (found, "", ()))
    monkeypatch.setattr(disk, "check", lambda *_, **__: "")
    monkeypatch.setattr(command, "locate_all", lambda _, __, say: say("fetching one"))


@pytest.fixture
def bisect(places):
    """Run the command with some words."""

    def run(*words):
        parser = argparse.ArgumentParser()
        subparsers = parser.add_subparsers()
        added = matrix.bisect.add_parser(subparsers, lambda *_: places)
        added.set_defaults(runs=Path("runs"), project=None)
        options = parser.parse_args(["bisect", *words])
        return options.command(options)

    return run


def outcome_of(version, checkpoint):
    """Say that YOLO11 works from 8.2 on, and the others from 8.0.7 on."""
    first = (8, 2, 0) if checkpoint.endswith("yolo11n") else (8, 0, 7)
    works = tuple(map(int, version.split("."))) >= first
    return Outcome.PASS if works else Outcome.FAIL


def record_of(check, outcome):
    record = Record(check.checkpoint, "replica", check.policy, outcome, "ultralytics")
    if outcome.works:
        return record
    return record.changed(stage=Stage.LOAD, exception="KeyError", message="what is missing")


@pytest.fixture
def engine_of(monkeypatch):
    """Stand in for the engine: a rule says the outcome of each version's checkpoints."""

    def make(rule=outcome_of):
        ran = []

        def run(folder, cell):
            ran.append(cell.version)
            files = folder.cell(cell.id)
            result = {"outcome": None, "reason": None, "finished": "2026-11-20T10:40:00+00:00"}
            result["distributions"] = {"torch": cell.torch, "ultralytics": cell.version}
            for check in cell.checks:
                outcome = rule(cell.version, check.checkpoint)
                if isinstance(outcome, tuple):
                    result["outcome"], result["reason"] = outcome
                else:
                    append_line(files.checks, record_of(check, outcome).to_dict())
            write_json(files.result, result)

        class StandIn(Engine):
            def decisions(self, cells):
                return cells

            def carried(self, decisions):
                return decisions

            def run(self, cells):
                (cell,) = cells
                run(self.folder, cell)

        monkeypatch.setattr(prober, "Engine", StandIn)
        return ran

    return make


WORDS = ("ultralytics", "--torch", "2.8.0")


def test_the_answer_is_that_of_all_checkpoints_and_then_of_those_that_differ(
    bisect, engine_of, capsys
):
    ran = engine_of()
    assert bisect(*WORDS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop(0) == "fetching one"
    assert lines[0] == (
        "8.0.0 … 8.2.9 (30 releases), about 9 probes: ultralytics, torch 2.8.0, stock, "
        "4 checkpoints"
    )
    assert lines[1].startswith("8.0.0 fails   8.2.9 works   8.1.5 fails (1 of 4)   ")
    answers = lines.index("All 4 together:")
    alone = "ultralytics/yolov8n, ultralytics/yolov8n-2023 and ultralytics/yolov8n-seg alone:"
    assert alone in lines[1:answers]
    assert all(len(line) <= 80 for line in lines[1:answers] if line != alone)
    why = "fail at load: KeyError: what is missing"
    assert lines[answers + 1] == (
        "    First that works: ultralytics 8.2.0. Last that fails: 8.1.9 "
        f"(ultralytics/yolo11n: {why})."
    )
    assert lines[answers + 2] == "    Nothing but ultralytics differs between the two."
    assert lines[answers + 5] == alone
    assert lines[answers + 6] == (
        f"    First that works: ultralytics 8.0.7. Last that fails: 8.0.6 ({why})."
    )
    assert len(ran) == len(set(ran))


def test_the_probes_are_the_cells_of_one_run(bisect, engine_of, places):
    ran = engine_of()
    bisect(*WORDS)
    (plan,) = places.probes.glob("*/plan.json")
    cells = json.loads(plan.read_text())["cells"]
    assert [cell["version"] for cell in cells] == ran
    assert all((plan.parent / "cells" / cell["id"] / "cell.json").exists() for cell in cells)


def test_machines_are_told_the_same(bisect, engine_of, capsys):
    engine_of()
    assert bisect(*WORDS, "--json") == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["releases"] == {"first": "8.0.0", "last": "8.2.9", "count": 30}
    first, second = found["findings"]
    assert (first["answer"]["works"], first["answer"]["fails"]) == ("8.2.0", "8.1.9")
    assert first["answer"]["change"] == "begins to work"
    assert second["checkpoints"][0] == "ultralytics/yolov8n"
    assert second["answer"]["works"] == "8.0.7"
    assert printed.err.startswith("fetching one\n8.0.0 … 8.2.9 (30 releases)")


def test_several_changes_are_no_answer(bisect, engine_of, capsys):
    engine_of(lambda version, _: Outcome.PASS if version.startswith("8.1") else Outcome.FAIL)
    assert bisect(*WORDS) == 1
    printed = capsys.readouterr().out
    assert "No one ultralytics made the difference: the verdict changes 2 times." in printed
    assert "works   8.1.0 … 8.1.9" in printed


def test_what_can_not_be_installed_is_passed_over(bisect, engine_of, capsys):
    def rule(version, _):
        if version in ("8.0.0", "8.1.5", "8.1.6"):
            return ("unavailable", "no solution")
        return Outcome.PASS if version >= "8.1.7" else Outcome.FAIL

    engine_of(rule)
    assert bisect(*WORDS) == 0
    printed = capsys.readouterr().out
    assert "8.0.0 unavailable   8.0.1 fails   " in printed
    assert (
        "It begins to work between ultralytics 8.1.4 and 8.1.7: 8.1.5 and 8.1.6 are unavailable. "
        "8.1.4 fails (fail at load: KeyError: what is missing)."
    ) in printed
    assert "Unavailable: 8.0.0, 8.1.5 and 8.1.6 (no solution)." in printed


def test_where_all_never_work_together_the_others_have_their_answer(bisect, engine_of, capsys):
    def rule(version, checkpoint):
        works = version >= "8.1" and not checkpoint.endswith("yolo11n")
        return Outcome.PASS if works else Outcome.FAIL

    engine_of(rule)
    assert bisect(*WORDS) == 0
    printed = capsys.readouterr().out
    assert "ultralytics/yolo11n fails in each of them. No boundary was found" in printed
    assert "    First that works: ultralytics 8.1.0. Last that fails: 8.0.9" in printed


@pytest.mark.parametrize("words", [WORDS, ("torch", "--library", "ultralytics==8.1.0")])
def test_a_python_that_nothing_has_wheels_for_is_refused_with_those_there_are(
    bisect, engine_of, capsys, words
):
    ran = engine_of()
    with pytest.raises(TorchcompatError) as raised:
        bisect(*words, "--python", "2.7")
    of = "torch" if words[0] == "torch" else "both torch 2.8.0 and ultralytics"
    assert str(raised.value) == (
        f"no version of this bisect has wheels of {of} for Python 2.7; name one with --python that"
        " has: 3.10, 3.11, 3.12"
    )
    assert (ran, capsys.readouterr().out) == ([], "")


def test_a_machine_that_is_at_fault_three_times_is_asked_no_more(bisect, engine_of):
    ran = engine_of(lambda *_: ("infra", "the index hung up."))
    with pytest.raises(TorchcompatError) as raised:
        bisect(*WORDS)
    assert str(raised.value) == (
        "the last 3 probes said nothing about their versions (the index hung up); see to "
        "the machine, and the same command goes on"
    )
    assert len(ran) == prober.IN_A_ROW


def test_what_is_stopped_says_what_it_kept_and_how_it_goes_on(bisect, engine_of, capsys):
    ran = []

    def rule(version, checkpoint):
        ran.append(version)
        if len(set(ran)) == 4:
            raise KeyboardInterrupt
        return outcome_of(version, checkpoint)

    engine_of(rule)
    assert bisect(*WORDS, "--from", "8.0.3", "--checkpoint", "ultralytics/yolov8*") == 130
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Stopped. 3 probes kept; nox -s bisect -- ultralytics --torch 2.8.0 --from 8.0.3 "
        "--policy stock --checkpoint 'ultralytics/yolov8*' goes on."
    )


def test_the_command_that_goes_on_is_the_one_that_was_typed(bisect, engine_of, capsys, monkeypatch):
    engine_of(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    words = ("torch", "--library", "ultralytics==8.1.0", "--to", "2.8", "--policy", "strict")
    assert bisect(*words, "--edition", "replica", "--python", "3.11") == 130
    assert (
        "Stopped. 0 probes kept; nox -s bisect -- torch --library ultralytics==8.1.0 --to 2.8 "
        in (capsys.readouterr().out)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ultralitics", "--torch", "2.8.0"), "not a known library"),
        ((*WORDS, "--policy", "stict"), "not a known policy"),
        (("ultralytics==8.1.0", "--torch", "2.8.0", "--over", "numba"), "no companion of ultralyt"),
        ((*WORDS, "--from", "9"), "from 9 there is none"),
        (("ultralytics", "--torch", "2.7.1"), "not a known torch version"),
    ],
)
def test_a_question_without_an_answer_leaves_no_run(bisect, engine_of, places, words, said):
    engine_of()
    with pytest.raises(TorchcompatError, match=said):
        bisect(*words)
    assert not places.probes.exists()


CHECKS = """
import json
from pathlib import Path

from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line


def test_cell(pytestconfig):
    request = json.loads(Path(pytestconfig.getoption("torchcompat_cell")).read_text())
    report = Path(pytestconfig.getoption("torchcompat_report"))
    Path("environment.json").write_text(json.dumps({"distributions": {"torch": "2.8.0"}}))
    outcome = Outcome.PASS if request["version"] >= "8.2.8" else Outcome.REFUSED
    for check in request["checks"]:
        record = Record(check["checkpoint"], "replica", check["policy"], outcome, "ultralytics")
        append_line(report, record.to_dict())
"""


@pytest.fixture
def real_engine(places, monkeypatch):
    """Have the engine as it is, with this Python as every cell's environment."""
    stub = Path(__file__).parent / "stub_checks" / "conftest.py"
    places.checks.mkdir()
    (places.checks / "conftest.py").write_text(stub.read_text())
    (places.checks / "test_cell.py").write_text(CHECKS)
    monkeypatch.setattr(engine.Keys, "parts", lambda *_: {"lock": "as it was"})
    ran = []

    class Environments(ThisEnvironment):
        def create(self, cell):
            ran.append(cell.version)
            return super().create(cell)

    standing_in = {"environments": Environments, "resolver": NoIndex, "files": {}}
    monkeypatch.setattr(prober, "Engine", functools.partial(Engine, **standing_in))
    return ran


def test_a_second_bisect_is_answered_by_the_first_and_fresh_runs_again(bisect, real_engine, capsys):
    words = (*WORDS, "--from", "8.2.6")
    assert bisect(*words) == 0
    assert sorted(real_engine) == ["8.2.6", "8.2.7", "8.2.8", "8.2.9"]
    assert "First that works: ultralytics 8.2.8. Last that fails: 8.2.7" in capsys.readouterr().out
    assert bisect(*words) == 0
    assert len(real_engine) == 4
    assert "4 of 4 were asked, 4 of them by earlier runs" in capsys.readouterr().out
    assert bisect(*words, "--fresh") == 0
    assert len(real_engine) == 8


@pytest.fixture
def clear(places):
    """Run the command that makes old runs and probes small."""

    def run():
        parser = argparse.ArgumentParser()
        added = clearing.add_parser(parser.add_subparsers(), lambda *_: places)
        added.set_defaults(runs=places.runs[0], project=None)
        options = parser.parse_args(["thin"])
        return options.command(options)

    return run


def kept_of(probe):
    return sorted(
        path.parent.name.rpartition("ultralytics")[2] for path in probe.glob("*/*/cell.json")
    )


def test_of_old_probes_what_newer_ones_have_is_deleted_and_no_bisect_misses_it(
    bisect, real_engine, places, clear, capsys
):
    assert bisect(*WORDS, "--from", "8.2.6") == 0
    assert bisect(*WORDS, "--from", "8.2.7") == 0
    first, second = sorted(places.probes.iterdir(), key=lambda path: in_order(path.name))
    capsys.readouterr()
    assert clear() == 0
    assert capsys.readouterr().out == "made small: 0 old runs; deleted: 3 results of old probes\n"
    assert (kept_of(first), kept_of(second)) == (["8.2.6"], ["8.2.7", "8.2.8", "8.2.9"])
    assert bisect(*WORDS, "--from", "8.2.6") == 0
    assert len(real_engine) == 4


def test_a_probe_of_fewer_checks_or_of_another_edition_takes_nothing_from_an_older_one(
    bisect, real_engine, places, clear, capsys
):
    assert bisect(*WORDS, "--from", "8.2.6") == 0
    assert bisect(*WORDS, "--from", "8.2.6", "--fresh") == 0
    newer = max(places.probes.iterdir(), key=lambda path: in_order(path.name))
    plan = json.loads((newer / "plan.json").read_text())
    write_json(newer / "plan.json", {**plan, "edition": "reference"})
    assert clear() == 0
    write_json(newer / "plan.json", plan)
    for records in newer.glob("*/*/checks.jsonl"):
        records.unlink()
    assert clear() == 0
    assert capsys.readouterr().out.count("; deleted: 0 results of old probes\n") == 2
    assert len(real_engine) == 8


def test_a_probe_of_other_packages_takes_nothing_from_one_that_still_holds(
    bisect, real_engine, places, clear, capsys
):
    for _ in range(2):
        assert bisect(*WORDS, "--from", "8.2.6") == 0
    newer = max(places.probes.iterdir(), key=lambda path: in_order(path.name))
    for path in newer.glob("*/*/cell.json"):
        write_json(path, {**json.loads(path.read_text()), "parts": {"lock": "another"}})
    assert clear() == 0
    assert "; deleted: 0 results of old probes\n" in capsys.readouterr().out
    assert bisect(*WORDS, "--from", "8.2.6") == 0
    assert len(real_engine) == 4


def test_nothing_is_deleted_beside_a_sweep_or_a_bisect(bisect, real_engine, places, clear):
    for _ in range(2):
        assert bisect(*WORDS, "--from", "8.2.6") == 0
    with only_one(places.work), pytest.raises(TorchcompatError, match="another sweep is using"):
        clear()
    assert [len(kept_of(probe)) for probe in places.probes.iterdir()] == [4, 4]
    assert len(real_engine) == 4


def test_nothing_is_deleted_while_a_sweep_of_another_project_works_on_one_of_the_runs(
    places, clear, capsys
):
    run = RunFolder(places.runs[0] / "2026-11-20T0100")
    write_json(run.plan, {})
    with hold(run), pytest.raises(TorchcompatError, match=f"is working on {run.path}"):
        clear()
    assert clear() == 0
    assert capsys.readouterr().out.startswith("made small: 0 old runs")
