"""
Reads another project's sweep: ``[tool.torchcompat.matrix]`` of its pyproject.toml.

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
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from matrix import axes
from matrix import project_values as values
from matrix.axes import POLICIES, Library, Swept
from matrix.project import TABLE, Plugin, Project, ProjectError, with_rows
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.checkpoints.project import (
    NAME,
    add_project_rows,
    known_keys,
    parsed,
    require,
    table_of,
    text,
)
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import unknown_name

NEWEST_OF_ALL = Swept(axes.NEWEST, "what a user gets today")
# Of a project that does not state its version: what its cells are called stays the same.
UNSTATED = "0+local"
STAGED = "project_"  # so that no plugin stands before a module that a library imports


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
    known = with_rows(file, tables)
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


def _read(
    fields: Mapping[str, Any], readers: Mapping[str, values.Reader], where: str
) -> dict[str, Any]:
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
    version = values.version(said.get("version", UNSTATED), f"{where}: path")
    swept = Swept(version, "the project itself", requirement=f"{row.name} @ {given['path']}")
    python = values.specifier(said.get("requires-python", ""), f"{where}: path")
    row = dataclasses.replace(row, versions=(swept,), paired=False, source_only=False)
    return dataclasses.replace(row, folder=str(folder), requires_python=python)


def _metadata(file: Path) -> Mapping[str, Any]:
    """Return what a folder's pyproject.toml says of the project; one with a setup.py needs none."""
    return table_of(file, parsed(file), "project") if file.is_file() else {}


def _with_needs(row: Library, given: Mapping[str, Any]) -> Library:
    needs: dict[str, Any] = {
        "adapter": given.get("adapter", row.adapter),
        "companions": (*row.companions, *given.get("companions", ())),
        "excludes": (*row.excludes, *given.get("excludes", ())),
        "pairs": tuple(dict.fromkeys((*row.pairs, *given.get("pairs", ())))),
    }
    if "pythons" in given:
        needs |= {"pythons": given["pythons"], "only_pythons": True, "why_python": values.BY_NAME}
    return dataclasses.replace(row, **needs)


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
            raise values.wrong(place, unknown_name(kind, each, [row.id for row in known]))
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


_KEYS: Mapping[str, values.Reader] = {
    "torch": partial(values.some, values.named_torch),
    "policies": partial(values.some, values.policy),
    "plugins": partial(values.some, text),
    "trust": partial(values.some, text),
    "libraries": values.libraries,
}
_LIBRARY_KEYS: Mapping[str, values.Reader] = {
    "versions": partial(values.some, values.named_version),
    "path": text,
    "adapter": text,
    "checkpoints": partial(values.some, text),
    "companions": partial(values.some, values.companion),
    "excludes": partial(values.some, values.companion),
    "pairs": partial(values.some, values.pair),
    "pythons": partial(values.some, values.python_version),
}
