"""
The floor of a cell's checks: ``python bare.py REQUEST.json``.

One process imports the library once and takes its checks one after the other through the same
loads and forward passes as the sweep does: no pytest, no isolation, no second try.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.attempt import Check, attempt, prepare
from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.isolation import Returned
from pytest_torchcompat.libraries import Libraries
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.policies.rules import Rules
from pytest_torchcompat.record import FORWARD
from pytest_torchcompat.timing.loading import Asked, Readings


def _hear(stage: str) -> None:
    """Do nothing: here nobody waits for what a check is at."""


def _here(task: Callable[..., Any], *arguments: Any) -> Returned:
    """Run in this process what the sweep runs in one of its own."""
    return Returned(task(_hear, *arguments), "")


def main(request: dict[str, Any]) -> None:
    """Print the checks that work as JSON, the last line."""
    library = Libraries().get(request["library"])
    prepare(library, tuple(request["shims"]))
    rows = catalogue()
    known = {sha256: row.globals for sha256, row in rows.by_sha256().items()}
    rules = Rules(known=known, verified=frozenset(known), root=Path.cwd())
    works: list[Any] = []
    timed: set[str] = set()
    readings = Readings()
    for checkpoint, use, policy in request["checks"]:
        file = locate(rows.get(checkpoint), "replica")
        once = checkpoint not in timed  # as the sweep does
        found = attempt(_hear, Check(file, Policy(policy), library, rules, use=use, timed=once))
        timed |= {checkpoint} if found.benchmark else set()
        if found.exception is None:
            works.append([checkpoint, use, policy])
            if use == FORWARD and policy != Policy.STOCK.value:
                readings.of(Asked(file.path, Policy(policy), rules), file.sha256, _here)
    print(json.dumps(works))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
