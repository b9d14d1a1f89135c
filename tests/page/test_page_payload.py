from __future__ import annotations

import base64
import gzip
import json

import pytest
import synthetic_matrix

from matrix import history
from matrix.causes import marked
from matrix.diff import diff
from matrix.page.payload import CHECKS_IN_A_BLOCK, Payload, allowing, packed
from matrix.page.table import Table

SLOWER = "py3.12-torch2.8.0-ultralytics8.3.162"


def payload(matrix, changes=None, trends=()):
    return Payload(matrix, Table(matrix), changes, trends)


def unpacked(text):
    return json.loads(gzip.decompress(base64.b64decode(text)))


def columns(index, number):
    return {name: column[number] for name, column in index["checks"].items()}


def detail(matrix, cell, **about):
    found = payload(matrix).details(0)["cells"][cell]["checks"]
    (one,) = [c for c in found if about.items() <= c["record"].items()]
    return one


def test_what_is_packed_comes_back_and_is_the_same_each_time():
    data = {"text": "</script>\u202e", "number": 1.5, "none": None}
    assert unpacked(packed(data)) == data
    assert packed(data) == packed(data)
    assert "<" not in packed(data)


def test_half_a_character_is_no_reason_to_stop():
    assert unpacked(packed(["\ud800"])) == ["\ud800"]


def test_all_columns_of_checks_are_of_one_length_and_in_the_order_of_the_cells(matrix):
    index = payload(matrix).index()
    expected = sum(len(cell["checks"]) for cell in matrix["cells"])
    assert {len(column) for column in index["checks"].values()} == {expected}
    assert index["checks"]["cell"] == sorted(index["checks"]["cell"])


def test_a_check_in_the_index_names_what_it_is_about(matrix):
    index = payload(matrix).index()
    ids = [cell["id"] for cell in index["cells"]]
    number = index["checks"]["cell"].index(ids.index("py3.12-torch2.6.0-ultralytics8.1.0"))
    check = columns(index, number)
    assert index["subjects"][check["subject"]]["checkpoint"] == "ultralytics/yolov8n"
    assert index["policies"][check["policy"]] == "stock"
    assert index["outcomes"][check["outcome"]]["word"] == "fail"
    assert index["causes"][check["cause"]]["id"] == "wo-yolo"
    assert index["texts"][check["text"]].startswith("Weights only load failed.")
    assert index["editions"][check["edition"]] == "replica"
    assert check["globals"] == 3


def test_a_forward_time_has_the_way_that_it_was_taken(matrix):
    index = payload(matrix).index()
    check = columns(index, index["checks"]["cell"].index(7))
    assert (check["median"], check["iqr"]) == (0.0423, 0.0011)
    assert index["ways"][check["way"]] == "pytest-benchmark, perf_counter, cpu"
    assert (check["interval"], check["speed"]) == (None, None)


def test_a_compared_time_has_its_interval_its_verdict_and_the_baseline_s_torch(matrix):
    index = payload(synthetic_matrix.measured(matrix)).index()
    ids = [cell["id"] for cell in index["cells"]]
    slower = columns(index, index["checks"]["cell"].index(ids.index(SLOWER)))
    assert (slower["interval"], slower["speed"]) == ([5, 9], [1.42, 0, "2.5.1"])
    assert index["speeds"][0] == {"word": "slower", "glyph": "▲"}
    assert len(index["ways"]) == 1


def test_ways_that_read_alike_are_two(matrix):
    for cell, (method, device) in zip(matrix["cells"][7:9], [("a, b", "c"), ("a", "b, c")]):
        each = next(check for check in cell["checks"] if check["benchmark"])
        each["benchmark"] = {**each["benchmark"], "method": method, "device": device}
    index = payload(matrix).index()
    assert index["ways"].count("a, b, c") == 2


