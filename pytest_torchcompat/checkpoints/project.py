"""
A project's own rows: ``[tool.torchcompat.checkpoints]`` of its pyproject.toml.

Beside them lies ``[tool.torchcompat.matrix]``, which is the sweep's to read.

The file is read when a row is first needed and not before, so that no start-up pays for it.

``library``: the name of the adapter that opens the file; ``torch`` by default.

``path``: where the file lies, from the folder of pyproject.toml on.

``download``: the command that puts the file of ``path`` there; told where it is missing.

``url``: where to download the file from, by https or http.

``hub``: a table that names a file of the Hugging Face Hub.

``sha256``: the hash of the file, in 64 hex digits, which verifies it.

``bytes``: the size of the file.

``licence``: its licence, as ``torchcompat fetch --dry-run`` lists it.

``why``: why this checkpoint is tested.

``globals``: what the file pickles beyond torch's own allow-list, as a list of dotted names;
``allowlisted`` registers them for this file alone.

``pickled``: false where no policy touches the file, which is then checked under ``stock`` alone.

``tolerance``: the largest relative error of an output that still counts as the same.

``beside``: files that the library reads from the same folder: a name each, or a table.

``hub.repo``: the repository, such as ``me/voices``.

``hub.revision``: the commit, in 40 hex digits; without it the newest is taken and told.

``hub.file``: the file's name in the repository.

``beside.file``: the file's name, without a folder.

``beside.sha256``: its hash.

``beside.bytes``: its size.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Callable, cast
from urllib.parse import urlsplit

from pytest_torchcompat.checkpoints.catalogue import (
    Catalogue,
    Checkpoint,
    HubFile,
    LocalFile,
    SideFile,
    Source,
    UrlFile,
)
from pytest_torchcompat.errors import CatalogueError, unknown_name

NAME = "pyproject.toml"
_WHY = f"a checkpoint of this project, by its {NAME}"
_TABLES = ("tool", "torchcompat", "checkpoints")
_TABLES_OF_OURS = ("checkpoints", "matrix")
_SETTINGS_OF_PYTEST = (
    "Settings of the plugin, such as torchcompat_policy, belong into [tool.pytest.ini_options]."
)


def add_project_rows(known: Catalogue, folder: Path) -> None:
    """Add the rows of the project that a folder is in; raises ``CatalogueError``."""
    folder = folder.absolute()
    candidates = (each / NAME for each in (folder, *folder.parents))
    file = next((each for each in candidates if each.is_file()), None)
    if file is None:
        return
    for row in project_rows(file):
        if row.id in known:
            sentence = "this id is in the catalogue already; give yours another"
            raise _error(_where(file, row.id), sentence)
        known.add(row)


def project_rows(file: Path) -> tuple[Checkpoint, ...]:
    """Return the rows that a pyproject.toml holds; raises ``CatalogueError``."""
    return rows_of(file, table_of(file, parsed(file), *_TABLES))


def rows_of(file: Path, tables: Mapping[str, Any]) -> tuple[Checkpoint, ...]:
    """Return the rows of tables that a pyproject.toml holds; raises ``CatalogueError``."""
    return tuple(_row(file, identifier, fields) for identifier, fields in tables.items())


def table_of(file: Path, document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a table by the names that lead to it, empty where it is not there."""
    found: Any = document
    for depth, name in enumerate(names, start=1):
        found = found.get(name, {})
        where = f"{file}, [{'.'.join(names[:depth])}]"
        require(isinstance(found, Mapping), where, f"it must be a table, and is {found!r}")
        if name == "torchcompat":
            _known_tables(found, where)
    return cast("Mapping[str, Any]", found)


def _known_tables(found: Mapping[str, Any], where: str) -> None:
    try:
        known_keys(found, _TABLES_OF_OURS, where)
    except CatalogueError as error:
        message = f"{error} {_SETTINGS_OF_PYTEST}"
        raise CatalogueError(message) from error


