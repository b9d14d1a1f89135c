from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest

from matrix import causes, upstream
from matrix.causes import span
from matrix.cell_files import CellFiles
from matrix.compare import document
from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import STOPPED
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "matrix" / "matrix.schema.json").read_text(encoding="utf-8")
)
YOLO = "ultralytics/yolov8n"
ENDED = "2026-11-20T11:00:00+00:00"
UNSUPPORTED = (
    "Weights only load failed. In PyTorch 2.6, we changed the default.\n\tWeightsUnpickler error: "
    "Unsupported global: GLOBAL {0} was not an allowed global by default. Please use "
    "`torch.serialization.add_safe_globals([{0}])` or the `torch.serialization.safe_globals([{0}])`"
    " context manager to allowlist this global if you trust this class/function."
)
REFUSAL = {
    "exception": "_pickle.UnpicklingError",
    "message": UNSUPPORTED.format("decimal.Decimal"),
    "globals": ("decimal.Decimal",),
    "stage": Stage.LOAD,
}
ODD = {
    "exception": "frobnicate.OddError",
    "message": "the frob of '/home/someone/envs/a/lib/site-packages/frob/x.py' is 12 odd",
    "stage": Stage.BUILD,
}


def record(outcome=Outcome.PASS, policy="stock", **values):
    return Record(YOLO, "replica", policy, outcome, library="ultralytics", **values)


@pytest.fixture
def matrix_of(planned_cell, make_plan_of):
    """Return the document of cells: for each torch, the records, or how the cell ended."""

    def build(found, **values):
        cells, left = [], []
        for torch, what in found.items():
            cell = planned_cell(f"torch{torch}", torch=torch, **values)
            records = what if isinstance(what, list) else []
            ended = {} if records else what
            result = {"outcome": None, "reason": None, "seconds": {}, "finished": ENDED, **ended}
            cells.append(cell)
            left.append(CellFiles(cell, result, {}, tuple(records)))
        return document(make_plan_of(*cells), left, {})

    return build


def stopped(matrix):
    return [c for cell in matrix["cells"] for c in cell["checks"] if c["outcome"] in STOPPED]


def test_a_check_that_fails_has_the_key_of_its_diagnosis(matrix_of):
    matrix = matrix_of({"2.8.0": [record(Outcome.FAIL, **REFUSAL)]})
    (check,) = stopped(matrix)
    known = matrix["diagnoses"][check["diagnosis"]]
    assert check["diagnosis"] == f"{known['id']}/1"
    assert any("from decimal import Decimal" in each["code"] for each in known["remedies"])


def test_a_matrix_with_diagnoses_follows_its_schema(matrix_of):
    found = [record(Outcome.FAIL, **REFUSAL), record(Outcome.FAIL, "patched", **ODD)]
    reason = {"outcome": "unavailable", "reason": "no such thing"}
    matrix = matrix_of({"2.8.0": found, "2.9.1": reason})
    jsonschema.validate(json.loads(json.dumps(matrix)), SCHEMA)
    assert len(matrix["causes"]) == 3


def test_one_diagnosis_is_kept_once_and_two_of_one_signature_are_numbered(matrix_of):
    other = {**REFUSAL, "globals": ("decimal.Decimal", "fractions.Fraction")}
    policies = ("stock", "patched", "strict")
    found = [REFUSAL, other, REFUSAL]
    records = [record(Outcome.FAIL, p, **values) for p, values in zip(policies, found)]
    matrix = matrix_of({"2.8.0": records, "2.9.1": records})
    keys = [check["diagnosis"] for check in stopped(matrix)]
    known = next(iter(matrix["diagnoses"].values()))["id"]
    by_policy = {"stock": 1, "patched": 2, "strict": 1}
    assert keys == [f"{known}/{by_policy[c['policy']]}" for c in stopped(matrix)]
    assert set(matrix["diagnoses"]) == set(keys)


@pytest.mark.parametrize("outcome", [each for each in Outcome if each.value not in STOPPED])
def test_what_does_not_stop_has_no_diagnosis(matrix_of, outcome):
    values = {**REFUSAL, "diagnosis": {"id": "of-old"}}
    matrix = matrix_of({"2.8.0": [record(outcome, **values)]})
    assert [c["diagnosis"] for cell in matrix["cells"] for c in cell["checks"]][:1] == [None]
    assert matrix["causes"] == []


