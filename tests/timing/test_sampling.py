from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_torchcompat.timing.sampling import (
    ClockError,
    Effort,
    interval,
    precision,
    sampled,
    summary,
    warmed,
)

TIMES = st.lists(st.floats(1e-7, 10), min_size=2, max_size=200)


class Known:
    """A timer whose calls take what a list says, the last of it for ever."""

    method = "known"

    def __init__(self, *times):
        self.times, self.taken, self.now = list(times), 0, 0.0

    def take(self, rounds):
        return [self._one() for _ in range(rounds)]

    def _one(self):
        found = self.times[min(self.taken, len(self.times) - 1)]
        self.taken += 1
        self.now += found
        return found

    def clock(self):
        return self.now


def test_calls_that_are_alike_from_the_start_are_warm_after_three():
    timer = Known(0.01)
    assert warmed(timer, Effort(), timer.clock) == 3


def test_a_slow_first_call_is_not_yet_warm():
    timer = Known(0.1, 0.05, 0.01)
    assert warmed(timer, Effort(), timer.clock) == 5


def test_calls_that_never_settle_end_with_the_most_that_are_asked_for():
    timer = Known(*([0.001, 0.002] * 50))
    assert warmed(timer, Effort(warm_up=20), timer.clock) == 20


def test_warming_up_takes_half_of_the_time_at_most():
    timer = Known(*([0.1, 0.2] * 50))
    assert warmed(timer, Effort(seconds=1.0), timer.clock) == 4


def test_equal_rounds_need_the_fewest():
    timer = Known(0.01)
    assert len(sampled(timer, Effort(least=5), timer.clock)) == 5


def test_rounds_are_added_until_the_median_is_precise():
    noise = random.Random(0)
    timer = Known(*[0.01 * noise.uniform(0.8, 1.2) for _ in range(5_000)])
    times = sampled(timer, Effort(precision=0.01, seconds=1e9), timer.clock)
    assert precision(times) <= 0.01
    assert precision(times[: len(times) // 2]) > 0.01


def test_time_that_is_spent_ends_the_rounds():
    timer = Known(*[0.1, 0.4] * 500)
    times = sampled(timer, Effort(precision=0.0001, seconds=5.0), timer.clock)
    assert 5.0 <= sum(times) < 5.5


def test_a_call_slower_than_the_time_there_is_gets_the_fewest_rounds():
    timer = Known(9.0, 7.0)
    assert len(sampled(timer, Effort(precision=0.0, least=3, seconds=1.0), timer.clock)) == 3


def test_thousands_of_rounds_are_asked_for_in_a_few_turns():
    timer = Known(0.01, 0.02)
    turns = []
    take = timer.take
    timer.take = lambda rounds: turns.append(rounds) or take(rounds)
    sampled(timer, Effort(precision=-1, seconds=1e9, most=5_000), timer.clock)
    assert sum(turns) == 5_000
    assert len(turns) < 25  # after each all times are sorted, which no round may pay for


def test_there_is_an_end_to_rounds_that_take_no_time():
    timer = Known(*[0.0, 1e-9] * 5_000)
    assert len(sampled(timer, Effort(precision=-1, most=1_000), timer.clock)) == 1_000


def test_a_clock_that_goes_backwards_gives_no_figure():
    timer = Known(0.01, 0.01, -0.5)
    with pytest.raises(ClockError, match="the clock of known went backwards during a round"):
        sampled(timer, Effort(precision=-1), timer.clock)


@given(TIMES)
def test_the_median_is_within_its_interval(times):
    low, high = interval(times)
    assert min(times) <= low <= statistics.median(times) <= high <= max(times)


def test_the_interval_holds_the_true_median_as_often_as_it_says():
    draw = random.Random(7)
    held = 0
    for _ in range(2_000):
        low, high = interval([draw.expovariate(1.0) for _ in range(101)])
        held += low <= 0.6931471805599453 <= high
    assert 0.94 <= held / 2_000 <= 0.98


def test_a_summary_says_how_many_rounds_and_what_they_took():
    found = summary([0.4, 0.1, 0.2, 0.3])
    assert found == {
        "rounds": 4,
        "min": 0.1,
        "median": 0.25,
        "low": 0.1,
        "high": 0.4,
        "quartiles": [pytest.approx(0.125), pytest.approx(0.375)],
        "max": 0.4,
        "iqr": pytest.approx(0.25),
    }
