"""
What documents assert, and what a run says of it.

A claim has parts, each tied to checks. What is expected of them and what contradicts it are data;
the verdict follows from a run's matrix alone.
"""

from __future__ import annotations

import fnmatch
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from matrix.versions import is_version
from pytest_torchcompat.outcome import WORKING, Outcome, Stage
from pytest_torchcompat.record import FORWARD

Cell = Mapping[str, Any]
Check = Mapping[str, Any]

WORKS = WORKING
RUNS = (*WORKS, Outcome.DEGRADED.value)
# What says nothing about a claim, whatever the claim is.
SILENT = tuple(
    outcome.value
    for outcome in (Outcome.TIMEOUT, Outcome.UNAVAILABLE, Outcome.INFRA, Outcome.NOT_RUN)
)


class Verdict(str, Enum):
    """What a run says of a claim, or of a part of it."""

    HOLDS = "holds"
    REFUTED = "refuted"
    UNTESTED = "untested"


@dataclass(frozen=True)
class Of:
    """
    Which checks a part is about; without checkpoints, which cells' environments.

    ``library`` and ``checkpoints`` are globs, ``version`` and ``torch`` specifiers, and
    ``distributions`` maps names to specifiers. ``released`` leaves nightly builds of torch out.
    ``reached`` leaves out checks that stopped before that stage: they failed of something else.
    """

    checkpoints: tuple[str, ...] = ()
    library: str = "*"
    version: str = ""
    beside: str | None = None
    torch: str = ""
    released: bool = False
    policies: tuple[str, ...] = ()
    use: str = FORWARD
    reached: Stage | None = None
    distributions: Mapping[str, str] = field(default_factory=dict)

    def has_cell(self, cell: Cell) -> bool:
        """Whether a cell is one that the part is about."""
        return (
            fnmatch.fnmatchcase(cell["library"], self.library)
            and self.beside in (None, cell["beside"])
            and within(cell["version"], self.version)
            and within(cell["torch"], self.torch)
            and not (self.released and _is_unreleased(cell["torch"]))
            and all(
                within(cell["distributions"].get(name, ""), wanted)
                for name, wanted in self.distributions.items()
            )
        )

    def has_check(self, check: Check) -> bool:
        """Whether a check of such a cell is one that the part is about."""
        return (
            check["use"] == self.use
            and (not self.policies or check["policy"] in self.policies)
            and any(fnmatch.fnmatchcase(check["checkpoint"], glob) for glob in self.checkpoints)
            and (self.reached is None or _reached(check, self.reached))
        )


def _is_unreleased(version: str) -> bool:
    return not is_version(version) or Version(version).is_prerelease


@lru_cache(maxsize=65_536)
def within(version: str, specifier: str) -> bool:
    """Whether a version is in a span; nothing but a version is in one."""
    if not specifier:
        return True
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _reached(check: Check, stage: Stage) -> bool:
    order = [each.value for each in Stage]
    return check["stage"] in order[order.index(stage.value) :]


@dataclass(frozen=True)
class Finding:
    """
    What a check may show; all that is given has to be so.

    ``message`` is a pattern. ``globals`` are exactly those of the file beyond torch's own, and
    ``globals_within`` holds all of them. ``without`` are shims that were not needed.
    ``error_at_most`` bounds the relative error of parity. Of an environment, ``not_built_for`` is
    an architecture that torch was not compiled for, and ``reads`` a variable that ``torch.load``
    looks at.
    """

    outcomes: tuple[str, ...] = ()
    message: str = ""
    globals: tuple[str, ...] | None = None
    globals_within: tuple[str, ...] | None = None
    shims: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    error_at_most: float | None = None
    not_built_for: str = ""
    reads: str = ""

    def fits(self, cell: Cell, check: Check | None) -> bool | None:
        """Return whether it is so; ``None`` where nothing was found that could tell."""
        asked = list(self._of_environment(cell) if check is None else self._of_check(check))
        if False in asked:
            return False
        return None if None in asked else True

    def _of_environment(self, cell: Cell) -> Iterator[bool | None]:
        # A build for the CPU has no architectures; a process that died noted no variables.
        if self.not_built_for:
            found = cell["gpu_archs"]
            yield self.not_built_for not in found if found else None
        if self.reads:
            found = cell["load_variables"]
            yield self.reads in found if found else None

    def _of_check(self, check: Check) -> Iterator[bool | None]:
        if self.outcomes:
            yield check["outcome"] in self.outcomes
        if self.message:
            said = f"{check['exception'] or ''}: {check['message'] or ''}"
            yield re.search(self.message, said) is not None
        if self.shims or self.without:
            needed = set(check["shims"])
            yield needed >= set(self.shims) and not needed & set(self.without)
        yield from self._of_globals(check)
        if self.error_at_most is not None:
            error = (check["parity"] or {}).get("relative_error")
            yield None if error is None else error <= self.error_at_most

    def _of_globals(self, check: Check) -> Iterator[bool | None]:
        found = set(check["globals"])
        # Where a check stopped early nobody knows whether the file was read.
        known = bool(found) or check["outcome"] in RUNS
        if self.globals is not None:
            yield found == set(self.globals) if known else None
        if self.globals_within is not None:
            yield found <= set(self.globals_within) if known else None


