"""What the cells of one set say: a verdict for each subject and torch, and who shares it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matrix import retirement
from matrix.page.table import MIXED, has_run
from matrix.recommend.tried import (
    FAILS,
    OPEN,
    ORDER,
    STOCK,
    STRICT,
    UNAVAILABLE,
    WORKS,
    Cell,
    Subject,
    Tried,
    word_of,
)
from matrix.tallies import is_flaky
from pytest_torchcompat.outcome import Outcome

DIFFERS = MIXED  # by Python
DIED = "died"  # before it came to a check
REACHED = "reached"  # whether any check of a cell was
# What leaves a verdict open, the most telling first.
UNKNOWN = (Outcome.INFRA.value, Outcome.TIMEOUT.value, Outcome.NOT_RUN.value)
_FAILURES = (Outcome.CRASH.value, Outcome.FAIL.value)


@dataclass(frozen=True)
class Verdict:
    """
    What is true of a subject on a torch.

    ``kind`` is the policy that changes least of those under which it works, with the shims that it
    takes there, or why there is none. ``less`` are policies that change less still, of which
    nothing is known. ``word`` is how an open verdict stands, and ``tried`` are the policies under
    which what fails was tried. ``flaky`` says that tries of it disagree.
    """

    kind: str
    shims: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    word: str = ""
    tried: tuple[str, ...] = ()
    flaky: bool = False

    @property
    def way(self) -> Verdict:
        """The same without the names of its shims."""
        return dataclasses.replace(self, shims=("",) if self.shims and self.kind == STOCK else ())

    @property
    def mark(self) -> str:
        """The outcome whose shape stands for it: that of shims for whatever has to be done."""
        if self.flaky:
            return MIXED
        if self.kind in ORDER:
            unaided = self.kind == STOCK and not self.shims
            return Outcome.PASS.value if unaided else Outcome.SHIMMED.value
        return {FAILS: Outcome.FAIL.value, OPEN: self.word}.get(self.kind, self.kind)


Verdicts = Mapping[str, Verdict]  # by torch


@dataclass(frozen=True)
class Reading:
    """What is true of some subjects alike."""

    subjects: tuple[Subject, ...]
    verdicts: Verdicts


def readings(tried: Tried) -> Iterator[Reading]:
    """Yield the readings of a set: that of the most subjects, then those that differ from it."""
    alike: dict[tuple[tuple[str, Verdict], ...], list[Subject]] = {}
    for subject, mine in _by_subject(tried).items():
        verdicts = {torch: _verdict(mine, torch, subject) for torch in mine.torches}
        alike.setdefault(tuple(verdicts.items()), []).append(subject)
    if not alike:
        alike[tuple(_without_checks(tried).items())] = []
    for key in sorted(alike, key=lambda key: (-len(alike[key]), -_worth(dict(key)))):
        yield Reading(tuple(alike[key]), dict(key))


def _by_subject(tried: Tried) -> dict[Subject, Tried]:
    """Return the same with the checks of one subject alone, which are looked through in no time."""
    found: dict[Subject, list[Cell]] = {}
    for cell in tried.cells:
        mine: dict[Subject, list[Any]] = {}
        for check in cell["checks"]:
            if not check["experiment"]:
                mine.setdefault((check["checkpoint"], check["use"]), []).append(check)
        for subject, checks in mine.items():
            mine_alone = {**cell, "checks": checks, REACHED: has_run(cell)}
            found.setdefault(subject, []).append(mine_alone)
    return {s: dataclasses.replace(tried, cells=tuple(cells)) for s, cells in found.items()}


def _worth(verdicts: Verdicts) -> int:
    """Return how good verdicts are: of as many subjects, those that have it best come first."""
    working = [verdict for verdict in verdicts.values() if verdict.kind in ORDER]
    return sum(2 * (len(ORDER) - ORDER.index(v.kind)) - bool(v.shims) for v in working)


def _verdict(tried: Tried, torch: str, subject: Subject) -> Verdict:
    words = {policy: tried.word(torch, policy, [subject]) for policy in ORDER}
    flaky = {p for p in ORDER if any(map(is_flaky, tried.checks(torch, p, [subject])))}
    working = [policy for policy in ORDER if words[policy] == WORKS]
    if working:
        # What works at every try is an answer; what does so at some is one where nothing else does.
        best = min(working, key=lambda policy: policy in flaky)
        before = ORDER[: ORDER.index(best)]
        unknown = (p for p in before if p != STRICT and words[p] in (OPEN, UNAVAILABLE))
        shims = tried.shims(torch, best, [subject])
        return Verdict(best, shims, tuple(unknown), flaky=best in flaky)
    return _other_verdict(tried.at(torch), subject)


def _other_verdict(cells: Sequence[Cell], subject: Subject) -> Verdict:
    """Return why nothing works on a torch, in all of its cells."""
    words: dict[str, set[str]] = {}
    for cell in cells:
        for policy in dict.fromkeys(check["policy"] for check in cell["checks"]):
            said = word_of(cell, policy, [subject])
            words.setdefault(policy, set()).add(DIED if said == OPEN and _died(cell) else said)
    if any(WORKS in said for said in words.values()):
        return Verdict(DIFFERS)
    failed = [policy for policy in ORDER if FAILS in words.get(policy, ())]
    if any(OPEN in said and FAILS not in said for said in words.values()):
        outcomes = {check["outcome"] for cell in cells for check in cell["checks"]}
        return Verdict(OPEN, word=_open({cell["outcome"] for cell in cells} | outcomes))
    if failed or any(DIED in said for said in words.values()):
        return Verdict(FAILS, tried=tuple(failed), flaky=_is_torn(cells))
    return Verdict(UNAVAILABLE)


def _died(cell: Cell) -> bool:
    """Whether a cell ended in a failure before any check, or in one of those that are asked for."""
    outcomes = {check["outcome"] for check in cell["checks"]}
    if outcomes & set(retirement.OPEN) - {Outcome.NOT_RUN.value}:
        return False
    ended = cell["outcome"] in _FAILURES
    return ended and (not cell[REACHED] or cell["outcome"] in outcomes)


def _is_torn(cells: Iterable[Cell]) -> bool:
    return any(is_flaky(check) for cell in cells for check in cell["checks"])


def _open(outcomes: Iterable[str]) -> str:
    found = set(outcomes)
    return next((word for word in UNKNOWN if word in found), Outcome.NOT_RUN.value)


def _without_checks(tried: Tried) -> dict[str, Verdict]:
    """Return what cells say for which no check is planned that counts."""
    found: dict[str, Verdict] = {}
    for torch in tried.torches:
        outcomes = {cell["outcome"] for cell in tried.at(torch)}
        if outcomes <= set(retirement.OPEN):
            found[torch] = Verdict(OPEN, word=_open(outcomes))
        elif outcomes == {Outcome.UNAVAILABLE.value}:
            found[torch] = Verdict(UNAVAILABLE)
    return found
