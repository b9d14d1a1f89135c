from __future__ import annotations

import pytest

from matrix.tallies import is_flaky, tally, told
from pytest_torchcompat.outcome import Outcome


@pytest.mark.parametrize(
    ("check", "flaky"),
    [
        ({}, False),
        ({"tally": None}, False),
        ({"tally": {"pass": 3}}, False),
        ({"tally": {"pass": 2, "fail": 1}}, True),
        ({"tally": {"pass": 1, "shimmed": 1}}, True),
        ({"tally": {"fail": 2, "infra": 1}}, False),
        ({"tally": {"infra": 1, "not-run": 1}}, False),
    ],
)
def test_what_says_nothing_does_not_disagree(check, flaky):
    assert is_flaky(check) is flaky


def test_a_tally_is_told_from_best_to_least_telling():
    assert told({"crash": 1, "fail": 1, "pass": 2, "odd": 1}) == "pass 2, fail 1, crash 1, odd 1"


def test_a_single_try_has_no_tally():
    assert tally([Outcome.PASS]) is None
    assert tally([Outcome.PASS, Outcome.FAIL, Outcome.PASS]) == {"pass": 2, "fail": 1}
