from __future__ import annotations

import pytest
import synthetic_matrix

from matrix.page.table import GLYPHS, MIXED, MIXED_GLYPH, Mark, Subject, Table, marked, said_by
from pytest_torchcompat.outcome import Outcome


def sets(matrix, library):
    return [each for each in Table(matrix).sets if each.library == library]


def words(slot):
    return [mark.word for mark in slot.marks]


def test_no_two_outcomes_share_a_glyph():
    shapes = {*GLYPHS.values(), MIXED_GLYPH}
    assert len(shapes) == len(Outcome) + 1
    assert list(GLYPHS) == [outcome.value for outcome in Outcome]


def test_columns_are_the_torch_versions_in_the_given_order(matrix):
    matrix["torch"].reverse()
    assert Table(matrix).torch == list(reversed(synthetic_matrix.TORCH))


def test_rows_are_versions_in_their_order_whatever_that_of_the_cells(matrix):
    matrix["cells"].reverse()
    assert [each.version for each in sets(matrix, "ultralytics")] == ["8.1.0", "8.2.64", "8.3.162"]


def test_a_version_that_is_no_version_comes_last(matrix):
    matrix["cells"].append(synthetic_matrix.cell("2.5.1", "fairseq", "main", []))
    assert [each.version for each in sets(matrix, "fairseq")] == ["0.12.2", "main"]


def test_a_version_has_a_row_for_all_of_its_checkpoints_and_one_for_each(matrix):
    table = Table(matrix)
    (old, *_) = [each for each in table.sets if each.library == "ultralytics"]
    named = [table.subjects[row.subject].checkpoint for row in old.rows[1:]]
    assert old.rows[0].subject == -1
    assert named == ["ultralytics/yolov8n", "ultralytics/yolo11n"]


def test_a_version_with_one_checkpoint_has_one_row_which_is_about_it(matrix):
    table = Table(matrix)
    (only,) = [each for each in table.sets if each.library == "fairseq"]
    (row,) = only.rows
    assert table.subjects[row.subject] == Subject("rvc/hubert-base", "forward")


def test_a_library_that_is_paired_with_torch_is_one_row_that_names_its_versions(matrix):
    first, _ = sets(matrix, "torchaudio")
    assert first.versions == ("2.5.1", "2.11.0")
    assert [slot.version for slot in first.rows[0].slots if slot] == ["2.5.1", "2.11.0"]
    assert first.version == ""


def test_where_two_pythons_meet_the_rarer_has_rows_of_its_own(matrix):
    first, second = sets(matrix, "torchaudio")
    assert (first.pythons, second.pythons) == (("3.12",), ("3.9",))
    assert len(list(filter(None, second.rows[0].slots))) == 1


def test_versions_beside_other_packages_are_told_apart(matrix):
    found = [each.beside for each in sets(matrix, "pyannote.audio")]
    assert found == ["lightning 2.5.6", "lightning 2.6.6"]


def test_a_pair_that_is_not_in_the_plan_has_no_slot(matrix):
    (first, _) = sets(matrix, "torchaudio")
    assert [bool(slot) for slot in first.rows[0].slots] == [True, *[False] * 4, True, False]


def test_a_policy_that_was_not_planned_has_an_empty_mark(matrix):
    slot = sets(matrix, "torchaudio")[0].rows[0].slots[0]
    assert words(slot) == ["pass", "", "", ""]


def test_a_cell_that_never_came_to_its_checks_says_its_own_word_under_each_policy(matrix):
    (only,) = sets(matrix, "fairseq")
    assert words(only.rows[0].slots[2]) == ["infra"] * 4
    assert words(only.rows[0].slots[6]) == ["unavailable"] * 4


def test_a_cell_without_any_check_says_its_own_word(matrix):
    matrix["cells"] = [synthetic_matrix.cell("2.5.1", "fairseq", "0.12.2", [], outcome="infra")]
    assert words(Table(matrix).sets[0].rows[0].slots[0]) == ["infra"] * 4


def test_what_a_killed_cell_did_not_reach_is_not_run(matrix):
    checks = [
        synthetic_matrix.works("a/b", "stock"),
        synthetic_matrix.check("a/b", "strict", outcome=Outcome.NOT_RUN),
    ]
    matrix["cells"] = [synthetic_matrix.cell("2.5.1", "fairseq", "0.12.2", checks)]
    assert words(Table(matrix).sets[0].rows[0].slots[0]) == ["pass", "not-run"]


@pytest.mark.parametrize(
    ("outcomes", "mark"),
    [
        (("pass", "pass"), Mark("pass", "pass")),
        (("pass", "shimmed"), Mark("shimmed", "shimmed")),
        (("pass", "fail", "pass"), Mark(MIXED, "2/3")),
        (("refused", "crash"), Mark("crash", "crash")),
        (("fail", "infra"), Mark("fail", "fail")),
        ((), Mark("")),
    ],
)
def test_several_checkpoints_say_the_worst_unless_some_of_them_work(outcomes, mark):
    severity = [outcome.value for outcome in Outcome]
    found = marked([Mark(outcome, outcome) for outcome in outcomes])
    assert found == (
        mark if mark.outcome in ("", MIXED) else Mark(*[max(outcomes, key=severity.index)] * 2)
    )


@pytest.mark.parametrize(
    ("outcomes", "mark"),
    [
        (("pass", "not-run"), Mark("not-run", "not-run")),
        (("infra", "pass"), Mark("infra", "infra")),
        (("pass", "fail", "not-run"), Mark(MIXED, "1/3")),
    ],
)
def test_what_has_no_verdict_is_not_counted_as_what_does_not_work(outcomes, mark):
    assert marked([Mark(outcome, outcome) for outcome in outcomes]) == mark


def test_an_experiment_does_not_count_for_its_version(matrix):
    beside = sets(matrix, "pyannote.audio")[0]
    counted, *each = [row.slots[2] for row in beside.rows]
    assert words(counted)[-1] == "pass"
    assert [words(slot)[-1] for slot in each] == ["pass", "pass", "degraded"]


def test_a_check_whose_tries_disagree_says_so(matrix):
    matrix["cells"][0]["checks"][0]["tally"] = {"shimmed": 2, "fail": 1}
    subject = Subject("rvc/hubert-base", "forward")
    assert said_by(matrix["cells"][0])[subject]["stock"] == Mark("shimmed", "shimmed, flaky")


def test_what_was_carried_over_has_its_age(matrix):
    matrix["cells"][0] |= {"carried": "2026-11-18T0100", "finished": "2026-11-18T10:31:04+00:00"}
    assert Table(matrix).sets[0].rows[0].slots[0].age == "2 days"


def test_each_cell_knows_the_one_to_its_left(matrix):
    table = Table(matrix)
    named = {table.cells[cell]["id"]: table.cells[left]["id"] for cell, left in table.left.items()}
    assert named["py3.12-torch2.6.0-ultralytics8.1.0"] == "py3.12-torch2.5.1-ultralytics8.1.0"
    assert named["py3.12-torch2.15.0-torchaudio2.11.0"] == "py3.12-torch2.5.1-torchaudio2.5.1"
    assert "py3.12-torch2.5.1-ultralytics8.1.0" not in named


def test_a_run_of_nothing_is_a_table_of_nothing(matrix):
    table = Table({**matrix, "cells": [], "torch": []})
    assert (table.sets, table.torch, table.subjects) == ([], [], [])