@dataclass(frozen=True)
class Part:
    """
    One thing that a claim says.

    A check agrees where it is as one of ``expects`` has it. Any other contradicts, unless
    ``contradicted_by`` says what does; the rest then says nothing. A part ``of`` nothing is one
    that no sweep can test; ``note`` says why, or where a bound comes from.
    """

    says: str
    of: Of | None = None
    expects: tuple[Finding, ...] = ()
    contradicted_by: tuple[Finding, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """What is asserted, and by whom in general terms."""

    id: str
    says: str
    said_by: str
    parts: tuple[Part, ...]


def judged(claims: Iterable[Claim], cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return each claim with its verdict and the evidence of its parts, as matrix.json has them."""
    seen = _Seen(cells)
    return [_judged(claim, seen) for claim in claims]


class _Seen:
    """A run's cells, and their checks by checkpoint: each part looks at a few of many."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self._checks: dict[str, list[tuple[int, Cell, Check]]] = {}
        for place, cell in enumerate(cells):
            for check in cell["checks"]:
                if check["outcome"] not in SILENT:
                    self._checks.setdefault(check["checkpoint"], []).append((place, cell, check))

    def checks(self, globs: Iterable[str]) -> Iterator[tuple[Cell, Check]]:
        """Yield the checks of checkpoints that say something, in the order of the cells."""
        globs = tuple(globs)
        named = [
            found
            for name, found in self._checks.items()
            if any(fnmatch.fnmatchcase(name, glob) for glob in globs)
        ]
        for _, cell, check in heapq.merge(*named, key=lambda each: each[0]):
            yield cell, check


def _judged(claim: Claim, seen: _Seen) -> dict[str, Any]:
    parts = [_of_part(part, seen) for part in claim.parts]
    return {
        "id": claim.id,
        "says": claim.says,
        "said_by": claim.said_by,
        "verdict": _of_parts([part["verdict"] for part in parts]),
        "parts": parts,
    }


def _of_parts(verdicts: Sequence[str]) -> str:
    """Return the verdict on a whole: a part that was not tested leaves it open."""
    for verdict in (Verdict.REFUTED.value, Verdict.UNTESTED.value):
        if verdict in verdicts:
            return verdict
    return Verdict.HOLDS.value if verdicts else Verdict.UNTESTED.value


def _of_part(part: Part, seen: _Seen) -> dict[str, Any]:
    told_by: dict[tuple[Any, ...], list[str]] = {}
    for cell, check in _looked_at(part.of, seen):
        agrees = _agrees(part, cell, check)
        if agrees is not None:
            told_by.setdefault(_evidence(part, cell, check, agrees), []).append(cell["id"])
    names = ("agrees", "checkpoint", "use", "policy", "edition", "outcome", "found")
    # What contradicts comes first: one such check decides.
    order = sorted(told_by.items(), key=lambda item: item[0][0])
    evidence = [{**dict(zip(names, key)), "cells": found} for key, found in order]
    told = [Verdict.HOLDS.value if each["agrees"] else Verdict.REFUTED.value for each in evidence]
    return {
        "says": part.says,
        "note": part.note,
        "verdict": _of_parts(told),
        "evidence": evidence,
    }


def _looked_at(of: Of | None, seen: _Seen) -> Iterator[tuple[Cell, Check | None]]:
    if of is None:
        return
    if not of.checkpoints:
        yield from ((cell, None) for cell in seen.cells if of.has_cell(cell))
        return
    for cell, check in seen.checks(of.checkpoints):
        if of.has_check(check) and of.has_cell(cell):
            yield cell, check


def _agrees(part: Part, cell: Cell, check: Check | None) -> bool | None:
    agrees = _one_fits(part.expects, cell, check)
    if agrees is False and part.contradicted_by:
        return False if _one_fits(part.contradicted_by, cell, check) else None
    return agrees


def _one_fits(findings: Iterable[Finding], cell: Cell, check: Check | None) -> bool | None:
    told = [finding.fits(cell, check) for finding in findings]
    if True in told:
        return True
    return None if None in told else False


def _evidence(part: Part, cell: Cell, check: Check | None, agrees: bool) -> tuple[Any, ...]:
    """Return what tells one piece of evidence from another; those of several cells are one."""
    if check is None:
        reads = any(finding.reads for finding in part.expects)
        found = cell["load_variables"] if reads else cell["gpu_archs"]
        return (agrees, "", "", "", "", "", " ".join(found))
    names = ("checkpoint", "use", "policy", "edition", "outcome")
    return (agrees, *(check[name] for name in names), "; ".join(_figures(part, cell, check)))


def _figures(part: Part, cell: Cell, check: Check) -> Iterator[str]:
    """Yield what was found beside the outcome, as far as the part is about it."""
    expects = part.expects
    for name in part.of.distributions if part.of else ():
        yield f"{name} {cell['distributions'].get(name, 'absent')}"
    asked = [each.globals for each in expects] + [each.globals_within for each in expects]
    if any(names is not None for names in asked):
        yield _counted(len(check["globals"]))
    if check["shims"] and any(each.shims or each.without for each in expects):
        yield f"with {', '.join(check['shims'])}"
    error = (check["parity"] or {}).get("relative_error")
    if error is not None and any(each.error_at_most is not None for each in expects):
        yield f"relative error {error:.2g}"


def _counted(number: int) -> str:
    return f"{number} global" if number == 1 else f"{number} globals"
