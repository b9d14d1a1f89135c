"""
Loads that failed under a policy, by what they leave behind.

Programs catch a load's error and go on with half an object, which fails later in other words: then
the load, and not what was raised last, says why.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_torchcompat.plugin.marks import Node

_FAILED = pytest.StashKey["list[_Failed]"]()
_FIXTURE = pytest.StashKey["_Fixture | None"]()
_FUNCTION = "function"


@dataclass(frozen=True)
class _Fixture:
    """One that outlives the test which first asked for it."""

    name: str
    owner: str

    def serves(self, node: Node) -> bool:
        return self.name in getattr(node, "fixturenames", ()) and _is_in(node, self.owner)


@dataclass(frozen=True)
class _Failed:
    """A load's line, and where it ran."""

    line: dict[str, Any]
    node: str
    fixture: _Fixture | None

    def concerns(self, node: Node) -> bool:
        """Whether a test may stand on what this load left: its own, its fixture's, its module's."""
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
    """Remember a load that failed; one that was tried again and succeeded is none."""
    found = node.config.stash.setdefault(_FAILED, [])
    fixture = node.config.stash.get(_FIXTURE, None)
    if line["outcome"] != "ok":
        found.append(_Failed(line, node.nodeid, fixture))
        return
    again = [
        each for each in found if (each.node, each.line["file"]) == (node.nodeid, line["file"])
    ]
    for each in again:
        found.remove(each)


def before(node: Node) -> dict[str, Any] | None:
    """Return the line of the first failed load that a test may stand on."""
    found = node.config.stash.get(_FAILED, [])
    return next((each.line for each in found if each.concerns(node)), None)


def place_of(load: Mapping[str, Any]) -> str:
    """Return where a load was made and what it read."""
    via = f" -> {load['site']}" if load["site"] != load["caller"] else ""
    return f"{load['caller']}{via}   {load['file']}"
