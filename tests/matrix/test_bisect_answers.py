"""What a cell answers, and how it is told."""

from __future__ import annotations

import pytest

from matrix.bisect import text
from matrix.bisect.answers import Answer, Said, none, read
from matrix.bisect.finding import Finding
from matrix.bisect.question import Question
from matrix.bisect.search import Verdict
from pytest_torchcompat.outcome import Outcome

WORKS, FAILS = Verdict.WORKS, Verdict.FAILS
UNAVAILABLE, UNDECIDED = Verdict.UNAVAILABLE, Verdict.UNDECIDED


def check(name="one", outcome="pass", **values):
    return {
        "checkpoint": name,
        "outcome": outcome,
        "shims": [],
        "stage": None,
        "exception": None,
        "message": None,
        "diagnosis": None,
        **values,
    }


def cell(*checks, outcome="pass", reason=None, **values):
    found = {"id": "a-cell", "python": "3.12", "distributions": {}, "outcome": outcome}
    return {**found, "reason": reason, "checks": checks, **values}


def test_every_outcome_has_a_verdict_and_the_machines_faults_have_none():
    found = {each: read("1", cell(check(outcome=each.value))).verdict(["one"]) for each in Outcome}
    assert {each for each in Outcome if found[each] is WORKS} == {Outcome.PASS, Outcome.SHIMMED}
    undecided = {each for each in Outcome if found[each] is UNDECIDED}
    assert undecided == {Outcome.INFRA, Outcome.TIMEOUT, Outcome.NOT_RUN}
    assert found[Outcome.UNAVAILABLE] is UNAVAILABLE
    assert found[Outcome.REFUSED] is FAILS


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["pass", "shimmed"], WORKS),
        (["pass", "refused"], FAILS),
        (["infra", "fail"], FAILS),
        (["pass", "infra"], UNDECIDED),
    ],
)
def test_a_version_works_where_every_checkpoint_does(outcomes, verdict):
    checks = [check(f"c{number}", each) for number, each in enumerate(outcomes)]
    answer = read("1", cell(*checks))
    assert answer.verdict([each["checkpoint"] for each in checks]) is verdict


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("unavailable", UNAVAILABLE), ("infra", UNDECIDED), ("timeout", UNDECIDED), ("crash", FAILS)],
)
def test_what_a_cell_did_not_reach_is_as_the_cell_ended(outcome, verdict):
    checks = (check("one", "not-run"), check("two", "pass"))
    answer = read("1", cell(*checks, outcome=outcome, reason="no\n  solution"))
    assert answer.verdict(["one"]) is verdict
    assert answer.verdict(["two"]) is WORKS
    assert answer.causes(["one"]) == {"no solution": ["one"]}


def test_a_check_whose_tries_disagree_decides_nothing():
    answer = read("1", cell(check(outcome="fail", tally={"fail": 1, "pass": 2})))
    assert answer.verdict(["one"]) is UNDECIDED
    assert answer.causes(["one"]) == {"flaky: pass 2, fail 1": ["one"]}


def test_a_cause_is_what_is_known_of_it():
    known = check(outcome="fail", message="words", diagnosis={"cause": "It is known."})
    assert read("1", cell(known)).causes(["one"]) == {"It is known.": ["one"]}


def test_a_cause_that_nobody_knows_is_the_librarys_first_line():
    failed = {"stage": "load", "exception": "KeyError", "message": "\n'x'\nmore"}
    found = read("1", cell(check(outcome="fail", **failed))).causes(["one"])
    assert found == {"fail at load: KeyError: 'x'": ["one"]}


def test_a_resolvers_long_words_are_cut():
    answer = read("1", cell(check(outcome="not-run"), outcome="unavailable", reason="x " * 200))
    (cause,) = answer.causes(["one"])
    assert len(cause) == 161
    assert cause.endswith("…")


def test_a_version_without_a_cell_is_unavailable():
    answer = none("1", ["one"], "No Python fits.")
    assert answer.verdict(["one"]) is UNAVAILABLE
    assert answer.to_dict()["cell"] is None


