from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.__main__ import main
from matrix.causes import diagnosed
from matrix.diff import Kind, diff, lines, markdown, twins
from matrix.diff.text import headline
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record

REFUSED = {
    "outcome": Outcome.FAIL,
    "stage": Stage.LOAD,
    "exception": "_pickle.UnpicklingError",
    "message": "Weights only load failed. Unsupported global: GLOBAL argparse.Namespace was not an"
    " allowed global by default. Please use `torch.serialization.add_safe_globals([argparse."
    "Namespace])` or the `torch.serialization.safe_globals([argparse.Namespace])` context manager",
    "globals": ("argparse.Namespace",),
}
ODD = {"outcome": Outcome.FAIL, "stage": Stage.FORWARD, "exception": "OddError", "message": "odd"}
FINE = {"outcome": Outcome.PASS, "stage": Stage.FORWARD}
SILENT = ({"outcome": Outcome.INFRA, "message": "no space"}, {"outcome": Outcome.NOT_RUN})


def check(checkpoint="a/b", policy="stock", **fields):
    values = {"edition": "replica", "sha256": "0" * 64, "library": "coqui-tts", **fields}
    data = Record(checkpoint=checkpoint, policy=policy, **values).to_dict()
    del data["kind"]
    return data


def cell(*checks, torch="2.8.0", python="3.12", **fields):
    version = fields.get("version", "0.28.0")
    return {
        "id": f"py{python}-torch{torch}-coqui-tts{version}",
        "python": python,
        "torch": torch,
        "torch_build": f"{torch}+cu128",
        "cuda": "12.8",
        "library": "coqui-tts",
        "version": version,
        "beside": "",
        "distributions": {"torch": torch, "numpy": "2.4.0", "lightning": "2.5.6"},
        "outcome": checks[0]["outcome"],
        "reason": None,
        "seconds": {},
        "checks": list(checks),
        **fields,
    }


def run(*cells, name="2026-11-20T0100", **fields):
    values = {"complete": True, "edition": "replica", "selection": {}, "started": "", **fields}
    return diagnosed({"schema": 1, "run": name, "cells": list(cells), **values})


def of(old, new):
    return diff(run(*old, name="2026-11-19T0100"), run(*new))


def kinds(found):
    return [group.kind.value for group in found.groups]


def one(old, new):
    """Return the kind of the one change between two checks; None where there is none."""
    found = kinds(of([cell(check(**old))], [cell(check(**new))]))
    return found[0] if found else None


def test_only_what_worked_can_regress():
    assert one(FINE, REFUSED) == "regressed"
    assert one(ODD, REFUSED) == "changed"
    assert [one(silent, REFUSED) for silent in SILENT] == ["infra", "infra"]


def test_what_works_now_is_fixed_and_what_still_does_is_no_change():
    assert one(REFUSED, FINE) == "fixed"
    assert one(FINE, FINE) is None
    assert one(REFUSED, REFUSED) is None


def test_a_shim_that_is_needed_now_is_a_change():
    shimmed = {**FINE, "outcome": Outcome.SHIMMED, "shims": ("torchaudio-cuda",)}
    assert one(FINE, shimmed) == "changed"


def test_what_is_about_one_machine_is_no_change():
    here, there = ({**ODD, "message": f"/home/{name}/x.pt is odd"} for name in ("me", "you"))
    assert one(here, there) is None


def test_a_baseline_that_drifts_by_another_figure_is_no_change():
    drifts = [
        {"outcome": Outcome.DEGRADED, "stage": Stage.PARITY, "message": f"drift {n}"} for n in "12"
    ]
    assert one(*drifts) is None


def test_another_file_cannot_be_compared():
    assert one(FINE, {**REFUSED, "sha256": "1" * 64}) == "incomparable"


def test_a_check_of_one_run_alone_is_new_or_removed():
    both, alone = cell(check(**FINE)), cell(check(**FINE), check("c/d", **FINE))
    assert kinds(of([both], [alone])) == ["new"]
    assert kinds(of([alone], [both])) == ["removed"]


