"""What a bisect found, as data: for all checkpoints together, and for those that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matrix.bisect.answers import Answer
from matrix.bisect.search import Boundary, Verdict, boundaries


@dataclass(frozen=True)
class Finding:
    """Some checkpoints, and what each version that was asked says of them."""

    names: tuple[str, ...]
    versions: Sequence[str]
    answers: Mapping[int, Answer]

    @cached_property
    def known(self) -> dict[int, Verdict]:
        """The verdict of each version that was asked, by its number, oldest first."""
        return {number: self.answers[number].verdict(self.names) for number in sorted(self.answers)}

    @cached_property
    def boundaries(self) -> list[Boundary]:
        """Where the verdict changes."""
        return boundaries(self.known)

    @property
    def decided(self) -> list[int]:
        """The numbers of the versions that have a verdict."""
        return [number for number, verdict in self.known.items() if verdict.decided]

    @property
    def answer(self) -> Boundary | None:
        """The one place where the verdict changes; ``None`` where there is none, or several."""
        return self.boundaries[0] if len(self.boundaries) == 1 else None

    def silent(self, verdict: Verdict, numbers: range | None = None) -> list[Answer]:
        """Return the answers of a verdict, of some numbers or of all."""
        return [
            self.answers[number]
            for number, each in self.known.items()
            if each is verdict and (numbers is None or number in numbers)
        ]

    def differences(self, boundary: Boundary) -> list[tuple[str, str, str]]:
        """Return what else differs between the two cells: name, before and after."""
        before, after = (self.answers[each] for each in (boundary.before, boundary.after))
        old, new = before.distributions, after.distributions
        if not (old and new):
            return []
        return [
            (name, old.get(name, "none"), new.get(name, "none"))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "checkpoints": list(self.names),
            "answer": self._boundary(self.answer) if self.answer else None,
            "boundaries": [self._boundary(each) for each in self.boundaries],
            "probes": [
                {"version": self.versions[number], "verdict": verdict.value}
                for number, verdict in self.known.items()
            ],
        }

    def _boundary(self, boundary: Boundary) -> dict[str, Any]:
        works = self.known[boundary.before] is Verdict.WORKS
        old, new = self.versions[boundary.before], self.versions[boundary.after]
        failing = self.answers[boundary.after if works else boundary.before]
        return {
            "change": "stops working" if works else "begins to work",
            "works": old if works else new,
            "fails": new if works else old,
            "causes": failing.causes(self.names),
            "cell": failing.cell or None,
            "shims": self.answers[boundary.before if works else boundary.after].shims(self.names),
            "between": [self.versions[number] for number in boundary.between],
        }
