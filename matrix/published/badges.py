"""
Badges: what a library, a version of it and each combination come to, in a few words.

What no cell says is never said: a torch that a version was not tried on, or on which it was not
run, belongs to no range.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matrix import axes
from matrix.causes import span
from matrix.diff.changes import torch_of
from matrix.published import svg
from matrix.recommend.tried import (
    ALLOWLISTED,
    OPEN,
    ORDER,
    PATCHED,
    STOCK,
    STRICT,
    WORKS,
    Cell,
    Subject,
    Tried,
    counted,
)
from matrix.tallies import is_flaky
from matrix.versions import version_key
from pytest_torchcompat.display import escaped
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.record import FORWARD

Names = Mapping[str, str]  # of the torch versions of a run, as a badge has them

NOT_RUN = Outcome.NOT_RUN.value
# White on any of them has a contrast of at least 4.5 to 1.
GREEN, OLIVE, AMBER, RED, GREY = "#1a7f37", "#5a6b00", "#9a5800", "#b3261e", "#57606a"
UNAIDED, AIDED, SHIMS = "unaided", "aided", "shims"
_WORDS = {STOCK: UNAIDED, STRICT: "strict", ALLOWLISTED: "allow-list", PATCHED: "patched"}
PARTLY, FLAKY, INCOMPLETE, UNKNOWN, NONE = "partly", "flaky", "incomplete", "unknown", "no checks"
_COLOURS = {
    **dict.fromkeys((INCOMPLETE, UNKNOWN, NONE, Outcome.UNAVAILABLE.value), GREY),
    **dict.fromkeys((Outcome.FAIL.value, Outcome.CRASH.value), RED),
}
# What is no verdict on a combination, with what a badge has for it.
_NO_VERDICT = {Outcome.INFRA.value: UNKNOWN, Outcome.UNAVAILABLE.value: "unavailable"}
_OPEN = {Outcome.INFRA.value: UNKNOWN, Outcome.TIMEOUT.value: Outcome.TIMEOUT.value}
LONGEST_LABEL, LONGEST_MESSAGE, LONGEST_TITLE = 60, 70, 600
LONGEST_RANGES = 56  # with what may follow it is no longer than a message
LONGEST_STEM, KEPT = 150, 100  # characters of a file's name
_PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.+-]{{0,{LONGEST_STEM - 1}}}")


@dataclass(frozen=True)
class Badge:
    """A label, a message, its colour, and the whole of it in a sentence."""

    label: str
    message: str
    colour: str
    title: str

    @property
    def svg(self) -> str:
        """The picture."""
        return svg.svg(self.label, self.message, self.colour, self.title)

    @property
    def endpoint(self) -> dict[str, Any]:
        """The same for shields.io, which draws it."""
        known = {"label": self.label, "message": self.message, "color": self.colour}
        return {"schemaVersion": 1, **known, "labelColor": svg.LABEL}


@dataclass(frozen=True)
class Badges:
    """The badges of a run by the stem of their files: of libraries and versions, and of cells."""

    libraries: Mapping[str, Badge]
    cells: Mapping[str, Badge]


def badges(matrix: Mapping[str, Any]) -> Badges:
    """Return the badges of a run."""
    names = _names(matrix["cells"])
    stems = _Stems()
    sets = [found for cells in _by_library(matrix["cells"]) for found in _sets(cells)]
    several = Counter(_place(cell) for cell in matrix["cells"])
    libraries = {stems.of(stem): _of_set(each, names, matrix) for stem, each in sets}
    cells = {
        stems.of(cell["id"]): _of_cell(cell, names, matrix, several[_place(cell)] > 1)
        for cell in matrix["cells"]
    }
    return Badges(libraries, cells)


class _Stems:
    """Names of files that any system has, and that tell all apart."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, name: str) -> str:
        stem = name
        if not _PLAIN.fullmatch(name) or name.casefold() in self._given:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
            stem = f"{re.sub(r'[^A-Za-z0-9_.+-]', '-', name)[:KEPT].lstrip('.')}-{digest[:16]}"
        self._given.add(stem.casefold())
        return stem


def _names(cells: Iterable[Cell]) -> Names:
    """Return the minor of each torch of a run, or ``nightly``; all of it where that is no name."""
    found = {cell["torch"]: torch_of(cell["torch"]) for cell in cells}
    often = Counter(found.values())
    return {torch: name if often[name] == 1 else torch for torch, name in found.items()}