NARROWED = {
    "library": {"library": ["coqui-tts"]},
    "version": {"library": ["coqui-tts==0.28.0"]},
    "cell": {"cell": ["*torch2.8.0-coqui-tts0.28.0"]},
    "torch": {"torch": ["2.8"]},
    "policy": {"policy": ["stock"]},
}


@pytest.mark.parametrize("by", NARROWED)
def test_what_a_run_was_not_asked_for_is_neither_removed_nor_new(by):
    elsewhere = {
        "library": cell(check(**FINE), library="fairseq", id="py3.12-torch2.8.0-fairseq0.28.0"),
        "version": cell(check(**FINE), version="0.24.2"),
        "torch": cell(check(**FINE), torch="2.9.0"),
    }
    mine = cell(check(**FINE), check("c/d", **FINE), check(policy="patched", **FINE))
    out_of_reach = {
        "library": [elsewhere["library"]],
        "version": [elsewhere["library"], elsewhere["version"]],
        "cell": list(elsewhere.values()),
        "torch": [elsewhere["torch"]],
        "policy": [],
    }[by]
    whole = run(mine, *out_of_reach, name="old")
    only = check(policy="patched", **FINE)
    kept = [check(**FINE)] if by == "policy" else [check(**FINE), only]
    narrow = run(cell(*kept), selection=NARROWED[by])
    for old, new, kind in ((whole, narrow, "removed"), (narrow, whole, "new")):
        found = diff(old, new)
        assert kinds(found) == [kind]
        # What was asked for and is gone is told as ever.
        assert [c.subject.checkpoint for c in found.groups[0].changes] == ["c/d"]


@pytest.mark.parametrize(
    ("asked_for", "before", "now", "told"),
    [
        pytest.param(["newest"], ["2.8.0"], ["2.9.0"], ["new", "removed"], id="another newest"),
        pytest.param(["2.8", "2.9"], ["2.8.0", "2.9.0"], ["2.8.0"], ["removed"], id="lost a torch"),
        pytest.param(["2.8", "2.9"], ["2.8.0"], ["2.8.0", "2.9.0"], ["new"], id="won a torch"),
    ],
)
def test_what_one_of_two_runs_of_the_same_selection_lacks_is_told(asked_for, before, now, told):
    selection = {"torch": asked_for}
    old = run(*(cell(check(**FINE), torch=torch) for torch in before), selection=selection)
    new = run(*(cell(check(**FINE), torch=torch) for torch in now), selection=selection)
    assert kinds(diff(old, new)) == told


def test_of_cells_in_other_parts_of_its_plan_a_part_says_nothing():
    mine = cell(check(**FINE), check("c/d", **FINE))
    others = [
        cell(check(**FINE), python="3.10"),
        cell(check(**FINE), torch="2.9.0"),
        cell(check(**FINE), version="0.29.0"),
    ]
    whole = run(mine, *others, name="old")
    part = run(cell(check(**ODD)), whole=4, complete=False)
    found = diff(whole, part)
    assert kinds(found) == ["regressed", "removed"]
    assert [len(group.changes) for group in found.groups] == [1, 1]
    assert list(lines(found))[2] == (
        "Run 2026-11-20T0100 is a part of its plan: cells of other parts are left out."
    )
    assert kinds(diff(part, whole)) == ["fixed", "new"]


def test_the_highest_version_of_a_part_need_not_be_that_of_its_plan():
    old = run(cell(check(**FINE), version="0.28.0"), name="old")
    part = run(cell(check(**ODD), version="0.29.0"), whole=2)
    assert kinds(diff(old, part)) == ["new"]


def test_an_experiment_is_no_news():
    fields = {"experiment": True, "use": "trial"}
    assert one({**FINE, **fields}, {**REFUSED, **fields}) is None


def test_a_nightly_is_compared_with_a_nightly_and_a_patch_with_a_patch():
    for old, new in (("2.16.0.dev20261118", "2.16.0.dev20261119"), ("2.15.0", "2.15.1")):
        found = of([cell(check(**FINE), torch=old)], [cell(check(**REFUSED), torch=new)])
        assert kinds(found) == ["regressed"]
        first = found.groups[0].suspects[0].difference
        assert (first.name, first.old, first.new) == ("torch", f"{old}+cu128", f"{new}+cu128")


