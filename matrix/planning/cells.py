"""A cell of a plan: what is installed in it, and what is checked there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from packaging.specifiers import SpecifierSet

from matrix.axes import Companion, Library, Swept
from matrix.plan import PlannedCell, PlannedCheck
from matrix.planning.pythons import choose_python
from matrix.planning.subjects import Subject
from matrix.planning.world import World
from matrix.releases import Release
from pytest_torchcompat import pairing
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.record import FORWARD

# A subject that no policy touches is checked once.
UNPICKLED = (Policy.STOCK.value,)


def planned_cell(
    subject: Subject, torch: Release, checks: tuple[PlannedCheck, ...], world: World
) -> PlannedCell | None:
    """Return the cell of a subject on a torch; ``None`` where no Python has wheels of both."""
    row, swept = subject.library, subject.swept
    release = subject.release or _paired_release(row, torch, world)
    if swept.pythons:
        row = dataclasses.replace(row, pythons=swept.pythons)
    python = choose_python(row, torch, release, world.has_python)
    if python is None:
        return None
    why_python = row.why_python if python in row.pythons else f"Python {python} is what fits"
    beside = f"-{swept.beside.replace(' ', '')}" if swept.beside else ""
    return PlannedCell(
        id=f"py{python}-torch{torch.version}-{row.name}{release.version}{beside}",
        python=python,
        torch=torch.version,
        library=row.name,
        version=release.version,
        beside=swept.beside,
        adapter=row.adapter,
        why=f"{swept.why}; {why_python}",
        requirements=requirements(row, swept, release.version, torch.version, torch.pairs),
        excludes=_named((*row.excludes, *swept.excludes)),
        constraints=pairing.constraints(torch.version, torch.pairs),
        checks=checks,
        unsolved=torch.unsolved,
    )


def _paired_release(library: Library, torch: Release, world: World) -> Release:
    pinned = dict(torch.pairs).get(library.name)
    if pinned:
        return Release(pinned)
    specifier = SpecifierSet(pairing.SPECIFIERS[library.name](torch.version) or "")
    found = [r for r in world.releases.of(library.name) if specifier.contains(r.version)]
    return found[-1] if found else Release(torch.version)


def requirements(
    row: Library, swept: Swept, version: str, torch: str, pairs: pairing.Pins = ()
) -> tuple[str, ...]:
    """Return what a cell installs: torch, the library, its pairs and its companions."""
    library = swept.requirement or f"{row.name}=={version}"
    # A library that is torch itself is named once.
    pinned = dict.fromkeys((f"torch=={torch}", library))
    companions = _named((*row.companions, *swept.companions))
    return (*pinned, *pairing.requirements(row.pairs, torch, pairs), *companions)


def _named(companions: Iterable[Companion]) -> tuple[str, ...]:
    return tuple(companion.requirement for companion in companions)


def checks_by_library(
    subjects: Iterable[Subject], policies: tuple[str, ...], catalogue: Catalogue
) -> dict[str, tuple[PlannedCheck, ...]]:
    """Return the checks of each library's cells, whatever its version and torch."""
    rows = {subject.library.name: subject.library for subject in subjects}
    return {name: tuple(_checks(row, policies, catalogue)) for name, row in rows.items()}


def _checks(
    row: Library, policies: tuple[str, ...], catalogue: Catalogue
) -> Iterator[PlannedCheck]:
    for checkpoint in row.opened(catalogue):
        for use in (FORWARD, *(use.name for use in checkpoint.uses)):
            for policy in policies:
                if checkpoint.pickled or policy in UNPICKLED:
                    yield PlannedCheck(checkpoint.id, policy, use)
