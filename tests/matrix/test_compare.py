from __future__ import annotations

import dataclasses
import json
import math
import random
import re
from pathlib import Path

import jsonschema
import pytest

from matrix.cell_files import CellFiles
from matrix.compare import difference, document, drift, merge, relative_drift
from matrix.store import RunFolder, write_json
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record, append_line
from pytest_torchcompat.shim import SHIMS

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "matrix" / "matrix.schema.json").read_text(encoding="utf-8")
)
YOLO = "ultralytics/yolov8n"
TOLERANCES = {YOLO: 1e-3}
POLICIES = ("stock", "patched", "allowlisted", "strict")


def fingerprint(scale=1.0, **values):
    projection = [scale * number for number in (0.5, -1.0, 0.25)]
    found = {"shape": [1, 84], "dtype": "float32", "norm": 10.0 * scale, "projection": projection}
    return {**found, **values}


def record(policy="stock", outcome=Outcome.PASS, **values):
    values.setdefault("fingerprint", fingerprint() if outcome.works else None)
    return Record(YOLO, "replica", policy, outcome, library="ultralytics", **values)


def ended(outcome=None, reason=None):
    return {
        "outcome": outcome,
        "reason": reason,
        "seconds": {},
        "finished": "2026-11-20T11:00:00+00:00",
    }


def left(cell, *records, result=None, environment=None):
    return CellFiles(cell, result or ended(), environment or {}, records)


@pytest.fixture
def three(planned_cell):
    """Cells of one library on three torch versions, not in the order of their versions."""
    return [planned_cell(f"torch{t}", torch=t) for t in ("2.15.0", "2.5.1", "2.10.0")]


def outcomes(matrix):
    return {cell["id"]: cell["outcome"] for cell in matrix["cells"]}


def checks_of(matrix, identifier):
    cell = next(cell for cell in matrix["cells"] if cell["id"] == identifier)
    return {check["policy"]: check for check in cell["checks"]}


def test_the_merge_follows_its_schema(three, make_plan_of):
    newest, oldest, middle = three
    found = [
        left(newest, record(), record("strict", Outcome.REFUSED, stage=Stage.LOAD)),
        left(oldest, result=ended("unavailable", "no wheel")),
        CellFiles(middle, None, {}, ()),
    ]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    jsonschema.validate(json.loads(json.dumps(matrix)), SCHEMA)


def test_the_merge_answers_the_claims_and_who_needs_what(three, make_plan_of):
    later = {"stage": Stage.LOAD, "message": "Weights only load failed. Unsupported global"}
    found = [
        left(three[0], record(outcome=Outcome.FAIL, **later)),
        left(three[1], record(), record("allowlisted", globals=("builtins.getattr",))),
        left(three[2]),
    ]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    (table,) = (claim for claim in matrix["claims"] if claim["id"] == "yolo-torch-table")
    verdicts = [part["verdict"] for part in table["parts"]]
    assert verdicts == ["untested", "holds", "holds", "untested"]
    assert [shim["name"] for shim in matrix["shims"]] == [shim.name for shim in SHIMS]
    listed = {entry["checkpoint"]: entry["not_needed_by"] for entry in matrix["allowlists"]}
    assert listed[YOLO] == ["torch2.5.1"]


def test_a_cell_is_merged_with_what_tells_it_from_others(planned_cell, make_plan_of):
    cell = dataclasses.replace(planned_cell(), library="TTS", adapter="coqui-tts", beside="a 1")
    names = ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
    found = [left(cell, environment={"load_variables": names})]
    (merged,) = document(make_plan_of(cell), found, TOLERANCES)["cells"]
    assert (merged["beside"], merged["load_variables"]) == ("a 1", names)
    assert {check["library"] for check in merged["checks"]} == {"coqui-tts"}


def test_a_check_without_a_record_is_not_run(three, make_plan_of):
    matrix = document(make_plan_of(*three), [left(three[0], record("patched"))], TOLERANCES)
    found = checks_of(matrix, "torch2.15.0")
    assert {policy: check["outcome"] for policy, check in found.items()} == {
        "stock": "not-run",
        "patched": "pass",
        "allowlisted": "not-run",
        "strict": "not-run",
    }


def test_a_cell_shows_its_most_severe_check_unless_it_failed_itself(three, make_plan_of):
    verdicts = [record(p) for p in POLICIES[:3]] + [record("strict", Outcome.REFUSED)]
    found = [
        left(three[0], *verdicts),
        left(three[1], record(), result=ended("crash", "died of SIGSEGV")),
        CellFiles(three[2], None, {}, ()),
    ]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    expected = {"torch2.15.0": "refused", "torch2.5.1": "crash", "torch2.10.0": "not-run"}
    assert outcomes(matrix) == expected
    assert matrix["cells"][1]["reason"] == "died of SIGSEGV"


