"""Parts of a run united: in any order and however often, with the same files."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_site import STUB, ThisEnvironment

from matrix import merging
from matrix.executors import local, run_cells
from matrix.merging import add_parsers, merge
from matrix.plan import Plan, PlannedCell, PlannedCheck, Selection
from matrix.processes import Processes
from matrix.published import publish
from matrix.runner import Sweep, read_plan, unfinished
from matrix.shards import part, save, saved
from matrix.stacks import Stack
from matrix.store import RunFolder, write_json, write_text
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line

NAMES = ("a", "b", "c")


def whole_plan(**values):
    cells = tuple(
        PlannedCell(
            id=name,
            python="3.11",
            torch="2.5.1",
            library="ultralytics",
            version="8.1.0",
            why="a test",
            requirements=(),
            excludes=(),
            checks=(PlannedCheck("works", "stock"),),
        )
        for name in NAMES
    )
    frozen_at = "2026-11-20T10:31:00+00:00"
    known = {"run": "a-run", "edition": "replica", "selection": Selection(), "torch": ("2.5.1",)}
    return Plan(frozen_at=frozen_at, cells=cells, **{**known, **values})


def write_cell(folder, name, result, output=""):
    """Write a cell that ended, or one whose process printed something so far."""
    write_text(folder.cell(name).output, output)
    if result is not None:
        write_json(folder.cell(name).result, {"id": name, **result})


# What a part may have of a cell: nothing, a beginning, an end of either kind, at either time.
ENDS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"outcome": st.sampled_from(["unavailable", "infra"]), "finished": st.sampled_from("12")}
    ),
)
CELLS = st.dictionaries(st.sampled_from(NAMES), st.tuples(ENDS, st.sampled_from("xy")))
PARTS = st.lists(
    st.tuples(st.sets(st.sampled_from(NAMES), min_size=1), CELLS), min_size=1, max_size=3
)


def write_part(root, name, planned, cells):
    folder = RunFolder(root / name)
    whole = whole_plan()
    chosen = tuple(cell for cell in whole.cells if cell.id in planned)
    order = () if len(chosen) == len(NAMES) else NAMES
    write_json(folder.plan, dataclasses.replace(whole, cells=chosen, whole=order).to_dict())
    for cell in chosen:
        if cell.id in cells:
            write_cell(folder, cell.id, *cells[cell.id])
    return folder


def files(folder):
    """Return all files of a run."""
    paths = (path for path in folder.path.rglob("*") if path.is_file())
    return {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in paths}


def into(root, name, *parts):
    folder = RunFolder(root / name)
    merge(parts, folder)
    return folder


@given(parts=PARTS, data=st.data())
def test_in_any_order_and_grouping_and_however_often_the_files_are_the_same(parts, data):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        found = [write_part(root, f"part{n}", *each) for n, each in enumerate(parts)]
        before = [files(folder) for folder in found]
        expected = files(into(root, "at-once", *found))
        assert files(into(root, "shuffled", *data.draw(st.permutations(found)))) == expected
        head = into(root, "head", found[0])
        assert files(into(root, "grouped", *found[1:], head)) == expected
        for folder in found:
            into(root, "one-by-one", folder)
        assert files(into(root, "one-by-one", found[0])) == expected
        assert [files(folder) for folder in found] == before


@given(parts=PARTS)
def test_each_cell_is_one_parts_whole_and_the_best_there_is(parts):
    def rank(end):
        return (
            end is not None,
            end is not None and end["outcome"] != "infra",
            (end or {}).get("finished", ""),
        )

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        found = [write_part(root, f"part{n}", *each) for n, each in enumerate(parts)]
        united = into(root, "united", *found)
        planned = set().union(*(planned for planned, _ in parts))
        assert [cell.id for cell in read_plan(united).cells] == [n for n in NAMES if n in planned]
        for cell in planned:
            had = [cells[cell] for chosen, cells in parts if cell in chosen and cell in cells]
            names = [f for f in found if f.cell(cell).path.exists()]
            if not had:
                assert not united.cell(cell).path.exists()
                continue
            kept = files(RunFolder(united.cell(cell).path))
            assert kept in [files(RunFolder(folder.cell(cell).path)) for folder in names]
            assert rank(united.cell(cell).read_result()) == max(rank(end) for end, _ in had)


@pytest.fixture
def command(monkeypatch):
    """Run the command as the command line does."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(*words):
        parser = argparse.ArgumentParser()
        add_parsers(parser.add_subparsers(), publish)
        options = parser.parse_args(["merge", *map(str, words)])
        return options.command(options)

    return run


