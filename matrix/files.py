"""
The checkpoints' files of a run, fetched and verified once, before the first cell.

Cells read them and fetch nothing: the hub's client would add its own dependencies to every
environment, and a hub that answers slowly would be asked by each.
"""

from __future__ import annotations

from typing import Callable

from matrix.plan import Plan
from pytest_torchcompat.checkpoints.catalogue import Catalogue, CheckpointFile
from pytest_torchcompat.checkpoints.downloads import announcement
from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.checkpoints.hashes import notes_folder, remembered_sha256
from pytest_torchcompat.errors import TorchcompatError

Files = dict[str, dict[str, str]]
Say = Callable[[str], object]


def locate_all(plan: Plan, catalogue: Catalogue, say: Say = print) -> Files:
    """
    Return path, edition and hashes of each planned checkpoint, or what kept it from coming.

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
        beside = _beside(file)
    except (TorchcompatError, OSError) as error:
        return {"problem": str(error)}
    found = {"path": str(file.path), "edition": file.edition.value, "sha256": file.sha256}
    return {**found, "beside": beside} if beside else found


def _beside(file: CheckpointFile) -> str:
    """Return the name and the sha256 of each file that the library reads beside a checkpoint."""
    folder, notes = file.path.parent, notes_folder(None)
    sides = (folder / side.filename for side in file.checkpoint.beside)
    return " ".join(f"{p.name} {remembered_sha256(p, notes)}" for p in sides if p.is_file())
