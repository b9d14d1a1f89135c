"""The words of a diff: each part of them is there where it says something, and only there."""

from __future__ import annotations

import pytest
from test_diff import FINE, ODD, REFUSED, cell, check, moved, of

from matrix.diff import lines, markdown
from pytest_torchcompat.outcome import Outcome, Stage


def told(old, new):
    """Return the line of the first change, and the lines about it without their indent."""
    found = list(lines(of(old, new)))
    start = found.index("") + 1
    return found[start], [line.strip() for line in found[start + 1 :]]


def about(label, old, new):
    """Return what stands behind a label; None where it is not there."""
    found = [line.partition(f"{label} ")[2] for line in told(old, new)[1] if line.startswith(label)]
    return found[0] if found else None


def many(number, **fields):
    return [cell(*(check(f"a/{n}", **fields) for n in range(number)))]


def test_a_change_alone_has_no_others():
    assert about("so too", many(1, **FINE), many(1, **ODD)) is None


@pytest.mark.parametrize(
    ("number", "others"),
    [
        (2, "a/1"),
        (4, "a/1; a/2; a/3"),
        (5, "a/1; a/2; a/3 and 1 more"),
        (7, "a/1; a/2; a/3 and 3 more"),
    ],
)
def test_the_others_of_one_cause_are_named_and_beyond_three_counted(number, others):
    found = about("so too", many(number, **FINE), many(number, **ODD))
    assert found.replace("coqui-tts 0.28.0 · torch 2.8 · stock · ", "") == others


def test_a_distribution_that_came_or_went_was_or_is_absent():
    new = cell(check(**ODD), **moved(lightning="2.6.0", scipy="1.16.0"))
    del new["distributions"]["numpy"]
    assert about("differs:", [cell(check(**FINE))], [new]) == (
        "lightning 2.5.6 -> 2.6.0, numpy 2.4.0 -> absent, scipy absent -> 1.16.0"
    )


def test_the_less_likely_are_counted():
    old = [cell(check(**FINE), version=version) for version in ("1.0", "2.0")]
    new = [
        cell(check(**ODD), version="1.0", **moved(numpy="2.5.0", lightning="2.6.0")),
        cell(check(**FINE), version="2.0", **moved(numpy="2.5.0")),
    ]
    assert about("differs:", old, new) == "lightning 2.5.6 -> 2.6.0 (and 1 more, less likely)"


def test_of_what_moved_alike_torch_comes_first():
    new = cell(check(**ODD), torch_build="2.8.0+cu130", cuda="13.0", **moved(lightning="2.6.0"))
    assert about("differs:", [cell(check(**FINE))], [new]) == (
        "torch 2.8.0+cu128 -> 2.8.0+cu130, cuda 12.8 -> 13.0, lightning 2.5.6 -> 2.6.0"
    )


def test_a_machine_without_cuda_has_none():
    new = cell(check(**ODD), torch_build="2.8.0+cpu", cuda=None)
    assert about("differs:", [cell(check(**FINE))], [new]) == (
        "torch 2.8.0+cu128 -> 2.8.0+cpu, cuda 12.8 -> absent"
    )


def test_another_python_is_a_difference():
    old = [cell(check(**FINE), python="3.12")]
    assert about("differs:", old, [cell(check(**ODD), python="3.13")]) == "python 3.12 -> 3.13"


def test_where_the_environments_are_the_same_it_says_so():
    same = "nothing in the two environments"
    assert about("differs:", [cell(check(**FINE))], [cell(check(**ODD))]) == same


def test_long_words_are_cut_with_an_ellipsis_and_those_that_fit_are_not():
    for length in (160, 161):
        message = "x" * length
        _, found = told([cell(check(**FINE))], [cell(check(**{**ODD, "message": message}))])
        assert found[0] == (message if length == 160 else f"{message[:160]}…")


def test_what_torch_says_of_all_that_it_refuses_gives_way_to_the_cause_alone():
    _, found = told([cell(check(**FINE))], [cell(check(**REFUSED))])
    assert found[0].startswith("known: ")
    _, found = told([cell(check(**FINE))], [cell(check(**ODD))])
    assert found[0] == "odd"


def test_a_companion_and_another_use_are_named_and_the_usual_ones_are_not():
    beside = {"beside": "lightning 2.5.6"}
    old = [cell(check(use="streaming", **FINE), **beside)]
    line, _ = told(old, [cell(check(use="streaming", **ODD), **beside)])
    assert "coqui-tts 0.28.0 beside lightning 2.5.6 · torch 2.8 · stock · a/b (streaming)" in line
    line, _ = told([cell(check(**FINE))], [cell(check(**ODD))])
    assert "beside" not in line
    assert line.rstrip().endswith("a/b   pass -> fail at forward")


