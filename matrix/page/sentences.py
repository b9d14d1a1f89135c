"""
What the cells say of each library, a sentence for all versions of which the same is true.

A sentence is about what ran. Where checkpoints differ, it speaks of the most and names the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matrix import axes
from matrix.causes import inlined
from matrix.page.readings import Reading, readings
from matrix.page.saying import Saying, listed, runs
from matrix.page.table import MIXED
from matrix.recommend.spans import ordered
from matrix.recommend.tried import Cell, Tried
from matrix.versions import version_key
from pytest_torchcompat.outcome import Outcome

LINES = 5  # about a library


@dataclass(frozen=True)
class Told:
    """The readings of one set: that of the most subjects, then those that differ from it."""

    version: str
    beside: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Sentence:
    """A sentence that is true of several sets."""

    versions: str
    text: str
    told: tuple[Told, ...]

    @property
    def mark(self) -> str:
        """The outcome whose shape stands for the sentence: that of help where some is needed."""
        found = {v.mark for each in self.told[0].readings for v in each.verdicts.values()}
        if found == {Outcome.PASS.value, Outcome.SHIMMED.value}:
            return Outcome.SHIMMED.value
        return found.pop() if len(found) == 1 else MIXED


@dataclass(frozen=True)
class LibrarySentences:
    """The sentences on a library, the newest versions first."""

    library: str
    items: tuple[Sentence, ...]

    @property
    def shown(self) -> tuple[Sentence, ...]:
        """Those that are seen at once: all, or where these are too many some of them."""
        return self.items if len(self.items) <= LINES else self.items[: LINES - 1]

    @property
    def folded(self) -> tuple[Sentence, ...]:
        """Those that are not."""
        return self.items[len(self.shown) :]


def sentences(matrix: Mapping[str, Any]) -> list[LibrarySentences]:
    """Return what the cells of a matrix say of each of its libraries."""
    cells = inlined(matrix)["cells"]
    seen = ordered(cell["torch"] for cell in cells)
    libraries = dict.fromkeys(cell["library"] for cell in cells)
    found: dict[str, dict[tuple[str, str], list[Cell]]] = {name: {} for name in libraries}
    paired = {name for name in libraries if axes.is_paired(name)}
    for cell in cells:
        key = ("" if cell["library"] in paired else cell["version"], cell["beside"])
        found[cell["library"]].setdefault(key, []).append(cell)
    told = [
        LibrarySentences(name, tuple(_of_library(_sets(name, found[name], seen)))) for name in found
    ]
    return [each for each in told if each.items]


def _sets(
    library: str, sets: Mapping[tuple[str, str], Sequence[Cell]], seen: tuple[str, ...]
) -> list[Tried]:
    """Return the sets of a library, from the oldest version to the newest."""
    order = sorted(sets, key=lambda key: (version_key(key[0]), key[1]))
    return [Tried(library, *key, tuple(sets[key]), seen) for key in order]


def _of_library(sets: Sequence[Tried]) -> list[Sentence]:
    alike: dict[tuple[Any, ...], list[Told]] = {}
    for tried in sets:
        told = Told(tried.version, tried.beside, tuple(readings(tried)))
        text = Saying(tried, told.readings).text()
        if text:
            others = tuple(reading.subjects for reading in told.readings[1:])
            alike.setdefault((text, others), []).append(told)
    found = [Sentence(_named(held, sets), text, tuple(held)) for (text, _), held in alike.items()]
    return sorted(found, key=_newest, reverse=True)


def _newest(sentence: Sentence) -> tuple[bool, Any]:
    return max(version_key(each.version) for each in sentence.told)


def _named(held: Sequence[Told], sets: Sequence[Tried]) -> str:
    """Name sets by their versions, and by what they are beside; empty for what follows torch."""
    mine, every = _by_version(held), _by_version(sets)
    # Where a version has one set alone, what that is beside is all that is known of it.
    whole = {v for v in mine if mine[v] == every[v] and (every[v] == [""] or every[v][1:])}
    names = dict(runs(whole, list(every)))
    names |= {v: f"{v}{_beside(mine[v])}" for v in mine if v not in whole}
    return listed([names[version] for version in every if version in names])


def _by_version(sets: Iterable[Told | Tried]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in sets:
        found.setdefault(each.version, []).append(each.beside)
    return found


def _beside(names: Sequence[str]) -> str:
    named = list(filter(None, names))
    product = {name.partition(" ")[0] for name in named}
    if len(product) == 1:
        named[1:] = [name.partition(" ")[2] for name in named[1:]]
    also = "also " if len(named) < len(names) else ""
    return f" ({also}beside {' or '.join(named)})" if named else ""