def test_a_diagnosis_is_computed_anew(matrix_of):
    old = {"id": "retired", "cause": "", "remedies": [], "link": ""}
    matrix = matrix_of({"2.8.0": [record(Outcome.FAIL, **REFUSAL, diagnosis=old)]})
    assert stopped(matrix)[0]["diagnosis"] != old
    again = causes.diagnosed(matrix)
    assert (again["cells"], again["diagnoses"]) == (matrix["cells"], matrix["diagnoses"])


def test_the_matrix_that_is_given_is_left_as_it_was(matrix_of):
    matrix = matrix_of({"2.8.0": [record(Outcome.FAIL, **REFUSAL)]})
    before = copy.deepcopy(matrix)
    causes.inlined(causes.diagnosed(matrix))
    assert matrix == before


def test_a_chain_is_read_where_there_is_one(matrix_of):
    wrapped = {"exception": "RuntimeError", "message": "could not", "globals": ()}
    chain = ("RuntimeError: could not", f"_pickle.UnpicklingError: {REFUSAL['message']}")
    records = [
        record(Outcome.FAIL, **wrapped, chain=chain),
        record(Outcome.FAIL, "patched", **wrapped),
    ]
    found = {c["policy"]: c["diagnosis"] for c in stopped(matrix_of({"2.8.0": records}))}
    assert found["stock"]
    assert found["patched"] is None


@pytest.fixture
def nobody_knows(monkeypatch):
    monkeypatch.setattr(causes, "diagnose", lambda _: None)


def seen(monkeypatch):
    """Return the failures that a diagnosis is asked for."""
    asked = []
    monkeypatch.setattr(causes, "diagnose", lambda failure: asked.append(failure) or None)
    return asked


@pytest.mark.parametrize(
    ("outcome", "name"), [(Outcome.CRASH, "crash"), (Outcome.TIMEOUT, "timeout")]
)
def test_a_process_that_ended_is_read_with_its_last_output(matrix_of, monkeypatch, outcome, name):
    asked = seen(monkeypatch)
    words = {"message": "it ended", "output": "last words", "stage": Stage.FORWARD}
    matrix_of({"2.8.0": [record(outcome, **words)]})
    assert asked[0].errors == (Error(name, "it ended\nlast words"),)
    assert asked[0].stage == "forward"


@pytest.mark.parametrize(
    ("ended", "name", "stage"),
    [
        ({"outcome": "unavailable"}, "resolver", "resolve"),
        ({"outcome": "infra"}, "resolver", "resolve"),
        ({"outcome": "infra", "seconds": {"run": 1.0}}, "crash", ""),
        ({"outcome": "crash", "seconds": {"run": 1.0}}, "crash", ""),
        ({"outcome": "timeout", "seconds": {"run": 1.0}}, "timeout", ""),
    ],
)
def test_the_reason_of_a_cell_is_a_failure(matrix_of, monkeypatch, ended, name, stage):
    asked = seen(monkeypatch)
    matrix = matrix_of({"2.8.0": {**ended, "reason": "in its own words"}})
    assert asked == [Failure((Error(name, "in its own words"),), stage, asked[0].versions)]
    assert [cause["name"] for cause in matrix["causes"]] == [
        f"{stage}: in its own words" if stage else "in its own words"
    ]


def test_a_cell_without_a_reason_has_no_failure_of_its_own(matrix_of, monkeypatch):
    asked = seen(monkeypatch)
    matrix = matrix_of({"2.8.0": {"outcome": "unavailable"}})
    assert asked == []
    assert matrix["cells"][0]["diagnosis"] is None


def test_versions_are_the_distributions_and_else_what_was_planned(matrix_of, monkeypatch):
    asked = seen(monkeypatch)
    reason = {"outcome": "unavailable", "reason": "none", "distributions": {"torch": "2.8.0+cpu"}}
    matrix_of({"2.8.0": reason}, library="pyannote.audio", version="3.4.0")
    (found,) = asked
    assert found.versions == {"torch": "2.8.0+cpu", "pyannote-audio": "3.4.0", "python": "3.11"}


