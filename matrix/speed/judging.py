"""Whether two forward times differ: by what each varies, never by a fixed part of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

ALIKE, SLOWER, FASTER, UNCONFIRMED = "alike", "slower", "faster", "unconfirmed"
# Interquartile ranges beyond a quartile, where Tukey draws the fence between spread and outlier
# ("Exploratory Data Analysis", 1977).
_REACH = 1.5
_FEWEST = 2  # turns that have a spread


def fences(quartiles: Sequence[float]) -> tuple[float, float]:
    """Return between which times a figure is one of its own kind; in seconds, as the quartiles."""
    low, high = quartiles
    return low - _REACH * (high - low), high + _REACH * (high - low)


def differ(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether the median of each is outside of the fences of the other."""
    return _outside(ours["median"], theirs) and _outside(theirs["median"], ours)


def _outside(median: float, figures: Mapping[str, Any]) -> bool:
    low, high = fences(figures["quartiles"])
    return not low <= median <= high


def seen_again(turns: Sequence[Sequence[float]]) -> tuple[str, float]:
    """
    Return the verdict of turns, each the baseline's median and ours, and the ratio of the middles.

    Ours differs where the middle of its turns is outside of the fences of the baseline's turns, and
    no turn of the one is as fast, or as slow, as any of the other.
    """
    theirs, ours = [turn[0] for turn in turns], [turn[1] for turn in turns]
    middle = statistics.median(ours)
    ratio = middle / statistics.median(theirs)
    lower, _, upper = statistics.quantiles(theirs, n=4)
    low, high = fences((lower, upper))
    if middle > high and min(ours) > max(theirs):
        return SLOWER, ratio
    if middle < low and max(ours) < min(theirs):
        return FASTER, ratio
    return ALIKE, ratio


def enough(turns: object) -> bool:
    """Whether something is a list of turns, from which a verdict follows."""
    return (
        isinstance(turns, list)
        and len(turns) >= _FEWEST
        and all(isinstance(turn, list) and len(turn) == 2 and min(turn) > 0 for turn in turns)  # noqa: PLR2004
    )
