from __future__ import annotations

import json
import sys

import pytest
from test_recommend import SWEEP, UPGRADED, cell
from test_recommend import matrix as matrix_of

from matrix.__main__ import main
from matrix.store import RunFolder, write_json


@pytest.fixture
def finished(tmp_path):
    """Write a finished run of a matrix, by its name."""

    def write(document, name="a-run"):
        folder = RunFolder(tmp_path / "runs" / name)
        write_json(folder.plan, {})
        write_json(folder.matrix, document)
        return folder

    return write


def test_the_newest_run_answers_in_plain_words(finished, tmp_path, capsys):
    finished(matrix_of(*SWEEP, *UPGRADED))
    asked = ["--library", "ultralytics==8.1.0", "--gpu", "RTX 5080"]
    assert main(["recommend", *asked, "--runs", str(tmp_path / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        "torch >=2.8 (up to 2.15.0, the newest swept): ultralytics 8.1.0 needs the allow-list "
        "(2 classes). Python 3.12."
    )
    assert lines[-3].startswith("Evidence: 4 cells with 16 checks of run a-run, replica edition, ")


def test_a_run_can_be_named_and_answers_as_json(finished, capsys):
    folder = finished(matrix_of(*SWEEP))
    asked = ["--library", "ultralytics", "--policy", "patched", "--checkpoint", "*8n"]
    assert main(["recommend", str(folder.path), *asked, "--python", "3.12", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["works"] is True
    assert answer["question"]["policy"] == "patched"
    assert [way["specifiers"] for way in answer["sets"][0]["ways"]] == [[">=2.5.1"]]


def test_where_nothing_works_the_exit_code_is_1(finished, capsys):
    folder = finished(matrix_of(cell("2.8.0", "FrrF")))
    assert main(["recommend", str(folder.path), "--library", "ultralytics"]) == 1
    assert "Nothing in this run makes ultralytics 8.1.0 work." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--library", "ultralytcs"], "Did you mean 'ultralytics'?"),
        (["--library", "ultralytics>=8"], "is not one version: name the library alone"),
        (["--library", "ultralytics", "--gpu", "RTX 5081"], "Did you mean 'RTX 5080'?"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(finished, capsys, words, said):
    folder = finished(matrix_of(*SWEEP))
    assert main(["recommend", str(folder.path), *words]) == 2
    assert said in capsys.readouterr().err


def test_no_run_is_one_sentence(tmp_path, capsys):
    assert main(["recommend", "--library", "fairseq", "--runs", str(tmp_path)]) == 2
    assert "holds no run with a matrix.json; `nox -s matrix` makes one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "broken",
    [
        {"cells": [{"library": "ultralytics"}]},
        {"cells": "many"},
        matrix_of(cell("no version", "PPPP")),
        {**matrix_of(*SWEEP), "started": "yesterday", "finished": "yesterday"},
    ],
    ids=["bare cells", "no cells", "a torch of no version", "a date of no form"],
)
def test_a_matrix_of_another_form_is_one_sentence(finished, capsys, broken):
    folder = finished(broken)
    assert main(["recommend", str(folder.path), "--library", "ultralytics"]) == 2
    said = capsys.readouterr().err
    assert f"{folder.matrix} is not of the form that is read here" in said
    assert f"`python -m matrix render {folder.path}` writes it anew" in said


def test_an_answer_needs_no_torch(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    folder = finished(matrix_of(*SWEEP))
    assert main(["recommend", str(folder.path), "--library", "ultralytics"]) == 0
