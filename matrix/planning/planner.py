"""Which cells a run has: the axes, paired and resolved against the index on one date."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from matrix import nightly
from matrix.axes import POLICIES
from matrix.plan import Heading, Plan, PlannedCell, Selection, matching
from matrix.planning.cells import checks_by_library, planned_cell
from matrix.planning.subjects import selected_subjects
from matrix.planning.torches import require_pythons, run_order, selected_torches
from matrix.planning.world import World
from matrix.releases import Release
from pytest_torchcompat.errors import unknown_name


def make_plan(heading: Heading, selection: Selection, world: World) -> Plan:
    """Resolve the axes into cells; raises ``UnknownNameError`` for a selection of what is not."""
    torches = {t.version: t for t in selected_torches(world, selection)}
    found, unbuilt = _cells(torches, selection, world)
    chosen = matching(found, selection.cell)
    torches_of = {cell.torch for cell in chosen}
    return Plan(
        run=heading.run,
        frozen_at=heading.frozen_at,
        edition=heading.edition,
        selection=selection,
        torch=tuple(t for t in torches if not selection.cell or t in torches_of),
        cells=chosen,
        notes=(*heading.notes, *_said(torches.values()), *unbuilt, *_unpaired(chosen)),
        backend=heading.backend,
        stacks=heading.stacks,
        project=world.project.entry if world.project else {},
    )


def _cells(
    torches: Mapping[str, Release], selection: Selection, world: World
) -> tuple[list[PlannedCell], list[str]]:
    """Return the cells in the order in which they run, and a sentence for each that can't be."""
    subjects = selected_subjects(selection, world)
    require_pythons({subject.library.name: subject.library for subject in subjects}, world)
    policies = selected_policies(selection) if selection.policy else world.policies
    checks = checks_by_library(subjects, policies, world.catalogue)
    found: dict[str, PlannedCell] = {}
    unbuilt = []
    for version, subject in itertools.product(run_order(list(torches)), subjects):
        name = subject.library.name
        cell = planned_cell(subject, torches[version], checks[name], world)
        if cell is None:
            unbuilt.append(f"No Python has wheels of both torch {version} and {name}: no cell.")
        elif cell.checks:
            found.setdefault(cell.id, cell)
    return list(found.values()), unbuilt


def _said(torches: Iterable[Release]) -> Iterator[str]:
    return (note for torch in torches for note in torch.notes)


def _unpaired(cells: Iterable[PlannedCell]) -> list[str]:
    notes = (nightly.unpaired(cell.torch, cell.requirements) for cell in cells)
    return list(dict.fromkeys(itertools.chain.from_iterable(notes)))


def selected_policies(selection: Selection) -> tuple[str, ...]:
    """Return the policies of a selection; raises ``UnknownNameError`` for one that is not."""
    for name in selection.policy:
        if name not in POLICIES:
            kind = "policy"
            raise unknown_name(kind, name, POLICIES)
    return tuple(policy for policy in POLICIES if policy in (selection.policy or POLICIES))
