"""
Loads that failed under a policy, by what they leave behind.

Programs catch a load's error and go on with half an object, which fails later in other words: then
the load, and not what was raised last, says why.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from pytest_torchcompat.plugin.marks import Node
from pytest_torchcompat.plugin.options import POLICY
from pytest_torchcompat.policies import Policy

_FAILED = pytest.StashKey["list[_Failed]"]()
_FIXTURE = pytest.StashKey["_Fixture | None"]()
_FUNCTION = "function"


class _Fixture(NamedTuple):
    """One that outlives the test which first asked for it."""

    name: str
    owner: str

    def serves(self, node: Node) -> bool:
        return self.name in getattr(node, "fixturenames", ()) and _is_in(node, self.owner)


class _Failed(NamedTuple):
    """A load's line, and where it ran."""

    line: dict[str, Any]
    node: str
    fixture: _Fixture | None

    @property
    def place(self) -> _Fixture | str:
        return self.fixture or self.node

    def concerns(self, node: Node, policy: Policy | None) -> bool:
        """Whether a test may stand on what this load left: its own, its fixture's, its module's."""
        if policy is None or self.line["policy"] != policy.value:
            return False
        if self.fixture:
            return node.nodeid == self.node or self.fixture.serves(node)
        return _is_in(node, self.node)


def _is_in(node: Node, owner: str) -> bool:
    parts = (owner, f"{owner}::", f"{owner}/")
    return owner in {"", "."} or node.nodeid == owner or node.nodeid.startswith(parts[1:])


@contextlib.contextmanager
def in_fixture(config: pytest.Config, fixture: pytest.FixtureDef[Any]) -> Iterator[None]:
    """Note for a block that its loads are a fixture's, if it serves more than one test."""
    outer = config.stash.get(_FIXTURE, None)
    if fixture.scope != _FUNCTION:
        mine = config.stash[_FIXTURE] = _Fixture(fixture.argname, fixture.baseid)
        found = config.stash.get(_FAILED, [])
        found[:] = [each for each in found if each.fixture != mine]  # it is made anew
    try:
        yield
    finally:
        config.stash[_FIXTURE] = outer


def keep(node: Node, line: dict[str, Any]) -> None:
    """
    Remember a load that failed, unless its test waits for that.

    One that succeeds takes back what failed before it in the same test, fixture or module: what
    failed was tried again, made anew or done without.
    """
    found = node.config.stash.setdefault(_FAILED, [])
    load = _Failed(line, node.nodeid, node.config.stash.get(_FIXTURE, None))
    if line["outcome"] == "ok":
        found[:] = [each for each in found if each.place != load.place]
        return
    from pytest_torchcompat.plugin.awaited import is_awaited

    if not is_awaited(node.config.rootpath):
        found.append(load)


def before(node: Node) -> dict[str, Any] | None:
    """Return the line of the first failed load under its policy that a test may stand on."""
    found = node.config.stash.get(_FAILED, [])
    policy = node.config.stash.get(POLICY, None)
    return next((each.line for each in found if each.concerns(node, policy)), None)


def place_of(load: Mapping[str, Any]) -> str:
    """Return where a load was made and what it read."""
    via = f" -> {load['site']}" if load["site"] not in ("", load["caller"]) else ""
    return f"{load['caller'] or load.get('test', '')}{via}   {load['file']}"
