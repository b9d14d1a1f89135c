"""What the page says of each library: every sentence is true of every check that it is about."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.page.sentences import sentences

YOLO, YOLO11, SEG = "ultralytics/yolov8n", "ultralytics/yolo11n", "ultralytics/yolov8n-seg"
ORDER = ("stock", "strict", "allowlisted", "patched")
LETTERS = {
    "P": "pass",
    "r": "refused",
    "F": "fail",
    "D": "degraded",
    "C": "crash",
    "T": "timeout",
    "I": "infra",
    "-": "not-run",
    "U": "unavailable",
}
WORKING, OPEN = {"pass", "shimmed"}, {"timeout", "infra", "not-run"}
TORCH = ("2.5.1", "2.6.0", "2.8.0", "2.15.0")


def check(outcome, policy="stock", checkpoint=YOLO, use="forward", **fields):
    return {
        "checkpoint": checkpoint,
        "use": use,
        "policy": policy,
        "outcome": outcome,
        "experiment": False,
        "shims": [],
        "globals": [],
        "allowed_by_library": [],
        "exception": "builtins.RuntimeError",
        "message": "it broke",
        "diagnosis": None,
        **fields,
    }


def cell(torch, checks, version="8.1.0", library="ultralytics", **fields):
    return {
        "python": "3.12",
        "torch": torch,
        "library": library,
        "version": version,
        "beside": "",
        "outcome": "pass",
        "reason": None,
        "diagnosis": None,
        "checks": checks,
        **fields,
    }


def spelled(torch, words, **fields):
    """Make a cell of a word for each checkpoint: a letter for each policy, `S` with its shims."""
    words = {YOLO: words} if isinstance(words, str) else words
    shims = fields.pop("shims", ("legacy",))
    checks = [
        check("shimmed", policy, *_subject(name), shims=list(shims))
        if letter == "S"
        else check(LETTERS[letter], policy, *_subject(name))
        for name, word in words.items()
        for policy, letter in zip(ORDER, word)
        if letter != " "
    ]
    return cell(torch, checks, **fields)


def _subject(name):
    return (*name.split(":"), "forward")[:2]


def row(words, **fields):
    """Make the cells of a set: what is spelled of each torch."""
    return [spelled(torch, word, **fields) for torch, word in zip(TORCH, words) if word]


def said(*cells):
    """Return the sentences on one library, as versions and text."""
    (found,) = sentences({"cells": list(cells), "diagnoses": {}})
    return [(each.versions, each.text) for each in found.items]


def text(*cells):
    ((_, found),) = said(*cells)
    return found


EVERYWHERE = ("PrPP",) * 4


def test_what_works_everywhere_is_said_in_three_words():
    assert said(*row(EVERYWHERE)) == [("8.1.0", "unaided on every torch.")]


def test_the_way_that_changes_least_is_said_for_each_torch():
    assert text(*row(("PrPP", "FrPP", "FrPP", "FrrP"))) == (
        "unaided on torch 2.5.1; with its allow-list on 2.6.0 and 2.8.0; patched on 2.15.0."
    )


def test_three_versions_of_torch_in_a_row_are_written_as_a_range():
    words = ("PrPP", "FrPP", "FrPP", "FrPP")
    assert text(*row(words)) == ("unaided on torch 2.5.1; with its allow-list on 2.6.0 to 2.15.0.")


def test_a_range_stops_at_a_torch_that_was_not_swept():
    other = spelled("2.8.0", "PrPP", library="other")
    found = sentences({"cells": [*row(("PrPP", "PrPP", "", "PrPP")), other], "diagnoses": {}})
    assert found[0].items[0].text == "unaided on torch 2.5.1, 2.6.0 and 2.15.0."


def test_a_file_that_is_safe_already_is_said_to_load_so():
    words = ("FPPP",) * 4
    assert text(*row(words)) == "with `weights_only=True` on every torch."


def test_shims_are_named():
    assert text(*row(("SrSS",) * 4)) == "with shim `legacy` on every torch."
    two = row(("SrSS",) * 4, shims=("cuda", "legacy"))
    assert text(*two) == "with shims `cuda` and `legacy` on every torch."


def test_shims_of_an_allow_list_are_named_where_they_are_needed():
    assert text(*row(("FrSS",) * 4)) == "with its allow-list and shim `legacy` on every torch."
    assert text(*row(("FrPP", "FrPP", "FrSS", "FrSS"))) == (
        "with its allow-list on every torch (shim `legacy` on torch 2.8.0 and 2.15.0)."
    )


def test_a_shim_that_some_versions_need_besides_is_named_with_them():
    cells = [
        *row(("PrPP", "PrPP", "SrSS")),
        spelled("2.15.0", "SrSS", shims=("cuda", "legacy")),
    ]
    assert text(*cells) == (
        "unaided on torch 2.5.1 and 2.6.0; with shims on 2.8.0 and 2.15.0 "
        "(`legacy`, also `cuda` on 2.15.0)."
    )
    allowed = [spelled("2.5.1", "FrSS"), spelled("2.6.0", "FrSS", shims=("cuda",))]
    assert text(*allowed) == (
        "with its allow-list on every torch (shims `cuda` on torch 2.6.0 and `legacy` on 2.5.1)."
    )


def test_what_does_not_work_is_said_with_its_cause():
    assert text(*row(("PrPP", "FrFF", "FrFF", "FrFF"))) == (
        "unaided on torch 2.5.1; not on 2.6.0 to 2.15.0: RuntimeError: it broke."
    )
    assert text(*row(("FrFF",) * 4)) == "on no torch: RuntimeError: it broke."


def test_a_known_cause_is_said_in_its_first_sentence():
    known = {"id": "gone", "cause": "The class is gone. It was new.", "remedies": []}
    broken = [check("fail", policy, diagnosis="gone/1") for policy in ORDER]
    matrix = {"cells": [cell(each, broken) for each in TORCH], "diagnoses": {"gone/1": known}}
    assert sentences(matrix)[0].items[0].text == "on no torch: the class is gone."


def test_a_long_cause_is_cut_at_a_word():
    known = {"id": "long", "cause": "Words " * 40, "remedies": []}
    broken = [check("fail", policy, diagnosis="long/1") for policy in ORDER]
    matrix = {"cells": [cell(each, broken) for each in TORCH], "diagnoses": {"long/1": known}}
    found = sentences(matrix)[0].items[0].text
    assert found.endswith("Words Words …")
    assert len(found) < 140


def test_what_was_tried_in_one_way_alone_is_not_said_to_fail_in_others():
    assert text(*row(("P", "F", "F", "F"))) == (
        "unaided on torch 2.5.1; not unaided on 2.6.0 to 2.15.0: RuntimeError: it broke."
    )
    assert text(*row(("Fr",) * 4)) == (
        "unaided or with `weights_only=True` on no torch: RuntimeError: it broke."
    )


def test_an_environment_that_cannot_be_is_no_failure():
    gone = {"outcome": "unavailable", "reason": "Because it needs torch 2.8, it cannot be."}
    cells = [*row(("", "", "PrPP", "PrPP")), spelled("2.5.1", "----", **gone)]
    assert text(*cells) == ("unaided on torch 2.8.0 and 2.15.0; cannot be installed with 2.5.1.")
    nowhere = [spelled(torch, "----", **gone) for torch in TORCH]
    assert text(*nowhere) == (
        "cannot be installed with any torch: Because it needs torch 2.8, it cannot be."
    )


@pytest.mark.parametrize(
    ("letter", "words"),
    [
        ("-", "not run yet on 2.8.0 and 2.15.0"),
        ("T", "no verdict in time on 2.8.0 and 2.15.0"),
        ("I", "no verdict, for a fault of the machine, on 2.8.0 and 2.15.0"),
    ],
)
def test_what_has_no_verdict_neither_works_nor_fails(letter, words):
    cells = row(("PrPP", "PrPP", letter * 4, letter * 4))
    assert text(*cells) == f"unaided on torch 2.5.1 and 2.6.0; {words}."


def test_a_way_that_has_no_verdict_is_not_passed_over_in_silence():
    assert text(*row(("-rPP",) * 4)) == "with its allow-list on every torch (no verdict unaided)."
    assert text(*row(("-r-P",) * 4)) == (
        "patched on every torch (no verdict unaided or with its allow-list)."
    )


def test_pythons_that_disagree_are_said_to():
    cells = [*row(EVERYWHERE), spelled("2.8.0", "FrFF", python="3.13")]
    assert text(*cells) == "unaided on torch 2.5.1, 2.6.0 and 2.15.0; differs by Python on 2.8.0."


def test_the_most_checkpoints_are_spoken_of_and_the_others_named():
    words = [{YOLO: word, SEG: word, YOLO11: "FrFF"} for word in ("PrPP", "FrPP", "FrPP", "FrPP")]
    assert text(*row(words)) == (
        "unaided on torch 2.5.1; with its allow-list on 2.6.0 to 2.15.0; "
        "but yolo11n on none: RuntimeError: it broke."
    )


def test_a_checkpoint_that_differs_somewhere_is_said_to_there():
    words = [{YOLO: "PrPP", SEG: "PrPP", YOLO11: word} for word in ("PrPP", "FrPP", "FrFF", "PrPP")]
    assert text(*row(words)) == (
        "unaided on every torch; but yolo11n with its allow-list on torch 2.6.0, "
        "not on 2.8.0: RuntimeError: it broke."
    )


def test_a_checkpoint_that_needs_more_shims_is_said_to():
    words = [{YOLO: "PrPP", SEG: "PrPP", YOLO11: word} for word in ("PrPP", "PrPP", "SrSS", "SrSS")]
    assert text(*row(words)) == (
        "unaided on every torch; but yolo11n also needs shim `legacy` on torch 2.8.0 and 2.15.0."
    )
    always = [{YOLO: "PrPP", SEG: "SrSS", YOLO11: "SrSS", "a/b": "PrPP", "a/c": "PrPP"}] * 4
    assert text(*row(always)) == (
        "unaided on every torch; but yolov8n-seg and yolo11n also need shim `legacy`."
    )


def test_a_use_is_named_and_the_forward_pass_where_another_use_is_as_usual():
    words = [{YOLO: "PrPP", f"{YOLO}:mask": "FrFF", SEG: "PrPP"}] * 4
    assert "but yolov8n (mask) on none" in text(*row(words))
    words = [{YOLO: "FrFF", f"{YOLO}:mask": "PrPP", SEG: "PrPP"}] * 4
    assert "but yolov8n (forward pass) on none" in text(*row(words))
    words = [{YOLO: "FrFF", f"{YOLO}:mask": "FrFF", SEG: "PrPP", "a/b": "PrPP", "a/c": "PrPP"}] * 4
    assert "but yolov8n on none" in text(*row(words))


def test_checkpoints_of_one_name_are_told_apart():
    words = [{"a/same": "PrPP", "b/same": "FrFF", YOLO: "PrPP"}] * 4
    assert "but b/same on none" in text(*row(words))


def test_of_many_that_differ_three_are_named():
    many = {f"a/{letter}": "FrFF" for letter in "abcdef"}
    words = [{**many, **{f"b/{number}": "PrPP" for number in range(7)}}] * 4
    assert "but a, b, c and 3 others on none" in text(*row(words))


def test_an_experiment_is_not_spoken_of():
    cells = row(EVERYWHERE)
    for each in cells:
        each["checks"].append(check("fail", checkpoint="a/muted", experiment=True))
    assert text(*cells) == "unaided on every torch."


def test_versions_of_which_the_same_is_true_share_a_sentence_and_the_newest_comes_first():
    same = [each for v in ("8.2.64", "8.3.0", "8.4.190") for each in row(EVERYWHERE, version=v)]
    old = [each for v in ("8.1.0", "8.2.63") for each in row(("PrPP", *["FrPP"] * 3), version=v)]
    assert said(*old, *same) == [
        ("8.2.64 to 8.4.190", "unaided on every torch."),
        ("8.1.0 and 8.2.63", "unaided on torch 2.5.1; with its allow-list on 2.6.0 to 2.15.0."),
    ]


def test_a_range_of_versions_is_not_written_over_one_that_differs():
    versions = {"1.0": EVERYWHERE, "2.0": EVERYWHERE, "3.0": ("FrPP",) * 4, "4.0": EVERYWHERE}
    cells = [each for v, words in versions.items() for each in row(words, version=v)]
    assert [versions for versions, _ in said(*cells)] == ["1.0, 2.0 and 4.0", "3.0"]


def test_what_is_no_version_has_its_sentence_all_the_same():
    cells = [*row(EVERYWHERE), *row(("FrFF",) * 4, version="main branch")]
    assert [versions for versions, _ in said(*cells)] == ["main branch", "8.1.0"]


def test_what_a_version_is_beside_is_said_where_it_tells():
    words = {"lightning 2.3.3": ("FrPP",) * 4, "lightning 2.5.6": EVERYWHERE}
    words["lightning 2.6.6"] = words["lightning 2.3.3"]
    cells = [each for beside, word in words.items() for each in row(word, beside=beside)]
    assert [versions for versions, _ in said(*cells)] == [
        "8.1.0 (beside lightning 2.3.3 or 2.6.6)",
        "8.1.0 (beside lightning 2.5.6)",
    ]
    assert said(*row(EVERYWHERE, beside="a 1"), *row(EVERYWHERE, beside="a 2"))[0][0] == "8.1.0"
    alone = [*row(EVERYWHERE, beside="a 1"), *row(EVERYWHERE), *row(("FrFF",) * 4, beside="b 1")]
    assert said(*alone)[0][0] == "8.1.0 (also beside a 1)"


def test_a_library_whose_version_follows_torch_has_no_versions():
    cells = [spelled(torch, "P", version=torch, library="torchaudio") for torch in TORCH]
    assert said(*cells) == [("", "unaided on every torch.")]


def test_where_nothing_was_planned_nothing_is_said():
    assert sentences({"cells": [cell("2.5.1", [])], "diagnoses": {}}) == []
    bare = [cell("2.5.1", [], outcome="not-run"), cell("2.6.0", [], outcome="unavailable")]
    assert text(*bare) == "cannot be installed with torch 2.6.0; not run yet on 2.5.1."


def test_a_run_of_no_cells_has_no_sentences():
    assert sentences({"cells": [], "diagnoses": {}}) == []


# Any matrix whatever: what is said is held against the checks.

NAMES = (YOLO, SEG, YOLO11, f"{YOLO}:mask")


WORDS = st.sampled_from(["PrPP", "FrPP", "FrFF", "SrSS", "----", "rrSP", "PrP", "F", ""])
ODD = st.text("PSsrFDCTI-U ", min_size=4, max_size=4)


@st.composite
def matrices(draw):
    """Draw cells in few words; mostly alike, so that sentences have company."""
    found = []
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    words = st.fixed_dictionaries(dict.fromkeys(names, WORDS | ODD))
    numbers = st.lists(st.sampled_from(["1.0", "2.0", "3.0", "4.0"]), unique=True, min_size=1)
    besides = draw(st.sampled_from([[""], ["a 1", "a 2"]]))
    for version, beside in itertools.product(draw(numbers), besides):
        usual, alike = draw(words), draw(st.booleans())
        for torch in draw(st.lists(st.sampled_from(TORCH), unique=True)):
            for python in draw(st.sampled_from([["3.12"], ["3.9", "3.12"]])):
                gone = draw(st.integers(0, 9)) == 0
                found.append(
                    (torch, version, beside, python, gone, usual if alike else draw(words))
                )
    return found


def written(matrix):
    """Return cells from what was drawn; in one that cannot be, nothing was run."""
    return [
        drawn_cell(words, gone, torch, version=version, beside=beside, python=python)
        for torch, version, beside, python, gone, words in matrix
    ]


def drawn_cell(words, gone, torch, **fields):
    checks = [
        check(*drawn_check(letter, gone, policy), *_subject(name))
        | {"shims": DRAWN.get(letter, [])}
        for name, word in words.items()
        for policy, letter in zip(ORDER, word)
        if letter != " "
    ]
    return cell(torch, checks, outcome="unavailable" if gone else "pass", **fields)


DRAWN = {"S": ["legacy"], "s": ["cuda", "legacy"]}


def drawn_check(letter, gone, policy):
    outcome = "shimmed" if letter in DRAWN else LETTERS[letter]
    return ("not-run" if gone else outcome, policy)


def of(cells, told, subject, torch):
    """Return the outcomes and shims of a subject on a torch, by policy, of each cell."""
    found = {}
    for each in cells:
        if (each["version"], each["beside"], each["torch"]) != (told.version, told.beside, torch):
            continue
        for one in each["checks"]:
            if (one["checkpoint"], one["use"]) == subject:
                gone = each["outcome"] == "unavailable"
                outcome = "unavailable" if gone else one["outcome"]
                found.setdefault(one["policy"], []).append((outcome, one["shims"]))
    return found


def works(told):
    outcomes = {outcome for outcome, _ in told}
    return bool(outcomes & WORKING) and not any(map(fails, told))


def fails(told):
    outcome, _ = told
    return outcome not in {*WORKING, *OPEN, "unavailable"}


def open_alone(told):
    outcomes = {outcome for outcome, _ in told}
    return bool(outcomes & OPEN) and not any(map(fails, told))


@given(matrices())
def test_every_sentence_is_true_of_every_check_that_it_is_about(matrix):
    cells = written(matrix)
    for library in sentences({"cells": cells, "diagnoses": {}}):
        for sentence in library.items:
            for told in sentence.told:
                for reading in told.readings:
                    for subject, (torch, verdict) in itertools.product(
                        reading.subjects, reading.verdicts.items()
                    ):
                        assert_true(verdict, of(cells, told, subject, torch))


def assert_true(verdict, found):
    everything = [each for told in found.values() for each in told]
    if verdict.kind in ORDER:
        assert works(found[verdict.kind])
        taken = [shims for outcome, shims in found[verdict.kind] if outcome in WORKING]
        assert set(verdict.shims) == set(itertools.chain(*taken))
        for less in ORDER[: ORDER.index(verdict.kind)]:
            assert not works(found.get(less, ()))
            if less != "strict":
                known = any(map(fails, found.get(less, ())))
                assert known == (less not in verdict.less)
    elif verdict.kind == "mixed":
        assert any(outcome in WORKING for outcome, _ in everything)
        assert any(map(fails, everything))
    elif verdict.kind == "fails":
        assert not any(outcome in WORKING for outcome, _ in everything)
        assert set(verdict.tried) == {policy for policy in found if any(map(fails, found[policy]))}
        assert not any(open_alone(found[policy]) for policy in found)
    elif verdict.kind == "unavailable":
        assert {outcome for outcome, _ in everything} == {"unavailable"}
    else:
        assert not any(works(told) for told in found.values())
        assert {outcome for outcome, _ in everything} & OPEN


@given(matrices())
def test_every_check_is_spoken_of_once(matrix):
    cells = written(matrix)
    planned = {
        (each["version"], each["beside"], each["torch"], (one["checkpoint"], one["use"]))
        for each in cells
        for one in each["checks"]
    }
    spoken = [
        (told.version, told.beside, torch, subject)
        for library in sentences({"cells": cells, "diagnoses": {}})
        for sentence in library.items
        for told in sentence.told
        for reading in told.readings
        for torch in reading.verdicts
        for subject in reading.subjects
    ]
    assert sorted(spoken) == sorted(planned)


@given(matrices())
def test_the_words_say_what_is_known(matrix):
    cells = written(matrix)
    seen = sorted({each["torch"] for each in cells}, key=TORCH.index)
    for library in sentences({"cells": cells, "diagnoses": {}}):
        for sentence in library.items:
            words = re.sub(r"RuntimeError: it broke", "", sentence.text).rstrip(".")
            for told in sentence.told:
                assert read(words.partition("; but ")[0], seen) == known(told.readings[0])
                others = {subject for each in told.readings[1:] for subject in each.subjects}
                named = words.partition("; but ")[2]
                assert all(one.rpartition("/")[2] in named for one, _ in others) or "other" in named


def known(reading):
    """Return the torch versions of each kind of verdict."""
    found = {}
    for torch, verdict in reading.verdicts.items():
        found.setdefault(verdict.kind, set()).add(torch)
    return found


HOW = (
    ("cannot be installed", "unavailable"),
    ("no verdict", "open"),
    ("not run yet", "open"),
    ("differs by Python", "mixed"),
    ("not ", "fails"),
    ("on no torch", "fails"),
    ("with its allow-list", "allowlisted"),
    ("with `weights_only=True`", "strict"),
    ("with shim", "stock"),
    ("unaided", "stock"),
    ("patched", "patched"),
)


def read(words, seen):
    """Read a sentence back: the torch versions of each kind of verdict."""
    found = {}
    for clause in words.split("; "):
        plain = re.sub(r" \([^)]*\)", "", clause).replace("with any torch", "on every torch")
        kind = next(kind for start, kind in HOW if plain.startswith(start))
        kind = "fails" if "on no torch" in plain else kind
        where = re.search(
            r"(?:on|installed with) ((?:torch )?\d.*?|every torch|no torch)(?::|$)", plain
        )
        found.setdefault(kind, set()).update(versions(where[1].removeprefix("torch "), seen))
    return found


def versions(where, seen):
    if where in {"every torch", "no torch"}:
        return seen
    found = []
    for part in re.split(r", | and ", where):
        first, _, last = part.partition(" to ")
        found += seen[seen.index(first) : seen.index(last or first) + 1]
    return found


def test_tries_that_disagree_are_no_certainty():
    flaky = {"tally": {"fail": 1, "pass": 2}}
    assert text(cell("2.5.1", [check("pass", **flaky)])) == (
        "unaided on torch 2.5.1 (its tries disagree)."
    )
    assert text(cell("2.5.1", [check("fail", **flaky)])) == (
        "not unaided on torch 2.5.1 (its tries disagree): RuntimeError: it broke."
    )
    steady = check("pass", policy="allowlisted")
    assert text(cell("2.5.1", [check("pass", **flaky), steady])) == (
        "with its allow-list on torch 2.5.1."
    )


def test_a_cell_whose_process_died_is_not_one_that_is_yet_to_run():
    died = {"outcome": "crash", "reason": "SIGSEGV in stage import"}
    assert text(cell("2.5.1", [check("not-run")], **died)) == (
        "not on torch 2.5.1: SIGSEGV in stage import."
    )
    some = [check("crash"), check("not-run", policy="patched")]
    assert text(cell("2.5.1", some, **died)) == (
        "not unaided on torch 2.5.1: RuntimeError: it broke."
    )


def test_what_another_check_kept_from_running_is_not_run():
    died = {"outcome": "crash", "reason": "SIGSEGV in stage load"}
    checks = [check("crash"), check("not-run", checkpoint=YOLO11)]
    assert text(cell("2.5.1", checks, **died)).endswith("not run yet on 2.5.1.")