def test_a_verdict_that_nobody_knows_is_no_claim(matrix):
    synthetic_matrix.measured(matrix)
    for check in (check for cell in matrix["cells"] for check in cell["checks"]):
        check["speed"] = check["speed"] and {**check["speed"], "verdict": "much slower"}
    assert set(payload(matrix).index()["checks"]["speed"]) == {None}


def test_the_details_have_the_figures_of_a_load_that_are_shown_and_no_more_digits(matrix):
    synthetic_matrix.measured(matrix)
    check = matrix["cells"][7]["checks"][0]
    check["benchmark"] |= {"median": 0.042345678, "memory": {"resident": 478_567_890}}
    check["loading"] |= {"plain": {**check["loading"]["plain"], "median": 0.010456789}}
    there = payload(matrix).details(0)["cells"][matrix["cells"][7]["id"]]["checks"][0]["record"]
    assert there["benchmark"] == {
        **check["benchmark"],
        "median": 0.042346,
        "memory": {"resident": 478_570_000},
    }
    kept = {"median": 0.01046, "low": 0.0103, "high": 0.0106, "memory": 13_100_000}
    assert there["loading"]["plain"] == kept
    assert there["loading"]["bytes"] == 6_500_000


def test_a_check_of_a_cell_that_never_ran_has_the_cells_verdict_and_reason(matrix):
    index = payload(matrix).index()
    check = columns(index, index["checks"]["cell"].index(6))
    assert index["outcomes"][check["outcome"]]["word"] == "unavailable"
    assert "has no wheel for cp310" in index["texts"][check["text"]]
    assert index["causes"][check["cause"]]["id"] == "no-wheel"


def test_hostile_texts_are_visible_in_the_index_and_cut(matrix):
    matrix["cells"][7]["checks"][0]["message"] = "\u202e" + "x" * 1_000_000
    index = payload(matrix).index()
    (found,) = [text for text in index["texts"] if text.startswith("\\u202e")]
    assert len(found) < 400


def test_the_details_hold_every_record_as_it_is(matrix):
    found = payload(matrix).details(0)["cells"]
    assert list(found) == [cell["id"] for cell in matrix["cells"]]
    for cell in matrix["cells"]:
        for check, there in zip(cell["checks"], found[cell["id"]]["checks"], strict=True):
            kept = {name: value for name, value in check.items() if value not in (None, [])}
            assert there["record"] == json.loads(json.dumps(kept))


def test_the_cells_are_in_blocks_that_a_press_unpacks_quickly(matrix):
    cell = matrix["cells"][7]
    many = [{**cell, "id": f"{cell['id']}-{n}", "version": f"8.1.{n}"} for n in range(900)]
    found = payload({**matrix, "cells": many})
    sizes = [sum(len(many[n]["checks"]) for n in block) for block in found.blocks]
    assert len(sizes) > 1
    assert sum(map(len, found.blocks)) == len(many)
    assert max(sizes) < CHECKS_IN_A_BLOCK + len(cell["checks"])
    chunks = [each["chunk"] for each in found.index()["cells"]]
    assert [chunks.count(n) for n in range(len(sizes))] == [len(b) for b in found.blocks]


def test_a_check_has_the_command_that_repeats_it(matrix):
    one = detail(
        matrix,
        "py3.12-torch2.6.0-ultralytics8.1.0",
        policy="strict",
        checkpoint="ultralytics/yolov8n",
    )
    assert one["command"] == "nox -s cell -- py3.12-torch2.6.0-ultralytics8.1.0 --policy strict"


def test_the_command_survives_a_shell(matrix):
    matrix["cells"][0]["id"] = "py3.10; rm -rf ."
    found = payload(matrix).details(0)["cells"]["py3.10; rm -rf ."]
    assert found["command"] == "nox -s cell -- 'py3.10; rm -rf .'"


def test_a_diagnosis_is_kept_once_in_its_block(matrix):
    block = payload(matrix).details(0)
    ids = [known["id"] for known in block["diagnoses"]]
    assert sorted(ids) == ["no-wheel", "wo-yolo"]


