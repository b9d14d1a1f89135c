"""Rebuilds the shipped replicas, each in the environment that its row names."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matrix import axes
from matrix.environments import Environment, UvEnvironments
from matrix.plan import PlannedCell
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint, Replica
from pytest_torchcompat.checkpoints.hashes import sha256_of
from pytest_torchcompat.errors import TorchcompatError

# Every library of the replicas runs on it, those of 2020 too.
PYTHON = "3.10"
PROJECT = Path(__file__).resolve().parents[2]


def rebuild(rows: Sequence[Checkpoint], environments: UvEnvironments) -> bool:
    """
    Save the replicas of rows anew, in place; say of each whether its bytes changed, and return it.

    Raises ``TorchcompatError`` where an environment or a library fails.
    """
    changed = False
    for saved_by, group in _by_environment(rows).items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _save(_cell(saved_by, group), group, environments, folder)
            for filename, sha256 in dict(_files(group)).items():
                changed |= _replace(filename, sha256, folder)
    return changed


def chosen(catalogue: Catalogue, identifiers: Sequence[str]) -> list[Checkpoint]:
    """Return the named rows, or all that have a replica; raises for an id that is none."""
    rows = [catalogue.get(identifier) for identifier in identifiers] or list(catalogue)
    return [row for row in rows if row.replica]


def _by_environment(rows: Iterable[Checkpoint]) -> dict[tuple[str, ...], list[Checkpoint]]:
    groups: dict[tuple[str, ...], list[Checkpoint]] = {}
    for row in rows:
        if row.replica:
            groups.setdefault(row.replica.saved_by, []).append(row)
    return groups


def _cell(saved_by: tuple[str, ...], group: Sequence[Checkpoint]) -> PlannedCell:
    pins = dict(each.split("==") for each in saved_by if "==" in each)
    library, version = next(iter(pins.items()))
    # What one library's models do without may be another: fairseq is left out of rvc.
    rows = [row for row in axes.LIBRARIES if row.name == library]
    excludes = [each.requirement for row in rows for each in row.excludes]
    return PlannedCell(
        id=f"replicas-py{PYTHON}-torch{pins['torch']}-{library}{version}",
        python=PYTHON,
        torch=pins["torch"],
        library=library,
        version=version,
        why=f"saves {', '.join(row.id for row in group)}",
        requirements=saved_by,
        excludes=tuple(excludes),
        checks=(),
    )


def _save(
    cell: PlannedCell, group: Sequence[Checkpoint], environments: UvEnvironments, folder: Path
) -> None:
    environment = environments.create(cell)
    if not isinstance(environment, Environment):
        message = f"no environment to save replicas in, {cell.why}: {environment.reason}"
        raise TorchcompatError(message)
    words = ("-m", "matrix.replicas.save", str(folder), *(row.id for row in group))
    variables = environment.variables(folder / "home") | {"PYTHONPATH": str(PROJECT)}
    command = [str(environment.python), *words]
    done = environments.processes.run(command, env=variables, cwd=folder)
    environments.delete(cell)
    if done.returncode != 0:
        message = f"the environment that {cell.why} failed:\n{done.output}"
        raise TorchcompatError(message)


def _files(group: Iterable[Checkpoint]) -> Iterator[tuple[str, str | None]]:
    """Give each file that belongs to the replicas, with the hash that its row has for it."""
    for row in group:
        if row.replica is not None:
            yield row.replica.filename, row.replica.sha256
            for each in row.beside:
                beside = Path(row.replica.filename).with_name(each.filename)
                yield str(beside), each.replica_sha256


def _replace(filename: str, sha256: str | None, folder: Path) -> bool:
    fresh, shipped = folder / filename, Replica(filename, "", ()).path
    found = sha256_of(fresh)
    if found == sha256 and shipped.exists():
        print(f"{filename}: the same bytes")
        return False
    shipped.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fresh, shipped)
    print(f"{filename}: changed; its sha256 for the catalogue's row is now {found}")
    return True
