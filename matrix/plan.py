"""What a plan is: which part of the sweep it is of, its cells and their checks, as data."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matrix.stacks import Stack
from pytest_torchcompat.errors import RecordError, TorchcompatError, UnknownNameError
from pytest_torchcompat.record import FORWARD

SCHEMA = 1
_LISTS = ("requirements", "excludes", "constraints", "lock")


@dataclass(frozen=True)
class Selection:
    """What of the whole sweep is asked for; empty is all of it."""

    torch: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    cell: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, list[str]]:
        """Return plain data."""
        return {field.name: list(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Selection:
        """Read plain data back."""
        return cls(**{field.name: tuple(data[field.name]) for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class PlannedCheck:
    """One checkpoint, used in one way under one policy."""

    checkpoint: str
    policy: str
    use: str = FORWARD

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells this check from the others of its cell, as its record has it."""
        return (self.checkpoint, self.use, self.policy)

    def to_dict(self) -> dict[str, str]:
        """Return plain data."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PlannedCell:
    """
    One environment to build, and the checks to run in it.

    ``beside`` tells it from another of the same version, ``adapter`` opens its checkpoints.
    ``constraints`` bound what is installed for another's sake. ``lock`` is what the requirements
    resolve to, a pinned distribution each, and ``unsolved`` the resolver's words where they don't;
    both are empty until that was asked, and where no index answered.
    """

    id: str
    python: str
    torch: str
    library: str
    version: str
    why: str
    requirements: tuple[str, ...]
    excludes: tuple[str, ...]
    checks: tuple[PlannedCheck, ...]
    beside: str = ""
    adapter: str = ""
    constraints: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    unsolved: str = ""

    @property
    def opened_by(self) -> str:
        """The name of the adapter that opens its checkpoints."""
        return self.adapter or self.library

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        data = dataclasses.asdict(self)
        data.update({name: list(data[name]) for name in _LISTS})
        data["checks"] = [check.to_dict() for check in self.checks]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PlannedCell:
        """Read plain data back."""
        # A plan of before cells were locked has no such field.
        data = {"lock": (), "unsolved": "", **data}
        values = {field.name: data[field.name] for field in dataclasses.fields(cls)}
        values.update({name: tuple(data[name]) for name in _LISTS})
        values["checks"] = tuple(PlannedCheck(**check) for check in data["checks"])
        return cls(**values)


@dataclass(frozen=True)
class Plan:
    """
    A run's cells, in the order in which they run, and what they were resolved by.

    ``torch`` is the order of the columns. ``backend`` is what uv is told about torch's builds:
    ``auto``, or empty for the builds of the package index. ``notes`` are what a reader of the page
    has to know about the whole run. ``whole`` are the ids of all cells of the plan that this one
    is a part of. ``project`` is what is kept of the project whose sweep it is; empty where it is
    our own.
    """

    run: str
    frozen_at: str
    edition: str
    selection: Selection
    torch: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...] = ()
    backend: str = ""
    stacks: tuple[Stack, ...] = ()
    whole: tuple[str, ...] = ()
    project: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as plan.json holds it."""
        return {
            **({"project": dict(self.project)} if self.project else {}),
            "schema": SCHEMA,
            "run": self.run,
            "frozen_at": self.frozen_at,
            "edition": self.edition,
            "selection": self.selection.to_dict(),
            "torch": list(self.torch),
            "notes": list(self.notes),
            "backend": self.backend,
            "stacks": [stack.to_dict() for stack in self.stacks],
            "whole": list(self.whole),
            "cells": [cell.to_dict() for cell in self.cells],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read plain data back; raises ``RecordError`` for another schema or form."""
        if data.get("schema") != SCHEMA:
            message = (
                f"this plan has schema {data.get('schema')!r}, and {SCHEMA} is the one that is "
                "read here; delete the run or use the version of this tool that wrote it"
            )
            raise RecordError(message)
        try:
            return cls._read(data)
        except (KeyError, TypeError, AttributeError) as error:
            message = f"this plan is not of the form that is read here ({error!r}); delete the run"
            raise RecordError(message) from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Plan:
        return cls(
            run=data["run"],
            frozen_at=data["frozen_at"],
            edition=data["edition"],
            selection=Selection.from_dict(data["selection"]),
            torch=tuple(data["torch"]),
            cells=tuple(PlannedCell.from_dict(cell) for cell in data["cells"]),
            notes=tuple(data["notes"]),
            backend=data["backend"],
            stacks=tuple(Stack.from_dict(stack) for stack in data["stacks"]),
            whole=tuple(data.get("whole", ())),
            project=data.get("project") or {},
        )

    def cell(self, identifier: str) -> PlannedCell:
        """Return a cell; raises with the near misses, or the several that fit."""
        found = matching(self.cells, [identifier])
        if len(found) > 1:
            names = ", ".join(cell.id for cell in found)
            message = f"{identifier!r} matches {len(found)} cells; give the id of one: {names}"
            raise TorchcompatError(message)
        return found[0]


@dataclass(frozen=True)
class Heading:
    """What a plan says about itself besides its cells."""

    run: str
    frozen_at: str
    edition: str = "auto"
    backend: str = ""
    notes: tuple[str, ...] = ()
    stacks: tuple[Stack, ...] = ()


def matching(cells: Sequence[PlannedCell], globs: Iterable[str]) -> tuple[PlannedCell, ...]:
    """Return the cells whose ids match one of the globs; raises for a glob that matches none."""
    globs = list(globs)
    for glob in globs:
        if not any(fnmatch.fnmatchcase(cell.id, glob) for cell in cells):
            raise _no_such_cell(glob, [cell.id for cell in cells])
    if not globs:
        return tuple(cells)
    return tuple(c for c in cells if any(fnmatch.fnmatchcase(c.id, glob) for glob in globs))


def _no_such_cell(glob: str, identifiers: list[str]) -> UnknownNameError:
    near = difflib.get_close_matches(glob, identifiers, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    message = (
        f"no cell matches {glob!r}. `python -m matrix plan` lists the {len(identifiers)} that "
        f"there are.{hint}"
    )
    return UnknownNameError(message)
