"""Cells of one library version beside each version of what it needs: its companion."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from matrix.axes import Library
from matrix.plan import PlannedCell
from pytest_torchcompat.errors import TorchcompatError


def companions(row: Library) -> list[str]:
    """Return what the sweep installs beside a library by name, for any of its versions."""
    listed = [each for swept in row.versions for each in swept.companions]
    named = [Requirement(each.requirement).name for each in (*row.companions, *listed)]
    return list(dict.fromkeys((*named, *row.pairs)))


def check(row: Library, over: str) -> None:
    """Raise ``TorchcompatError`` for what is no companion of a library."""
    names = companions(row)
    if over not in names:
        message = (
            f"{over!r} is no companion of {row.name}, which the sweep would install beside it by "
            f"name. Choose one of: {', '.join(names)}."
        )
        raise TorchcompatError(message)


def pins(cells: Iterable[PlannedCell], name: str) -> list[str]:
    """Return the versions of a companion that cells pin."""
    return [pin for cell in cells for pin in [_pins(cell.requirements).get(name)] if pin]


def beside(cells: Sequence[PlannedCell], name: str, version: str) -> PlannedCell:
    """
    Return the cell of a version of a companion: one of the given, with the version replaced.

    It is made of the cell whose own companion is the nearest that is no newer, with what that needs
    beside it; where there is none, of the oldest.
    """
    pinned = sorted(
        ((Version(pin), number) for number, cell in enumerate(cells) for pin in pins([cell], name)),
    )
    older = [number for pin, number in pinned if pin <= Version(version)]
    chosen = (older[-1:] or [number for _, number in pinned[:1]] or [-1])[0]
    return _replaced(cells[chosen], name, version)


def family(cell: PlannedCell, name: str) -> list[str]:
    """
    Return a companion, and those that are released with it.

    They are pinned to the same version, and one's name is a part of the other's.
    """
    pinned = _pins(cell.requirements)
    related = (each for each in pinned if pinned[each] == pinned.get(name))
    return [name, *(each for each in related if each != name and (name in each or each in name))]


def _replaced(cell: PlannedCell, name: str, version: str) -> PlannedCell:
    names = family(cell, name)
    suffix = f"-{cell.beside.replace(' ', '')}" if cell.beside else ""
    told = f"{name} {version}"
    return dataclasses.replace(
        cell,
        id=f"{cell.id.removesuffix(suffix)}-{told.replace(' ', '')}",
        beside=told,
        requirements=(
            *_without(cell.requirements, names),
            *(f"{each}=={version}" for each in names),
        ),
        constraints=tuple(_without(cell.constraints, names)),
    )


def _without(lines: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    left_out = {canonicalize_name(each) for each in names}
    for line in lines:
        if canonicalize_name(Requirement(line).name) not in left_out:
            yield line


def _pins(lines: Iterable[str]) -> dict[str, str]:
    """Return the version of each package that is pinned to one."""
    found: dict[str, str] = {}
    for requirement in map(Requirement, lines):
        for each in requirement.specifier:
            if each.operator == "==" and "*" not in each.version:
                found[requirement.name] = each.version
    return found
