"""
Another project's sweep: ``[tool.torchcompat.matrix]`` of its pyproject.toml.

The file is read and nothing of the project is imported here. Its plugins run in cells; a plan asks
copies of those that are files, in a process without the job's environment, what they register.

``torch``: the versions of torch, as ``2.5.1``, ``newest`` or ``nightly``; without it those of our
own sweep.

``policies``: the policies; without it all four.

``plugins``: files of the project with its hooks, or by name modules that a cell installs.

``trust``: globs of paths, or hashes, of files that ``patched`` may execute; without it those with a
``sha256`` in their row.

``libraries``: a table for each library that is swept; without it those that open the project's own
rows.

``libraries.versions``: the versions of the library, or ``newest``; without it those that we sweep,
and ``newest`` of one that we do not.

``libraries.path``: the folder of the library, where it is the project itself or lies in it: a wheel
is built of it and installed with what it asks for; without it the package index has the library.

``libraries.adapter``: the adapter that opens its checkpoints, where that is not its own name.

``libraries.checkpoints``: globs of the checkpoints that its cells open; without it the project's
own rows of its adapter, or ours where there are none.

``libraries.companions``: requirements that are installed beside it.

``libraries.excludes``: packages that it asks for and that are left out.

``libraries.pairs``: packages that are installed in the version that goes with torch.

``libraries.pythons``: the only Pythons that its cells may have, of which the first that fits is
taken; without it the newest that fits.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import glob
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from matrix import axes
from matrix.axes import Companion, Library, Swept
from pytest_torchcompat import pairing
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.checkpoints.project import (
    NAME,
    add_project_rows,
    each_of,
    known_keys,
    parsed,
    require,
    rows_of,
    table_of,
    text,
)
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError, UnknownNameError, unknown_name
from pytest_torchcompat.policies import Policy

CHECKOUT = Path(__file__).resolve().parents[1]
POLICIES = tuple(policy.value for policy in Policy)
TABLE = "[tool.torchcompat.matrix]"
NEWEST_OF_ALL = Swept(axes.NEWEST, "what a user gets today")
# Of a project that does not state its version: what its cells are called stays the same.
UNSTATED = "0+local"
SAME = ("name", "digest")  # on another machine the folder is another one
BY_NAME = "named by the project"
STAGED = "project_"  # so that no plugin stands before a module that a library imports

Reader = Callable[[Any, str], Any]


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
        return _with_rows(self.file, self.tables)

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
            if not any(opens(library, row) for library in self.libraries):
                yield f"{name}: no library of this sweep opens it; its row says {row.library}."

    @property
    def planned_with(self) -> tuple[str, ...]:
        """What a reader of its page has to know."""
        said = f"This is the sweep of {self.name}: its axes and rows are those of its {NAME}."
        return (said, *self.unopened())


def opens(library: Library, row: Checkpoint) -> bool:
    """Whether a library's cells open a checkpoint."""
    if library.checkpoints:
        return any(fnmatch.fnmatchcase(row.id, each) for each in library.checkpoints)
    return row.library == library.opened_by


def catalogue_of(entry: Mapping[str, Any]) -> Catalogue:
    """Return the rows of a plan: ours, and those that it keeps of a project."""
    return _with_rows(Path(NAME), entry.get("checkpoints") or {})


def _with_rows(file: Path, tables: Mapping[str, Any]) -> Catalogue:
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


def read_project(folder: Path) -> Project:
    """Return the sweep that a project asks for; raises ``TorchcompatError`` with a sentence."""
    file = folder / NAME
    if not file.is_file():
        message = f"{folder} has no {NAME}; --project takes the folder of a project that has one"
        raise ProjectError(message)
    document = parsed(file)
    asked = table_of(file, document, "tool", "torchcompat", "matrix")
    if not asked:
        message = (
            f"{file} has no {TABLE}, which says what of this project is swept; add one with "
            'torch = ["2.5.1", "newest"], or any other key of it'
        )
        raise ProjectError(message)
    add_project_rows(catalogue(), folder)  # raises where a row is not right
    return _project(file, document, asked)


def _project(file: Path, document: Mapping[str, Any], asked: Mapping[str, Any]) -> Project:
    where = f"{file}, {TABLE}"
    given = _read(asked, _KEYS, where)
    tables = table_of(file, document, "tool", "torchcompat", "checkpoints")
    named = given.get("libraries")
    known = _with_rows(file, tables)
    own = [known.get(name) for name in tables]
    if named is None:
        libraries = tuple(_that_open(own, where))
    else:
        libraries = tuple(_library(file, name, each, known, own) for name, each in named.items())
    return Project(
        file=file,
        name=str(table_of(file, document, "project").get("name") or file.parent.name),
        libraries=libraries,
        torch=given.get("torch", ()),
        policies=given.get("policies", POLICIES),
        plugins=_plugins(file, given.get("plugins", ())),
        trust=given.get("trust", ()),
        tables=tables,
        asked=asked,
    )


