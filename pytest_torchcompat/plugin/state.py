"""What a session knows: the catalogue, the libraries, and what was seen so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.errors import CatalogueError
from pytest_torchcompat.libraries import Libraries
from pytest_torchcompat.plugin.options import SETTINGS, Settings
from pytest_torchcompat.policies.rules import Load, Rules


@dataclass
class State:
    """Made when a test first needs it, so that a plain session pays nothing for it."""

    settings: Settings
    catalogue: Catalogue
    libraries: Libraries
    rules: Rules
    loads: list[Load] = field(default_factory=list)


STATE = pytest.StashKey[State]()


def state_of(config: pytest.Config) -> State:
    """Return the session's state, made at the first call."""
    if STATE not in config.stash:
        config.stash[STATE] = _made(config)
    return config.stash[STATE]


def _add(rows: Catalogue, more: Iterable[Checkpoint]) -> None:
    try:
        for row in more:
            rows.add(row)
    except CatalogueError as error:
        raise pytest.UsageError(str(error)) from error


def _made(config: pytest.Config) -> State:
    from pytest_torchcompat.checkpoints.rows import catalogue

    rows = catalogue()
    for more in config.hook.pytest_torchcompat_checkpoints(config=config):
        _add(rows, more)
    adapters = config.hook.pytest_torchcompat_libraries(config=config)
    settings = config.stash[SETTINGS]
    rules = Rules(
        known=rows.globals_by_sha256(),
        allow=settings.allow,
        trust=settings.trust,
        root=config.rootpath,
    )
    libraries = Libraries(library for more in adapters for library in more)
    return State(settings, rows, libraries, rules)