def test_the_parts_of_a_plan_run_apart_are_the_run_of_the_whole(tmp_path, command):
    def ran(plan, folder):
        write_json(folder.plan, plan.to_dict())
        sweep = Sweep(folder, ThisEnvironment(), Processes(), STUB, "replica")
        task, executor = local(sweep, 1)
        with executor:
            run_cells(task, plan.cells, executor, lambda *_: None)
        return folder

    save(whole_plan(), tmp_path / "plan.json")
    plan = saved(tmp_path / "plan.json")
    whole = ran(plan, RunFolder(tmp_path / "whole"))
    names = [f"{number}/3" for number in (1, 2, 3)]
    parts = [ran(part(plan, name), RunFolder(tmp_path / name / "a-run")) for name in names]
    united = RunFolder(tmp_path / "united")
    assert command(*(folder.path for folder in parts), "--into", united.path) == 0
    assert read_plan(united) == plan
    for cell in plan.cells:
        assert united.cell(cell.id).checks.read_bytes() == whole.cell(cell.id).checks.read_bytes()
    assert json.loads(united.matrix.read_text())["complete"] is True
    assert united.page.exists()


def test_a_run_is_united_under_the_name_of_its_plan_and_shown_on_the_page_of_a_job(
    tmp_path, command, monkeypatch
):
    part_ = write_part(tmp_path, "part", {"a"}, {})
    page = tmp_path / "page.md"
    page.write_text("of another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert command(part_.path, "--runs", tmp_path / "runs") == 0
    united = RunFolder(tmp_path / "runs" / "a-run")
    assert page.read_text() == f"of another step\n{united.summary.read_text()}"
    with pytest.raises(SystemExit):
        command(part_.path)


def test_a_run_that_lies_alone_leaves_its_line_of_the_history_nowhere(tmp_path, command):
    ended = ({"outcome": "unavailable", "finished": "2026"}, "")
    parts = [
        write_part(tmp_path / "here", each, {*NAMES}, dict.fromkeys(NAMES, ended)) for each in "pq"
    ]
    paths = [each.path for each in parts]
    assert command(*paths, "--into", tmp_path / "here" / "merged") == 0
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["merged", "p", "q"]
    assert command(*paths, "--into", tmp_path / "runs" / "a-run") == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a-run"]
    line = tmp_path / "runs" / "history" / "a-run.jsonl"
    assert command(*paths, "--runs", tmp_path / "runs") == 0
    assert line.exists()
    line.rename(line.with_name("another-run.jsonl"))
    assert command(*paths, "--into", tmp_path / "runs" / "a-run") == 0
    assert line.exists()
    write_part(tmp_path / "here", "another-run", {*NAMES}, {})
    assert command(*paths, "--into", tmp_path / "here" / "merged") == 0
    assert (tmp_path / "here" / "history" / "a-run.jsonl").exists()


def test_a_run_that_lacks_a_part_is_incomplete_and_says_so(tmp_path, command, capsys):
    plan = whole_plan()
    for number in (1, 2):
        piece = part(plan, f"{number}/3")
        folder = RunFolder(tmp_path / str(number))
        write_json(folder.plan, piece.to_dict())
        write_cell(folder, piece.cells[0].id, {"outcome": "unavailable", "finished": "2026"})
        assert json.loads(json.dumps(publish(piece, folder)))["complete"] is False
    united = tmp_path / "united"
    assert command(tmp_path / "1", tmp_path / "2", "--into", united) == 0
    said = f"2 of 3 cells: {united / 'index.html'}; 1 have not ended, and the run is incomplete\n"
    assert capsys.readouterr().out == said
    matrix = json.loads((united / "matrix.json").read_text())
    assert (matrix["complete"], matrix["finished"]) == (False, None)
    assert unfinished(read_plan(RunFolder(united)), RunFolder(united)) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"run": "b-run"}, "run is 'a-run' and 'b-run'"),
        ({"frozen_at": "2026-11-21T10:31:00+00:00"}, "frozen_at is '2026-11-20T10:31:00"),
        ({"edition": "reference"}, "edition is 'replica' and 'reference'"),
        ({"backend": "auto"}, "backend is '' and 'auto'"),
        ({"notes": ["a word"]}, r"what they have as notes is not the same\."),
        (
            {"project": {"name": "app"}, "run": "b-run", "torch": ["2.6.0"]},
            r"one is of the sweep of our own, the other of the project app\.",
        ),
        ({"whole": ("a", "b", "c", "d")}, "they are parts of different lists of cells"),
    ],
)
def test_parts_of_different_plans_are_refused_and_it_is_said_what_differs(tmp_path, values, words):
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    write_json(one.plan, whole_plan().to_dict())
    write_json(other.plan, {**whole_plan().to_dict(), **values})
    with pytest.raises(RecordError, match=f"{one.path} and .* are not parts of one plan: {words}"):
        into(tmp_path, "united", one, other)
    assert not (tmp_path / "united").exists()


