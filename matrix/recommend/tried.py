"""What the cells of a matrix say of a library in one version: where its checks work, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from matrix import axes, retirement
from matrix.recommend.spans import ordered
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.policies import Policy

Cell = Mapping[str, Any]
Check = Mapping[str, Any]
Subject = tuple[str, str]  # a checkpoint and what is done with it

STOCK, STRICT = Policy.STOCK.value, Policy.STRICT.value
ALLOWLISTED, PATCHED = Policy.ALLOWLISTED.value, Policy.PATCHED.value
# The one that changes nothing, then the others, the safest first.
ORDER = (STOCK, STRICT, ALLOWLISTED, PATCHED)

UNAVAILABLE_OUTCOME = Outcome.UNAVAILABLE.value

# What cells say of one torch under one policy. Where several were swept, the first of these wins.
FAILS, WORKS, OPEN, UNAVAILABLE = WORDS = ("fails", "works", "open", "unavailable")


@dataclass(frozen=True)
class Cause:
    """Why checks fail: a known diagnosis with its first remedy, or the words of the failure."""

    says: str
    checks: int
    id: str = ""
    remedy: str = ""
    code: str = ""


@dataclass(frozen=True)
class Tried:
    """
    The cells of a library in one version, beside what tells it from another set of that version.

    ``version`` is empty for all versions of a library that follows torch. ``seen`` are the torch
    versions of the whole run: how far a specifier may reach is measured on them.
    """

    library: str
    version: str
    beside: str
    cells: tuple[Cell, ...]
    seen: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in a sentence."""
        versioned = f"{self.library} {self.version}".rstrip()
        return f"{versioned} beside {self.beside}" if self.beside else versioned

    @property
    def torches(self) -> tuple[str, ...]:
        """The torch versions of its cells, from the oldest to the newest."""
        return ordered(cell["torch"] for cell in self.cells)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What its checks are about, in the order of the cells; experiments ask something else."""
        checks = (check for cell in self.cells for check in counted(cell))
        return tuple(dict.fromkeys((check["checkpoint"], check["use"]) for check in checks))

    def swept(self, policies: Sequence[str]) -> tuple[str, ...]:
        """Return those of some policies under which its checks were planned."""
        planned = {check["policy"] for cell in self.cells for check in counted(cell)}
        return tuple(policy for policy in policies if policy in planned)

    def at(self, torch: str) -> tuple[Cell, ...]:
        """Return its cells of a torch: one for each Python that was swept."""
        return tuple(cell for cell in self.cells if cell["torch"] == torch)

    def word(self, torch: str, policy: str, subjects: Sequence[Subject]) -> str:
        """Return what the cells of a torch say: it fails where any of them does."""
        said = {word_of(cell, policy, subjects) for cell in self.at(torch)} or {OPEN}
        return next(word for word in WORDS if word in said)

    def policies(self, torch: str, subjects: Sequence[Subject], among: Sequence[str]) -> list[str]:
        """Return the policies under which all subjects work on a torch."""
        return [policy for policy in among if self.word(torch, policy, subjects) == WORKS]

    def checks(self, torch: str, policy: str, subjects: Sequence[Subject]) -> list[Check]:
        """Return the checks of a torch under a policy, of the cells where they all work."""
        cells = (cell for cell in self.at(torch) if word_of(cell, policy, subjects) == WORKS)
        return [check for cell in cells for check in about(cell, policy, subjects)]

    def shims(self, torch: str, policy: str, subjects: Sequence[Subject]) -> tuple[str, ...]:
        """Return the shims that the checks of a torch took under a policy."""
        taken = {name for each in self.checks(torch, policy, subjects) for name in each["shims"]}
        return tuple(sorted(taken))


def sets_of(cells: Iterable[Cell], library: str, seen: tuple[str, ...]) -> list[Tried]:
    """Return the sets of a library, from the oldest version to the newest."""
    found: dict[tuple[str, str], list[Cell]] = {}
    paired = axes.is_paired(library)
    for cell in cells:
        if cell["library"] == library:
            key = ("" if paired else cell["version"], cell["beside"])
            found.setdefault(key, []).append(cell)
    sets = [Tried(library, *key, tuple(held), seen) for key, held in found.items()]
    return sorted(sets, key=lambda each: (Version(each.version or "0"), each.beside))


def counted(cell: Cell) -> list[Check]:
    """Return the checks of a cell that are no experiment."""
    return [check for check in cell["checks"] if not check["experiment"]]


def about(cell: Cell, policy: str, subjects: Sequence[Subject]) -> list[Check]:
    """Return the checks of a cell on some subjects under a policy."""
    asked = [check for check in counted(cell) if check["policy"] == policy]
    return [check for check in asked if (check["checkpoint"], check["use"]) in subjects]


def word_of(cell: Cell, policy: str, subjects: Sequence[Subject]) -> str:
    """Return what one cell says; where a subject was never asked for, it is open."""
    checks = about(cell, policy, subjects)
    outcomes = {check["outcome"] for check in checks}
    if UNAVAILABLE_OUTCOME in {cell["outcome"], *outcomes}:
        return UNAVAILABLE
    if outcomes - {*WORKING, *retirement.OPEN}:
        return FAILS
    asked = {(check["checkpoint"], check["use"]) for check in checks}
    return WORKS if asked == set(subjects) and outcomes <= set(WORKING) else OPEN


def beyond(check: Check) -> set[str]:
    """Return the names that a file needs beyond torch's own and those of the library."""
    return set(check["globals"]) - set(check["allowed_by_library"])


