"""Rebuilds the shipped replicas, each in the environment that makes its kind of checkpoint."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matrix.environments import Environment, UvEnvironments
from matrix.plan import PlannedCell
from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.checkpoints.fetch import sha256_of
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError

TORCH = "2.5.1"  # the last whose files every torch of the sweep reads
LIBRARIES = ("fairseq==0.12.2", "ultralytics==8.1.0", "torchaudio")


def rebuild(cells: list[PlannedCell], environments: UvEnvironments, checks: Path) -> bool:
    """
    Save every replica anew, in place; say of each whether its bytes changed, and return the same.

    Raises ``TorchcompatError`` where an environment or a library fails.
    """
    changed = False
    for cell in cells:
        with tempfile.TemporaryDirectory() as folder:
            _write(cell, environments, checks, Path(folder))
            for row, fresh in _fresh(cell.library, Path(folder)):
                changed |= _replace(row, fresh)
    return changed


def _write(cell: PlannedCell, environments: UvEnvironments, checks: Path, folder: Path) -> None:
    environment = environments.create(cell)
    if not isinstance(environment, Environment):
        message = f"no environment to save {cell.library}'s replicas in: {environment.reason}"
        raise TorchcompatError(message)
    command = [str(environment.python), str(checks / "write_replicas.py"), cell.library]
    variables = environment.variables(folder / "home")
    done = environments.processes.run([*command, str(folder)], env=variables, cwd=folder)
    environments.delete(cell)
    if done.returncode != 0:
        message = f"{cell.library} did not save its replicas:\n{done.output}"
        raise TorchcompatError(message)


def _fresh(library: str, folder: Path) -> Iterator[tuple[Checkpoint, Path]]:
    seen: set[str] = set()  # two rows may share a file
    for row in catalogue().of_library(library):
        if row.replica is not None and row.replica.filename not in seen:
            seen.add(row.replica.filename)
            yield row, folder / row.replica.filename


def _replace(row: Checkpoint, fresh: Path) -> bool:
    replica = row.replica
    if replica is None:
        return False
    found = sha256_of(fresh)
    if found == replica.sha256:
        print(f"{replica.filename}: the same bytes")
        return False
    shutil.copyfile(fresh, replica.path)
    print(f"{replica.filename}: changed; its sha256 in rows.py is now {found}")
    return True