def test_a_diagnosis_can_be_had_in_place_of_its_key(matrix_of):
    matrix = matrix_of({"2.8.0": [record(Outcome.FAIL, **REFUSAL)], "2.9.1": [record()]})
    (check,) = stopped(causes.inlined(matrix))
    assert check["diagnosis"] == next(iter(matrix["diagnoses"].values()))
    assert causes.inlined(causes.inlined(matrix)) == causes.inlined(matrix)


def test_a_cause_is_one_line_with_all_its_cells(matrix_of):
    found = [record(Outcome.FAIL, **REFUSAL), record(Outcome.FAIL, "patched", **REFUSAL)]
    torches = ("2.5.1", "2.8.0", "2.9.1", "2.10.0")
    matrix = matrix_of({torch: found if torch != "2.5.1" else [record()] for torch in torches})
    (cause,) = matrix["causes"]
    assert cause["known"]
    assert cause["name"] == next(iter(matrix["diagnoses"].values()))["id"]
    assert (cause["checks"], cause["outcomes"]) == (6, ["fail"])
    assert cause["cells"] == ["torch2.8.0", "torch2.9.1", "torch2.10.0"]
    assert cause["torch"] == "2.8.0 to 2.10.0"
    assert cause["report"] is None


def test_one_signature_is_a_cause_for_each_class_and_one_for_all_versions(matrix_of):
    matrix = matrix_of({torch: [record(Outcome.FAIL, **ODD)] for torch in ("2.8.0", "2.9.1")})
    known = {"id": "odd", "remedies": [], "link": ""}
    says = ("frob 1.2 is odd", "frob 3.4 is odd", "grob 1.2 is odd")
    table = {f"odd/{n}": {**known, "cause": each} for n, each in enumerate(says)}
    for cell, key in zip(matrix["cells"], ("odd/0", "odd/1")):
        cell["checks"][0]["diagnosis"] = key
    assert [len(c["cells"]) for c in causes.causes({**matrix, "diagnoses": table})] == [2]
    matrix["cells"][1]["checks"][0]["diagnosis"] = "odd/2"
    found = causes.causes({**matrix, "diagnoses": table})
    assert [c["cause"] for c in found] == [says[0], says[2]]


def test_refusals_are_apart_from_failures(matrix_of):
    found = [record(Outcome.FAIL, **REFUSAL), record(Outcome.REFUSED, "strict", **REFUSAL)]
    matrix = matrix_of({"2.8.0": found})
    assert [c["outcomes"] for c in matrix["causes"]] == [["fail"]]
    assert [c["outcomes"] for c in matrix["refusals"]] == [["refused"]]


@pytest.mark.usefixtures("nobody_knows")
def test_a_refusal_that_nobody_knows_is_nothing_to_report(matrix_of):
    (cause,) = matrix_of({"2.8.0": [record(Outcome.REFUSED, "strict", **ODD)]})["refusals"]
    assert (cause["known"], cause["report"]) == (False, None)


def test_an_experiment_has_a_diagnosis_and_counts_for_nothing(matrix_of):
    matrix = matrix_of({"2.8.0": [record(Outcome.FAIL, **REFUSAL, experiment=True)]})
    assert stopped(matrix)[0]["diagnosis"]
    assert matrix["causes"] == []


def test_the_cause_of_the_most_cells_is_first(matrix_of):
    odd, known = record(Outcome.FAIL, **ODD), record(Outcome.FAIL, "patched", **REFUSAL)
    matrix = matrix_of({"2.8.0": [known], "2.9.1": [odd, known], "2.10.0": [known]})
    assert [len(cause["cells"]) for cause in matrix["causes"]] == [3, 1]


def test_what_nobody_knows_is_one_cause_whatever_the_place_and_the_number(matrix_of):
    other = {**ODD, "message": ODD["message"].replace("envs/a", "envs/b").replace("12", "7")}
    found = {"2.8.0": [record(Outcome.FAIL, **ODD)], "2.9.1": [record(Outcome.FAIL, **other)]}
    (cause,) = matrix_of(found)["causes"]
    assert cause["name"] == "build: OddError: the frob of 'PATH' is N odd"
    assert (cause["known"], cause["cause"], cause["link"]) == (False, None, None)
    assert cause["example"] == {
        "cell": "torch2.8.0",
        "checkpoint": YOLO,
        "use": "forward",
        "policy": "stock",
        "exception": "frobnicate.OddError",
        "message": ODD["message"],
    }