def executes(cell: Cell, policy: str, subjects: Sequence[Subject]) -> bool:
    """Whether a policy opened what the safe loader alone refuses in the same cell."""
    if policy != STOCK:
        return False
    refused = {
        (check["checkpoint"], check["use"])
        for check in about(cell, STRICT, subjects)
        if check["outcome"] == Outcome.REFUSED.value
    }
    opened = [check for check in about(cell, policy, subjects) if check["outcome"] in WORKING]
    return any((c["checkpoint"], c["use"]) in refused and beyond(c) for c in opened)


def cause_of(
    tried: Tried, torches: Iterable[str], subjects: Sequence[Subject], policies: Sequence[str]
) -> Cause | None:
    """
    Return the most frequent reason that checks fail on some torches, ``None`` where none does.

    It is asked of the policy that lets most through: what fails there is more than a refusal.
    """
    cells = [cell for torch in torches for cell in tried.at(torch)]
    for policy in reversed(policies):
        found = [check for cell in cells for check in _failed(cell, policy, subjects)]
        reasons = Counter(map(_reason, found))
        if reasons:
            cause, count = reasons.most_common(1)[0]
            return Cause(cause[0], count, *cause[1:])
    return None


def _failed(cell: Cell, policy: str, subjects: Sequence[Subject]) -> Iterator[Check]:
    fine = (*WORKING, *retirement.OPEN, UNAVAILABLE_OUTCOME)
    yield from (check for check in about(cell, policy, subjects) if check["outcome"] not in fine)


def _reason(check: Check) -> tuple[str, str, str, str]:
    return diagnosed(check) or (_words(check), "", "", "")


def diagnosed(item: Mapping[str, Any]) -> tuple[str, str, str, str] | None:
    """Return the cause, the id, and the first remedy with its code, of a check or a cell."""
    known = item.get("diagnosis")
    if not isinstance(known, Mapping):
        return None
    remedy = next(iter(known["remedies"]), {"says": "", "code": ""})
    return (known["cause"], known["id"], remedy["says"], remedy["code"])


def _words(check: Check) -> str:
    said = first_words(check["message"] or "")
    name = (check["exception"] or "").rpartition(".")[2]
    return f"{name}: {said}" if name and said else name or said or str(check["outcome"])


LONGEST = 160


def first_words(text: str) -> str:
    """Return the beginning of what a library or a resolver said, in one line."""
    # uv's first line is the same for all that cannot be resolved; its cause is what tells.
    told = " ".join((text.partition("cause: ")[2] or text).split())
    told = told.partition(", we can conclude")[0]
    return told if len(told) <= LONGEST else f"{told[:LONGEST].rsplit(' ', 1)[0]} ..."
