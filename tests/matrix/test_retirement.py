from __future__ import annotations

import json

import pytest

from matrix import retirement
from matrix.__main__ import main
from matrix.store import write_json
from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record

HUBERT = "rvc/hubert-base"
DICTIONARY = "fairseq.data.dictionary.Dictionary"


class Hydra:
    """A shim for fairseq from Python 3.11 on."""

    name = "hydra"
    restores = "what hydra declared"
    retired_when = "hydra declares it otherwise"
    libraries = ("fairseq",)

    def applies(self, versions):
        """Ask for a Python and for a distribution, as shims do."""
        return versions["python"] == "3.11" and "fairseq" in versions


def check(policy="stock", outcome=Outcome.PASS, library="fairseq", **fields):
    return Record(HUBERT, "replica", policy, outcome, library=library, **fields).to_dict()


def cell(name, *checks, **fields):
    return {
        "id": name,
        "python": "3.11",
        "library": "fairseq",
        "cuda": "12.4",
        "distributions": {"fairseq": "0.12.2"},
        "outcome": "pass",
        "checks": list(checks),
        **fields,
    }


def matrix(*cells, **selection):
    return {"run": "a-run", "cells": list(cells), "selection": selection}


def of_shim(*cells, **selection):
    (found,) = retirement.shims(matrix(*cells, **selection), [Hydra()])
    assert (found["name"], found["restores"]) == ("hydra", "what hydra declared")
    return {key: found[key] for key in ("needed_by", "not_needed_by", "open", "retired")}


NOBODY = {"needed_by": [], "not_needed_by": [], "open": [], "retired": False}
NEEDS = cell("needs", check(shims=("hydra",)))
WITHOUT = cell("without", check())


def test_a_shim_is_needed_where_a_check_names_it():
    assert of_shim(NEEDS, WITHOUT) == {
        **NOBODY,
        "needed_by": ["needs"],
        "not_needed_by": ["without"],
    }


def test_a_shim_that_got_a_check_further_is_needed_though_it_failed_later():
    failed = check(outcome=Outcome.FAIL, shims=("hydra",))
    assert of_shim(cell("one", failed))["needed_by"] == ["one"]


def test_a_shim_that_no_cell_needs_is_retired():
    assert of_shim(WITHOUT) == {**NOBODY, "not_needed_by": ["without"], "retired": True}


@pytest.mark.parametrize(
    "silent",
    [
        cell("another Python", check(), python="3.10"),
        cell("without the library", check(), distributions={"numpy": "2"}),
        cell("another library", check(library="ultralytics")),
        cell("it cannot exist", check(outcome=Outcome.NOT_RUN), outcome="unavailable"),
        cell("something else is in the way", check(outcome=Outcome.FAIL), outcome="fail"),
        cell("no checks"),
        cell("an experiment", check(experiment=True, shims=("hydra",))),
    ],
    ids=lambda each: each["id"],
)
def test_no_cell_says_anything_of_a_shim_that_it_could_not_need(silent):
    assert of_shim(silent) == NOBODY
    assert of_shim(silent, WITHOUT)["retired"] is True


@pytest.mark.parametrize(
    "open_",
    [
        cell("planned", check(outcome=Outcome.NOT_RUN), outcome="not-run", distributions={}),
        cell("half", check(), check("strict", Outcome.NOT_RUN)),
        cell("full disk", check(outcome=Outcome.INFRA), outcome="infra"),
        cell("too slow", check(), check("strict", Outcome.TIMEOUT)),
    ],
    ids=lambda each: each["id"],
)
def test_a_cell_that_is_yet_to_say_keeps_a_shim_from_being_retired(open_):
    found = of_shim(WITHOUT, open_)
    assert (found["open"], found["retired"]) == ([open_["id"]], False)


@pytest.mark.parametrize(
    ("selection", "retired"),
    [
        ({"torch": ["2.5.1"]}, True),
        ({"library": []}, True),
        ({"library": ["fairseq"]}, False),
        ({"policy": ["strict"]}, False),
        ({"cell": ["*"]}, False),
    ],
)
def test_a_run_that_was_narrowed_by_more_than_torch_retires_nothing(selection, retired):
    assert of_shim(WITHOUT, **selection)["retired"] is retired


def of_entry(*cells, globals_=(DICTIONARY,), **selection):
    row = Checkpoint(HUBERT, "fairseq", "", globals=globals_)
    return retirement.allowlists(matrix(*cells, **selection), [row])


def allowlisted(outcome=Outcome.PASS, globals_=(DICTIONARY,), **fields):
    return check("allowlisted", outcome, globals=globals_, **fields)