@pytest.fixture
def report(matrix_of):
    """Return the report of a failure that nobody knows, on the second of three torches."""
    environment = {"2.5.1": [record()], "2.8.0": [record(Outcome.FAIL, **ODD)]}
    matrix = matrix_of({**environment, "2.9.1": [record(Outcome.SHIMMED)]})
    (cause,) = matrix["causes"]
    return cause["report"]


def test_a_report_has_a_title_of_one_line(report):
    title, blank, *_ = report.splitlines()
    assert re.match(r"\S+ \S+ fails with torch 2\.8\.0: frobnicate\.OddError: the frob", title)
    assert len(title) <= 120
    assert blank == ""


@pytest.mark.parametrize(
    "part",
    [
        "torch 2.8.0 and Python 3.11, a checkpoint fails at the stage `build`:",
        "frobnicate.OddError: the frob of 'site-packages/frob/x.py' is 12 odd",
        "The checkpoint loads and runs, as it does with the same version of the library on torch "
        "2.5.1, 2.9.1.",
        "```sh\nnox -s cell -- torch2.8.0 --policy stock --edition replica\n```",
        "It loads `ultralytics/yolov8n` (replica edition) with `torch.load` under the policy "
        "`stock`.",
        "- Python 3.11\n- torch 2.8.0\n",
        "- device: cpu",
    ],
)
def test_a_report_says_what_happened_what_is_expected_and_how_to_see_it(report, part):
    assert part in report


@pytest.mark.usefixtures("nobody_knows")
def test_a_report_of_versions_that_cannot_be_installed_together(matrix_of):
    words = "Because `a` depends on b, your requirements are unsatisfiable."
    found = {"2.8.0": {"outcome": "unavailable", "reason": words}}
    (cause,) = matrix_of(found, library="a", version="1")["causes"]
    assert f"a 1 not installable with torch 2.8.0: {words}\n" in cause["report"]
    assert (
        "a 1, torch 2.8.0 and Python 3.11 cannot be installed together. The installer says:"
        f"\n\n```text\n{words}\n```"
    ) in cause["report"]
    assert "The versions can be installed and imported together." in cause["report"]


@pytest.mark.usefixtures("nobody_knows")
def test_a_report_of_a_process_that_died(matrix_of):
    words = {"message": "the process died: SIGSEGV", "output": "abc", "stage": Stage.FORWARD}
    values = {"shims": ("hydra",), "sha256": "ab" * 32, **words}
    (cause,) = matrix_of({"2.8.0": [record(Outcome.CRASH, **values)]})["causes"]
    assert "a checkpoint ends the process at the stage `forward`:" in cause["report"]
    assert "```text\nthe process died: SIGSEGV\nabc\n```" in cause["report"]
    assert f"(replica edition, sha256 `{'ab' * 32}`)" in cause["report"]
    assert "- adaptations applied: hydra" in cause["report"]


@pytest.mark.usefixtures("nobody_knows")
def test_a_report_of_a_cell_that_ended_early(matrix_of):
    ended = {"outcome": "timeout", "reason": "out of time", "seconds": {"run": 9.0}}
    (cause,) = matrix_of({"2.8.0": ended})["causes"]
    assert "the process ended before its work was done:" in cause["report"]


def test_a_report_names_the_causes_and_the_packages(matrix_of):
    values = {"exception": "frob.OddError", "message": "odd", "chain": ("KeyError: 'x'",)}
    matrix = matrix_of({"2.8.0": [record(Outcome.FAIL, stage=Stage.LOAD, **values)]})
    cell = {**matrix["cells"][0], "distributions": {"numpy": "2.4.1"}, "cuda": "12.8"}
    cell = {**cell, "beside": "lightning 2.5.6", "torch_build": "2.8.0+cu128"}
    matrix = {**matrix, "cells": [cell]}
    (cause,) = causes.causes(matrix)
    assert "```text\nfrob.OddError: odd\n\nraised from\n\nKeyError: 'x'\n```" in cause["report"]
    assert "<summary>All packages</summary>\n\n```text\nnumpy==2.4.1\n```" in cause["report"]
    assert "- torch 2.8.0+cu128, CUDA 12.8\n" in cause["report"]
    assert " beside lightning 2.5.6, torch" in cause["report"]
    assert "- lightning 2.5.6\n" in cause["report"]