def _read(fields: Mapping[str, Any], readers: Mapping[str, Reader], where: str) -> dict[str, Any]:
    known_keys(fields, tuple(readers), where)
    return {name: readers[name](value, f"{where}: {name}") for name, value in fields.items()}


def _that_open(own: Iterable[Checkpoint], where: str) -> Iterator[Library]:
    """Yield our libraries that open a project's own rows, for one that names none."""
    names = dict.fromkeys(row.library for row in own)
    found = [row for row in axes.LIBRARIES if row.opened_by in names]
    sentence = (
        "it names no library, and no row of [tool.torchcompat.checkpoints] is one's that is "
        f"swept here; add {TABLE[:-1]}.libraries.NAME]"
    )
    require(bool(found), where, sentence)
    yield from (dataclasses.replace(row, checkpoints=_of(row, own)) for row in found)


def _of(row: Library, own: Iterable[Checkpoint]) -> tuple[str, ...]:
    """Return the globs of a project's own rows that an adapter opens."""
    return tuple(glob.escape(each.id) for each in own if each.library == row.opened_by)


def _library(
    file: Path, name: str, fields: Any, known: Catalogue, own: Iterable[Checkpoint]
) -> Library:
    where = f"{file}, {TABLE[:-1]}.libraries.{name}]"
    require(isinstance(fields, Mapping), where, f"it must be a table, and is {fields!r}")
    right = bool(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name))
    require(right, where, f"{name!r} is no name of a package")
    given = _read(fields, _LIBRARY_KEYS, where)
    ours = next((each for each in axes.LIBRARIES if each.name == name), None)
    row = ours or Library(name, versions=(NEWEST_OF_ALL,))
    row = _from_folder(file, row, given, where) if "path" in given else _asked(row, given, where)
    row = _with_needs(row, given)
    return dataclasses.replace(row, checkpoints=_opened(row, given, known, own, where))


def _asked(row: Library, given: Mapping[str, Any], where: str) -> Library:
    asked = given.get("versions", ())
    sentence = f"the version of {row.name} follows torch's, so that none can be named; leave it out"
    require(not (row.paired and asked), f"{where}: versions", sentence)
    return dataclasses.replace(row, asked=asked)


def _from_folder(file: Path, row: Library, given: Mapping[str, Any], where: str) -> Library:
    folder = (file.parent / given["path"]).resolve()
    require("versions" not in given, where, "what is in a folder has one version; leave them out")
    built = any((folder / name).is_file() for name in (NAME, "setup.py"))
    sentence = f"{folder} holds no project; name a folder that has a {NAME}"
    require(built, f"{where}: path", sentence)
    said = _metadata(folder / NAME)
    named = str(said.get("name", row.name))
    sentence = f"the project in {folder} is called {named}; give the table that name"
    require(canonicalize_name(named) == canonicalize_name(row.name), f"{where}: path", sentence)
    version = _version(said.get("version", UNSTATED), f"{where}: path")
    swept = Swept(version, "the project itself", requirement=f"{row.name} @ {given['path']}")
    python = _specifier(said.get("requires-python", ""), f"{where}: path")
    row = dataclasses.replace(row, versions=(swept,), paired=False, source_only=False)
    return dataclasses.replace(row, folder=str(folder), requires_python=python)


def _metadata(file: Path) -> Mapping[str, Any]:
    """Return what a folder's pyproject.toml says of the project; one with a setup.py needs none."""
    return table_of(file, parsed(file), "project") if file.is_file() else {}


def _with_needs(row: Library, given: Mapping[str, Any]) -> Library:
    values: dict[str, Any] = {
        "adapter": given.get("adapter", row.adapter),
        "companions": (*row.companions, *given.get("companions", ())),
        "excludes": (*row.excludes, *given.get("excludes", ())),
        "pairs": tuple(dict.fromkeys((*row.pairs, *given.get("pairs", ())))),
    }
    if "pythons" in given:
        values |= {"pythons": given["pythons"], "only_pythons": True, "why_python": BY_NAME}
    return dataclasses.replace(row, **values)


