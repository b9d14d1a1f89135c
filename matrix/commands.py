"""The commands that a user is told to type, as the terminal and the page say them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def go_on(
    selection: Mapping[str, Sequence[str]], edition: str, runs: str = "", project: str = ""
) -> str:
    """Return the command that goes on with a run: it is found by its selection and edition."""
    words = [w for name, values in selection.items() for v in values for w in (f"--{name}", v)]
    where = [*(["--runs", runs] if runs else []), *of_project(project)]
    return _nox("matrix", [*words, *_edition(edition), *where])


def one_cell(identifier: str, edition: str, policy: str = "", project: str = "") -> str:
    """Return the command that runs a cell anew."""
    policies = ["--policy", policy] if policy else []
    return _nox("cell", [identifier, *policies, *_edition(edition), *of_project(project)])


def project_in(document: Mapping[str, Any]) -> str:
    """Return the folder of the project whose sweep a run is; empty where it is our own."""
    return str((document.get("project") or {}).get("folder", ""))


def of_project(folder: str) -> list[str]:
    """Return the words that name a project, as nox takes them: seen from our checkout."""
    return ["--project", folder] if folder else []


def _edition(edition: str) -> list[str]:
    return [] if edition == "auto" else ["--edition", edition]


def _nox(session: str, words: Sequence[str]) -> str:
    return f"nox -s {session}" + (f" -- {shlex.join(words)}" if words else "")
