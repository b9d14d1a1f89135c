"""
A project's own rows: ``[tool.torchcompat.checkpoints]`` of its pyproject.toml.

The file is read when a row is first needed and not before, so that no start-up pays for it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Callable
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
    found: Any = _parsed(file)
    for depth, name in enumerate(_TABLES, start=1):
        found = found.get(name, {})
        where = f"{file}, [{'.'.join(_TABLES[:depth])}]"
        _require(isinstance(found, Mapping), where, f"it must be a table, and is {found!r}")
        if name == "torchcompat":
            _known_keys(found, ("checkpoints",), where)
    return tuple(_row(file, identifier, fields) for identifier, fields in found.items())


def _parsed(file: Path) -> Mapping[str, Any]:
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
    _require(isinstance(fields, Mapping), where, f"it must be a table, and is {fields!r}")
    _require(bool(identifier.strip()), where, "an id is due, such as my/voice")
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
    _require(
        local or "url" in given or "hub" in given,
        where,
        "it names no file; add path, url or hub",
    )
    _require(
        local or "download" not in given, where, "download says how the file of a path comes there"
    )


def _sources(given: Mapping[str, Any]) -> Iterator[Source]:
    if "hub" in given:
        yield given["hub"]
    if "url" in given:
        yield UrlFile(given["url"])


Reader = Callable[[Any, str], Any]


def _read(fields: Mapping[str, Any], readers: Mapping[str, Reader], where: str) -> dict[str, Any]:
    _known_keys(fields, tuple(readers), where)
    return {name: readers[name](value, f"{where}: {name}") for name, value in fields.items()}


def _known_keys(fields: Mapping[str, Any], valid: tuple[str, ...], where: str) -> None:
    for name in fields:
        if name not in valid:
            raise _error(where, str(unknown_name("key", name, valid)))


def _text(value: Any, where: str) -> str:
    _require(isinstance(value, str) and value.strip() != "", where, f"text is due, not {value!r}")
    return str(value)


def _url(value: Any, where: str) -> str:
    right = re.match("https?://.", _text(value, where))
    _require(bool(right), where, f"it must begin with https:// or http://, and is {value!r}")
    try:
        urlsplit(value)
    except ValueError as error:
        message = f"{value!r} is no URL ({error})"
        raise _error(where, message) from error
    return str(value)


def _repo(value: Any, where: str) -> str:
    right = re.fullmatch(r"([\w.-]+/)?[\w.-]+", _text(value, where))
    _require(bool(right), where, f"a repository is due, such as me/voices, not {value!r}")
    return str(value)


def _beside_name(value: Any, where: str) -> str:
    """Return a name that leads to no other folder, where a download would overwrite files."""
    right = not {*_text(value, where)} & {*"/\\"} and value not in (".", "..")
    _require(right, where, f"a name in the checkpoint's own folder is due, not {value!r}")
    return str(value)


def _sha256(value: Any, where: str) -> str:
    right = re.fullmatch("[0-9a-f]{64}", _text(value, where).lower())
    _require(bool(right), where, f"64 hex digits are due, not {value!r}")
    return str(value).lower()


def _commit(value: Any, where: str) -> str:
    right = re.fullmatch("[0-9a-f]{40}", _text(value, where))
    sentence = f"{value!r} is not a commit. A branch or tag moves; give the commit's 40 hex digits"
    _require(bool(right), where, sentence)
    return str(value)


def _count(value: Any, where: str) -> int:
    _require(type(value) is int and value > 0, where, f"a whole number is due, not {value!r}")
    return int(value)


def _number(value: Any, where: str) -> float:
    right = type(value) in (int, float) and isfinite(value) and value > 0
    _require(right, where, f"a number above 0 is due, not {value!r}")
    return float(value)


def _flag(value: Any, where: str) -> bool:
    _require(isinstance(value, bool), where, f"true or false is due, not {value!r}")
    return bool(value)


def _each(reader: Reader, value: Any, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list), where, f"a list is due, not {value!r}")
    return tuple(reader(each, where) for each in value)


def _hub(value: Any, where: str) -> HubFile:
    _require(isinstance(value, Mapping), where, f"a table is due, not {value!r}")
    given = _read(value, _HUB_KEYS, where)
    for name in ("repo", "file"):
        _require(name in given, where, f"{name} is missing")
    return HubFile(given["repo"], given.get("revision"), given["file"])


def _beside(value: Any, where: str) -> SideFile:
    if isinstance(value, str):
        return SideFile(_beside_name(value, where))
    _require(isinstance(value, Mapping), where, f"a file's name or a table is due, not {value!r}")
    given = _read(value, _BESIDE_KEYS, where)
    _require("file" in given, where, "file is missing")
    return SideFile(given["file"], given.get("sha256"), given.get("bytes"))


_HUB_KEYS: Mapping[str, Reader] = {"repo": _repo, "revision": _commit, "file": _text}
_BESIDE_KEYS: Mapping[str, Reader] = {"file": _beside_name, "sha256": _sha256, "bytes": _count}
_KEYS: Mapping[str, Reader] = {
    "library": _text,
    "path": _text,
    "download": _text,
    "url": _url,
    "hub": _hub,
    "sha256": _sha256,
    "bytes": _count,
    "licence": _text,
    "why": _text,
    "globals": partial(_each, _text),
    "pickled": _flag,
    "tolerance": _number,
    "beside": partial(_each, _beside),
}
_AS_THEY_ARE = ("sha256", "bytes", "licence", "globals", "pickled", "tolerance", "beside")


def _where(file: Path, identifier: str) -> str:
    return f'{file}, [tool.torchcompat.checkpoints."{identifier}"]'


def _require(right: bool, where: str, sentence: str) -> None:
    if not right:
        raise _error(where, sentence)


def _error(where: str, sentence: str) -> CatalogueError:
    return CatalogueError(f"{where}: {sentence}")
