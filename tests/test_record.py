"""Records: plain data that survives JSON, pipes, and a kill in the middle of a line."""

from __future__ import annotations

import json

import pytest

from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record, append_line, read_lines, read_records

RECORD = Record(
    "rvc/hubert-base",
    "replica",
    "strict",
    Outcome.REFUSED,
    stage=Stage.LOAD,
    exception="_pickle.UnpicklingError",
    message="Weights only load failed. ...",
    globals=("a.B", "c.D"),
    seconds={"load": 0.5},
)


def test_a_record_comes_back_from_json_as_it_was():
    assert Record.from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"outcome": "great"},
            r"record\.outcome: 'great' is not one of pass, shimmed, .*, not-run",
        ),
        ({"stage": "lunch"}, r"record\.stage: 'lunch' is not one of import, load, .*"),
        ({"policy": None}, r"record\.policy: expected a string, got None"),
    ],
)
def test_a_record_that_is_none_is_refused_with_its_place(change, sentence):
    with pytest.raises(RecordError, match=sentence):
        Record.from_dict({**RECORD.to_dict(), **change})


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (RECORD, "refused at load: torch refuses a.B and 1 more unless allowed"),
        (
            RECORD.changed(
                message="Weights only load failed.\nTrying to load unsupported GLOBAL posix.system"
                " whose module posix is blocked."
            ),
            "refused at load: torch refuses posix.system whatever is allowed",
        ),
        (RECORD.changed(outcome=Outcome.PASS), "pass"),
        (RECORD.changed(outcome=Outcome.SHIMMED, shims=("x",)), "shimmed with x"),
        (
            RECORD.changed(outcome=Outcome.FAIL, exception="KeyError", message="no\nmore"),
            "fail at load: KeyError: no",
        ),
        (
            RECORD.changed(outcome=Outcome.CRASH, exception=None, message="it died"),
            "crash at load: it died",
        ),
    ],
)
def test_a_record_says_its_verdict_in_a_line(record, sentence):
    assert record.sentence == f"rvc/hubert-base (replica) under strict: {sentence}"


def test_a_line_cut_short_by_a_kill_is_passed_over_and_then_replaced(tmp_path):
    path = tmp_path / "checks.jsonl"
    append_line(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b": ')
    assert list(read_lines(path)) == [{"a": 1}]
    append_line(path, {"c": 3})
    assert list(read_lines(path)) == [{"a": 1}, {"c": 3}]


def test_a_broken_line_before_the_last_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "checks.jsonl"
    path.write_text('{"a": 1}\nnonsense\n{"c": 3}\n')
    with pytest.raises(RecordError, match=r"checks\.jsonl:2: not a line of JSON"):
        list(read_lines(path))


def test_no_file_is_no_records(tmp_path):
    assert read_records(tmp_path / "nowhere.jsonl") == []


def test_of_two_records_of_one_check_the_later_counts(tmp_path):
    path = tmp_path / "checks.jsonl"
    append_line(path, RECORD.to_dict())
    append_line(path, {"kind": "load", "file": "a.pt"})
    append_line(path, RECORD.changed(outcome=Outcome.PASS).to_dict())
    assert [record.outcome for record in read_records(path)] == [Outcome.PASS]


def test_the_outcomes_that_count_as_working_are_two():
    assert [o.value for o in Outcome if o.works] == ["pass", "shimmed"]
    assert [o for o in Outcome if not o.meaning] == []
    assert Outcome.CRASH.severity > Outcome.REFUSED.severity > Outcome.PASS.severity


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("globals", 5, "a list of strings"),
        ("shims", [1], "a list of strings"),
        ("message", 5, "a string"),
        ("device", None, "a string"),
        ("seconds", None, "an object"),
        ("fingerprint", [1], "an object"),
    ],
)
def test_a_field_of_another_type_is_an_error_that_names_it(field, value, expected):
    with pytest.raises(RecordError, match=rf"record\.{field}: expected {expected}, got"):
        Record.from_dict({**RECORD.to_dict(), field: value})


@pytest.mark.parametrize(
    ("content", "words"), [(b"[1]\n", ":1: not a JSON object"), (b"\xff\n", ": not UTF-8 text")]
)
def test_a_report_of_another_kind_is_an_error(tmp_path, content, words):
    path = tmp_path / "checks.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"checks\.jsonl{words}"):
        list(read_lines(path))