@pytest.mark.parametrize(
    ("checks", "word"),
    [
        ([allowlisted()], "needed_by"),
        ([allowlisted(Outcome.DEGRADED)], "needed_by"),
        ([allowlisted(), check("strict", Outcome.REFUSED)], "needed_by"),
        ([allowlisted(globals_=())], "not_needed_by"),
        ([allowlisted(allowed_by_library=(DICTIONARY,))], "not_needed_by"),
        ([allowlisted(), check("strict")], "not_needed_by"),
        ([allowlisted(Outcome.NOT_RUN)], "open"),
        ([allowlisted(Outcome.INFRA)], "open"),
        ([allowlisted(Outcome.REFUSED)], None),
        ([allowlisted(Outcome.FAIL)], None),
        ([check()], None),
    ],
)
def test_who_needs_an_entry_of_an_allow_list(checks, word):
    (found,) = of_entry(cell("one", *checks))
    assert (found["checkpoint"], found["globals"]) == (HUBERT, [DICTIONARY])
    words = {key: found[key] for key in ("needed_by", "not_needed_by", "open")}
    assert words == {key: ["one"] if key == word else [] for key in words}
    assert found["retired"] is (word == "not_needed_by")


def test_an_entry_is_not_asked_of_a_cell_that_cannot_exist():
    (found,) = of_entry(cell("one", allowlisted(Outcome.NOT_RUN), outcome="unavailable"))
    assert found["open"] == []


def test_entries_that_the_same_cells_need_are_one_item():
    one = cell("one", allowlisted(globals_=("a.A", "b.B", "c.C"), allowed_by_library=("b.B",)))
    found = of_entry(one, globals_=("a.A", "b.B", "c.C"))
    assert [(each["globals"], each["retired"]) for each in found] == [
        (["a.A", "c.C"], False),
        (["b.B"], True),
    ]


@pytest.mark.parametrize(
    ("needed", "not_needed", "unsaid", "retired", "said"),
    [
        (0, 0, 0, False, "no cell says"),
        (0, 0, 2, False, "no cell says"),
        (1, 0, 0, False, "1 cell needs this"),
        (2, 1, 0, False, "2 cells need this; 1 cell could have and does not"),
        (0, 3, 1, False, "3 cells could have and do not; 1 cell yet to say"),
        (0, 3, 0, True, "no cell needs this any more (3 cells could have)"),
    ],
)
def test_who_needs_it_is_said_in_a_sentence(needed, not_needed, unsaid, retired, said):
    item = {"needed_by": "a" * needed, "not_needed_by": "a" * not_needed, "open": "a" * unsaid}
    assert retirement.sentence({**item, "retired": retired}) == said


@pytest.fixture
def merged(tmp_path):
    """Two runs, of which the newer has not been merged yet."""
    for name in ("2026-11-20T1031", "2026-11-21T1031"):
        write_json(tmp_path / name / "plan.json", {})
    needs = check(shims=("dataclass-defaults",))
    found = matrix(cell("py3.11-fairseq", needs, allowlisted()))
    write_json(tmp_path / "2026-11-20T1031" / "matrix.json", found)
    return tmp_path


def test_the_command_says_who_needs_what_of_the_newest_run(merged, capsys):
    assert main(["shims", "--runs", str(merged)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Of run a-run:\n")
    assert "dataclass-defaults: 1 cell needs this\n    py3.11-fairseq\n" in printed
    assert f"{HUBERT} allows {DICTIONARY}: 1 cell needs this\n    py3.11-fairseq\n" in printed
    assert "torchaudio-legacy: no cell says\n" in printed
    first = "torch.nn.modules.activation.SiLU"
    assert f"ultralytics/yolov8n allows {first}, 14 more: no cell says\n" in printed


def test_the_command_gives_the_same_as_json(merged, capsys):
    assert main(["shims", str(merged / "2026-11-20T1031"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    needed = {shim["name"]: shim["needed_by"] for shim in found["shims"]}
    assert needed["dataclass-defaults"] == ["py3.11-fairseq"]
    assert {"run", "shims", "allowlists"} == set(found)


def test_the_command_says_how_to_renew_a_matrix_of_another_form(tmp_path, capsys):
    write_json(tmp_path / "matrix.json", {"run": "a-run", "cells": [{}]})
    assert main(["shims", str(tmp_path)]) == 2
    words = f"error: {tmp_path}/matrix.json is not of the form that is read here (KeyError('checks'"
    said = capsys.readouterr().err
    assert said.startswith(words)
    assert said.endswith(f"`python -m matrix render {tmp_path}` writes it anew\n")


def test_the_command_says_where_there_is_no_run(tmp_path, capsys):
    assert main(["shims", "--runs", str(tmp_path)]) == 2
    words = f"error: {tmp_path} holds no run with a matrix.json; `nox -s matrix` makes one\n"
    assert capsys.readouterr().err == words
