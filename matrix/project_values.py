"""What a project may write for each kind of value of its sweep; each raises with a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from matrix import axes
from matrix.axes import POLICIES, Companion
from matrix.project import TABLE, ProjectError
from pytest_torchcompat import pairing
from pytest_torchcompat.checkpoints.project import each_of, require, text
from pytest_torchcompat.errors import unknown_name

BY_NAME = "named by the project"

Reader = Callable[[Any, str], Any]


def wrong(where: str, why: object) -> ProjectError:
    """Return the error of a value, with where it is written."""
    return ProjectError(f"{where}: {why}")


def version(value: Any, where: str) -> str:
    """Return a version as PEP 440 writes it."""
    try:
        return str(Version(text(value, where)))
    except InvalidVersion as error:
        raise wrong(where, f"{value!r} is no version") from error


def named_version(value: Any, where: str) -> str:
    """Return a version, or ``newest``."""
    return axes.NEWEST if value == axes.NEWEST else version(value, where)


def named_torch(value: Any, where: str) -> str:
    """Return a version, ``newest`` or ``nightly``."""
    return axes.NIGHTLY if value == axes.NIGHTLY else named_version(value, where)


def specifier(value: Any, where: str) -> str:
    """Return the Python versions that a project supports."""
    try:
        return str(SpecifierSet(str(value)))
    except InvalidSpecifier as error:
        raise wrong(where, f"{value!r} says no Python versions") from error


def policy(value: Any, where: str) -> str:
    """Return a policy."""
    if value not in POLICIES:
        kind = "policy"
        raise wrong(where, unknown_name(kind, str(value), POLICIES))
    return str(value)


def python_version(value: Any, where: str) -> str:
    """Return a Python, as ``3.11``."""
    right = bool(re.fullmatch(r"3\.\d+", text(value, where)))
    require(right, where, f"a Python such as 3.11 is due, not {value!r}")
    return str(value)


def companion(value: Any, where: str) -> Companion:
    """Return a requirement that is installed beside a library."""
    try:
        Requirement(text(value, where))
    except InvalidRequirement as error:
        raise wrong(where, f"{value!r} is no requirement, such as soundfile>=0.12") from error
    return Companion(value, BY_NAME)


def pair(value: Any, where: str) -> str:
    """Return a package whose version goes with torch."""
    if text(value, where) not in pairing.SPECIFIERS:
        kind = "package that goes with torch"
        raise wrong(where, unknown_name(kind, str(value), pairing.SPECIFIERS))
    return str(value)


def libraries(value: Any, where: str) -> Mapping[str, Any]:
    """Return the tables of the libraries, at least one."""
    require(isinstance(value, Mapping), where, f"a table is due, not {value!r}")
    require(bool(value), where, f"it names no library; add {TABLE[:-1]}.libraries.NAME]")
    return dict(value)


def some(reader: Reader, value: Any, where: str) -> tuple[Any, ...]:
    """Return what a list holds, each once and at least one."""
    found = tuple(dict.fromkeys(each_of(reader, value, where)))
    require(bool(found), where, "it names none; leave the key out, or name one")
    return found
