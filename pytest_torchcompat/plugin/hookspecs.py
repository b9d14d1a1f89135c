"""Hooks by which a conftest or an installed plugin adds its own rows and libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_torchcompat.checkpoints.catalogue import Checkpoint
    from pytest_torchcompat.libraries import Library


@pytest.hookspec
def pytest_torchcompat_checkpoints(config: pytest.Config) -> Sequence[Checkpoint]:  # type: ignore[empty-body]
    """
    Return rows to add to the catalogue; called once, when a test first names a checkpoint.

    In a conftest::

        def pytest_torchcompat_checkpoints(config):
            return [Checkpoint(id="mine/voice", library="torch", why="our default voice")]
    """


@pytest.hookspec
def pytest_torchcompat_libraries(config: pytest.Config) -> Sequence[Library]:  # type: ignore[empty-body]
    """Return adapters to add; see ``pytest_torchcompat.libraries.Library`` for what one offers."""


@pytest.hookspec
def pytest_torchcompat_record(record: Mapping[str, Any]) -> None:
    """Be told of each check, load and failure, as the report's plain data, where it is written."""