def test_a_cell_that_was_planned_otherwise_is_named_with_what_differs(tmp_path):
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    plan = whole_plan()
    moved = dataclasses.replace(plan.cells[1], lock=("numpy==2.1.0",))
    write_json(one.plan, plan.to_dict())
    cells = (plan.cells[0], moved, plan.cells[2])
    write_json(other.plan, dataclasses.replace(plan, cells=cells).to_dict())
    with pytest.raises(RecordError, match=r"cell b has another lock\. `plan --save` writes one"):
        into(tmp_path, "united", one, other)


def test_two_parts_that_differ_are_found_whichever_is_first(tmp_path):
    first, one, other = (write_part(tmp_path, name, set(p), {}) for name, p in ("xa", "yb", "zb"))
    plan = read_plan(other)
    moved = dataclasses.replace(plan.cells[0], python="3.12")
    write_json(other.plan, dataclasses.replace(plan, cells=(moved,)).to_dict())
    with pytest.raises(RecordError, match="cell b has another python"):
        into(tmp_path, "united", first, one, other)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    one = write_part(tmp_path, "one", NAMES, {})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    words = r"mine holds something else than a run; name a new folder with --into"
    with pytest.raises(RecordError, match=words):
        into(tmp_path, "mine", one)


def test_a_check_that_the_machine_failed_is_worse_than_an_older_verdict(tmp_path):
    older, newer = (write_part(tmp_path, name, {"a"}, {}) for name in ("older", "newer"))
    for folder, outcome, finished in ((older, Outcome.PASS, "1"), (newer, Outcome.INFRA, "2")):
        record = Record("works", "replica", "stock", outcome)
        append_line(folder.cell("a").checks, record.to_dict())
        write_cell(folder, "a", {"outcome": None, "finished": finished})
    united = into(tmp_path, "united", newer, older)
    assert [record.outcome for record in united.cell("a").records()] == [Outcome.PASS]


def test_a_copy_that_fails_leaves_the_cell_as_it_was(tmp_path, monkeypatch):
    older = write_part(tmp_path, "older", {"a"}, {"a": ({"outcome": None, "finished": "1"}, "x")})
    newer = write_part(
        tmp_path, "newer", {"a"}, {"a": ({"outcome": "crash", "finished": "2"}, "y")}
    )
    united = into(tmp_path, "united", older)
    before = files(united)

    def half(source, target, **_):
        shutil.copy(source / "cell.json", target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merging.shutil, "copytree", half)
    with pytest.raises(OSError, match="No space left"):
        merge([newer], united)
    assert files(united) == before


def test_the_stacks_of_whichever_part_has_them_are_kept(tmp_path):
    stack = Stack("a-stack", "works", "3.11", ("numpy",), "https://example.org", "a test")
    plan = whole_plan(stacks=(stack,))
    for number, outcome in ((1, "infra"), (2, "pass"), (3, None)):
        piece = dataclasses.replace(part(plan, f"{number}/3"), stacks=(stack,) if outcome else ())
        write_json(RunFolder(tmp_path / str(number)).plan, piece.to_dict())
        if outcome:
            write_json(tmp_path / str(number) / "stacks" / "a-stack.json", {"outcome": outcome})
    united = into(tmp_path, "united", *(RunFolder(tmp_path / str(n)) for n in (3, 2, 1)))
    assert read_plan(united) == plan
    found = json.loads((united.path / "stacks" / "a-stack.json").read_text())
    assert found == {"outcome": "pass"}
