"""A figure: ours, the peer's of the same run, their ratio, and whether the promise is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tests.bench import promises

Figure = dict[str, Any]


class NotRunError(Exception):
    """A suite that this machine has not what it needs for; what is missing is the message."""


def figure(  # noqa: PLR0913 - one name for each thing that a figure has
    suite: str,
    name: str,
    ours: Sequence[float],
    unit: str,
    *,
    peer: str = "",
    theirs: Sequence[float] = (),
    case: str = "",
    value: float | None = None,
    **more: Any,
) -> Figure:
    """
    Return what the table and the JSON hold of one figure.

    ``suite`` is what it belongs to, ``name`` what was measured, ``unit`` in what. ``ours`` is the
    median of our turns, and ``peer`` has a ``name`` and a ``value``, or is null where there is none
    to compare with; ``ratio`` is ours over the peer's. ``each`` holds the turns of both.
    ``promise`` is the name of what is promised, if anything is, ``aim`` its bounds in words, and
    ``met`` whether they are kept by ``value``: the ratio where that is promised, else the median of
    ours, else what is told. ``case`` says which of several that one promise is about.
    """
    promise, over = promises.of(suite, name), ratio(ours, theirs)
    if value is None and promise is not None and promise.unit == promises.RATIO:
        value = over
    elif value is None:
        value = middle(ours)
    return {
        "suite": suite,
        "name": f"{name}, {case}" if case else name,
        "promise": promise and promise.name,
        "case": case,
        "unit": unit,
        "ours": middle(ours),
        "peer": {"name": peer, "value": middle(theirs)} if peer else None,
        "ratio": over,
        "value": value,
        "aim": promise and promise.aim,
        "met": None if promise is None or value is None else promise.met(value),
        "each": {"ours": list(ours), "peer": list(theirs)},
        **more,
    }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Return ours over theirs: turn by turn where they took turns, as the machine drifts."""
    if not ours or not theirs or min(theirs) <= 0:
        return None
    if len(ours) != len(theirs):
        return statistics.median(ours) / statistics.median(theirs)
    return statistics.median(one / other for one, other in zip(ours, theirs))


def middle(each: Sequence[float]) -> float | None:
    """Return the median; nothing of nothing."""
    return float(statistics.median(each)) if each else None


def named(distribution: str) -> str:
    """Return a peer's name with its version."""
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution
