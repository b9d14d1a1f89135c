"""The markers: declared, and their arguments read."""

from __future__ import annotations

from typing import Union

import pytest

from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.policies import Policy, parse_policies

Node = Union[pytest.Item, pytest.Collector]  # pytest keeps the definition of a test to itself

DECLARATIONS = (
    (
        "torchcompat_checkpoint(id, *more): the checkpoints of the catalogue that a test is about; "
        "with several the test runs once for each."
    ),
    "torchcompat_policy(name, *more): the policies that a test runs under, in place of the chosen.",
)


def checkpoint_ids(node: Node) -> tuple[str, ...]:
    """Return the ids of the nearest ``torchcompat_checkpoint``, as they were written."""
    return _strings(node, "torchcompat_checkpoint")


def policy_names(node: Node) -> tuple[str, ...]:
    """Return the names of the nearest ``torchcompat_policy``, as they were written."""
    return _strings(node, "torchcompat_policy")


def _strings(node: Node, name: str) -> tuple[str, ...]:
    mark = node.get_closest_marker(name)
    return tuple(map(str, mark.args)) if mark else ()


def problem(node: pytest.Item) -> str | None:
    """Return what is wrong with a test's markers, or nothing."""
    for name in ("torchcompat_checkpoint", "torchcompat_policy"):
        mark = node.get_closest_marker(name)
        if mark is None:
            continue
        if not mark.args or mark.kwargs or not all(isinstance(arg, str) for arg in mark.args):
            return f"@pytest.mark.{name} takes one or more names in quotes, and nothing else"
    try:
        given = parametrized(node)
        for name in (*policy_names(node), *(() if given is None else (given,))):
            parse_policies(name)
    except UnknownNameError as error:
        return f"@pytest.mark.torchcompat_policy: {error}"
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