QUESTION = Question("ultralytics", "2.8.0")
REFUSED = "torch refuses its classes."


def answer(version, verdict, cause="", shims=(), others=None, **values):
    said = {"one": Said(verdict, cause, shims), **(others or {})}
    values.setdefault("distributions", {"ultralytics": version, "python": "3.12"})
    return Answer(version, said, f"cell-{version}", **values)


def finding(*answers, names=("one",), count=None):
    versions = [each.version for each in answers]
    versions += [f"9.{number}" for number in range((count or 0) - len(versions))]
    return Finding(names, versions, dict(enumerate(answers)))


def told(*findings, question=QUESTION):
    return list(text.lines(question, findings))


def test_the_first_that_works_is_told_with_why_the_one_before_does_not():
    found = finding(
        answer("8.2.62", FAILS, REFUSED),
        answer("8.2.63", FAILS, REFUSED),
        answer("8.2.64", WORKS),
        count=12,
    )
    assert told(found) == [
        "First that works: ultralytics 8.2.64. "
        "Last that fails: 8.2.63 (torch refuses its classes).",
        "Nothing but ultralytics differs between the two.",
        "3 of 12 were asked; none contradicts it.",
        "Reproduce: nox -s cell -- cell-8.2.63 --policy stock",
    ]


def test_the_last_that_works_is_told_where_it_stops():
    found = finding(answer("8.1.0", WORKS), answer("8.2.0", FAILS, REFUSED))
    assert told(found)[0] == (
        "Last that works: ultralytics 8.1.0. First that fails: 8.2.0 (torch refuses its classes)."
    )


def test_what_is_unavailable_leaves_the_answer_between_two():
    why = "no solution"
    found = finding(
        answer("8.0.0", FAILS, REFUSED),
        answer("8.0.1", UNAVAILABLE, why),
        answer("8.0.2", UNAVAILABLE, why),
        answer("8.0.3", UNDECIDED, "no network"),
        answer("8.0.4", WORKS),
    )
    lines = told(found)
    assert lines[0] == (
        "It begins to work between ultralytics 8.0.0 and 8.0.4: 8.0.1 and 8.0.2 are unavailable, "
        "8.0.3 is undecided. 8.0.0 fails (torch refuses its classes)."
    )
    assert lines[-2:] == [
        "Unavailable: 8.0.1 and 8.0.2 (no solution).",
        "Undecided: 8.0.3 (no network).",
    ]


def test_the_shims_that_it_works_with_are_named():
    found = finding(answer("1", FAILS), answer("2", WORKS, "", ("numpy-aliases", "torchaudio")))
    assert told(found)[1] == "2 works with the shims numpy-aliases and torchaudio."


def test_what_else_differs_between_the_two_cells_is_told():
    old = {f"p{number}": "1" for number in range(6)}
    new = {**dict.fromkeys(old, "2"), "python": "3.11"}
    found = finding(
        answer("1", FAILS, distributions={"ultralytics": "1", **old}),
        answer("2", WORKS, distributions={"ultralytics": "2", **new}),
    )
    assert told(found)[1] == (
        "Besides ultralytics, these differ between the two: p0 1 -> 2, p1 1 -> 2, p2 1 -> 2, "
        "p3 1 -> 2 and 3 more."
    )


def test_cells_that_never_were_are_not_compared():
    found = finding(answer("1", FAILS, distributions={}), answer("2", WORKS, distributions={}))
    assert not any("differ" in line for line in told(found))


def test_what_earlier_runs_answered_is_counted():
    found = finding(answer("1", FAILS, carried="2026-11-20T1031"), answer("2", WORKS))
    assert "2 of 2 were asked, 1 of them by earlier runs; none contradicts it." in told(found)


