"""The answers that cells give, each from a matrix of a few."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.recommend import Question, asked, lines, recommend
from matrix.recommend.spans import admits
from pytest_torchcompat.errors import TorchcompatError, UnknownNameError

NOW = datetime(2026, 11, 21, 13, tzinfo=timezone.utc)
YOLO, YOLO11, PYANNOTE = "ultralytics/yolov8n", "ultralytics/yolo11n", "pyannote/segmentation"
ORDER = ("stock", "strict", "allowlisted", "patched")
CLASSES = ("ultralytics.Model", "ultralytics.Conv")
OLD, NEW = ["sm_75", "sm_90"], ["sm_90", "sm_120"]
NIGHTLY = "2.16.0.dev20261119"
LETTERS = {
    "P": "pass",
    "S": "shimmed",
    "r": "refused",
    "F": "fail",
    "D": "degraded",
    "C": "crash",
    "T": "timeout",
    "I": "infra",
    "-": "not-run",
    "U": "unavailable",
}


def check(letter, policy, checkpoint=YOLO, **fields):
    return {
        "checkpoint": checkpoint,
        "use": "forward",
        "policy": policy,
        "outcome": LETTERS[letter],
        "experiment": False,
        "edition": "replica",
        "device": "cpu",
        "shims": ["legacy"] if letter == "S" else [],
        "globals": list(CLASSES),
        "allowed_by_library": [],
        "exception": "_pickle.UnpicklingError",
        "message": "Weights only load failed" if letter in "rF" else None,
        "diagnosis": None,
        **fields,
    }


def cell(torch, letters, version="8.1.0", library="ultralytics", **fields):
    """Make a cell of a word for each checkpoint: the outcomes under the four policies."""
    letters = {YOLO: letters} if isinstance(letters, str) else letters
    each = fields.pop("check", {})
    archs = NEW if torch >= "2.8" or torch.startswith("2.1") else OLD
    checks = [
        check(letter, policy, checkpoint, **each)
        for checkpoint, word in letters.items()
        for policy, letter in zip(ORDER, word)
        if letter != " "
    ]
    return {
        "id": f"{library}{version}-{torch}-{fields.get('beside', '')}{fields.get('python', '')}",
        "python": "3.12",
        "torch": torch,
        "library": library,
        "version": version,
        "beside": "",
        "gpu_archs": archs,
        "outcome": "pass",
        "reason": None,
        "checks": checks,
        **fields,
    }


def unavailable(torch, reason="No solution found\n  cause: Because it needs 2.8", **fields):
    return cell(torch, "----", outcome="unavailable", reason=reason, gpu_archs=[], **fields)


def matrix(*cells, **fields):
    return {
        "run": "a-run",
        "started": "2026-11-21T10:00:00+00:00",
        "finished": "2026-11-21T11:00:00+00:00",
        "complete": True,
        "cells": list(cells),
        **fields,
    }


def answer(*cells, version="8.1.0", library="ultralytics", **fields):
    filters = {key: fields.pop(key) for key in tuple(fields) if key in Question.__annotations__}
    return recommend(matrix(*cells, **fields), Question(library, version, **filters), NOW)


def advice(*cells, **fields):
    (found,) = answer(*cells, **fields).sets
    return found


def text(*cells, **fields):
    return list(lines(answer(*cells, **fields)))


def ways(found):
    return [(way.policy, *way.specifiers) for way in found.ways]


SWEEP = (
    cell("2.5.1", "PrPP"),
    cell("2.6.0", "FrPP"),
    cell("2.8.0", "FrPP"),
    cell("2.15.0", "FrPP"),
)
UPGRADED = tuple(
    cell(torch, "PrPP", version)
    for version in ("8.2.64", "8.3.0")
    for torch in ("2.5.1", "2.6.0", "2.8.0", "2.15.0")
)


def test_torch_is_split_where_another_policy_is_needed():
    assert ways(advice(*SWEEP)) == [("stock", "==2.5.1"), ("allowlisted", ">=2.6")]


def test_a_check_whose_tries_disagree_is_named_with_its_tally():
    torn = cell("2.6.0", "FrPP", check={"tally": {"pass": 2, "fail": 1}})
    torn["checks"] = [each for each in torn["checks"] if each["policy"] == "allowlisted"]
    sentence = (
        "  Not stable: the tries disagree on torch 2.6.0 under allowlisted, "
        "ultralytics/yolov8n: pass 2, fail 1."
    )
    assert sentence.strip() in [each.strip() for each in text(SWEEP[0], torn)]
    assert not any("Not stable" in each for each in text(*SWEEP))


def test_of_policies_the_one_that_changes_nothing_comes_first_and_then_the_safest():
    cells = [
        cell("2.5.1", "PPPP"),
        cell("2.6.0", "FPPP"),
        cell("2.8.0", "FrPP"),
        cell("2.15.0", "FrrP"),
    ]
    assert [policy for policy, _ in ways(advice(*cells))] == list(ORDER)


@given(
    st.dictionaries(
        st.sampled_from(["2.5.1", "2.6.0", "2.8.0", "2.10.0", "2.15.0", NIGHTLY]),
        st.text("PFrTU", min_size=4, max_size=4),
        min_size=1,
    )
)
def test_what_is_recommended_is_what_worked_under_the_best_policy_and_nothing_else(swept):
    found = advice(*(cell(torch, word) for torch, word in swept.items()))
    for torch, word in swept.items():
        best = [ORDER[word.index("P")]] if "P" in word else []
        assert [way.policy for way in found.ways if admits(way.specifiers, torch)] == best


def test_a_hole_in_what_works_is_left_out():
    cells = [cell("2.5.1", "PPPP"), cell("2.6.0", "FFFF"), cell("2.8.0", "PPPP")]
    assert ways(advice(*cells)) == [("stock", "==2.5.1", ">=2.8")]


def test_a_torch_that_this_version_was_not_swept_with_is_not_taken_to_work():
    cells = [*SWEEP[:3], cell("2.15.0", "PPPP", "8.3.0")]
    found = advice(*cells)
    assert ways(found)[1] == ("allowlisted", ">=2.6,<=2.8.0")
    assert [(unsaid.torch, unsaid.outcome) for unsaid in found.unsaid] == [(("2.15.0",), "")]
    assert "Not swept with torch 2.15.0." in text(*cells)


def test_a_nightly_is_named_and_never_the_open_end():
    cells = [*SWEEP[2:], cell(NIGHTLY, "FrPP")]
    assert ways(advice(*cells)) == [("allowlisted", ">=2.8", f"=={NIGHTLY}")]
    assert any(
        f"torch >=2.8 (up to 2.15.0, the newest swept) or =={NIGHTLY}: " in line
        for line in text(*cells)
    )


def test_only_torch_whose_wheel_is_built_for_the_gpu_is_named():
    found = answer(*SWEEP, gpu="RTX 5080")
    assert ways(found.sets[0]) == [("allowlisted", ">=2.8")]
    assert (found.gpu.architecture, found.gpu.built) == ("sm_120", ("2.8.0", "2.15.0"))
    assert text(*SWEEP, gpu="RTX 5080")[0] == (
        "RTX 5080 (sm_120): torch >=2.8 (up to 2.15.0, the newest swept) is built for it; "
        "torch 2.5.1, 2.6.0 are not."
    )


def test_any_cell_with_a_torch_tells_for_what_its_wheel_is_built():
    cells = [unavailable("2.15.0"), cell("2.15.0", "PPPP", "8.3.0")]
    assert answer(*cells, gpu="sm_120").gpu.built == ("2.15.0",)


def test_a_wheel_that_tells_no_architecture_is_not_recommended_for_a_gpu():
    cells = [cell("2.15.0", "PPPP", gpu_archs=[])]
    found = answer(*cells, gpu="sm_120")
    assert (found.works, found.gpu.unknown) == (False, ("2.15.0",))
    lines = text(*cells, gpu="sm_120")
    assert lines[0] == "sm_120: of torch 2.15.0 no cell says for which GPUs it is built."
    assert lines[1].startswith("Nothing in this run makes ultralytics 8.1.0 work on a torch that")


def test_no_torch_that_is_built_for_the_gpu_is_said():
    assert text(*SWEEP, gpu="sm_30")[0] == (
        "sm_30: no torch of this run is built for it (2.5.1, 2.6.0, 2.8.0, 2.15.0)."
    )


def test_the_allow_list_has_the_classes_that_the_library_does_not_allow_itself():
    few = cell("2.8.0", {YOLO: "FrPP"}, check={"allowed_by_library": [CLASSES[0]]})
    many = cell("2.15.0", "FrPP")
    assert advice(few, many).ways[0].classes == (1, 2)
    assert "needs the allow-list (1 to 2 classes, by the file). Python 3.12." in text(few, many)[0]
    assert "needs the allow-list (1 class). " in text(few)[0]
    assert "needs the allow-list (2 classes). " in text(many)[0]


def test_patched_is_a_matter_of_trust():
    assert text(cell("2.8.0", "FrrP"))[0] == (
        "torch >=2.8 (2.8.0, the newest swept): ultralytics 8.1.0 needs patched; patched executes "
        "the file: only for a file that you trust. Python 3.12."
    )
    assert text(cell("2.8.0", "FrPP"))[1] == (
        "    It works as well under patched, which executes the file: only for a file that you "
        "trust."
    )


def test_stock_that_opens_what_the_safe_loader_refuses_is_a_matter_of_trust_too():
    cells = [cell("2.5.1", "PrrP"), cell("2.8.0", "PrPP")]
    assert text(*cells)[:3] == [
        "torch >=2.5.1 (up to 2.8.0, the newest swept): ultralytics 8.1.0 works unaided (stock). "
        "Python 3.12.",
        "    There stock executes what the file's pickle names: only for a file that you trust.",
        "    It works as well under allowlisted (2 classes) on torch >=2.8 (2.8.0).",
    ]


@pytest.mark.parametrize(
    ("word", "each"),
    [("PPPP", {}), ("PrPP", {"allowed_by_library": list(CLASSES)})],
    ids=["strict opens it too", "the library allows its classes"],
)
def test_stock_that_checks_the_pickle_needs_no_word_of_trust(word, each):
    assert not any("trust" in line for line in text(cell("2.8.0", word, check=each)))


def test_strict_that_is_needed_says_that_nothing_is_to_be_allowed():
    assert "works with strict, and nothing to allow." in text(cell("2.8.0", "FPPP"))[0]


def test_shims_are_named_with_what_needs_them_and_the_command():
    lines = text(cell("2.8.0", {YOLO: "FrSS", YOLO11: "FrPP"}))
    assert "needs the allow-list (2 classes) and a shim." in lines[0]
    assert lines[1] == f"    Shim legacy, for {YOLO} alone: `torchcompat shims legacy`"
    assert "    Shim legacy: `torchcompat shims legacy`" in text(cell("2.8.0", "FrSS"))
    assert "works with stock and a shim." in text(cell("2.8.0", "SrSS"))[0]


def test_torch_is_split_where_a_shim_is_needed():
    found = advice(cell("2.6.0", "PPPP"), cell("2.8.0", "SSSS"))
    shims = [tuple(shim.name for shim in way.shims) for way in found.ways]
    assert (ways(found), shims) == (
        [("stock", "==2.6.0"), ("stock", ">=2.8")],
        [(), ("legacy",)],
    )


def test_an_upgrade_is_the_first_from_which_all_later_ones_work_unaided():
    move = advice(*SWEEP, *UPGRADED).move
    assert (move.kind, move.specifiers, move.torch_specifiers) == (
        "upgrade",
        (">=8.2.64",),
        (">=2.5.1",),
    )
    assert text(*SWEEP, *UPGRADED)[5:8] == [
        "Upgrading to ultralytics >=8.2.64 (up to 8.3.0, the newest swept) works unaided (stock) "
        "on torch >=2.5.1 (up to 2.15.0).",
        "    Every later one that was swept does.",
        "    There it executes what the file's pickle names: only for a file that you trust.",
    ]


def test_an_upgrade_that_later_versions_undo_says_so():
    cells = [cell("2.8.0", "FPPP"), cell("2.8.0", "PPPP", "8.2.64"), cell("2.8.0", "FPPP", "8.3.0")]
    move = advice(*cells).move
    assert (move.specifiers, move.failing) == (("==8.2.64",), ("ultralytics 8.3.0",))
    assert "    Not so ultralytics 8.3.0." in text(*cells)


def test_an_upgrade_that_was_not_tried_on_such_a_torch_is_unknown():
    cells = [
        cell("2.8.0", "FPPP"),
        cell("2.8.0", "PPPP", "8.2.64"),
        unavailable("2.8.0", version="8.3.0"),
    ]
    assert advice(*cells).move.unsaid == ("ultralytics 8.3.0",)
    assert "    Of ultralytics 8.3.0 nothing is known there." in text(*cells)


def test_the_newest_upgrade_says_where_it_works_and_the_first_does_not():
    cells = [
        *(cell(torch, "FrPP") for torch in ("2.8.0", "2.15.0")),
        cell("2.8.0", "PPPP", "8.2.64"),
        cell("2.15.0", "FPPP", "8.2.64"),
        *(cell(torch, "PPPP", "8.3.0") for torch in ("2.8.0", "2.15.0")),
    ]
    assert "    ultralytics 8.3.0 does on torch >=2.8 (up to 2.15.0)." in text(*cells)


def test_no_upgrade_is_named_where_nothing_is_lacking():
    assert advice(cell("2.8.0", "PPPP"), cell("2.8.0", "PPPP", "8.2.64")).move is None


def test_where_no_upgrade_helps_an_older_version_may():
    cells = [cell("2.8.0", "FPPP", "8.2.64"), cell("2.8.0", "PPPP")]
    assert any(
        line.startswith(
            "Going back to ultralytics ==8.1.0 works unaided (stock) on torch >=2.8 (2."
        )
        for line in text(*cells, version="8.2.64")
    )


def test_where_no_version_helps_it_is_said():
    assert "No other set of this run works unaided there." in text(*SWEEP)
    assert "No other set of this run works there." in text(cell("2.8.0", "FFFF"))


def pyannote(torch, word, version="3.4.0", lightning="2.5.6"):
    beside = f"lightning {lightning}" if lightning else ""
    return cell(torch, {PYANNOTE: word}, version, "pyannote.audio", beside=beside)


def test_each_set_of_a_version_is_named_and_its_neighbour_may_be_the_way_out():
    cells = [pyannote("2.8.0", "PrPP"), pyannote("2.8.0", "FrPP", lightning="2.6.6")]
    found = answer(*cells, library="pyannote.audio", version="3.4.0")
    assert [each.name for each in found.sets] == [
        "pyannote.audio 3.4.0 beside lightning 2.5.6",
        "pyannote.audio 3.4.0 beside lightning 2.6.6",
    ]
    assert [each.move.kind if each.move else None for each in found.sets] == [None, "beside"]
    lines = text(*cells, library="pyannote.audio", version="3.4.0")
    assert "pyannote.audio 3.4.0 beside lightning 2.6.6:" in lines
    assert (
        "    The same version, pyannote.audio 3.4.0 beside lightning 2.5.6, works unaided (stock) "
        "on torch >=2.8 (2.8.0)."
    ) in lines


def test_a_version_whose_sets_differ_is_no_specifier():
    cells = [
        pyannote("2.8.0", "FrPP", "3.1.1", ""),
        pyannote("2.8.0", "PrPP"),
        pyannote("2.8.0", "FrPP", lightning="2.6.6"),
        pyannote("2.8.0", "PrPP", "4.0.7", ""),
    ]
    move = advice(*cells, library="pyannote.audio", version="3.1.1").move
    assert move.specifiers == (">=4.0.7",)
    assert any(
        line.startswith(
            "Upgrading to pyannote.audio >=4.0.7 (4.0.7, the newest swept) or pyannote.audio 3.4.0 "
            "beside lightning 2.5.6 works unaided (stock)"
        )
        for line in text(*cells, library="pyannote.audio", version="3.1.1")
    )


def test_a_checkpoint_that_this_version_never_opens_is_said_and_asks_for_nothing_of_torch():
    cells = [
        cell(torch, {YOLO: "FrPP", YOLO11: "FrrF"}, check={"message": "no C3k2", "exception": "E"})
        for torch in ("2.6.0", "2.8.0")
    ]
    newer = cell("2.8.0", {YOLO: "PrPP", YOLO11: "PrPP"}, "8.3.0")
    found = advice(*cells, newer)
    assert ways(found) == [("allowlisted", ">=2.6")]
    assert found.left_out.subjects == ((YOLO11, "forward"),)
    lines = text(*cells, newer)
    start = lines.index(f"Under no policy does it open {YOLO11} on torch 2.6.0, 2.8.0:")
    assert lines[start + 1 : start + 3] == [
        "    E: no C3k2 (2 checks)",
        "    ultralytics >=8.3 (8.3.0, the newest swept) does, under stock.",
    ]


def test_a_cell_that_is_yet_to_be_run_takes_nothing_from_what_the_others_say():
    told = cell("2.6.0", {YOLO: "FrPP", YOLO11: "FrrF"}, check={"message": "no C3k2"})
    found = advice(told, cell("2.8.0", {YOLO: "----", YOLO11: "----"}))
    assert ways(found) == [("allowlisted", "==2.6.0")]
    assert found.left_out.torch == ("2.6.0",)
    assert [unsaid.torch for unsaid in found.unsaid] == [("2.8.0",)]


def test_one_checkpoint_can_be_asked_about_alone():
    cells = [cell("2.8.0", {YOLO: "FrPP", YOLO11: "PPPP"})]
    assert ways(advice(*cells, checkpoint="*11n")) == [("stock", ">=2.8")]


def test_an_experiment_says_nothing():
    changed = check("F", "stock", experiment=True, use="mute")
    assert ways(advice(cell("2.8.0", "PPPP") | {"checks": [check("P", "stock"), changed]})) == [
        ("stock", ">=2.8")
    ]


def test_what_nothing_opens_says_why_with_the_most_frequent_known_cause_and_its_remedy():
    known = {
        "id": "yolo-class",
        "cause": "This version has no C3k2.",
        "remedies": [
            {
                "kind": "pin",
                "says": "Install a newer one.",
                "code": "pip install x\npip check",
                "when": "",
            }
        ],
        "link": "",
    }
    cells = [
        cell("2.5.1", "FrrF"),
        *(cell(torch, "FrrF", check={"diagnosis": known}) for torch in ("2.6.0", "2.8.0")),
    ]
    found = answer(*cells)
    assert found.works is False
    assert text(*cells)[:8] == [
        "Nothing in this run makes ultralytics 8.1.0 work.",
        "Not on torch 2.5.1:",
        "    UnpicklingError: Weights only load failed (1 check)",
        "Not on torch 2.6.0, 2.8.0:",
        "    This version has no C3k2. (yolo-class, 2 checks)",
        "    Remedy: Install a newer one.",
        "        pip install x",
        "        pip check",
    ]


def test_the_cause_is_that_of_the_policy_that_lets_most_through():
    refused = cell("2.8.0", {YOLO: "FrrF"})
    refused["checks"][3] |= {"exception": "builtins.AttributeError", "message": "no\n  C3k2"}
    assert advice(refused).barred[0].cause.says == "AttributeError: no C3k2"


def test_an_output_that_drifted_does_not_work():
    drifted = cell("2.8.0", "DrDD", check={"message": "it differs", "exception": None})
    assert advice(cell("2.6.0", "PrPP"), drifted).barred[0].cause.says == "it differs"


def test_what_a_policy_bars_another_may_open():
    assert text(*SWEEP[1:], policy="stock")[:2] == [
        "Nothing in this run makes ultralytics 8.1.0 work under stock.",
        "It works there under allowlisted, patched: ask without --policy.",
    ]


def test_what_cannot_exist_or_never_ran_is_said_and_is_no_failure():
    cells = [
        unavailable("2.5.1"),
        unavailable("2.6.0"),
        cell("2.8.0", "PPPP"),
        cell("2.10.0", "----", outcome="infra", reason="No space left on device"),
        cell("2.15.0", "T---", check={"message": "60 s"}),
    ]
    found = advice(*cells)
    assert (ways(found), found.barred) == ([("stock", "==2.8.0")], ())
    assert text(*cells)[1:4] == [
        "No environment with torch 2.5.1, 2.6.0: Because it needs 2.8",
        "Unknown on torch 2.10.0, infra: No space left on device",
        "Unknown on torch 2.15.0, timeout: 60 s",
    ]


def test_a_better_policy_that_is_not_known_is_said():
    lines = text(cell("2.8.0", "IPPP"))
    assert "works with strict" in lines[0]
    assert lines[1] == "Unknown on torch 2.8.0 under stock, infra"


def test_where_nothing_is_known_nothing_is_said_to_fail():
    lines = text(unavailable("2.8.0"))
    assert lines[0] == "No cell of this run says that ultralytics 8.1.0 works."


def test_the_known_cause_of_a_cell_that_cannot_exist_replaces_the_resolvers_words():
    known = {"id": "pins", "cause": "It pins torchcodec.", "remedies": [], "link": ""}
    cells = [unavailable("2.5.1", diagnosis=known), unavailable("2.6.0", "else", diagnosis=known)]
    assert "No environment with torch 2.5.1, 2.6.0: It pins torchcodec." in text(*cells)


def test_pythons_that_contradict_each_other_are_said_and_a_python_can_be_asked_for():
    cells = [cell("2.8.0", "PPPP"), cell("2.8.0", "FPPP", python="3.9")]
    assert ways(advice(*cells)) == [("strict", ">=2.8")]
    assert ways(advice(*cells, python="3.12")) == [("stock", ">=2.8")]
    assert (
        "The cells contradict each other: torch 2.8.0 under stock: Python 3.12 works, 3.9 does not;"
        " ask with --python."
    ) in text(*cells)


def test_a_paired_library_is_asked_about_on_every_torch_or_in_one_version():
    cells = [
        cell("2.6.0", "P", "2.6.0", "torchaudio"),
        cell("2.8.0", "S", "2.8.0", "torchaudio"),
        cell("2.15.0", "F", "2.11.0", "torchaudio"),
    ]
    found = advice(*cells, library="torchaudio", version="")
    assert ways(found) == [("stock", "==2.6.0"), ("stock", "==2.8.0")]
    assert [barred.torch for barred in found.barred] == [("2.15.0",)]
    assert (found.name, found.move) == ("torchaudio", None)
    assert ways(advice(*cells, library="torchaudio", version="2.6")) == [("stock", "==2.6.0")]


def test_without_a_version_the_newest_is_asked_about():
    assert advice(*SWEEP, *UPGRADED, version="").version == "8.3.0"


def test_the_evidence_tells_replicas_from_reference_files():
    mixed = cell("2.8.0", {YOLO: "PPPP", YOLO11: "PPPP"})
    for each in mixed["checks"][:2]:
        each["edition"] = "reference"
    found = answer(mixed, *UPGRADED).evidence
    assert (found.cells, found.checks, found.elsewhere) == (1, 8, 8)
    assert found.editions == {"reference": 2, "replica": 6}
    assert text(mixed, *UPGRADED)[-3:] == [
        "Evidence: 1 cell with 8 checks of run a-run, 2 of the reference edition and 6 of the "
        "replica edition, 2 hours old, complete.",
        "    Its other versions: 8 cells.",
        "    The checks ran on a CPU; of GPUs only what torch is built for was read.",
    ]


def test_a_run_that_is_not_finished_says_so_and_counts_what_has_ended():
    cells = [cell("2.8.0", "PPPP"), cell("2.15.0", "----", outcome="not-run")]
    lines = text(*cells, complete=False, finished=None, started="2026-11-18T10:00:00+00:00")
    assert "Evidence: 1 cell with 4 checks of run a-run, replica edition, 3 days old." in lines
    assert lines[-1] == "    The run is not complete: 1 of 2 cells have a verdict."


def test_a_run_of_this_hour_and_a_run_without_a_check_have_words():
    cells = [cell("2.8.0", "----", outcome="not-run")]
    assert text(*cells, finished="2026-11-21T12:30:00+00:00")[-1] == (
        "Evidence: 0 cells with 0 checks of run a-run, no check has run, less than an hour old, "
        "complete."
    )


def test_words_of_a_library_cannot_steer_the_terminal():
    hostile = cell("2.8.0", "FrrF", check={"message": "\x1b[2Jgone"})
    assert not any("\x1b" in line for line in text(hostile))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"library": "ultralytcs"}, "'ultralytcs' is not a known library of this run. "),
        ({"policy": "stok"}, "'stok' is not a known policy. "),
        ({"checkpoint": "yolo"}, "'yolo' is not a known checkpoint of ultralytics in this run. "),
        ({"python": "3.13"}, "'3.13' is not a known Python of this run's cells of ultralytics. "),
        ({"gpu": "RTX 5081"}, "'RTX 5081' is not a known GPU. "),
    ],
)
def test_what_is_not_in_the_run_is_one_sentence_with_the_nearest(question, said):
    with pytest.raises(UnknownNameError) as caught:
        answer(*SWEEP, **question)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("library", "version", "said"),
    [
        (
            "ultralytics",
            "8.2.65",
            "ultralytics==8.2.65 is not in this run; nearest to it are 8.1.0, 8.2.64, 8.3.0. Give "
            "it a row in matrix/axes.py, and `nox -s matrix -- --library ultralytics==8.2.65` has "
            "it swept",
        ),
        (
            "ultralytics",
            "8.2.63",
            "ultralytics==8.2.63 is not in this run; nearest to it are 8.1.0, 8.2.64, 8.3.0. `nox "
            "-s matrix -- --library ultralytics==8.2.63` has it swept",
        ),
        (
            "torchaudio",
            "2.7.0",
            "torchaudio==2.7.0 is not in this run; nearest to it are 2.6.0. Its version follows "
            "torch's: `nox -s matrix -- --library torchaudio` sweeps each",
        ),
    ],
    ids=["of no row", "of a row", "paired"],
)
def test_a_version_that_was_not_swept_names_the_nearest_and_how_to_sweep_it(library, version, said):
    cells = [*SWEEP, *UPGRADED, cell("2.6.0", "P", "2.6.0", "torchaudio")]
    with pytest.raises(TorchcompatError) as caught:
        answer(*cells, library=library, version=version)
    assert str(caught.value) == said


def test_a_library_is_named_alone_or_with_one_version():
    assert asked("ultralytics") == ("ultralytics", "")
    assert asked(" fairseq == 0.12.2+gabc1234 ") == ("fairseq", "0.12.2+gabc1234")


@pytest.mark.parametrize("text", ["ultralytics>=8.2", "ultralytics==8.*", "a~=1", "a==1,<2", "a=1"])
def test_a_range_of_versions_is_refused(text):
    with pytest.raises(TorchcompatError) as caught:
        asked(text)
    assert str(caught.value) == (
        f"{text!r} is not one version: name the library alone, for the newest that was swept, or "
        "as NAME==VERSION"
    )


def test_upgrades_that_share_no_torch_say_each_where_they_work():
    cells = [
        *(cell(torch, "FrFF") for torch in ("2.6.0", "2.8.0")),
        cell("2.6.0", "PPPP", "8.2.64"),
        cell("2.8.0", "FFFF", "8.2.64"),
        cell("2.6.0", "FFFF", "8.3.0"),
        cell("2.8.0", "PPPP", "8.3.0"),
    ]
    lines = text(*cells)
    start = next(number for number, line in enumerate(lines) if line.startswith("Upgrading"))
    assert lines[start : start + 3] == [
        "Upgrading to ultralytics >=8.2.64 (up to 8.3.0, the newest swept) works unaided (stock), "
        "each on torch of its own:",
        "    ultralytics 8.2.64 does on torch ==2.6.0.",
        "    ultralytics 8.3.0 does on torch >=2.8 (2.8.0).",
    ]


def test_an_upgrade_that_needs_a_shim_or_another_policy_names_it():
    cells = [cell("2.8.0", "FFFF"), cell("2.8.0", "SrPP", "8.3.0")]
    assert any(
        "8.3.0, the newest swept) works with the shim legacy under stock on" in line
        for line in text(*cells)
    )
    cells = [cell("2.8.0", "FFFF"), cell("2.8.0", "FrPP", "8.3.0")]
    assert any(
        "8.3.0, the newest swept) works under allowlisted on" in line for line in text(*cells)
    )


def test_an_upgrade_is_looked_for_under_the_policy_that_is_asked_for():
    cells = [cell("2.8.0", "PrPP"), cell("2.8.0", "PrPP", "8.2.64"), cell("2.8.0", "PPPP", "8.3.0")]
    move = advice(*cells, policy="strict").move
    assert (move.specifiers, move.policies) == ((">=8.3",), ("strict",))