def _opened(
    row: Library,
    given: Mapping[str, Any],
    known: Catalogue,
    own: Iterable[Checkpoint],
    where: str,
) -> tuple[str, ...]:
    """Return its globs; without any, the project's own rows of its adapter, or else ours."""
    if "checkpoints" not in given:
        return _of(row, own) or row.checkpoints
    for each in given["checkpoints"]:
        if not any(fnmatch.fnmatchcase(row.id, each) for row in known):
            kind = "checkpoint"
            place = f"{where}: checkpoints"
            raise _wrong(place, unknown_name(kind, each, [row.id for row in known]))
    return tuple(given["checkpoints"])


def _plugins(file: Path, names: Iterable[str]) -> tuple[Plugin, ...]:
    found = tuple(dict.fromkeys(_plugin(file, name) for name in names))
    for module, count in Counter(plugin.module for plugin in found).items():
        sentence = f"{count} are called {module.removeprefix(STAGED)}; give each another name"
        require(count == 1, f"{file}, {TABLE}: plugins", sentence)
    return found


def _plugin(file: Path, name: str) -> Plugin:
    where = f"{file}, {TABLE}: plugins"
    if not name.endswith(".py"):
        right = all(part.isidentifier() for part in name.split("."))
        sentence = f"a module, my_app.torchcompat, or a file that ends in .py is due, not {name!r}"
        require(right, where, sentence)
        return Plugin(name)
    path = (file.parent / name).resolve()
    require(path.is_file(), where, f"{path} is not there; name a file of the project")
    require(path.stem.isidentifier(), where, f"{path.stem!r} is no name of a module; rename it")
    _require_python(path, where)
    return Plugin(STAGED + path.stem, path)


def _require_python(path: Path, where: str) -> None:
    """Compile a plugin, and run nothing of it."""
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        message = f"{where}: {path} is no Python that can be read: {error}"
        raise ProjectError(message) from error


def _wrong(where: str, why: object) -> ProjectError:
    return ProjectError(f"{where}: {why}")


def _version(value: Any, where: str) -> str:
    try:
        return str(Version(text(value, where)))
    except InvalidVersion as error:
        raise _wrong(where, f"{value!r} is no version") from error


def _named_version(value: Any, where: str) -> str:
    return axes.NEWEST if value == axes.NEWEST else _version(value, where)


def _named_torch(value: Any, where: str) -> str:
    return axes.NIGHTLY if value == axes.NIGHTLY else _named_version(value, where)


def _specifier(value: Any, where: str) -> str:
    try:
        return str(SpecifierSet(str(value)))
    except InvalidSpecifier as error:
        raise _wrong(where, f"{value!r} says no Python versions") from error


def _policy(value: Any, where: str) -> str:
    if value not in POLICIES:
        kind = "policy"
        raise _wrong(where, unknown_name(kind, str(value), POLICIES))
    return str(value)


def _python(value: Any, where: str) -> str:
    right = bool(re.fullmatch(r"3\.\d+", text(value, where)))
    require(right, where, f"a Python such as 3.11 is due, not {value!r}")
    return str(value)


def _companion(value: Any, where: str) -> Companion:
    try:
        Requirement(text(value, where))
    except InvalidRequirement as error:
        raise _wrong(where, f"{value!r} is no requirement, such as soundfile>=0.12") from error
    return Companion(value, BY_NAME)


def _pair(value: Any, where: str) -> str:
    if text(value, where) not in pairing.SPECIFIERS:
        kind = "package that goes with torch"
        raise _wrong(where, unknown_name(kind, str(value), pairing.SPECIFIERS))
    return str(value)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    require(isinstance(value, Mapping), where, f"a table is due, not {value!r}")
    require(bool(value), where, f"it names no library; add {TABLE[:-1]}.libraries.NAME]")
    return dict(value)


def _some(reader: Reader, value: Any, where: str) -> tuple[Any, ...]:
    found = tuple(dict.fromkeys(each_of(reader, value, where)))
    require(bool(found), where, "it names none; leave the key out, or name one")
    return found


_KEYS: Mapping[str, Reader] = {
    "torch": partial(_some, _named_torch),
    "policies": partial(_some, _policy),
    "plugins": partial(_some, text),
    "trust": partial(_some, text),
    "libraries": _table,
}
_LIBRARY_KEYS: Mapping[str, Reader] = {
    "versions": partial(_some, _named_version),
    "path": text,
    "adapter": text,
    "checkpoints": partial(_some, text),
    "companions": partial(_some, _companion),
    "excludes": partial(_some, _companion),
    "pairs": partial(_some, _pair),
    "pythons": partial(_some, _python),
}
