"""A run's nightly column beside that of the newest final torch, its stable twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.version import Version

from matrix import axes
from matrix.diff.changes import Naming, changes, joined
from matrix.diff.report import Diff, grouped
from matrix.diff.suspects import Environments
from matrix.versions import is_version
from pytest_torchcompat.errors import RecordError

_NAMES = Naming(torch=axes.NIGHTLY, python=True)


def twins(matrix: Mapping[str, Any]) -> Diff:
    """
    Return what the nightly torch of a run changes for what passes beside the newest final one.

    Twins are of one library version, one Python and one set; what did not pass on the final torch
    at every try is no matter of the nightly's. The matrix comes from ``causes.diagnosed``; raises
    ``RecordError`` where it lacks one of the two columns.
    """
    torch = _columns(matrix)
    old, new = ({**matrix, "cells": _of(matrix, version)} for version in torch)
    found = joined(old, new, _NAMES, _NAMES)
    changed, _ = changes(found)
    told = [change for change in changed if change.old is None or change.old.passed]
    groups = grouped(told, Environments(found.values(), changed), new)
    return Diff(old, new, groups, torch=torch)


def _columns(matrix: Mapping[str, Any]) -> tuple[str, str]:
    names = filter(is_version, {cell["torch"]: None for cell in matrix["cells"]})
    versions = {name: Version(name) for name in names}
    nightly = [name for name, version in versions.items() if version.is_devrelease]
    final = [name for name, version in versions.items() if not version.is_prerelease]
    for found, kind in ((nightly, "a nightly"), (final, "a final")):
        if not found:
            message = (
                f"run {matrix['run']} has no cell on {kind} torch, and the two are compared within "
                "a run; `nox -s matrix` sweeps both"
            )
            raise RecordError(message)
    return max(final, key=Version), max(nightly, key=Version)


def _of(matrix: Mapping[str, Any], torch: str) -> list[Mapping[str, Any]]:
    return [cell for cell in matrix["cells"] if cell["torch"] == torch]
