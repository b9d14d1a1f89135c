"""Made-up runs of any size: the libraries, checkpoints and outcomes of real ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from matrix import axes
from matrix.axes import POLICIES, Swept
from matrix.cell_files import CellFiles
from matrix.plan import Heading, Plan, PlannedCell, PlannedCheck, Selection
from matrix.planning.world import World
from matrix.releases import Release
from matrix.store import RunFolder, write_json
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record, append_line

WHEN = "2026-11-20T10:31:00+00:00"
TORCHES = tuple(f"2.{minor}.0" for minor in range(5, 25))
PYTHONS = ("3.10", "3.11", "3.12")
ROWS = tuple(row for row in axes.LIBRARIES if not row.paired)
DISTRIBUTIONS = tuple(f"package-{number}" for number in range(20))
REFUSAL = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, do "
    "those steps only if you trust the source of the checkpoint.\n\tWeightsUnpickler error: "
    "Unsupported global: GLOBAL ultralytics.nn.tasks.DetectionModel was not an allowed global by "
    "default."
)
# How many of ten checks end so; what a run of today's axes shows, roughly.
ENDS = ("pass",) * 5 + ("shimmed", "drift", "refused", "fail", "unknown")


class Index:
    """An index whose every project has as many versions as are asked for."""

    def __init__(self, versions: int) -> None:
        libraries = {row.name: _releases(f"1.{n}.0" for n in range(versions)) for row in ROWS}
        self.projects = {"torch": _releases(TORCHES), **libraries}

    def of(self, project: str) -> tuple[Release, ...]:
        """Return the releases of a project."""
        return self.projects[project]

    def described(self, project: str, release: Release) -> Release:
        """Return a release as it is."""
        return release


def _releases(versions: Any) -> tuple[Release, ...]:
    built = frozenset(PYTHONS)
    return tuple(Release(each, requires_python=">=3.8", pythons=built) for each in versions)


def world(versions: int) -> World:
    """Return what a plan of so many versions of each library asks; the axes are set to them."""
    swept = tuple(Swept(f"1.{n}.0", "one of many") for n in range(versions))
    axes.LIBRARIES = tuple(
        dataclasses.replace(row, versions=swept, source_only=False) for row in ROWS
    )
    return World(Index(versions), PYTHONS.__contains__, catalogue())


def heading(name: str) -> Heading:
    """Return what a plan says of itself."""
    return Heading(name, WHEN, "replica")


def plan(count: int, name: str) -> Plan:
    """Return a plan of so many cells of one check each."""
    return Plan(name, WHEN, "replica", Selection(), TORCHES, tuple(_cells(count)))


def _cells(count: int) -> Iterator[PlannedCell]:
    rows = catalogue()
    by_library = {row.name: [each.id for each in row.opened(rows)] for row in ROWS}
    for number in range(count):
        rest, torch = divmod(number, len(TORCHES))
        version, which = divmod(rest, len(ROWS))
        library, subjects = ROWS[which].name, by_library[ROWS[which].name]
        check = PlannedCheck(subjects[version % len(subjects)], POLICIES[version % 4])
        yield _cell(library, f"1.{version}.0", TORCHES[torch], ROWS[which].adapter, check)


def _cell(library: str, version: str, torch: str, adapter: str, check: PlannedCheck) -> PlannedCell:
    return PlannedCell(
        id=f"py3.12-torch{torch}-{library}{version}",
        python="3.12",
        torch=torch,
        library=library,
        version=version,
        why="one of many",
        requirements=(f"torch=={torch}", f"{library}=={version}"),
        excludes=(),
        checks=(check,),
        adapter=adapter,
    )


def left(made: Plan, seed: int) -> Iterator[CellFiles]:
    """Yield what each cell left; another seed moves a version here and a verdict there."""
    for number, cell in enumerate(made.cells):
        environment, result = _environment(cell, number, seed), _result(number)
        check = cell.checks[0]
        records = () if number % 20 == 19 else (_record(check, cell, number, seed),)
        yield CellFiles(cell, result, environment if records else {}, records)


def _result(number: int) -> dict[str, Any]:
    gone = number % 20 == 19
    reason = f"Because only pkg<={number % 7} is available, these can't be installed."
    return {
        "outcome": "unavailable" if gone else None,
        "reason": reason if gone else None,
        "seconds": {"environment": number % 97 / 10, "run": number % 89 / 10},
        "finished": WHEN,
        "distributions": {},
    }


def _environment(cell: PlannedCell, number: int, seed: int) -> dict[str, Any]:
    moved = seed if not number % 50 else 0
    versions = dict.fromkeys(DISTRIBUTIONS, f"{number % 3}.{moved}")
    return {
        "torch_build": f"{cell.torch}+cpu",
        "cuda": None,
        "gpu_archs": [],
        "load_variables": ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"],
        "distributions": {"torch": cell.torch, cell.library: cell.version, **versions},
    }


def _record(check: PlannedCheck, cell: PlannedCell, number: int, seed: int) -> Record:
    end = ENDS[(number // 7 + (seed if not number % 100 else 0)) % len(ENDS)]
    values = _failing(end, number) if end in WORDS else _working(end, number)
    return Record(
        check.checkpoint, "replica", check.policy, library=cell.opened_by, sha256="31e20dde" * 8,
        seconds={"import": number % 31 / 10, "load": number % 7 / 10}, **values,
    )  # fmt: skip


WORDS = {
    "refused": ("_pickle.UnpicklingError", REFUSAL),
    "fail": ("ModuleNotFoundError", "No module named 'pkg_resources'"),
    "unknown": ("ValueError", "nobody has met number {number} of these in /tmp/{number}/x.pt"),
}


def _failing(end: str, number: int) -> Mapping[str, Any]:
    exception, message = WORDS[end]
    return {
        "outcome": Outcome.REFUSED if end == "refused" else Outcome.FAIL,
        "stage": Stage.LOAD,
        "exception": exception,
        "message": message.format(number=number),
        "globals": ("ultralytics.nn.tasks.DetectionModel", "builtins.getattr"),
    }


def _working(end: str, number: int) -> Mapping[str, Any]:
    scale = 1.5 if end == "drift" else 1.0 + number % 5 * 1e-7
    projection = [scale * (place - 15.5) for place in range(32)]
    return {
        "outcome": Outcome.SHIMMED if end == "shimmed" else Outcome.PASS,
        "shims": ("dataclass-defaults",) if end == "shimmed" else (),
        "stage": Stage.FORWARD,
        "fingerprint": {
            "shape": [1, 84], "dtype": "float32", "norm": scale * 10, "projection": projection,
        },
    }  # fmt: skip


def write(folder: RunFolder, made: Plan, seed: int) -> None:
    """Write a run's files as its cells would leave them, without the care for a loss of power."""
    write_json(folder.plan, made.to_dict())
    for files in left(made, seed):
        cell = folder.cell(files.cell.id)
        cell.path.mkdir(parents=True)
        cell.result.write_text(json.dumps(files.result), encoding="utf-8")
        if files.records:
            cell.environment.write_text(json.dumps(files.environment), encoding="utf-8")
        for record in files.records:
            append_line(cell.checks, record.to_dict())
