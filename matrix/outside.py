"""What a new plan asks outside: the package index, PyTorch's own indexes, the machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import requests

from matrix import axes
from matrix.interpreters import find
from matrix.plan import Selection
from matrix.planning.world import World
from matrix.processes import Processes
from matrix.project import Project
from matrix.releases import PROBE_TIMEOUT, IndexReleases, IndexUnreachableError, Releases, endpoint
from pytest_torchcompat.checkpoints.rows import catalogue

NO_TORCH_INDEX = (
    "PyTorch's own index can't be reached: torch is the package index's build, whatever GPU this "
    "machine has."
)
NO_REPOSITORY = "git can't reach {repository}: no cell for the {library} that is there."
NO_NIGHTLY = "PyTorch's nightly index can't be reached: no cell for the nightly build."
EMPTY = "PyTorch's nightly index lists no torch: no cell for the nightly build."


def torch_backend(url: str = axes.TORCH_INDEX) -> tuple[str, tuple[str, ...]]:
    """Return what uv is told about torch's builds, and the note where it is told nothing."""
    try:
        requests.head(url, timeout=PROBE_TIMEOUT).raise_for_status()
    except requests.RequestException:
        return "", (NO_TORCH_INDEX,)
    return "auto", ()


def wants_nightly(selection: Selection) -> bool:
    """Whether a selection has the nightly build in it."""
    return not selection.torch or any(axes.is_nightly(name) for name in selection.torch)


def nightlies(
    selection: Selection, frozen_at: datetime, url: str = ""
) -> tuple[Releases | None, tuple[str, ...]]:
    """
    Return the index of nightlies, PyTorch's own by default, or the note that there are none.

    Raises ``IndexUnreachableError`` where the nightly was asked for by name.
    """
    if not wants_nightly(selection):
        return None, ()
    url = (url or axes.NIGHTLY_INDEX).format(backend=axes.NIGHTLY_BACKEND)
    index = IndexReleases(url, frozen_at, prereleases=True, timeout=PROBE_TIMEOUT)
    try:
        note = "" if index.listed("torch") else EMPTY
    except IndexUnreachableError:
        note = NO_NIGHTLY
    if note and selection.torch:
        raise IndexUnreachableError(note)
    return (None, (note,)) if note else (index, ())


def commits(
    selection: Selection, rows: Iterable[axes.Library] = axes.LIBRARIES
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the last commit of each repository of a selection, and the notes of no answer."""
    named = {name.partition("==")[0] for name in selection.library}
    found: dict[str, str] = {}
    notes: list[str] = []
    for row in rows:
        repositories = (swept.repository for swept in row.versions if swept.repository)
        for repository in repositories if row.name in named or not named else ():
            found[repository] = newest_commit(repository)
            if not found[repository]:
                notes.append(NO_REPOSITORY.format(repository=repository, library=row.name))
    return found, tuple(notes)


def newest_commit(repository: str) -> str:
    """Return the last commit of a repository's main branch; empty where git can't reach it."""
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "ls-remote", repository, "HEAD"]
    try:
        done = Processes().run(command, env=environ, timeout=PROBE_TIMEOUT)
    except OSError:  # There is no git.
        return ""
    commit = re.search(r"^([0-9a-f]{40,64})\tHEAD$", done.output, re.MULTILINE)
    return commit[1] if commit else ""


def world(
    selection: Selection, frozen_at: datetime, project: Project | None = None
) -> tuple[World, str, tuple[str, ...]]:
    """Return what planning asks, the torch backend, and the notes of what could not be asked."""
    backend, notes = torch_backend()
    nightly, no_nightly = _nightlies_of(selection, frozen_at, project)
    pinned, no_repository = commits(selection, *([project.libraries] if project else []))
    rows = project.catalogue if project else catalogue()
    releases = IndexReleases(endpoint(), frozen_at)
    here = (lambda python: find(python) is not None, rows, nightly, pinned, project)
    said = project.planned_with if project else ()
    return World(releases, *here), backend, said + notes + no_nightly + no_repository


def _nightlies_of(
    selection: Selection, frozen_at: datetime, project: Project | None
) -> tuple[Releases | None, tuple[str, ...]]:
    """Return the index of nightlies; where a project's axis has other torches, it may be none."""
    axis = project.torch if project and not selection.torch else ()
    if not axis or all(map(axes.is_nightly, axis)):
        return nightlies(replace(selection, torch=axis or selection.torch), frozen_at)
    return nightlies(Selection(), frozen_at) if any(map(axes.is_nightly, axis)) else (None, ())