def test_a_key_without_its_diagnosis_is_passed_over(matrix):
    found = payload(matrix | {"diagnoses": {}})
    assert found.details(0)["diagnoses"] == []
    assert set(found.index()["checks"]["cause"]) == {-1}


def test_a_baseline_is_the_check_that_the_parity_names_with_its_time(matrix):
    one = detail(
        matrix,
        "py3.12-torch2.8.0-ultralytics8.1.0",
        policy="patched",
        checkpoint="ultralytics/yolov8n",
    )
    baseline = {"cell": "py3.12-torch2.5.1-ultralytics8.1.0", "policy": "stock", "median": 0.0423}
    assert one["baseline"] == baseline


@pytest.mark.parametrize(
    "other",
    [
        {"device": "cuda:0"},
        {"method": "cuda events"},
        {"dtype": "float16"},
        {"batch": 8},
        {"machine": {"id": "another", "cpu": "", "cores": 1}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_times_taken_in_two_ways_are_never_compared(matrix, other):
    timed = matrix["cells"][7]["checks"][0]["benchmark"]
    matrix["cells"][7]["checks"][0]["benchmark"] = {**timed, **other}
    one = detail(
        matrix,
        "py3.12-torch2.8.0-ultralytics8.1.0",
        policy="patched",
        checkpoint="ultralytics/yolov8n",
    )
    assert one["baseline"]["median"] is None


def test_an_allow_list_is_code_to_paste():
    code = allowing(("fairseq.data.dictionary.Dictionary",))
    assert "from fairseq.data.dictionary import Dictionary" in code
    assert "torch.serialization.add_safe_globals([Dictionary])" in code


@pytest.mark.parametrize(
    "names", [(), ("builtins.getattr", "a.B"), ("os.system",), ("not a name",), ("a.class",)]
)
def test_no_code_allows_what_could_run_any_code_or_is_no_name(names):
    assert allowing(names) == ""


def test_what_differs_from_the_earlier_run_is_marked_with_what_it_was(matrix):
    before = marked(synthetic_matrix.matrix(run="2026-11-19T1031"))
    earlier = before["cells"][7]["checks"][1]
    earlier |= {"outcome": "fail", "stage": "load", "message": "no", "exception": "ValueError"}
    found = payload(matrix, diff(before, marked(matrix)))
    changed = [number for number, each in enumerate(found.index()["checks"]["changed"]) if each]
    assert len(changed) == 1
    there = found.details(0)["cells"][matrix["cells"][7]["id"]]["checks"][1]
    assert there["changed"] == {"kind": "fixed", "was": "fail"}


def test_a_check_has_its_history_over_the_runs(matrix, tmp_path):
    before = marked(synthetic_matrix.matrix(run="2026-11-19T1031", started="2026-11-19T10:31:04Z"))
    before["cells"][7]["checks"][1] |= {"outcome": "fail"}
    for run in (before, marked(matrix)):
        history.write(tmp_path, run)
    trends = history.trends(history.read(tmp_path))
    found = payload(matrix, trends=trends).details(0)["cells"]
    assert {cell["history"] is None for cell in found.values()} == {False}
    there = found[matrix["cells"][7]["id"]]["checks"][1]["history"]
    assert (there["state"], there["streak"], there["flips"]) == ("good", 1, 1)


def test_files_of_a_checkpoint_are_named_as_people_have_them(matrix):
    known = [{"id": "rvc/hubert-base", "files": ["hubert_base.pt"]}]
    subjects = payload({**matrix, "checkpoints": known}).index()["subjects"]
    assert subjects[0]["files"] == ["hubert_base.pt"]
    assert payload({**matrix, "checkpoints": []}).index()["subjects"][0]["files"] == []


def test_a_run_of_nothing_has_an_index_of_nothing(matrix):
    found = payload({**matrix, "cells": [], "torch": []})
    assert found.index()["checks"]["cell"] == []
    assert found.details(0) == {"cells": {}, "diagnoses": [], "codes": []}
