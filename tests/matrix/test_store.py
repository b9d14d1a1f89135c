from __future__ import annotations

import json
import math

import pytest

from matrix import store
from matrix.store import CellFolder, RunFolder, new_run, read_json, runs, write_json, write_text
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "matrix.json"
    write_json(path, {"old": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"new": 2})
    assert read_json(path) == {"old": 1}
    assert list(path.parent.iterdir()) == [path]


def test_a_page_can_be_read_by_everybody(tmp_path):
    write_text(tmp_path / "index.html", "<p>")
    assert (tmp_path / "index.html").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not there; name a folder under runs/"),
        ("{", "is not JSON .*; delete it, and the sweep writes it anew"),
        ("[]", "expected an object, got list"),
    ],
)
def test_a_file_that_is_no_object_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "cell.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecordError, match=sentence):
        read_json(path)


@pytest.mark.parametrize(
    ("name", "next_"),
    [
        ("plan.json", "nothing writes a run's plan anew: bring it back, or delete the run"),
        ("matrix.json", "`python -m matrix render {folder}` writes it anew"),
        ("changes.json", "`python -m matrix render {folder}` writes it anew"),
        ("environment.json", "delete it, and the sweep writes it anew"),
    ],
)
@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_cannot_be_read_says_what_writes_it_anew(tmp_path, name, next_, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordError) as caught:
        read_json(tmp_path / name)
    assert str(caught.value).endswith(f"; {next_.format(folder=tmp_path)}")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"id": 3, "outcome": "good"}, "has no 'finished', so"),
        ({"finished": "then"}, "has no 'outcome', so"),
        ({"outcome": 3, "finished": "then"}, "has 3 as 'outcome', so"),
        ({"outcome": None, "finished": None}, "has None as 'finished', so"),
    ],
)
def test_an_end_of_a_cell_without_what_every_end_has_is_one_sentence(tmp_path, data, said):
    files = CellFolder(tmp_path)
    write_json(files.result, data)
    with pytest.raises(RecordError) as caught:
        files.read_result()
    assert str(caught.value) == (
        f"{files.result} {said} how the cell ended is not known; delete it, and the sweep writes "
        "it anew"
    )


def test_the_runs_come_newest_first_and_folders_without_a_plan_are_none(tmp_path):
    for name in ("2026-11-19T1031", "2026-11-20T1031", "2026-11-20T1031-2"):
        write_json(RunFolder(tmp_path / name).plan, {})
    (tmp_path / "2026-11-21T0000").mkdir()
    names = [folder.path.name for folder in runs(tmp_path)]
    assert names == ["2026-11-20T1031-2", "2026-11-20T1031", "2026-11-19T1031"]


def test_two_runs_of_one_minute_get_two_folders(tmp_path):
    names = [new_run(tmp_path / "runs", "2026-11-20T1031").path.name for _ in range(3)]
    assert names == ["2026-11-20T1031", "2026-11-20T1031-2", "2026-11-20T1031-3"]


def test_the_finished_checks_of_a_killed_cell_are_read(tmp_path):
    files = CellFolder(tmp_path)
    finished = Record("rvc/hubert-base", "replica", "stock", Outcome.PASS)
    append_line(files.checks, finished.to_dict())
    with files.checks.open("a") as file:
        file.write('{"kind": "check", "checkpoint": "rvc/hub')
    assert files.records() == [finished]


def test_a_cell_that_never_ran_has_left_nothing(tmp_path):
    files = CellFolder(tmp_path / "none")
    assert (files.records(), files.read_result(), files.read_environment()) == ([], None, {})


def test_json_has_an_item_of_a_list_a_line_so_that_one_can_be_read_at_a_time(tmp_path):
    data = {"run": "a", "cells": [{"id": 1, "seconds": math.nan}, {"id": 2}], "none": []}
    write_json(tmp_path / "x.json", data)
    lines = (tmp_path / "x.json").read_text().splitlines()
    assert lines[2:5] == ['"cells": [', '{"id": 1, "seconds": null},', '{"id": 2}']
    assert read_json(tmp_path / "x.json") == {
        **data,
        "cells": [{"id": 1, "seconds": None}, {"id": 2}],
    }


@pytest.mark.parametrize("data", [{}, {"a": []}, {"a": (1, 2), "b": {}}])
def test_any_object_is_written_so_that_it_can_be_read(tmp_path, data):
    write_json(tmp_path / "x.json", data)
    assert read_json(tmp_path / "x.json") == json.loads(json.dumps(data))


def test_equal_words_of_many_files_are_in_memory_once(tmp_path):
    for name in ("x", "y"):
        write_json(tmp_path / name, {"version": "a long version 1.2.3"})
    first, second = (read_json(tmp_path / name) for name in ("x", "y"))
    assert first["version"] is second["version"]
