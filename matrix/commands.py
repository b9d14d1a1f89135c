"""The commands that a user is told to type, as the terminal and the page say them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence


def go_on(selection: Mapping[str, Sequence[str]], edition: str, runs: str = "") -> str:
    """Return the command that goes on with a run: it is found by its selection and edition."""
    words = [w for name, values in selection.items() for v in values for w in (f"--{name}", v)]
    return _nox("matrix", [*words, *_edition(edition), *(["--runs", runs] if runs else [])])


def one_cell(identifier: str, edition: str, policy: str = "") -> str:
    """Return the command that runs a cell anew."""
    policies = ["--policy", policy] if policy else []
    return _nox("cell", [identifier, *policies, *_edition(edition)])


def _edition(edition: str) -> list[str]:
    return [] if edition == "auto" else ["--edition", edition]


def _nox(session: str, words: Sequence[str]) -> str:
    return f"nox -s {session}" + (f" -- {shlex.join(words)}" if words else "")
