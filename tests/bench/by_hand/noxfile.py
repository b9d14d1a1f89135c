"""A sweep as a maintainer writes one: a session a cell, a process a check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nox

nox.options.default_venv_backend = "uv"

CELLS = json.loads(Path("cells.json").read_text("utf-8"))


def add(cell: dict[str, Any]) -> None:
    """Add a cell's session."""

    @nox.session(name=cell["id"], python=cell["python"])
    def check(session: nox.Session) -> None:
        session.install(*cell["install"])
        for arguments in cell["checks"]:
            session.run("python", "check.py", cell["id"], *arguments, success_codes=[0, 1])


for each in CELLS:
    add(each)