@pytest.mark.parametrize("missing", [True, False])
def test_a_run_is_complete_when_every_cell_has_ended(three, make_plan_of, missing):
    found = [left(cell) for cell in three]
    if missing:
        found[1] = CellFiles(three[1], None, {}, (record(),))
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    assert matrix["complete"] is not missing
    assert matrix["finished"] == (None if missing else "2026-11-20T11:00:00+00:00")


def test_what_drifted_from_the_lowest_torch_is_degraded(three, make_plan_of):
    newest, oldest, middle = three
    found = [
        left(newest, record(fingerprint=fingerprint(1.01))),
        left(oldest, record()),
        left(middle, record(fingerprint=fingerprint(1.0001))),
    ]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    drifted = checks_of(matrix, "torch2.15.0")["stock"]
    assert (drifted["outcome"], drifted["stage"]) == ("degraded", "parity")
    assert drifted["message"] == (
        "the output differs from torch 2.5.1 under stock: relative drift 1.0e-02, beyond 1e-03"
    )
    assert checks_of(matrix, "torch2.10.0")["stock"]["outcome"] == "pass"


def test_the_baseline_is_the_lowest_torch_where_it_works(three, make_plan_of):
    newest, oldest, middle = three
    found = [
        left(newest, record(fingerprint=fingerprint(2.0))),
        left(oldest, record(outcome=Outcome.FAIL, fingerprint=fingerprint())),
        left(middle, record(fingerprint=fingerprint(2.0))),
    ]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    assert checks_of(matrix, "torch2.15.0")["stock"]["outcome"] == "pass"


@pytest.mark.parametrize(
    "other",
    [{"version": "8.4.190"}, {"edition": "reference"}, {"sha256": "another"}],
)
def test_another_version_or_another_file_has_a_baseline_of_its_own(
    planned_cell, make_plan_of, other
):
    cells = [planned_cell("one"), planned_cell("two", torch="2.15.0", version="8.1.0")]
    drifted = record(fingerprint=fingerprint(2.0))
    if "version" in other:
        cells[1] = dataclasses.replace(cells[1], **other)
    else:
        drifted = dataclasses.replace(drifted, **other)
    found = [left(cells[0], record()), left(cells[1], drifted)]
    matrix = document(make_plan_of(*cells), found, TOLERANCES)
    assert checks_of(matrix, "two")["stock"]["outcome"] == "pass"


def test_every_output_says_how_far_it_is_from_the_baseline(three, make_plan_of):
    newest, oldest, _ = three
    turned = fingerprint(projection=[0.5, 1.0, 0.25])
    found = [left(oldest, record()), left(newest, record(fingerprint=turned))]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    same, other = (checks_of(matrix, f"torch{t}")["stock"]["parity"] for t in ("2.5.1", "2.15.0"))
    assert same == {
        "torch": "2.5.1",
        "policy": "stock",
        "use": "forward",
        "cosine": 1.0,
        "relative_error": 0.0,
    }
    assert other["cosine"] == pytest.approx((0.25 - 1 + 0.0625) / 1.3125)
    assert other["relative_error"] == pytest.approx(2 / 1.3125**0.5)


def test_outputs_of_two_shapes_have_no_cosine(three, make_plan_of):
    newest, oldest, _ = three
    found = [left(oldest, record()), left(newest, record(fingerprint=fingerprint(shape=[2])))]
    matrix = document(make_plan_of(*three), found, TOLERANCES)
    parity = checks_of(matrix, "torch2.15.0")["stock"]["parity"]
    assert (parity["cosine"], parity["relative_error"]) == (None, None)


def test_a_degraded_check_of_a_shim_keeps_its_verdict_and_says_its_drift(three, make_plan_of):
    newest, oldest, _ = three
    lossy = record(outcome=Outcome.DEGRADED, message="a layer", fingerprint=fingerprint(2.0))
    found = [left(oldest, record()), left(newest, lossy)]
    check = checks_of(document(make_plan_of(*three), found, TOLERANCES), "torch2.15.0")["stock"]
    assert (check["outcome"], check["message"]) == ("degraded", "a layer")
    assert check["parity"]["relative_error"] == pytest.approx(1.0)


def test_a_further_use_is_compared_with_itself_and_an_experiment_with_the_forward_pass(
    three, make_plan_of
):
    _, oldest, _ = three
    other, doubled = fingerprint(shape=[7]), fingerprint(2.0)
    found = left(
        oldest,
        record(),
        record(use="stream", fingerprint=other),
        record(use="random", experiment=True, fingerprint=doubled),
    )
    [cell] = document(make_plan_of(oldest), [found], TOLERANCES)["cells"]
    checks = {check["use"]: check for check in cell["checks"] if check["policy"] == "stock"}
    assert checks["stream"]["outcome"] == "pass"
    assert checks["stream"]["parity"]["relative_error"] == 0
    assert checks["random"]["outcome"] == "degraded"
    assert checks["random"]["parity"]["relative_error"] == pytest.approx(1.0)