def _place(cell: Cell) -> tuple[str, ...]:
    """Return all that tells a cell apart but its Python."""
    return tuple(cell[name] for name in ("library", "version", "beside", "torch"))


def _by_library(cells: Iterable[Cell]) -> list[list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell["library"], []).append(cell)
    return list(found.values())


def _sets(cells: Sequence[Cell]) -> Iterator[tuple[str, Tried]]:
    """Yield a library at its newest version, each version, and each set of one that has several."""
    library = cells[0]["library"]
    if axes.is_paired(library):  # one version for each torch: together they are the library
        yield library, _tried(cells, "", "")
    versions = sorted({cell["version"] for cell in cells}, key=version_key)
    for version in versions:
        mine = [cell for cell in cells if cell["version"] == version]
        if version == versions[-1] and not axes.is_paired(library):
            yield library, _tried(mine, version, "")
        yield f"{library}-{version}", _tried(mine, version, "")
        for beside in sorted({cell["beside"] for cell in mine} - {""}):
            some = [cell for cell in mine if cell["beside"] == beside]
            yield f"{library}-{version}-{beside.replace(' ', '')}", _tried(some, version, beside)


def _tried(cells: Sequence[Cell], version: str, beside: str) -> Tried:
    torches = sorted({cell["torch"] for cell in cells}, key=version_key)
    return Tried(cells[0]["library"], version, beside, tuple(cells), tuple(torches))


def _of_set(tried: Tried, names: Names, matrix: Mapping[str, Any]) -> Badge:
    verdict = _Verdict(tried, whole=matrix["complete"])
    said = [verdict.ranges(names, brief=brief) for brief in (True, False)]
    return _badge(tried.name, said[0], f"{tried.name}: {said[1]}", verdict, matrix)


def _of_cell(cell: Cell, names: Names, matrix: Mapping[str, Any], python: bool) -> Badge:
    tried = _tried([cell], cell["version"], cell["beside"])
    place = [tried.name, f"torch {names[cell['torch']]}"]
    place += [f"Python {cell['python']}"] if python else []
    verdict = _Verdict(tried, whole=True)
    said = verdict.one
    return _badge(" · ".join(place), said, f"{cell['id']}: {said}", verdict, matrix)


