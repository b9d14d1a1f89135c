"""The markers: declared, and their arguments read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Union

import pytest

from pytest_torchcompat.errors import UnknownNameError, unknown_name
from pytest_torchcompat.policies import Policy, parse_policies

Node = Union[pytest.Item, pytest.Collector]  # pytest keeps the definition of a test to itself
Name = Union[str, "os.PathLike[str]"]  # a checkpoint's id, or the path of its file
_CHECKPOINT = "@pytest.mark.torchcompat_checkpoint"
_POLICY = "@pytest.mark.torchcompat_policy"
KEYWORDS = ("library", "globals")

DECLARATIONS = (
    (
        "torchcompat_checkpoint(id_or_path, *more, library='torch', globals=()): the checkpoints "
        "that a test is about, by their ids or as files below rootdir, of which library opens them "
        "and globals are what they pickle; with several the test runs once for each."
    ),
    "torchcompat_policy(name, *more): the policies that a test runs under, in place of the chosen.",
)


def checkpoints(node: Node) -> tuple[Name, ...]:
    """Return what the nearest ``torchcompat_checkpoint`` names, as it was written."""
    mark = node.get_closest_marker("torchcompat_checkpoint")
    return tuple(mark.args) if mark else ()


def checkpoint_keywords(node: Node) -> Mapping[str, Any]:
    """Return what the nearest ``torchcompat_checkpoint`` says of files that it names by path."""
    mark = node.get_closest_marker("torchcompat_checkpoint")
    return mark.kwargs if mark else {}


def policy_names(node: Node) -> tuple[str, ...]:
    """Return the names of the nearest ``torchcompat_policy``, as they were written."""
    mark = node.get_closest_marker("torchcompat_policy")
    return tuple(map(str, mark.args)) if mark else ()


def problem(node: pytest.Item) -> str | None:
    """Return what is wrong with a test's markers, or nothing."""
    return _checkpoint_problem(node) or _policy_problem(node)


def _checkpoint_problem(node: pytest.Item) -> str | None:
    mark = node.get_closest_marker("torchcompat_checkpoint")
    if mark is None:
        return None
    if not mark.args or not all(isinstance(arg, (str, os.PathLike)) for arg in mark.args):
        return (
            f"{_CHECKPOINT} takes one or more names in quotes, and for a path library and globals"
        )
    for name in mark.kwargs:
        if name not in KEYWORDS:
            other = f" Policies are named by {_POLICY}." if "polic" in name.lower() else ""
            return f"{_CHECKPOINT}: {unknown_name('keyword', name, KEYWORDS)}{other}"
    names = mark.kwargs.get("globals", ())
    if not (isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)):
        return f'{_CHECKPOINT}: globals is a tuple of names, such as ("argparse.Namespace",)'
    if not isinstance(mark.kwargs.get("library", ""), str):
        return f'{_CHECKPOINT}: library is a name in quotes, such as "torch"'
    return None


def _policy_problem(node: pytest.Item) -> str | None:
    mark = node.get_closest_marker("torchcompat_policy")
    if mark and (not mark.args or mark.kwargs or not all(isinstance(a, str) for a in mark.args)):
        return f"{_POLICY} takes one or more names in quotes, and nothing else"
    try:
        given = parametrized(node)
        for name in (*policy_names(node), *(() if given is None else (given,))):
            parse_policies(name)
    except UnknownNameError as error:
        return f"{_POLICY}: {error}"
    return None


def parametrized(node: pytest.Item) -> str | None:
    """Return the policy that a test was parametrized with, by us or by its author."""
    callspec = getattr(node, "callspec", None)
    named = callspec.params.get("torchcompat_policy") if callspec else None
    return None if named is None else str(named)


def policies(node: Node) -> tuple[Policy, ...]:
    """Return the policies that the markers name; nothing where a name is not one."""
    names = policy_names(node)
    try:
        return parse_policies(",".join(names)) if names else ()
    except UnknownNameError:
        return ()