def test_a_python_tells_two_cells_apart_only_where_a_run_has_both():
    old, new = (cell(check(**FINE), python=python) for python in ("3.11", "3.12"))
    assert kinds(of([old], [new])) == []
    assert kinds(of([old, new], [old, new])) == []


@pytest.mark.parametrize(
    "others",
    [{"python": ("3.12", "3.11")}, {"torch": ("2.8.0", "2.8.1")}],
    ids=["Pythons", "patches of torch"],
)
def test_what_one_run_has_several_of_is_compared_with_the_same_one_of_the_other(others):
    ((name, (both, more)),) = others.items()
    fine, odd = cell(check(**FINE), **{name: both}), cell(check(**ODD), **{name: both})
    beside = cell(check(**FINE), **{name: more})
    assert kinds(of([fine, beside], [odd])) == ["regressed", "removed"]
    assert kinds(of([fine], [odd, beside])) == ["regressed", "new"]


def test_a_cell_that_cannot_be_built_any_more_regressed_with_the_resolvers_words():
    reason = "No solution found when resolving dependencies"
    gone = cell(check(outcome=Outcome.NOT_RUN), outcome="unavailable", reason=reason)
    found = of([cell(check(**FINE))], [{**gone, "distributions": {}}])
    assert kinds(found) == ["regressed"]
    assert found.groups[0].suspects == ()
    assert reason in "\n".join(lines(found))


def test_a_cell_that_died_before_a_check_is_no_matter_of_the_installer():
    died = {"outcome": "crash", "reason": "the cell's process ended oddly"}
    found = of([cell(check(**FINE))], [cell(check(outcome=Outcome.NOT_RUN), **died)])
    assert found.to_dict()["groups"][0]["new"]["cause"] == "the cell's process ended oddly"


def test_one_cause_is_one_line_and_the_most_urgent_comes_first():
    old = [cell(check(**FINE), check("c/d", **FINE), check("e/f", **REFUSED))]
    new = [cell(check(**REFUSED), check("c/d", **REFUSED), check("e/f", **FINE))]
    found = of(old, new)
    assert kinds(found) == ["regressed", "fixed"]
    assert [len(group.changes) for group in found.groups] == [2, 1]
    assert headline(found) == (
        "2 regressed, 1 fixed, from run 2026-11-19T0100 to run 2026-11-20T0100."
    )


def moved(**versions):
    return {"distributions": {"torch": "2.8.0", "numpy": "2.4.0", "lightning": "2.5.6", **versions}}


def test_the_companion_that_moved_where_it_broke_and_nowhere_else_is_named_first():
    old = [cell(check(**FINE), version=version) for version in ("1.0", "2.0", "3.0")]
    new = [
        cell(check(**REFUSED), version="1.0", **moved(numpy="2.5.0", lightning="2.6.0")),
        cell(check(**FINE), version="2.0", **moved(numpy="2.5.0")),
        cell(check(**FINE), version="3.0", **moved(numpy="2.5.0")),
    ]
    suspects = of(old, new).groups[0].suspects
    assert [suspect.difference.name for suspect in suspects] == ["lightning", "numpy"]
    assert [suspect.lift for suspect in suspects] == [1.0, 0.0]


def test_of_two_that_moved_alike_the_one_that_the_failure_names_comes_first():
    broken = {**ODD, "message": "module 'numpy' is odd"}
    new = cell(check(**broken), **moved(numpy="2.5.0", lightning="2.6.0"))
    suspects = of([cell(check(**FINE))], [new]).groups[0].suspects
    assert [suspect.difference.name for suspect in suspects] == ["numpy", "lightning"]


def test_the_order_of_cells_and_checks_does_not_matter():
    checks = [check(f"a/{n}", **(FINE if n % 2 else REFUSED)) for n in range(6)]
    cells = [cell(*checks, version=f"{n}.0") for n in range(4)]
    turned = [cell(*reversed(checks), version=f"{n}.0") for n in range(4)]
    random.Random(0).shuffle(turned)
    assert kinds(of(cells, turned)) == []


