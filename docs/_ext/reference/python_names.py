"""What Python code may import: names, signatures, and the fields of rows."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest_torchcompat
from matrix import project_table
from pytest_torchcompat import errors as own_errors
from pytest_torchcompat.checkpoints import catalogue, project
from pytest_torchcompat.libraries import Libraries
from pytest_torchcompat.libraries.protocol import Library, Usable
from reference.markdown import (
    blocks,
    code,
    first_sentence,
    heading,
    introduction,
    meanings,
    prose,
    table,
    text,
)

ROWS = (
    *(catalogue.Checkpoint, catalogue.HubFile, catalogue.UrlFile, catalogue.LocalFile),
    *(catalogue.SideFile, catalogue.Replica, catalogue.Use, catalogue.CheckpointFile),
)


def public() -> str:
    """Return the names of the package itself."""
    return blocks(*(_public(name) for name in pytest_torchcompat.__all__))


def _public(name: str) -> str:
    found = getattr(pytest_torchcompat, name)
    anchor = f"python-{name.strip('_')}"
    if callable(found):
        shown = f"{name}{_signature(found)}"
        return blocks(heading(3, code(f"pytest_torchcompat.{shown}"), anchor), prose(found))
    said = meanings(pytest_torchcompat)[name]
    return blocks(heading(3, code(f"pytest_torchcompat.{name}"), anchor), text(said))


def _signature(function: Any) -> str:
    return str(inspect.signature(function)).replace("'", "").replace("~", "")


def libraries() -> str:
    """Return what an adapter offers, and the adapters that there are."""
    own = table(
        ("name", "distribution", "how it opens a file"),
        (
            (code(each.name), code(each.distribution), text(first_sentence(type(each))))
            for each in Libraries()
        ),
    )
    return blocks(*map(_protocol, (Library, Usable)), "The adapters that come with it:", own)


def _protocol(kind: type) -> str:
    title = code(f"{kind.__module__.removesuffix('.protocol')}.{kind.__name__}")
    lines = (
        (code(f"{name}{_signature(each)}"), text(first_sentence(each)))
        for name, each in methods(kind)
    )
    methods_of_it = table(("method", "what it does"), lines)
    return blocks(heading(3, title, f"python-{kind.__name__.lower()}"), prose(kind), methods_of_it)


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the methods that a protocol asks for itself."""
    for name, each in vars(kind).items():
        if inspect.isfunction(each) and (name == "import_" or not name.startswith("_")):
            yield name, each


def errors() -> str:
    """Return the errors that are raised on purpose."""
    return table(
        ("error", "what it says"),
        ((code(each.__name__), text(first_sentence(each))) for each in known_errors()),
    )


def known_errors() -> Iterator[type]:
    """Yield the errors of the package, the base first."""
    for each in vars(own_errors).values():
        if inspect.isclass(each) and each.__module__ == own_errors.__name__:
            yield each


def row() -> str:
    """Return a row of the catalogue, and what stands in it."""
    return blocks(*map(_dataclass, ROWS))


def _dataclass(kind: Any) -> str:
    fields = dataclasses.fields(kind)
    lines = [(code(each.name), code(str(each.type)), _default(each)) for each in fields]
    title = code(f"{kind.__module__}.{kind.__name__}")
    anchor = f"python-{kind.__name__.lower()}"
    return blocks(
        heading(3, title, anchor), prose(kind), table(("field", "type", "default"), lines)
    )


def _default(each: Any) -> str:
    return "required" if each.default is dataclasses.MISSING else code(repr(each.default))


def row_keys() -> str:
    """Return the keys of a row in pyproject.toml."""
    keys = [*project._KEYS, *(f"hub.{name}" for name in project._HUB_KEYS)]  # noqa: SLF001 - they are declared there
    return _keys(project, [*keys, *(f"beside.{name}" for name in project._BESIDE_KEYS)])  # noqa: SLF001


def sweep_keys() -> str:
    """Return the keys by which a project asks for a sweep of its own."""
    own = (f"libraries.{name}" for name in project_table._LIBRARY_KEYS)  # noqa: SLF001
    return _keys(project_table, [*project_table._KEYS, *own])  # noqa: SLF001


def _keys(module: ModuleType, keys: Iterable[str]) -> str:
    said = meanings(module)
    lines = ((code(name), text(said[name])) for name in keys)
    return blocks(introduction(module), table(("key", "what it says"), lines))
