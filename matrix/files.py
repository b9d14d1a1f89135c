"""
The checkpoints' files of a run, fetched and verified once, before the first cell.

Cells read them and fetch nothing: the hub's client would add its own dependencies to every
environment, and a hub that answers slowly would be asked by each.
"""

from __future__ import annotations

from typing import Callable

from matrix.plan import Plan
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.checkpoints.downloads import announcement
from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.errors import TorchcompatError

Files = dict[str, dict[str, str]]
Say = Callable[[str], object]


def locate_all(plan: Plan, catalogue: Catalogue, say: Say = print) -> Files:
    """
    Return path, edition and sha256 of each planned checkpoint, or what kept it from coming.

    Each is located once, and a line is said of each that has to be downloaded.
    """
    planned = {check.checkpoint for cell in plan.cells for check in cell.checks}
    return {name: _located(name, plan.edition, catalogue, say) for name in sorted(planned)}


def _located(name: str, edition: str, catalogue: Catalogue, say: Say) -> dict[str, str]:
    try:
        row = catalogue.get(name)
        line = announcement(row, edition)
        if line:
            say(line)
        file = locate(row, edition)
    except TorchcompatError as error:
        return {"problem": str(error)}
    return {"path": str(file.path), "edition": file.edition.value, "sha256": file.sha256}