REGRESSED = ([cell(check(**FINE))], [cell(check(**REFUSED), **moved(lightning="2.6.0"))])


def test_a_change_says_what_when_and_how_to_see_it_again():
    assert list(lines(of(*REGRESSED))) == [
        "1 regressed, from run 2026-11-19T0100 to run 2026-11-20T0100.",
        "",
        "regressed    coqui-tts 0.28.0 · torch 2.8 · stock · a/b   pass -> fail at load",
        "    known: wo-argparse-namespace. The file holds the options of its training run, an"
        " argparse.Namespace, as those of older fairseq do; torch does not import it under"
        " weights_only=True.",
        "    remedy: Allow what the file names, and keep weights_only=True.",
        "    differs: lightning 2.5.6 -> 2.6.0",
        "    reproduce: nox -s cell -- py3.12-torch2.8.0-coqui-tts0.28.0 --policy stock --edition"
        " replica",
    ]


def test_where_nothing_changed_it_says_so():
    same = [cell(check(**FINE))]
    assert list(lines(of(same, same))) == [
        "Nothing changed from run 2026-11-19T0100 to run 2026-11-20T0100."
    ]


def test_it_says_what_makes_two_runs_unlike():
    old = run(cell(check(**FINE)), complete=False, edition="auto", name="old")
    new = run(cell(check(**FINE)), selection={"torch": ["2.8.0"]})
    assert list(lines(diff(old, new)))[1:] == [
        "Run old is not complete: what it did not reach is no change.",
        "They were asked for different editions: auto and replica.",
        "They were narrowed differently: what one of them was not asked for is left out.",
    ]


