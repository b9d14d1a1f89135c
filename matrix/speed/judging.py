"""
Whether two forward times differ: by what each varies, never by a fixed part of them.

That they do not differ is another claim than that nothing was seen: times that vary too much say
neither. Only what is within a tenth is called alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

ALIKE, SLOWER, FASTER = "alike", "slower", "faster"
UNCONFIRMED, UNCLEAR = "unconfirmed", "unclear"
_CLOSE = 1.1  # as calls are of which a benchmark says that they are warm
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


def close(ratio: float) -> bool:
    """Whether two figures are near enough to be called alike where they do not differ."""
    return 1 / _CLOSE <= ratio <= _CLOSE


def _outside(median: float, figures: Mapping[str, Any]) -> bool:
    low, high = fences(figures["quartiles"])
    return not low <= median <= high


def seen_again(turns: Sequence[Sequence[float]]) -> tuple[str, float]:
    """
    Return the verdict of turns, each the baseline's median and ours, and their middle ratio.

    Ours differs where the fences of the ratios leave out one. What a machine does otherwise meets
    both of a turn alike, so that it is in no ratio; of four turns of equal times, one in two
    hundred differs so by chance.
    """
    ratios = [ours / theirs for theirs, ours in turns]
    ratio = statistics.median(ratios)
    lower, _, upper = statistics.quantiles(ratios, n=4)
    low, high = fences((lower, upper))
    if low > 1:
        return SLOWER, ratio
    if high < 1:
        return FASTER, ratio
    return (ALIKE if close(ratio) else UNCLEAR), ratio


def enough(turns: object) -> bool:
    """Whether something is a list of turns, from which a verdict follows."""
    return (
        isinstance(turns, list)
        and len(turns) >= _FEWEST
        and all(isinstance(turn, list) and len(turn) == 2 and min(turn) > 0 for turn in turns)  # noqa: PLR2004
    )
