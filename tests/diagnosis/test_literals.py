"""The words that are looked for before a pattern: they may spare a search, and change nothing."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_torchcompat.diagnosis import Error, diagnose
from pytest_torchcompat.diagnosis.literals import literals
from pytest_torchcompat.diagnosis.matching import matches
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from tests.bench.explaining import failures

FAILURES = failures(1000)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("plain words", (("plain words",),)),
        (
            r"^No module named '(?P<m>fairseq|omegaconf)'$",
            (("No module named '",), ("omegaconf", "fairseq")),
        ),
        (r"(?:got multiple|unexpected) values?", ((" value",), ("got multiple", "unexpected"))),
        (r"(?:optional)?never (?:x{0}|some) end", (("never ",), (" end",))),
        (r"(?i)any case", ()),
        (r"(?i:any case) but here", ((" but here",),)),
        (r"(?:once ){2,} upon", (("once ",), (" upon",))),
        (r"(?=.*ahead)(?!.*absent)(?<=behind)", (("ahead",),)),
        (r"\w+ (?:one|\d)", ()),
        (r"[ab]c", ()),
    ],
)
def test_the_words_of_a_pattern_are_in_whatever_it_matches(pattern, words):
    assert {frozenset(each) for each in literals(pattern)} == set(map(frozenset, words))


def test_looking_for_words_first_changes_no_search():
    searched = 0
    for failure in FAILURES:
        for error in failure.errors:
            for signature in SIGNATURES:
                plain, fast = signature.regex.search(error.message), signature.search(error.message)
                assert (plain and plain.span()) == (fast and fast.span()), signature.id
                searched += plain is not None
    assert searched > len(FAILURES) / 2


def test_looking_for_words_first_changes_no_diagnosis():
    without = tuple(map(dataclasses.replace, SIGNATURES))
    for each in without:
        vars(each)["words"] = ()
    for failure in FAILURES:
        plain = min(map(rank, matches(failure, without)), default=None)
        found = diagnose(failure)
        assert (found.id if found else None) == (plain[-1] if plain else None)


def rank(match):
    return -match.signature.knows, match.position, match.signature.id


def test_most_signatures_have_words_that_spare_their_pattern():
    without = [signature.id for signature in SIGNATURES if not signature.words]
    assert len(without) <= len(SIGNATURES) / 10


def test_a_message_without_its_words_does_not_reach_the_pattern(monkeypatch):
    signature = next(each for each in SIGNATURES if each.words)
    monkeypatch.setitem(vars(signature), "regex", None)
    assert signature.search(Error("ValueError", "nothing of the kind").message) is None