def test_an_experiment_says_nothing_about_its_cell(three, make_plan_of):
    cell = dataclasses.replace(three[1], checks=three[1].checks[:1])
    found = left(cell, record(), record(use="random", experiment=True, outcome=Outcome.CRASH))
    assert outcomes(document(make_plan_of(cell), [found], TOLERANCES)) == {cell.id: "pass"}


def test_an_experiment_that_was_not_run_is_one_still(planned_cell, make_plan_of):
    checks = [("rvc/hubert-base", "stock"), ("rvc/hubert-base", "stock", "random-pos-conv")]
    cell = planned_cell("one", library="fairseq", checks=checks)
    [merged] = document(make_plan_of(cell), [left(cell)], {})["cells"]
    assert [check["experiment"] for check in merged["checks"]] == [False, True]


def test_a_paired_library_is_compared_across_its_versions(planned_cell, make_plan_of):
    wav = {"library": "torchaudio", "checks": [("torchaudio/wav", "stock")]}
    cells = [
        planned_cell("one", torch="2.5.1", version="2.5.1", **wav),
        planned_cell("two", torch="2.6.0", version="2.6.0", **wav),
    ]
    heard = Record("torchaudio/wav", "replica", "stock", Outcome.PASS, fingerprint=fingerprint())
    drifted = dataclasses.replace(heard, fingerprint=fingerprint(3.0))
    found = [left(cells[0], heard), left(cells[1], drifted)]
    matrix = document(make_plan_of(*cells), found, {})
    assert checks_of(matrix, "two")["stock"]["outcome"] == "degraded"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, None),
        ({"shape": [1, 80]}, r"shape \[1, 80\] instead of \[1, 84\]"),
        ({"dtype": "float16"}, "dtype float16 instead of float32"),
        # The same length in another direction: the norm alone would not see it.
        ({"projection": [-0.5, 1.0, 0.25]}, "relative drift 2.0e"),
        ({"norm": 10.1}, "relative drift 1.0e-02"),
        ({"norm": math.nan}, "relative drift inf"),
        ({"projection": [0.5]}, "relative drift inf"),
    ],
)
def test_how_an_output_differs_is_said(values, words):
    found = difference(fingerprint(**values), fingerprint(), 1e-3)
    assert found is None if words is None else re.search(words, found)


def test_a_drift_from_nothing_is_without_bound():
    none = fingerprint(projection=[0.0, 0.0, 0.0])
    assert drift(fingerprint(), none) == {"cosine": None, "relative_error": None}
    assert relative_drift([0.0], [0.0]) == 0.0
    assert relative_drift([1.0], [0.0]) == math.inf


def written(tmp_path, plan, seed):
    """Write a run's files in an order of its own, half of the records twice."""
    folder = RunFolder(tmp_path / str(seed))
    order = random.Random(seed)
    for cell in order.sample(plan.cells, len(plan.cells)):
        scale = 1.0 if cell.torch == "2.5.1" else 1.5
        records = [record(policy, fingerprint=fingerprint(scale)) for policy in POLICIES]
        for each in order.sample(records, 4) + order.sample(records, 2):
            append_line(folder.cell(cell.id).checks, each.to_dict())
        write_json(folder.cell(cell.id).result, ended())
    return folder


def test_the_merge_does_not_depend_on_the_order_in_which_things_ended(
    tmp_path, three, make_plan_of
):
    plan = make_plan_of(*three)
    merged = [merge(plan, written(tmp_path, plan, seed), TOLERANCES) for seed in range(6)]
    assert all(matrix == merged[0] for matrix in merged)
    assert set(outcomes(merged[0]).values()) == {"pass", "degraded"}


def test_merging_again_changes_nothing(tmp_path, three, make_plan_of):
    plan = make_plan_of(*three)
    folder = written(tmp_path, plan, 1)
    write_json(folder.matrix, merge(plan, folder, TOLERANCES))
    assert merge(plan, folder, TOLERANCES) == json.loads(folder.matrix.read_text())


def test_a_run_killed_in_a_line_keeps_the_lines_before_it(tmp_path, three, make_plan_of):
    plan = make_plan_of(three[0])
    folder = RunFolder(tmp_path)
    append_line(folder.cell("torch2.15.0").checks, record().to_dict())
    with folder.cell("torch2.15.0").checks.open("a") as file:
        file.write(json.dumps(record("patched").to_dict())[:40])
    matrix = merge(plan, folder, TOLERANCES)
    found = checks_of(matrix, "torch2.15.0")
    assert [found[policy]["outcome"] for policy in POLICIES[:2]] == ["pass", "not-run"]
    assert matrix["complete"] is False


NAN = float("nan")


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [(None, NAN, True), (NAN, float("inf"), True), (None, 1.0, False), (1.0, NAN, False)],
)
def test_numbers_that_are_not_finite_equal_each_other_alone(ours, theirs, same):
    base = {"shape": [2], "dtype": "float32", "norm": 1.0}
    found = difference(
        {**base, "projection": [ours, 2.0]}, {**base, "projection": [theirs, 2.0]}, 1e-3
    )
    assert (found is None) is same