def test_markdown_fits_an_issue_and_shows_words_as_they_are():
    many = [f"frob{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    old = [cell(check(name, **FINE)) for name in many]
    new = [cell(check(name, **{**ODD, "message": f"*{name}* <b> `x`"})) for name in many]
    text = markdown(of(old, new), limit=4000)
    assert len(text) <= 4000
    assert r"\*frobaa\* \<b\> \`x\`" in text
    assert text.endswith("more causes do not fit here.\n")
    assert "  - reproduce: `nox -s cell -- py3.12-torch2.8.0-coqui-tts0.28.0" in text


def test_the_json_holds_every_change_with_its_suspects():
    data = json.loads(json.dumps(of(*REGRESSED).to_dict()))
    assert data["counts"]["regressed"] == 1
    (group,) = data["groups"]
    assert group["new"]["cause"] == "wo-argparse-namespace"
    assert group["suspects"][0]["difference"]["name"] == "lightning"
    assert group["changes"][0]["cell"] == "py3.12-torch2.8.0-coqui-tts0.28.0"


@pytest.fixture
def folder(tmp_path):
    """Runs of three nights, of which the second was cut off."""
    nights = {
        "2026-11-18T0100": run(cell(check(**FINE)), name="2026-11-18T0100"),
        "2026-11-19T0100": run(name="2026-11-19T0100", complete=False),
        "2026-11-20T0100": run(cell(check(**REFUSED)), name="2026-11-20T0100"),
    }
    for name, matrix in nights.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text("{}")
        (tmp_path / name / "matrix.json").write_text(json.dumps(matrix))
    return tmp_path


def test_the_newest_run_is_compared_with_the_last_complete_one(folder, capsys):
    assert main(["diff", "--runs", str(folder)]) == 0
    assert capsys.readouterr().out.startswith(
        "1 regressed, from run 2026-11-18T0100 to run 2026-11-20T0100."
    )


def test_a_regression_is_an_exit_code_where_that_is_asked_for(folder, capsys):
    assert main(["diff", "--runs", str(folder), "--fail-on", "regression"]) == 1
    same = str(folder / "2026-11-18T0100")
    assert main(["diff", same, same, "--fail-on", "regression", "--json"]) == 0


def test_the_first_run_has_nothing_to_be_compared_with(folder, capsys):
    for name in ("2026-11-18T0100", "2026-11-19T0100"):
        for file in (folder / name).iterdir():
            file.unlink()
    assert main(["diff", "--runs", str(folder)]) == 2
    assert "no complete run of the same selection before 2026-11-20T0100; name the two" in (
        capsys.readouterr().err
    )


def test_a_matrix_of_another_form_is_named(folder, capsys):
    (folder / "2026-11-18T0100" / "matrix.json").write_text('{"cells": [{}]}')
    arguments = [str(folder / "2026-11-18T0100"), str(folder / "2026-11-20T0100")]
    assert main(["diff", *arguments]) == 2
    assert "2026-11-18T0100/matrix.json is not of the form" in capsys.readouterr().err


def test_what_was_carried_over_unchanged_is_counted_and_no_news():
    told = of([cell(check(**FINE))], [cell(check(**FINE), carried="2026-11-19T0100")])
    assert (told.groups, told.count(Kind.CARRIED)) == ((), 1)
    assert list(lines(told)) == [
        "Nothing changed from run 2026-11-19T0100 to run 2026-11-20T0100.",
        "",
        "Besides: 1 carried over.",
    ]
    assert markdown(told).endswith("\n\nBesides: 1 carried over.\n")


def test_what_was_carried_over_from_another_run_and_differs_is_a_change_that_says_so():
    older = {"carried": "2026-11-17T0100"}
    old = [cell(check("a/b", **FINE), check("c/d", **FINE))]
    new = [cell(check("a/b", **ODD), check("c/d", **ODD), **older)]
    found = of(old, new)
    assert kinds(found) == ["regressed"]
    assert "    carried over from run 2026-11-17T0100: the newer run did not run it again" in lines(
        found
    )
    data = found.to_dict()["groups"][0]
    assert [change["carried"] for change in data["changes"]] == ["2026-11-17T0100"] * 2


def test_a_group_says_how_many_of_it_were_carried_over():
    old = [cell(check(**FINE), version=version) for version in ("1.0", "2.0", "3.0")]
    new = [cell(check(**ODD), version="1.0")]
    new += [cell(check(**ODD), version=f"{n}.0", carried=f"2026-11-1{n}T0100") for n in (2, 3)]
    assert (
        "    carried over from run 2026-11-12T0100 and 1 more, 2 of 3: the newer run did not run it"
        " again"
    ) in lines(of(old, new))


def test_a_drift_that_the_same_evidence_shows_now_is_a_change():
    # Which numbers a check is held against follows from the other cells of its run.
    drifts = {"outcome": Outcome.DEGRADED, "stage": Stage.PARITY, "message": "drift"}
    carried = {"carried": "2026-11-19T0100"}
    assert kinds(of([cell(check(**FINE))], [cell(check(**drifts), **carried)])) == ["regressed"]
    both = of([cell(check(**drifts), carried="x")], [cell(check(**drifts), carried="x")])
    assert both.count(Kind.CARRIED) == 1


def flaky(outcome, **tally):
    fields = {Outcome.PASS: FINE, Outcome.FAIL: ODD}[outcome]
    return {**check(**fields), "tally": tally}


def test_tries_that_disagree_are_flaky_and_neither_regressed_nor_fixed():
    shaky = flaky(Outcome.PASS, **{"pass": 2, "fail": 1})
    for old, new in ((check(**FINE), shaky), (shaky, check(**ODD)), (shaky, check(**FINE))):
        assert kinds(of([cell(old)], [cell(new)])) == ["flaky"]
    told = of([cell(check(**FINE))], [cell(shaky)])
    assert list(lines(told))[2] == (
        "flaky        coqui-tts 0.28.0 · torch 2.8 · stock · a/b   pass -> pass 2, fail 1"
    )
    assert told.to_dict()["groups"][0]["new"]["tally"] == {"pass": 2, "fail": 1}
    assert "- **flaky** " in markdown(told)


def test_what_is_as_flaky_as_it_was_is_no_change():
    before, after = (flaky(Outcome.PASS, **{"pass": n, "fail": 3 - n}) for n in (1, 2))
    assert kinds(of([cell(before)], [cell(after)])) == []


def test_a_try_that_the_machine_spoilt_contradicts_nothing():
    new = flaky(Outcome.FAIL, fail=2, infra=1)
    found = of([cell(check(**FINE))], [cell(new)])
    assert kinds(found) == ["regressed"]
    assert list(lines(found))[2].endswith("pass -> fail at forward (2 of 3 tries)")


def test_the_newest_release_is_compared_with_the_newest():
    old = [cell(check(**FINE), version=version) for version in ("0.24.2", "0.28.0")]
    new = [cell(check(**FINE), version="0.24.2"), cell(check(**ODD), version="0.29.0")]
    found = of(old, new)
    assert kinds(found) == ["regressed"]
    assert list(lines(found))[2].startswith("regressed    coqui-tts newest · torch 2.8 · stock")
    assert "    differs: coqui-tts 0.28.0 -> 0.29.0" in lines(found)


@pytest.mark.parametrize("selection", [{"library": ["coqui-tts==0.29.0"]}, {"cell": ["*0.29.0"]}])
def test_runs_of_other_versions_have_no_newest_in_common(selection):
    old = run(cell(check(**FINE), version="0.28.0"), name="old")
    new = run(cell(check(**FINE), version="0.29.0"), selection=selection)
    assert kinds(diff(old, new)) == ["new"]


def test_a_newest_release_that_is_still_swept_by_its_version_is_compared_with_itself():
    old = [cell(check(**FINE), version="0.28.0")]
    new = [cell(check(**FINE), version="0.28.0"), cell(check(**ODD), version="0.29.0")]
    assert kinds(of(old, new)) == ["new"]


def test_two_patches_of_one_torch_are_told_apart():
    both = [cell(check(**FINE), torch="2.7.0"), cell(check(**ODD), torch="2.7.1")]
    turned = [cell(check(**ODD), torch="2.7.0"), cell(check(**ODD), torch="2.7.1")]
    found = of(both, turned)
    assert [change.subject.torch for group in found.groups for change in group.changes] == ["2.7.0"]


NIGHTLY = "2.16.0.dev20261119"


def test_a_night_without_a_build_is_no_regression():
    gone = cell(check(outcome=Outcome.NOT_RUN), outcome="unavailable", reason="no wheel")
    gone = {**gone, "torch": NIGHTLY}
    there = cell(check(**FINE), torch="2.16.0.dev20261118")
    assert kinds(of([there], [gone])) == kinds(of([gone], [there])) == ["incomparable"]
    assert "no wheel" in "\n".join(lines(of([there], [gone])))
    assert kinds(of([gone], [gone])) == []


def twinned(*pairs, **fields):
    """Return the diff of a run's nightly column, of the checks of both torches."""
    both = [
        cell(made, torch=torch, version=f"{number}.0")
        for number, pair in enumerate(pairs)
        for torch, made in zip(("2.15.0", NIGHTLY), pair)
        if made
    ]
    return twins(run(*both, cell(check(**ODD), torch="2.5.1"), **fields))


def test_the_nightly_is_compared_with_the_newest_final_torch_of_its_run():
    found = twinned((check(**FINE), check(**REFUSED)), (check(**FINE), check(**FINE)))
    assert kinds(found) == ["regressed"]
    assert list(lines(found))[:3] == [
        f"1 regressed, from torch 2.15.0 to {NIGHTLY} in run 2026-11-20T0100.",
        "",
        "regressed    coqui-tts 0.0 · torch nightly · Python 3.12 · stock · a/b   pass -> fail at"
        " load",
    ]
    data = found.to_dict()
    assert (data["old"]["torch"], data["new"]["torch"]) == ("2.15.0", NIGHTLY)


def test_what_did_not_pass_at_every_try_on_the_final_torch_is_no_matter_of_the_nightly():
    shaky = flaky(Outcome.PASS, **{"pass": 2, "fail": 1})
    olds = (check(**REFUSED), shaky, check(**SILENT[0]))
    assert kinds(twinned(*((old, check(**ODD)) for old in olds))) == []


def test_twins_are_of_one_python_and_those_without_are_counted():
    fine = check(**FINE)
    found = twinned((fine, None), (None, fine), (fine, fine), complete=False)
    assert list(lines(found)) == [
        f"Nothing changed from torch 2.15.0 to {NIGHTLY} in run 2026-11-20T0100.",
        "Run 2026-11-20T0100 is not complete: what it did not reach is no change.",
        "",
        "Besides: 1 without a stable twin, 1 without a nightly twin.",
    ]
    other = cell(fine, torch="2.15.0", python="3.11")
    assert kinds(twins(run(other, cell(check(**ODD), torch=NIGHTLY)))) == ["new", "removed"]


@pytest.mark.parametrize(("torch", "kind"), [("2.15.0", "nightly"), (NIGHTLY, "final")])
def test_a_run_without_one_of_the_two_columns_says_so(torch, kind):
    with pytest.raises(RecordError, match=f"run 2026-11-20T0100 has no cell on a {kind} torch"):
        twins(run(cell(check(**FINE), torch=torch)))


def test_the_nightly_of_the_newest_run_is_asked_for_by_an_option(folder, capsys):
    both = run(cell(check(**FINE), torch="2.15.0"), cell(check(**ODD), torch=NIGHTLY))
    (folder / "2026-11-20T0100" / "matrix.json").write_text(json.dumps(both))
    assert main(["diff", "--runs", str(folder), "--nightly", "--fail-on", "regression"]) == 1
    assert "1 regressed, from torch 2.15.0 to" in capsys.readouterr().out
    assert main(["diff", "--nightly", str(folder / "2026-11-20T0100")]) == 0
    assert main(["diff", "--nightly", "OLD", "NEW"]) == 2
    assert "--nightly compares within one run, and two are named" in capsys.readouterr().err


# What a night may leave: cells of a few libraries on a few torches, each with a few checks.
_TALLIES = st.none() | st.dictionaries(st.sampled_from(["pass", "fail", "infra"]), st.just(1))
_CHECKS = st.lists(
    st.tuples(st.sampled_from([FINE, REFUSED, ODD, *SILENT]), st.sampled_from("01"), _TALLIES),
    min_size=1,
    max_size=3,
)
_CELLS = st.dictionaries(
    st.tuples(
        st.sampled_from(["2.8.0", "2.15.0", NIGHTLY]),
        st.sampled_from(["0.27.5", "0.28.0", "0.29.0"]),
        st.sampled_from(["3.11", "3.12"]),
    ),
    st.tuples(_CHECKS, st.sampled_from([None, "2026-11-17T0100", "2026-11-19T0100"])),
    max_size=5,
)


def night(cells):
    made = []
    for (torch, version, python), (checks, carried) in cells.items():
        told = [
            {**check(f"a/{number}", sha256=sha * 64, **fields), "tally": tally}
            for number, (fields, sha, tally) in enumerate(checks)
        ]
        made.append(cell(*told, torch=torch, version=version, python=python, carried=carried))
    return made


@given(_CELLS)
def test_a_run_does_not_differ_from_itself(cells):
    one = run(*night(cells))
    assert diff(one, one).groups == ()


def told_of(found):
    """Return what a diff says of each check, in no order."""
    told = {
        change.subject: (group.kind, *(side and side.cause for side in (change.old, change.new)))
        for group in found.groups
        for change in group.changes
    }
    return told, {kind: found.count(kind) for kind in Kind}, len(found.groups)


@given(_CELLS, _CELLS, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_of_two_runs_changes_nothing(old, new, mixed):
    before, after = night(old), night(new)
    turned = [mixed.sample(cells, len(cells)) for cells in (before, after)]
    assert told_of(of(before, after)) == told_of(of(*turned))


@given(_CELLS, _CELLS)
def test_only_what_passed_at_every_try_can_regress(old, new):
    for group in of(night(old), night(new)).groups:
        if group.kind is Kind.REGRESSED:
            assert all(change.old.passed for change in group.changes)