def test_shims_are_named_with_their_verdict():
    shimmed = {"outcome": Outcome.SHIMMED, "stage": Stage.FORWARD, "shims": ("a-shim",)}
    line, _ = told([cell(check(**FINE))], [cell(check(**shimmed))])
    assert "pass -> shimmed with a-shim" in line


def test_a_verdict_that_was_tried_once_says_no_tries_and_a_confirmed_one_how_many():
    old = [cell(check(**FINE))]
    line, _ = told(old, [cell({**check(**ODD), "tally": {"fail": 1}})])
    assert line.endswith("fail at forward")
    line, _ = told(old, [cell({**check(**ODD), "tally": {"fail": 2}})])
    assert line.endswith("fail at forward (2 of 2 tries)")


def test_the_json_of_a_group_is_whole():
    new = [cell(check(**ODD), **moved(lightning="2.6.0"))]
    found = of([cell(check(**FINE))], new).to_dict()
    assert found["schema"] == 1
    (group,) = found["groups"]
    assert (group["kind"], group["diagnosis"]) == ("regressed", None)
    old = {"outcome": "pass", "tally": None, "stage": "forward", "cause": "", "said": ""}
    assert group["old"] == old
    assert group["new"].items() >= {"outcome": "fail", "tally": None, "stage": "forward"}.items()
    assert group["new"]["said"] == "odd"


def test_a_cell_that_did_not_reach_its_check_has_no_stage_in_the_json():
    died = {"outcome": "crash", "reason": "it ended oddly"}
    found = of([cell(check(**FINE))], [cell(check(outcome=Outcome.NOT_RUN), **died)])
    assert found.to_dict()["groups"][0]["new"]["stage"] is None


def test_of_one_kind_the_cause_of_more_cells_comes_first():
    other = {**ODD, "message": "quite another"}
    old = [cell(check(**FINE), version=f"{n}.0") for n in range(3)]
    new = [cell(check(**(other if n else ODD)), version=f"{n}.0") for n in range(3)]
    assert [len(group.cells) for group in of(old, new).groups] == [2, 1]


def test_a_carried_record_of_another_run_is_other_evidence():
    drifts = {"outcome": Outcome.DEGRADED, "stage": Stage.PARITY}
    before = check(**{**drifts, "message": "drift of one"})
    after = check(**{**drifts, "message": "and of another, worse"})
    same = of([cell(before, carried="x")], [cell(after, carried="x")])
    assert same.groups == ()
    taken = of([cell(before)], [cell(after, carried="2026-11-19T0100")])
    assert taken.groups == ()


def test_what_is_removed_was_asked_for_in_the_older_run():
    found = of([cell(check(**FINE), check("c/d", **FINE))], [cell(check(**FINE))])
    (change,) = found.groups[0].changes
    assert found.command(change).startswith("nox -s cell -- py3.12-torch2.8.0-coqui-tts0.28.0")


def test_markdown_stands_as_it_is_pasted():
    text = markdown(of([cell(check(**FINE))], [cell(check(**ODD))]))
    assert text.startswith("### 1 regressed, from run")
    assert "\n\n- **regressed** coqui-tts 0.28.0" in text
    assert text.endswith("--edition replica`\n")


@pytest.mark.parametrize("fitting", [2, 5])
def test_markdown_that_is_cut_counts_what_does_not_fit(fitting):
    names = ["frobba", "frobbc", "frobbd", "frobbe", "frobbf", "frobbg"]
    old = [cell(*(check(name, **FINE) for name in names))]
    new = [cell(*(check(name, **{**ODD, "message": f"{name} is odd"}) for name in names))]
    whole = markdown(of(old, new))
    items = whole.split("\n- ")
    limit = len("\n- ".join(items[: fitting + 1])) + 60
    cut = markdown(of(old, new), limit=limit)
    shown = cut.count("\n- ")
    assert shown == fitting
    assert cut.endswith(f"\n{6 - shown} more causes do not fit here.\n")
    assert len(cut) <= limit


def test_a_paired_library_has_no_version_in_its_name():
    line, _ = told(
        [cell(check(**FINE), library="torchaudio", version="2.8.0")],
        [cell(check(**ODD), library="torchaudio", version="2.8.0")],
    )
    assert " torchaudio · torch 2.8 · stock" in line