def _badge(
    label: str, message: str, whole: str, verdict: _Verdict, matrix: Mapping[str, Any]
) -> Badge:
    title = " ".join([f"{whole}.", *verdict.notes, _evidence(verdict, matrix)])
    return Badge(
        _cut(escaped(label), LONGEST_LABEL),
        _cut(escaped(message), LONGEST_MESSAGE),
        verdict.colour,
        _cut(escaped(title), LONGEST_TITLE),
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


class _Verdict:
    """What the cells of a set say together: of a torch it works on where all of them do."""

    def __init__(self, tried: Tried, *, whole: bool) -> None:
        self._tried, self._whole = tried, whole
        self._told = tried.subjects
        self._subjects = tuple(each for each in self._told if not self._is_hopeless(each))

    def _is_hopeless(self, subject: Subject) -> bool:
        """Whether nothing that is known or open lets it work somewhere."""
        tried = self._tried
        policies = tried.swept(ORDER)
        words = (tried.word(torch, p, [subject]) for torch in tried.seen for p in policies)
        return not {WORKS, OPEN}.intersection(words)

    @cached_property
    def ways(self) -> dict[str, list[str]]:
        """The torch versions on which it works, by how; of several ways the least intrusive."""
        found: dict[str, list[str]] = {}
        for torch in self._tried.seen if self._subjects else ():
            way = self._way(torch)
            if way:
                found.setdefault(way, []).append(torch)
        return found

    def _way(self, torch: str) -> str:
        tried, subjects = self._tried, self._subjects
        for policy in tried.policies(torch, subjects, ORDER):
            if not any(map(is_flaky, tried.checks(torch, policy, subjects))):
                return _way(policy, shims=bool(tried.shims(torch, policy, subjects)))
        return ""

    @property
    def one(self) -> str:
        """How the cell of a single torch works, or what it is instead."""
        return f"{next(iter(self.ways))}{self._some}" if self.ways else self._instead

    def ranges(self, names: Names, *, brief: bool = False) -> str:
        """Return on which torch versions it works, and how; or what it is instead."""
        said = self._ranges(names, brief=brief) if self.ways else self._instead
        # Of a part of a run, what it lacks is in no cell.
        open_ = said != INCOMPLETE and (self._unfinished or not self._whole)
        return f"{said}, {INCOMPLETE}" if open_ else said

    def _ranges(self, names: Names, *, brief: bool) -> str:
        every = [names[torch] for torch in self._tried.seen]
        found = {how: span({names[t] for t in held}, every) for how, held in self.ways.items()}
        if set(found) == {UNAIDED}:
            return f"torch {found[UNAIDED]}{self._some}"
        text = f"torch {' · '.join(f'{torch} {how}' for how, torch in found.items())}{self._some}"
        if not brief or len(text) <= LONGEST_RANGES:
            return text
        everywhere = span({names[t] for held in self.ways.values() for t in held}, every)
        return f"torch {everywhere} {f'partly {AIDED}' if UNAIDED in found else AIDED}{self._some}"

    @property
    def _some(self) -> str:
        told, kept = len(self._told), len(self._subjects)
        return f" ({kept} of {told})" if kept < told else ""

    @property
    def _instead(self) -> str:
        """Say in a word what it is where it works nowhere."""
        said = self._said
        bad = said - {*WORKING, *_NO_VERDICT, NOT_RUN}
        if self._unfinished:
            return INCOMPLETE
        if any(is_flaky(check) for cell in self._tried.cells for check in counted(cell)):
            return FLAKY
        # Under what has no verdict it may work, and then it is no failure.
        for outcome, word in _OPEN.items():
            if outcome in said:
                return word
        if said.intersection(WORKING):
            return PARTLY
        # A refusal is a policy doing its work: what it is otherwise says more.
        bad = bad - {Outcome.REFUSED.value} or bad
        if bad:
            return bad.pop() if len(bad) == 1 else Outcome.FAIL.value
        return next((word for outcome, word in _NO_VERDICT.items() if outcome in said), NONE)

    @cached_property
    def _said(self) -> set[str]:
        """The outcomes of all checks; that of a cell where none of its own has one."""
        return {outcome for cell in self._tried.cells for outcome in _outcomes(cell)}

    @property
    def _unfinished(self) -> bool:
        return NOT_RUN in self._said

    @property
    def colour(self) -> str:
        """Green only where it works everywhere by itself."""
        if not self.ways:
            return _COLOURS.get(self._instead, AMBER)
        working = {torch for torches in self.ways.values() for torch in torches}
        whole = working == set(self._tried.seen) and not self._some
        if whole and set(self.ways) == {UNAIDED}:
            return GREEN
        return OLIVE if self._newest in working else AMBER

    @property
    def _newest(self) -> str:
        final = [torch for torch in self._tried.seen if "dev" not in torch]
        return (final or self._tried.seen)[-1]

    @property
    def notes(self) -> list[str]:
        """Sentences on what the message leaves out."""
        sets = len({cell["beside"] for cell in self._tried.cells})
        left = [each for each in self._told if each not in self._subjects]
        named = ", ".join(name if use == FORWARD else f"{name} ({use})" for name, use in left)
        found = [f"So with each of its {sets} sets of packages."] if sets > 1 else []
        return [*found, f"Not with {named}."] if self.ways and left else found

    @property
    def editions(self) -> list[str]:
        """Which files the verdicts are about."""
        checks = [check for cell in self._tried.cells for check in counted(cell)]
        return sorted({check["edition"] for check in checks if check["sha256"]})


def _way(policy: str, *, shims: bool) -> str:
    if not shims:
        return _WORDS[policy]
    return SHIMS if policy == STOCK else f"{_WORDS[policy]} + {SHIMS}"


def _outcomes(cell: Cell) -> list[str]:
    """Return the outcomes of a cell's checks; its own for those that its end kept from running."""
    outcomes = [check["outcome"] for check in counted(cell)]
    if not cell["reason"]:
        return outcomes
    return [cell["outcome"] if each == NOT_RUN else each for each in outcomes or [NOT_RUN]]


def _evidence(verdict: _Verdict, matrix: Mapping[str, Any]) -> str:
    editions = verdict.editions
    files = f"{' and '.join(editions)} edition{'s' if len(editions) > 1 else ''}, "
    whole = "" if matrix["complete"] else ", which is not complete"
    text = f"{files if editions else ''}run {matrix['run']}{whole}."
    return f"{text[0].upper()}{text[1:]}"