def parsed(file: Path) -> Mapping[str, Any]:
    """Return what a pyproject.toml holds; raises ``CatalogueError``."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # which pytest itself requires there
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:  # broken TOML and broken UTF-8 are both ValueErrors
        message = f"{file} cannot be read as TOML: {error}. Its checkpoints are not known"
        raise CatalogueError(message) from error


def _row(file: Path, identifier: str, fields: Any) -> Checkpoint:
    where = _where(file, identifier)
    require(isinstance(fields, Mapping), where, f"it must be a table, and is {fields!r}")
    require(bool(identifier.strip()), where, "an id is due, such as my/voice")
    given = _read(fields, _KEYS, where)
    _require_origin(given, where)
    path = given.get("path")
    return Checkpoint(
        id=identifier,
        library=given.get("library", "torch"),
        why=given.get("why", _WHY),
        sources=tuple(_sources(given)),
        local=LocalFile(file.parent / path, given.get("download", "")) if path else None,
        globals_known_by=str(file),
        **{name: given[name] for name in _AS_THEY_ARE if name in given},
    )


def _require_origin(given: Mapping[str, Any], where: str) -> None:
    local = "path" in given
    require(
        local or "url" in given or "hub" in given,
        where,
        "it names no file; add path, url or hub",
    )
    require(
        local or "download" not in given, where, "download says how the file of a path comes there"
    )


def _sources(given: Mapping[str, Any]) -> Iterator[Source]:
    if "hub" in given:
        yield given["hub"]
    if "url" in given:
        yield UrlFile(given["url"])


Reader = Callable[[Any, str], Any]


def _read(fields: Mapping[str, Any], readers: Mapping[str, Reader], where: str) -> dict[str, Any]:
    known_keys(fields, tuple(readers), where)
    return {name: readers[name](value, f"{where}: {name}") for name, value in fields.items()}


def known_keys(fields: Mapping[str, Any], valid: tuple[str, ...], where: str) -> None:
    """Raise ``CatalogueError`` for a key that is none of those."""
    for name in fields:
        if name not in valid:
            raise _error(where, str(unknown_name("key", name, valid)))


def text(value: Any, where: str) -> str:
    """Return a text that is not empty; raises ``CatalogueError``."""
    right = isinstance(value, str) and value.strip() != "" and "\0" not in value
    require(right, where, f"text is due, not {value!r}")
    return str(value)


def _global(value: Any, where: str) -> str:
    right = re.fullmatch(r"[^\s.]+(\.[^\s.]+)+", text(value, where))
    sentence = f"a module and a name are due, such as argparse.Namespace, not {value!r}"
    require(bool(right), where, sentence)
    return str(value)


def _url(value: Any, where: str) -> str:
    right = re.match("https?://.", text(value, where))
    require(bool(right), where, f"it must begin with https:// or http://, and is {value!r}")
    try:
        urlsplit(value)
    except ValueError as error:
        message = f"{value!r} is no URL ({error})"
        raise _error(where, message) from error
    return str(value)


def _repo(value: Any, where: str) -> str:
    right = re.fullmatch(r"([\w.-]+/)?[\w.-]+", text(value, where))
    require(bool(right), where, f"a repository is due, such as me/voices, not {value!r}")
    return str(value)


def _beside_name(value: Any, where: str) -> str:
    """Return a name that leads to no other folder, where a download would overwrite files."""
    right = not {*text(value, where)} & {*"/\\"} and value not in (".", "..")
    require(right, where, f"a name in the checkpoint's own folder is due, not {value!r}")
    return str(value)


def _sha256(value: Any, where: str) -> str:
    right = re.fullmatch("[0-9a-f]{64}", text(value, where).lower())
    require(bool(right), where, f"64 hex digits are due, not {value!r}")
    return str(value).lower()


def _commit(value: Any, where: str) -> str:
    right = re.fullmatch("[0-9a-f]{40}", text(value, where))
    sentence = f"{value!r} is not a commit. A branch or tag moves; give the commit's 40 hex digits"
    require(bool(right), where, sentence)
    return str(value)


def _count(value: Any, where: str) -> int:
    require(type(value) is int and value > 0, where, f"a whole number is due, not {value!r}")
    return int(value)


def _number(value: Any, where: str) -> float:
    right = type(value) in (int, float) and isfinite(value) and value > 0
    require(right, where, f"a number above 0 is due, not {value!r}")
    return float(value)


def _flag(value: Any, where: str) -> bool:
    require(isinstance(value, bool), where, f"true or false is due, not {value!r}")
    return bool(value)


def each_of(reader: Reader, value: Any, where: str) -> tuple[Any, ...]:
    """Return each of a list as a reader returns it; raises ``CatalogueError``."""
    require(isinstance(value, list), where, f"a list is due, not {value!r}")
    return tuple(reader(each, where) for each in value)


def _hub(value: Any, where: str) -> HubFile:
    require(isinstance(value, Mapping), where, f"a table is due, not {value!r}")
    given = _read(value, _HUB_KEYS, where)
    for name in ("repo", "file"):
        require(name in given, where, f"{name} is missing")
    return HubFile(given["repo"], given.get("revision"), given["file"])


def _beside(value: Any, where: str) -> SideFile:
    if isinstance(value, str):
        return SideFile(_beside_name(value, where))
    require(isinstance(value, Mapping), where, f"a file's name or a table is due, not {value!r}")
    given = _read(value, _BESIDE_KEYS, where)
    require("file" in given, where, "file is missing")
    return SideFile(given["file"], given.get("sha256"), given.get("bytes"))


_HUB_KEYS: Mapping[str, Reader] = {"repo": _repo, "revision": _commit, "file": text}
_BESIDE_KEYS: Mapping[str, Reader] = {"file": _beside_name, "sha256": _sha256, "bytes": _count}
_KEYS: Mapping[str, Reader] = {
    "library": text,
    "path": text,
    "download": text,
    "url": _url,
    "hub": _hub,
    "sha256": _sha256,
    "bytes": _count,
    "licence": text,
    "why": text,
    "globals": partial(each_of, _global),
    "pickled": _flag,
    "tolerance": _number,
    "beside": partial(each_of, _beside),
}
_AS_THEY_ARE = ("sha256", "bytes", "licence", "globals", "pickled", "tolerance", "beside")


def _where(file: Path, identifier: str) -> str:
    return f'{file}, [tool.torchcompat.checkpoints."{identifier}"]'


def require(right: bool, where: str, sentence: str) -> None:
    """Raise ``CatalogueError`` with the sentence where it is not right."""
    if not right:
        raise _error(where, sentence)


def _error(where: str, sentence: str) -> CatalogueError:
    return CatalogueError(f"{where}: {sentence}")
