"""How many rounds are enough: until the calls are steady, and then until the median is precise."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from pytest_torchcompat.errors import TorchcompatError

# Two-sided at 95 %, of the normal distribution that a median's ranks come from.
_Z = 1.959963984540054
_LIKE_THE_LAST = 0.1  # calls within a tenth of each other are warm
_WINDOW = 3


class ClockError(TorchcompatError):
    """A clock that cannot be right: no figure is better than a wrong one."""


class Timer(Protocol):
    """A way of timing a call; figures of two methods are never compared."""

    method: str

    def take(self, rounds: int) -> list[float]:
        """Make so many calls, and return the seconds of each."""


@dataclass(frozen=True)
class Effort:
    """
    How long a call is measured.

    Rounds are added until half the interval of the median, at 95 % confidence, is within
    ``precision`` of it, until ``seconds`` are spent, or until there are ``most``; there are never
    fewer than ``least``. Warming up ends where the last three calls are alike, and at the latest
    after ``warm_up`` calls or half of ``seconds``.
    """

    precision: float = 0.02
    seconds: float = 1.0
    least: int = 6  # of fewer, all of them together hold the median less often than that
    most: int = 5_000
    warm_up: int = 20


def warmed(timer: Timer, effort: Effort, clock: Callable[[], float] = time.perf_counter) -> int:
    """Call until the calls are alike; return how many that took."""
    start = clock()
    last: list[float] = []
    for number in range(1, effort.warm_up + 1):
        last = [*last[1 - _WINDOW :], *timer.take(1)]
        alike = len(last) == _WINDOW and max(last) <= min(last) * (1 + _LIKE_THE_LAST)
        if alike or clock() - start >= effort.seconds / 2:
            return number
    return effort.warm_up


def sampled(
    timer: Timer, effort: Effort, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """
    Return the seconds of as many rounds as the effort asks for.

    Raises ``ClockError`` where a round took less than no time.
    """
    start = clock()
    times: list[float] = []
    while True:
        times += timer.take(_next(times, effort, clock() - start))
        if min(times) < 0:
            message = (
                f"the clock of {timer.method} went backwards during a round; there is no figure."
                " Measure again, on a machine whose clock nobody sets meanwhile."
            )
            raise ClockError(message)
        enough = len(times) >= effort.least and precision(times) <= effort.precision
        late = len(times) >= effort.least and clock() - start >= effort.seconds
        if enough or late or len(times) >= effort.most:
            return times


def _next(times: Sequence[float], effort: Effort, spent: float) -> int:
    """Return how many rounds to take before asking again: half as many more, while time lasts."""
    if len(times) < effort.least:
        return 1
    each = spent / len(times)
    fitting = int((effort.seconds - spent) / each) if each else effort.most
    return max(1, min(len(times) // 2, fitting, effort.most - len(times)))


def interval(times: Sequence[float]) -> tuple[float, float]:
    """
    Return between which times the median lies, at 95 % confidence, whatever their distribution.

    The ranks are those of the binomial distribution in its normal approximation (Le Boudec,
    "Performance Evaluation of Computer and Communication Systems", theorem 2.1); of few times they
    are the first and the last, which promise less.
    """
    ordered, count = sorted(times), len(times)
    low = math.floor((count - _Z * math.sqrt(count)) / 2) - 1
    high = math.ceil((count + _Z * math.sqrt(count)) / 2)
    return ordered[max(low, 0)], ordered[min(high, count - 1)]


def precision(times: Sequence[float]) -> float:
    """Return half the interval of the median, over the median."""
    low, high = interval(times)
    middle = statistics.median(times)
    return (high - low) / 2 / middle if middle else 0.0


def summary(times: Sequence[float]) -> dict[str, Any]:
    """Return the rounds, minimum, median with its interval, quartiles, their range, maximum."""
    lower, _, upper = statistics.quantiles(times, n=4)
    low, high = interval(times)
    return {
        "rounds": len(times),
        "min": min(times),
        "median": statistics.median(times),
        "low": low,
        "high": high,
        "quartiles": [lower, upper],
        "iqr": upper - lower,
        "max": max(times),
    }
