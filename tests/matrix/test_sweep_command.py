from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from matrix import __main__ as command
from matrix import axes, outside
from matrix.plan import Selection
from matrix.releases import IndexUnreachableError
from matrix.runner import read_plan
from matrix.store import RunFolder, write_json
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line


@pytest.fixture
def run(tmp_path, planned_cell, make_plan_of):
    """Write a run of one planned cell."""
    folder = RunFolder(tmp_path / "runs" / "a-run")
    write_json(folder.plan, make_plan_of(planned_cell("py3.11-torch2.5.1-a")).to_dict())
    return folder


def test_rendering_writes_the_merge_and_the_page(run, capsys):
    passed = Record("ultralytics/yolov8n", "replica", "stock", Outcome.PASS, "ultralytics")
    append_line(run.cell("py3.11-torch2.5.1-a").checks, passed.to_dict())
    assert command.main(["render", str(run.path)]) == 0
    checks = json.loads(run.matrix.read_text())["cells"][0]["checks"]
    assert [check["outcome"] for check in checks] == ["pass", *["not-run"] * 3]
    assert "ultralytics" in run.page.read_text()
    assert capsys.readouterr().out.strip().endswith("index.html")


def test_a_run_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert command.main(["render", str(tmp_path / "none")]) == 2
    assert "is not there; name a folder under runs/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"id": 3, "outcome": "good"}, "has no 'finished', so how the cell ended is not known;"),
        ({"outcome": "good", "finished": "then"}, "has the outcome 'good', which is none;"),
    ],
)
def test_an_end_of_a_cell_that_says_nothing_known_is_one_sentence(run, capsys, end, said):
    files = run.cell("py3.11-torch2.5.1-a")
    write_json(files.result, end)
    assert command.main(["render", str(run.path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {files.result} {said} delete it, and the sweep writes it anew\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("render", "{file}"),
        ("merge", "{run}", "--into", "{file}"),
        ("merge", "{run}", "--into", "{file}/deep"),
        ("merge", "{run}", "--runs", "{file}"),
        ("site", "{runs}", "{file}"),
        ("run", "--plan", "{run}/plan.json", "--runs", "{file}"),
        ("run", "--torch", "2.5.1", "--runs", "{file}"),
        ("plan", "--torch", "2.5.1", "--save", "{file}/plan.json"),
    ],
)
def test_a_file_where_a_folder_is_due_is_one_sentence(run, monkeypatch, capsys, words):
    root = run.path.parents[1]
    planned = read_plan(run)
    monkeypatch.setattr(command, "_new_plan", lambda *_, **__: planned)
    monkeypatch.setattr(command, "WORK", root / "work")
    assert command.main(["render", str(run.path)]) == 0
    file = root / "a-file"
    file.write_text("")
    named = {"file": file, "run": run.path, "runs": run.path.parent}
    assert command.main([word.format(**named) for word in words]) == 2
    assert capsys.readouterr().err == (
        f"error: {file} is a file, and a folder is due there; name a folder, or a new one\n"
    )


def test_runs_that_are_not_there_are_not_made_small(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["thin", "--runs", str(tmp_path / "nope")])
    assert ended.value.code == 2
    said = f"argument --runs: {tmp_path / 'nope'} is no folder that is there; name one that is\n"
    assert capsys.readouterr().err.endswith(said)


def test_an_interrupt_that_no_command_has_words_for_is_one_line(run, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "publish", interrupted)
    assert command.main(["render", str(run.path)]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_an_index_that_does_not_answer_is_one_sentence(free_port, monkeypatch, capsys):
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port}/")
    assert command.main(["plan", "--torch", "2.5.1"]) == 2
    assert capsys.readouterr().err.startswith("error: the package index http://127.0.0.1:")


@pytest.fixture
def world_of(index, monkeypatch, free_port):
    """Let the command plan from an index on localhost, PyTorch's own being out of reach."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    dead = f"http://127.0.0.1:{free_port}/{{backend}}/"
    monkeypatch.setattr(outside.torch_backend, "__defaults__", (dead,))
    monkeypatch.setattr(outside.nightlies, "__defaults__", (dead,))
    monkeypatch.setattr(outside.commits, "__defaults__", ((),))
    for version in ("2.5.1", "2.6.0"):
        index.wheel("torch", version, tag="cp312-cp312-any")
        index.wheel("torchaudio", version, tag="cp312-cp312-any")
    named = {row.name for row in axes.LIBRARIES} - {"torch", "torchaudio"}
    for name in sorted(named):
        index.wheel(name.replace(".", "-").lower(), "1.0")
    return index


@pytest.mark.usefixtures("world_of")
def test_a_plan_is_printed_with_its_notes_once(capsys):
    assert command.main(["plan", "--library", "torchaudio"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == [
        "py3.12-torch2.5.1-torchaudio2.5.1",
        "py3.12-torch2.6.0-torchaudio2.6.0",
    ]
    assert lines[2:] == [
        "2 cells: torch 2.5.1 … 2.6.0 x 1 library.",
        outside.NO_TORCH_INDEX,
        outside.NO_NIGHTLY,
    ]


@pytest.mark.usefixtures("world_of")
def test_a_plan_is_printed_for_machines(capsys):
    assert command.main(["plan", "--torch", "2.5.1", "--library", "torchaudio", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == 1
    assert [cell["version"] for cell in plan["cells"]] == ["2.5.1"]
    # Nobody asked for a nightly: its index is not asked either.
    assert plan["notes"] == [outside.NO_TORCH_INDEX]


@pytest.mark.usefixtures("world_of")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--library", "torchadio"], "error: 'torchadio' is not a known library."),
        (["--torch", "2.5.2"], "error: '2.5.2' is not a known torch version."),
        (["--policy", "stict"], "error: 'stict' is not a known policy."),
        (["--cell", "nothing"], "error: no cell matches 'nothing'."),
        (["--torch", "nightly"], f"error: {outside.NO_NIGHTLY}"),
    ],
)
def test_an_unknown_name_ends_with_one_sentence_and_leaves_no_run(
    tmp_path, capsys, monkeypatch, arguments, words
):
    monkeypatch.setattr(command, "WORK", tmp_path / "work")
    assert command.main(["run", "--runs", str(tmp_path / "runs"), *arguments]) == 2
    assert capsys.readouterr().err.startswith(words)
    assert not (tmp_path / "runs").exists()


def test_a_number_of_jobs_is_one_or_more(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["run", "--jobs", "0"])
    assert ended.value.code == 2
    assert "'0' is no count; give 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--shard", "1/4"],
            "--shard is a part of a plan that was saved; name it with --plan FILE",
        ),
        (
            ["--plan", "plan.json", "--torch", "2.5.1", "--policy", "stock"],
            "--plan has its own selection; leave --torch, --policy out, or plan anew",
        ),
        (
            ["--executor", "dask"],
            "--executor dask and --scheduler ADDRESS go together; give both, or none",
        ),
    ],
)
def test_options_that_do_not_go_together_start_no_run(
    tmp_path, capsys, monkeypatch, arguments, sentence
):
    monkeypatch.setattr(command, "world", None)  # Nothing outside is asked.
    monkeypatch.setattr(command, "WORK", tmp_path / "work")
    assert command.main(["run", "--runs", str(tmp_path / "runs"), *arguments]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert not (tmp_path / "runs").exists()


def test_the_backend_follows_the_machine_where_pytorchs_index_answers(index):
    index.wheel("torch", "2.5.1")
    assert outside.torch_backend(f"{index.url}torch/") == ("auto", ())


def test_the_nightlies_are_asked_for_where_they_answer(index):
    index.wheel("torch", "2.16.0.dev20261119+cpu", tag="cp312-cp312-any")
    frozen = command.datetime.fromisoformat("2026-11-20T10:31:00+00:00")
    found, notes = outside.nightlies(Selection(), frozen, index.url)
    assert [release.version for release in found.of("torch")] == ["2.16.0.dev20261119+cpu"]
    assert notes == ()


def test_a_nightly_asked_for_by_name_has_to_be_there(free_port):
    frozen = command.datetime.fromisoformat("2026-11-20T10:31:00+00:00")
    dead = f"http://127.0.0.1:{free_port}/"
    with pytest.raises(IndexUnreachableError, match="nightly index can't be reached: no cell"):
        outside.nightlies(Selection(torch=(axes.NIGHTLY,)), frozen, dead)


def test_one_cell_is_run_as_its_run_planned_it(run, monkeypatch):
    monkeypatch.setattr(command, "world", None)  # Nothing outside is asked.
    options = command._parser().parse_args(
        ["cell", "py3.11-torch2.5.1-a", "--policy", "strict", "--runs", str(run.path.parent)]
    )
    plan = command._plan_with(options)
    assert [cell.id for cell in plan.cells] == ["py3.11-torch2.5.1-a"]
    assert [check.policy for check in plan.cells[0].checks] == ["strict"]
    assert plan.frozen_at == "2026-11-20T10:31:00+00:00"


CELL = "py3.11-torch2.5.1-a"


def cell_options(run, *words):
    words = ["cell", CELL, "--runs", str(run.path.parent), *words]
    return command._parser().parse_args(words)


def test_a_relative_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = command._parser()
    assert parser.parse_args(["run", "--runs", "mine"]).runs == tmp_path / "mine"
    assert parser.parse_args(["render", "mine/one"]).run == tmp_path / "mine" / "one"


def test_a_cell_of_no_known_policy_is_refused(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "WORK", tmp_path / "work")
    words = ["cell", CELL, "--runs", str(run.path.parent), "--policy", "typo"]
    assert command.main(words) == 2
    assert "'typo' is not a known policy." in capsys.readouterr().err


def test_a_policy_without_a_check_in_the_cell_is_refused(tmp_path, planned_cell, make_plan_of):
    folder = RunFolder(tmp_path / "runs" / "a-run")
    cell = planned_cell(CELL, checks=[("torchaudio/wav", "stock")])
    write_json(folder.plan, make_plan_of(cell).to_dict())
    with pytest.raises(TorchcompatError, match="has no check under strict; it has: stock"):
        command._plan_with(cell_options(folder, "--policy", "strict"))


def test_a_pattern_of_several_cells_is_no_cell(planned_cell, make_plan_of):
    plan = make_plan_of(planned_cell("one"), planned_cell("other"))
    with pytest.raises(
        TorchcompatError, match=r"'o\*' matches 2 cells; give the id of one: one, o"
    ):
        plan.cell("o*")


def test_a_cell_is_of_its_runs_edition_unless_another_is_given(run):
    assert command._plan_with(cell_options(run)).edition == "replica"
    given = cell_options(run, "--edition", "reference")
    assert command._plan_with(given).edition == "reference"


def test_a_number_that_is_not_finite_is_null(run):
    fingerprint = {"shape": [1], "dtype": "float32", "norm": float("nan"), "projection": [1.0]}
    record = Record("ultralytics/yolov8n", "replica", "stock", Outcome.PASS, "ultralytics")
    append_line(run.cell(CELL).checks, record.changed(fingerprint=fingerprint).to_dict())
    assert command.main(["render", str(run.path)]) == 0
    checks = json.loads(run.matrix.read_text())["cells"][0]["checks"]
    assert checks[0]["fingerprint"]["norm"] is None
    # A page holds its records compressed; a browser's JSON knows no NaN.
    (packed,) = re.findall(r'id="details-0">([^<]*)<', run.page.read_text())
    block = json.loads(gzip.decompress(base64.b64decode(packed)), parse_constant=pytest.fail)
    assert block["records"]["fingerprint"]["values"][0]["norm"] is None
