"""What differs between the environments of two runs, the most suspicious first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from matrix.diff.changes import Cell, Change, Pair
from pytest_torchcompat.diagnosis.failure import normalised

Cells = tuple[str, str]
_OF_ENVIRONMENT = ("torch", "torch_build", "cuda", "python", "library", "version", "distributions")


@dataclass(frozen=True)
class Difference:
    """A distribution, ``python`` or ``cuda``, with both versions; empty where there is none."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Suspect:
    """
    A difference, and how far it goes with a group of changes.

    ``lift`` is the share of the group's environments that have it less that of the environments
    where nothing changed; ``named`` says that the words of the failure name it.
    """

    difference: Difference
    lift: float
    named: bool


class Environments:
    """The pairs of environments of two runs, with what differs in each."""

    def __init__(self, found: Iterable[Pair], changed: Iterable[Change]) -> None:
        both = [(old, new) for old, new in found if old and new]
        self._cells = {(old.cell["id"], new.cell["id"]): (old.cell, new.cell) for old, new in both}
        self._changed = {cells for change in changed if (cells := cells_of(change))}

    @cached_property
    def differences(self) -> dict[Cells, frozenset[Difference]]:
        """What differs, by the ids of both cells."""
        return {cells: frozenset(_between(*pair)) for cells, pair in self._cells.items()}

    def suspects(self, group: Sequence[Change]) -> list[Suspect]:
        """Return what may have made a group of changes, the most suspicious first."""
        mine = self._shares({cells for change in group if (cells := cells_of(change))})
        words = " ".join(change.latest.said for change in group).lower()
        own = {"torch", group[0].subject.library}
        found = [
            Suspect(
                each,
                share - self._usual.get(each, 0.0),
                re.search(rf"\b{re.escape(each.name)}\b", words) is not None,
            )
            for each, share in mine.items()
        ]
        return sorted(found, key=lambda s: (-s.lift, not s.named, _rank(s, own)))

    @cached_property
    def _usual(self) -> Mapping[Difference, float]:
        return self._shares([cells for cells in self.differences if cells not in self._changed])

    def _shares(self, cells: Collection[Cells]) -> Mapping[Difference, float]:
        """Return what differs in environments, each with the share of those that have it."""
        counted = Counter(each for both in cells for each in self.differences[both])
        return {each: count / len(cells) for each, count in counted.items()}


def _rank(suspect: Suspect, own: set[str]) -> tuple[bool, str]:
    return (suspect.difference.name not in own, suspect.difference.name)


def cells_of(change: Change) -> Cells | None:
    """Return the ids of both cells of a change; ``None`` where it has one alone."""
    if change.old is None or change.new is None:
        return None
    return (change.old.cell["id"], change.new.cell["id"])


def _between(old: Cell, new: Cell) -> Iterable[Difference]:
    if all(old[name] == new[name] for name in _OF_ENVIRONMENT):
        return  # as of nearly all
    before, after = _versions(old), _versions(new)
    names = {*before, *after}
    if not (old["distributions"] and new["distributions"]):
        # Where nothing was installed, what was asked for is all that can be compared.
        names = {"torch", "python", *normalised({old["library"]: "of it"})}
    for name in sorted(names):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name, ""), after.get(name, ""))


def _versions(cell: Cell) -> dict[str, str]:
    asked = {cell["library"]: cell["version"], "python": cell["python"]}
    torch = {"torch": cell["torch_build"] or cell["torch"], "cuda": cell["cuda"] or ""}
    return dict(normalised({**asked, **cell["distributions"], **torch}))
