"""
What each of two runs was asked for: of what one was not, a comparison says nothing.

The same words ask for the same: what only one of the runs has then was lost, or came.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from matrix.diff.changes import Pair, Side, Subject, is_part, torch_of

Found = Mapping[Subject, Pair]
Place = tuple[str, ...]  # of a cell, as both runs name it


@dataclass(frozen=True)
class Asked:
    """
    What a run was asked for, by what it was narrowed to; empty is all of it.

    ``places`` are those of its own cells, where it is a part of its plan: whether that has others
    as well is what its other parts know.
    """

    libraries: Sequence[str]
    globs: Sequence[str]
    policies: Sequence[str]
    torch: Collection[str]
    places: Container[Place] | None

    def has(self, subject: Subject, side: Side) -> bool:
        """Whether the other run's word is on something that this one was asked for."""
        cell = side.cell
        names = (cell["library"], f"{cell['library']}=={cell['version']}")
        return (
            _is_chosen(self.libraries, names)
            and _is_chosen(self.policies, [subject.policy])
            and (not self.globs or any(fnmatchcase(cell["id"], glob) for glob in self.globs))
            and (not self.torch or torch_of(cell["torch"]) in self.torch)
            and (self.places is None or _place(subject) in self.places)
        )


def asked(found: Found, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[Subject, Pair]:
    """Return the pairs without those of which one run has no word as it was not asked for one."""
    unlike = old.get("selection") != new.get("selection")
    scopes = (_of(old, found, 0, narrowed=unlike), _of(new, found, 1, narrowed=unlike))
    return {subject: pair for subject, pair in found.items() if _is_told(subject, pair, scopes)}


def _is_told(subject: Subject, pair: Pair, scopes: tuple[Asked, Asked]) -> bool:
    return all(
        mine is not None or other is None or scope.has(subject, other)
        for mine, other, scope in zip(pair, reversed(pair), scopes)
    )


def _of(matrix: Mapping[str, Any], found: Found, side: int, *, narrowed: bool) -> Asked:
    chosen = (matrix.get("selection") or {}) if narrowed else {}
    libraries, globs, policies, torch = (
        chosen.get(name) or () for name in ("library", "cell", "policy", "torch")
    )
    columns = {torch_of(cell["torch"]) for cell in matrix["cells"]} if torch else ()
    own = {_place(each) for each, pair in found.items() if pair[side]} if is_part(matrix) else None
    return Asked(libraries, globs, policies, columns, own)


def _is_chosen(chosen: Sequence[str], names: Iterable[str]) -> bool:
    return not chosen or any(name in chosen for name in names)


def _place(subject: Subject) -> Place:
    return (subject.library, subject.version, subject.beside, subject.torch, subject.python)