def test_a_fence_holds_whatever_the_words_are(matrix_of):
    values = {**ODD, "message": "odd\n```\n# not a title\n````"}
    (cause,) = matrix_of({"2.8.0": [record(Outcome.FAIL, **values)]})["causes"]
    assert "`````text\nfrobnicate.OddError: odd\n```\n# not a title\n````\n`````" in cause["report"]


def test_words_beyond_what_an_issue_holds_are_cut(matrix_of):
    values = {**ODD, "message": "odd " * 50_000}
    (cause,) = matrix_of({"2.8.0": [record(Outcome.FAIL, **values)]})["causes"]
    assert len(cause["report"]) < 25_000
    assert "\n[...]\n```" in cause["report"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("in '/home/me/x/site-packages/torch/serialization.py'", "in 'site-packages/torch/seriali"),
        (r"in C:\Users\me\env\Lib\site-packages\torch\a.py", r"in site-packages\torch\a.py"),
        ("/tmp/tmpab12cd34/model.pt is gone", ".../model.pt is gone"),
        ("'~/models/a.pt'", "'.../a.pt'"),
        (r"D:\work\model.pt", ".../model.pt"),
        ("https://example.org/a/b/c", "https://example.org/a/b/c"),
        ("facebook/hubert and torch/nn/modules", "facebook/hubert and torch/nn/modules"),
        ("/usr/lib/python3/dist-packages/apt/x.py", "dist-packages/apt/x.py"),
        ("none such:/home/me/x", "none such:.../x"),
        ("file:///home/me/x.pt", ".../x.pt"),
        ("'/home/me/my models/a b.pt'", "'.../a b.pt'"),
        ("'/usr/bin/gcc -I/home/me/x -O2'", "'.../gcc -I.../x -O2'"),
        ("https://me:secret@example.org/a", "https://example.org/a"),
    ],
)
def test_folders_of_this_machine_are_left_out(text, shown):
    assert upstream.in_public(text).startswith(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token hf_AbCdEfGhIjKlMnOp is wrong", "token hf_... is wrong"),
        ("ghp_0123456789abcdefABCD", "ghp_..."),
        ("Authorization: Bearer abc.def-ghi_jkl=", "Authorization: Bearer ..."),
        ("module hf_hub has no Bearer", "module hf_hub has no Bearer"),
    ],
)
def test_secrets_are_left_out(text, shown):
    assert upstream.in_public(text) == shown


@pytest.mark.parametrize(
    "unit",
    [
        "hf_a",
        "Bearer a",
        "/",
        "/a",
        "\\",
        "a",
        "site-packages/",
        "C:\\",
        "~/",
        "'/a",
        "x/",
        "'/ ",
        " -I/",
        "://a",
    ],
)
def test_hostile_words_are_read_in_linear_time(unit):
    assert upstream.in_public(unit * 50_000) is not None


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ({"1"}, "1"),
        ({"1", "2"}, "1, 2"),
        ({"1", "2", "3"}, "1 to 3"),
        ({"1", "3", "4", "5"}, "1, 3 to 5"),
        ({"2", "4"}, "2, 4"),
        (set(), ""),
    ],
)
def test_versions_are_said_as_a_span(some, words):
    assert span(some, ["1", "2", "3", "4", "5"]) == words


def test_a_known_failure_is_known_to_the_library_as_well(matrix_of):
    (check,) = stopped(matrix_of({"2.8.0": [record(Outcome.FAIL, **REFUSAL)]}))
    errors = (Error(check["exception"], check["message"]),)
    assert diagnose(Failure(errors, "load", {"torch": "2.8.0"})) is not None


def test_what_is_allowed_and_still_refused_is_not_to_be_allowed(matrix_of):
    records = [record(Outcome.REFUSED, policy, **REFUSAL) for policy in ("strict", "allowlisted")]
    matrix = matrix_of({"2.5.1": records})
    kinds = {
        check["policy"]: {r["kind"] for r in matrix["diagnoses"][check["diagnosis"]]["remedies"]}
        for check in stopped(matrix)
    }
    assert kinds["strict"] - kinds["allowlisted"] == {"allow"}
    assert kinds["allowlisted"]