def test_of_several_changes_none_is_the_answer():
    found = finding(
        answer("2.3.0", FAILS, "it is bare."),
        answer("2.3.3", FAILS, "it is bare."),
        answer("2.4.0", WORKS),
        answer("2.5.6", WORKS),
        answer("2.6.0", FAILS, "it says None."),
        count=20,
    )
    assert found.answer is None
    assert told(found) == [
        "No one ultralytics made the difference: the verdict changes 2 times.",
        "    fails   2.3.0 … 2.3.3 (it is bare)",
        "    works   2.4.0 … 2.5.6",
        "    fails   2.6.0         (it says None)",
        "5 of 20 were asked; what comes and goes between two of them was not seen.",
        "Reproduce: nox -s cell -- cell-2.6.0 --policy stock",
    ]


def test_ends_and_samples_that_agree_are_told_as_what_they_are():
    found = finding(answer("1", FAILS, "a"), answer("2", FAILS, "b"), count=9)
    assert told(found) == [
        "Each ultralytics that was asked fails (b): 1 and 2. No boundary was found; "
        "what comes and goes between two of them was not seen."
    ]


def test_one_version_alone_is_no_boundary():
    found = finding(answer("1", WORKS), answer("2", UNAVAILABLE, "no wheel"))
    assert told(found) == [
        "ultralytics 1 alone could be tried, and it works.",
        "Unavailable: 2 (no wheel).",
    ]


def test_nothing_that_could_be_tried_is_nothing_known():
    found = finding(answer("1", UNAVAILABLE, "no wheel"))
    assert told(found)[0] == ("No version of ultralytics could be tried, so that nothing is known.")


def test_a_cause_names_its_checkpoints_where_others_do_not_share_it():
    others = {"two": Said(WORKS)}
    answers = (answer("1", FAILS, "C3k2.", others=others), answer("2", WORKS, others=others))
    both = finding(*answers, names=("one", "two"))
    alone = finding(answer("1", WORKS, others=others), names=("two",))
    lines = told(both, alone)
    assert lines[0] == "All 2 together:"
    assert lines[1].startswith("    First that works: ultralytics 2. ")
    assert lines[1].endswith("Last that fails: 1 (one: C3k2).")
    assert lines[-2:] == [
        "two alone:",
        "    ultralytics 1 alone could be tried, and it works.",
    ]


def test_where_nothing_works_those_that_never_do_are_named():
    first = answer("1", FAILS, "C3k2.", others={"two": Said(WORKS)})
    last = answer("2", FAILS, "C3k2.", others={"two": Said(FAILS, "refused.")})
    line = told(finding(first, last, names=("one", "two")))[0]
    assert line == (
        "Each ultralytics that was asked fails (one: C3k2; two: refused): 1 and 2. one fails in "
        "each of them. No boundary was found; what comes and goes between two of them was not seen."
    )


def test_what_a_library_said_cannot_steer_the_terminal():
    found = finding(answer("1", FAILS, "\x1b[2J"), answer("2", WORKS))
    assert "\x1b" not in "".join(told(found))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (QUESTION, "3 releases), about 3 probes: ultralytics, torch 2.8.0, stock, one"),
        (
            Question("torch", library="ultralytics==8.1.0", nightly=True),
            "3 nights), about 3 probes: torch, ultralytics 8.1.0, stock, one",
        ),
        (
            Question("pyannote.audio==3.4.0", "2.8.0", over="lightning", policy="strict"),
            "about 3 probes: lightning, pyannote.audio 3.4.0, torch 2.8.0, strict, one",
        ),
    ],
)
def test_a_bisect_says_beforehand_what_it_goes_through(question, words):
    line = text.headline(question, ["1", "2", "3"], ["one"])
    assert line.startswith("1 … 3 (")
    assert words in line


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (answer("1", WORKS), "works"),
        (answer("1", WORKS, "", ("numpy-aliases",)), "works, shimmed"),
        (answer("1", FAILS, others={"two": Said(FAILS)}), "fails"),
        (answer("1", FAILS, others={"two": Said(WORKS)}), "fails (1 of 2)"),
        (answer("1", UNAVAILABLE), "unavailable"),
    ],
)
def test_a_probe_is_told_in_a_word(found, words):
    assert text.probed(found, list(found.said)) == words
