"""Another project whose sweep this is: its axes, its own rows, and what is loaded in each cell."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from matrix.axes import POLICIES, Library
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.checkpoints.project import NAME, rows_of
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError, UnknownNameError

CHECKOUT = Path(__file__).resolve().parents[1]
TABLE = "[tool.torchcompat.matrix]"
SAME = ("name", "digest")  # on another machine the folder is another one


class ProjectError(TorchcompatError):
    """A project's pyproject.toml asks for a sweep that can't be."""


@dataclass(frozen=True)
class Plugin:
    """A module with hooks: a file of the project, or one that what a cell installs brings."""

    module: str
    file: Path | None = None


@dataclass(frozen=True)
class Project:
    """
    What a project's sweep has: its axes, its own rows, and what is loaded in each cell.

    ``tables`` are its rows as its file has them, ``asked`` is what it asks of the sweep.
    """

    file: Path
    name: str
    libraries: tuple[Library, ...]
    torch: tuple[str, ...] = ()
    policies: tuple[str, ...] = POLICIES
    plugins: tuple[Plugin, ...] = ()
    trust: tuple[str, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.file.parent

    @cached_property
    def catalogue(self) -> Catalogue:
        """Our rows and its own."""
        return with_rows(self.file, self.tables)

    @cached_property
    def entry(self) -> dict[str, Any]:
        """What a plan keeps of it: enough to publish its run where it is not there."""
        asked = json.dumps([self.tables, self.asked], sort_keys=True)
        return {
            "name": self.name,
            # Seen from here, as nox takes it: no page has a path of somebody's machine.
            "folder": Path(os.path.relpath(self.folder, CHECKOUT)).as_posix(),
            "digest": hashlib.sha256(asked.encode()).hexdigest()[:16],
            "checkpoints": dict(self.tables),
        }

    @contextmanager
    def saying(self, key: str) -> Iterator[None]:
        """Say of a name that is not known where it is written."""
        try:
            yield
        except UnknownNameError as error:
            message = f"{self.file}, {TABLE}: {key}: {error}"
            raise ProjectError(message) from error

    def unopened(self) -> Iterator[str]:
        """Yield a sentence for each of its rows that no library of its sweep opens."""
        for name in self.tables:
            row = self.catalogue.get(name)
            if not any(library.opens(row) for library in self.libraries):
                yield f"{name}: no library of this sweep opens it; its row says {row.library}."

    def unchecked(self) -> Iterator[str]:
        """Yield a sentence for each library of its sweep that opens no row, and has no cell."""
        for each in self.libraries:
            if not any(each.opens(row) for row in self.catalogue):
                yield (
                    f"{each.name}: no checkpoint is opened by it, so it has no cell; add a row "
                    f'with library = "{each.opened_by}".'
                )

    @property
    def planned_with(self) -> tuple[str, ...]:
        """What a reader of its page has to know."""
        said = f"This is the sweep of {self.name}: its axes and rows are those of its {NAME}."
        return (said, *self.unopened(), *self.unchecked())


def catalogue_of(entry: Mapping[str, Any]) -> Catalogue:
    """Return the rows of a plan: ours, and those that it keeps of a project."""
    return with_rows(Path(NAME), entry.get("checkpoints") or {})


def with_rows(file: Path, tables: Mapping[str, Any]) -> Catalogue:
    """Return our rows and those of a project's file."""
    known = catalogue()
    for row in rows_of(file, tables):
        known.add(row)
    return known


def is_same(entry: Mapping[str, Any], project: Project) -> bool:
    """Whether a plan is of a project as it is now."""
    return all(entry.get(each) == project.entry[each] for each in SAME)


def require_same(entry: Mapping[str, Any], project: Project | None) -> None:
    """Raise ``ProjectError`` where a plan is of another project, or of another state of one."""
    if entry and project is None:
        message = f"this plan is of the project {entry['name']}; name its folder with --project DIR"
        raise ProjectError(message)
    if project and not is_same(entry, project):
        message = f"this plan is not of what {project.file} asks for now; plan it anew"
        raise ProjectError(message)
