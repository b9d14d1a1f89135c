"""
The search itself: numbers in order, and a probe that says of one whether it works.

What is known is a mapping from number to verdict, so that a search goes on from whatever was asked
before, and one that is stopped has what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

SAMPLES = 5  # where both ends agree; a hole narrower than a sixth of the range may be missed
CONFIRMATIONS = 2  # after the answer: the middle of the widest unasked gap on each side of it


class Verdict(str, Enum):
    """What a probe says of its version."""

    WORKS = "works"
    FAILS = "fails"
    UNAVAILABLE = "unavailable"  # no environment can have it
    UNDECIDED = "undecided"  # the machine's fault, or out of time: nothing about the version

    @property
    def decided(self) -> bool:
        """Whether it says something about how the version behaves."""
        return self in (Verdict.WORKS, Verdict.FAILS)


Known = Mapping[int, Verdict]
Probe = Callable[[int], Verdict]


@dataclass(frozen=True)
class Boundary:
    """Two numbers of different verdicts, with none between them that has one."""

    before: int
    after: int

    @property
    def between(self) -> range:
        """The numbers that lie between the two."""
        return range(self.before + 1, self.after)


def search(count: int, known: MutableMapping[int, Verdict], probe: Probe) -> None:
    """
    Find where the verdict changes, and ask on each side of it whether it changes there alone.

    Where both ends agree, some numbers between them are asked instead.
    """
    _ask_ends(count, known, probe)
    if not boundaries(known):
        for number in list(_evenly(known)):
            _ask(number, known, probe)
    narrow(known, probe)
    if len(boundaries(known)) == 1:
        for number in list(_doubts(count, known)):
            _ask(number, known, probe)
        narrow(known, probe)


def narrow(known: MutableMapping[int, Verdict], probe: Probe) -> None:
    """Halve what lies between two verdicts, the newest first, until nothing is left to ask."""
    while left := next(filter(None, _left(known)), None):
        # The middle of what is left: where it is unavailable, its neighbour is next.
        _ask(left[len(left) // 2], known, probe)


def _left(known: Known) -> Iterator[list[int]]:
    for boundary in reversed(boundaries(known)):
        yield [number for number in boundary.between if number not in known]


def boundaries(known: Known) -> list[Boundary]:
    """Return each place where the verdict changes, as far as known; more than one contradict."""
    decided = [number for number in sorted(known) if known[number].decided]
    return [Boundary(a, b) for a, b in pairwise(decided) if known[a] is not known[b]]


def about(count: int) -> int:
    """Return about how many probes a search takes, if nothing is unavailable."""
    inside = max(count - 2, 0)
    return min(count, 2 + inside.bit_length() + CONFIRMATIONS)


def _ask(number: int, known: MutableMapping[int, Verdict], probe: Probe) -> bool:
    """Ask what is not known yet; whether it has a verdict."""
    if number not in known:
        known[number] = probe(number)
    return known[number].decided


def _ask_ends(count: int, known: MutableMapping[int, Verdict], probe: Probe) -> None:
    """Ask from each end inwards, to the first that has a verdict."""
    low = next((number for number in range(count) if _ask(number, known, probe)), count)
    # Where nothing but the low end has one, the walk ends there.
    next((number for number in range(count - 1, low, -1) if _ask(number, known, probe)), None)


def _evenly(known: Known) -> Iterator[int]:
    decided = [number for number, verdict in known.items() if verdict.decided]
    if decided:
        low, width = min(decided), max(decided) - min(decided)
        for place in range(1, SAMPLES + 1):
            yield low + place * width // (SAMPLES + 1)


def _doubts(count: int, known: Known) -> Iterator[int]:
    """Yield the middle of the widest gap on each side of a boundary."""
    boundary = boundaries(known)[0]
    for side in (range(boundary.before), range(boundary.after + 1, count)):
        gap = max(_gaps(side, known), key=len, default=())
        if gap:
            yield gap[len(gap) // 2]


def _gaps(side: range, known: Known) -> Iterator[Sequence[int]]:
    gap: list[int] = []
    for number in side:
        if number not in known:
            gap.append(number)
        elif gap:
            yield gap
            gap = []
    if gap:
        yield gap
