"""For which GPUs the torch builds of a run were compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matrix.page.gpus import archs_of
from pytest_torchcompat.gpus import ARCHITECTURES, architecture, covers

EXAMPLES = 3  # cards that an architecture is known by
_BINARY = re.compile(r"sm_\d+|gfx[0-9a-f]+")


@dataclass(frozen=True)
class Build:
    """A torch as it was installed; ``archs`` is ``None`` where nobody saw what it has."""

    torch: str
    name: str
    archs: tuple[str, ...] | None

    def runs_on(self, arch: str) -> bool | None:
        """Whether it has code for a GPU; ``None`` where that is not known."""
        return None if self.archs is None else covers(self.archs, arch)


@dataclass(frozen=True)
class Row:
    """An architecture, some cards that have it, and whether each build has code for it."""

    name: str
    cards: tuple[str, ...]
    more: int
    fits: tuple[bool | None, ...]


@dataclass(frozen=True)
class Architectures:
    """The table of architectures and builds."""

    builds: tuple[Build, ...]

    @cached_property
    def rows(self) -> list[Row]:
        """A row for each architecture that has a known name or is in a build, newest first."""
        cards: dict[str, list[str]] = {arch: [] for arch in self._compiled()}
        for name, arch in ARCHITECTURES.items():
            cards.setdefault(arch, []).append(name)
        return [self._row(arch, cards[arch]) for arch in sorted(cards, key=_order)]

    def _compiled(self) -> Iterable[str]:
        for build in self.builds:
            for compiled in build.archs or ():
                found = _BINARY.match(compiled)
                if found:
                    yield architecture(found[0])

    def _row(self, arch: str, cards: Sequence[str]) -> Row:
        shown = tuple(cards[:EXAMPLES])
        fits = tuple(build.runs_on(arch) for build in self.builds)
        return Row(arch, shown, len(cards) - len(shown), fits)


def architectures(matrix: Mapping[str, Any], columns: Iterable[str]) -> Architectures:
    """Return the builds of each torch; one that was never installed has a column as well."""
    found: dict[str, dict[str, Build]] = {torch: {} for torch in columns}
    for cell in matrix["cells"]:
        name = cell["torch_build"]
        if name:
            builds = found[cell["torch"]]
            known = builds.get(name)
            if known is None or not known.archs:
                builds[name] = Build(cell["torch"], name, archs_of(cell))
    return Architectures(
        tuple(
            build
            for torch, builds in found.items()
            for build in builds.values() or [Build(torch, "", None)]
        )
    )


def _order(arch: str) -> tuple[bool, int, str]:
    number = re.fullmatch(r"sm_(\d+)", arch)
    return (not number, -int(number[1]) if number else 0, arch)
