from __future__ import annotations

import json
import random

import pytest

from matrix.__main__ import main
from matrix.causes import diagnosed
from matrix.diff import diff, lines, markdown
from matrix.diff.text import headline
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
        "They were narrowed differently: what one of them left out is new or removed.",
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
