"""Which other version of a library, or of what it is beside, works where one does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.version import Version

from matrix.recommend.spans import ordered, spans
from matrix.recommend.tried import FAILS, WORKS, Subject, Tried, executes

UPGRADE, BESIDE, DOWNGRADE = DIRECTIONS = ("upgrade", "beside", "downgrade")


@dataclass(frozen=True)
class Place:
    """A set that works, and the torch versions on which it does."""

    name: str
    version: str
    beside: str
    torch: tuple[str, ...]
    specifiers: tuple[str, ...]
    shims: tuple[str, ...]
    policy: str
    executes: bool


@dataclass(frozen=True)
class Move:
    """
    Where to go: the sets in one direction that work, and whether all of them do.

    ``versions`` are those of the library of which every swept set works, ``torch`` of the
    torch versions on which all these sets work. ``failing`` and ``unsaid`` are the other sets, of
    an upgrade those that are no older than the first that works.
    """

    kind: str
    library: str
    policies: tuple[str, ...]
    unaided: bool
    versions: tuple[str, ...]
    specifiers: tuple[str, ...]
    torch: tuple[str, ...]
    torch_specifiers: tuple[str, ...]
    places: tuple[Place, ...]
    failing: tuple[str, ...]
    unsaid: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """A search among a library's sets for one that does what ``tried`` does not on ``lacking``."""

    tried: Tried
    every: Sequence[Tried]
    subjects: tuple[Subject, ...]
    fitting: tuple[str, ...]
    lacking: tuple[str, ...]

    def best(self, policies: Sequence[str]) -> Move | None:
        """Return the nearest move: up before aside before down, without shims before with them."""
        for kind in DIRECTIONS:
            for unaided in (True, False):
                move = self._move(kind, policies, unaided=unaided)
                if move:
                    return move
        return None

    def _move(self, kind: str, policies: Sequence[str], *, unaided: bool) -> Move | None:
        sets = [each for each in self.every if self._kind(each) == kind]
        wanted = [t for t in self.lacking if unaided or not self._works(self.tried, t, policies)]
        places = {
            each.name: place
            for each in sets
            if (place := self._place(each, policies, wanted, unaided=unaided))
        }
        if not places:
            return None
        first = min(Version(place.version) for place in places.values())
        others = [each for each in sets if each.name not in places]
        others = [each for each in others if Version(each.version) >= first or kind != UPGRADE]
        failing = tuple(each.name for each in others if self._fails(each, policies, unaided))
        versions = () if kind == BESIDE else self._versions(sets, places)
        shared = ordered(set.intersection(*(set(each.torch) for each in places.values())))
        return Move(
            kind=kind,
            library=self.tried.library,
            policies=tuple(policies),
            unaided=unaided,
            versions=versions,
            specifiers=spans(versions, (each.version for each in self.every)),
            torch=shared,
            torch_specifiers=spans(shared, self.tried.seen),
            places=tuple(places.values()),
            failing=failing,
            unsaid=tuple(each.name for each in others if each.name not in failing),
        )

    def _kind(self, other: Tried) -> str:
        ours, theirs = Version(self.tried.version), Version(other.version)
        if ours == theirs:
            return BESIDE if other.beside != self.tried.beside else ""
        return UPGRADE if theirs > ours else DOWNGRADE

    def _works(self, tried: Tried, torch: str, policies: Sequence[str]) -> str:
        """Return the first policy under which a set works on a torch, empty for none."""
        return next(iter(tried.policies(torch, self.subjects, policies)), "")

    def _place(
        self, tried: Tried, policies: Sequence[str], wanted: Sequence[str], *, unaided: bool
    ) -> Place | None:
        taken = {
            torch: tried.shims(torch, policy, self.subjects)
            for torch in self.fitting
            if (policy := self._works(tried, torch, policies))
        }
        torches = [torch for torch, shims in taken.items() if not (unaided and shims)]
        if not set(torches) & set(wanted):
            return None
        return Place(
            name=tried.name,
            version=tried.version,
            beside=tried.beside,
            torch=tuple(torches),
            specifiers=spans(torches, tried.seen),
            shims=ordered_names(name for torch in torches for name in taken[torch]),
            policy=self._works(tried, torches[-1], policies),
            executes=any(self._executes(tried, torch, policies) for torch in torches),
        )

    def _executes(self, tried: Tried, torch: str, policies: Sequence[str]) -> bool:
        policy = self._works(tried, torch, policies)
        return any(executes(cell, policy, self.subjects) for cell in tried.at(torch))

    def _fails(self, tried: Tried, policies: Sequence[str], unaided: bool) -> bool:
        words = {tried.word(t, p, self.subjects) for t in self.lacking for p in policies}
        return FAILS in words or (unaided and WORKS in words)

    def _versions(self, sets: Sequence[Tried], places: dict[str, Place]) -> tuple[str, ...]:
        partly = {each.version for each in sets if each.name not in places}
        worked = {place.version for place in places.values()} - partly
        return ordered(worked)


def ordered_names(names: Iterator[str]) -> tuple[str, ...]:
    """Return names in the order of the alphabet, each once."""
    return tuple(sorted(set(names)))
