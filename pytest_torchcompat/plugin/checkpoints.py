"""The checkpoint that a test's marker names, as a file on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, CheckpointFile, LocalFile
from pytest_torchcompat.checkpoints.downloads import announcement
from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.errors import CatalogueError
from pytest_torchcompat.plugin import marks
from pytest_torchcompat.plugin.state import state_of

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9_]*$")  # an id such as lib/model-3.0 has none


def located(node: pytest.Item, named: marks.Name) -> CheckpointFile:
    """Return the file; says so where it has to be downloaded."""
    state = state_of(node.config)
    row = _row(node, named)
    where = (state.settings.edition, state.settings.cache)
    _tell(node.config, announcement(row, *where))
    return locate(row, *where)


def _row(node: pytest.Item, named: marks.Name) -> Checkpoint:
    rows = state_of(node.config).catalogue
    keywords = marks.checkpoint_keywords(node)
    if isinstance(named, os.PathLike) or (named not in rows and _SUFFIX.search(named)):
        return _ad_hoc(node.config.rootpath, os.fspath(named), keywords)
    row = rows.get(named)
    if keywords:
        said = " and ".join(keywords)
        message = f"{row.id} is in the catalogue, which says its {said} already; leave {said} out"
        raise CatalogueError(message)
    return row


def _ad_hoc(root: Path, path: str, keywords: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        id=path,
        library=keywords.get("library", "torch"),
        why="named by its path",
        local=LocalFile(root / path),
        globals=tuple(keywords.get("globals", ())),
        globals_known_by="the marker of its test",
    )


def _tell(config: pytest.Config, line: str | None) -> None:
    """Write a line at once, past the capture; a worker of pytest-xdist has nowhere to."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if line is None or reporter is None:
        return
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        reporter.write_line(f"torchcompat: {line}")
        reporter.flush()
