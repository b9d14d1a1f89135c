"""
One way through the cells: the sweep's own, and the floor, an environment and a bare process each.

``hands.py`` has the ways of those who sweep by hand, ``sweep_turns.py`` takes all of them in turn.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from matrix.__main__ import PROJECT, WORK
from matrix.environments import Environment, UvEnvironments
from matrix.plan import Plan, PlannedCell
from matrix.releases import IndexReleases, endpoint
from matrix.resolution import Settings
from matrix.runner import only_one, read_plan
from matrix.store import RunFolder, runs
from matrix.verdicts import NoEnvironment
from pytest_torchcompat.record import FORWARD
from tests.bench.processes import Noting, clocked, must, spend

HERE = Path(__file__).parent
# The ways that do all that is planned.
OURS, ALONE, CARRIED, FLOORS = "ours", "ours, 1 worker", "ours, all carried over", "floors"
WHOLE = (OURS, ALONE, CARRIED, FLOORS)
Check = tuple[str, str, str, str]  # a cell, a checkpoint, its use, the policy


@dataclass
class Way:
    """What one way through all cells took; ``works`` holds what it found to compare them by."""

    wall: float
    cpu: float
    works: set[Check]
    commands: list[str]
    cells: dict[str, dict[str, float]] = field(default_factory=dict)


def ours(
    selection: Sequence[str], jobs: int, folder: Path, *, carry: bool = False
) -> tuple[Way, RunFolder]:
    """Run the sweep, the plan's questions to the index included; ``carry`` keeps what it has."""
    if not carry:
        shutil.rmtree(folder, ignore_errors=True)
        selection = (*selection, "--fresh")
    command = [sys.executable, "-m", "matrix", "run", "--edition", "replica", *selection]
    # Nobody who sweeps by hand runs a cell again to be sure of its speed.
    command += ["--jobs", str(jobs), "--runs", str(folder), "--speed-minutes", "0"]
    spent = must(spend(command, cwd=PROJECT))
    run = next(runs(folder))
    cells = {cell.id: _seconds(run, cell.id) for cell in read_plan(run).cells}
    return Way(spent.wall, spent.cpu, _works(run), [spent.command], cells), run


def _seconds(run: RunFolder, cell: str) -> dict[str, float]:
    result = run.cell(cell).read_result() or {}
    if result.get("outcome"):
        sys.exit(f"no figure: {cell} ended as {result['outcome']}: {result['reason']}")
    return dict(result["seconds"])


def _works(run: RunFolder) -> set[Check]:
    return {
        (cell.id, *record.identity)
        for cell in read_plan(run).cells
        for record in run.cell(cell.id).records()
        if record.outcome.works
    }


def shims(run: RunFolder, cell: str) -> tuple[str, ...]:
    """Return the shims that a cell's checks needed; the other ways are told, and search none."""
    names = {name for record in run.cell(cell).records() for name in record.shims}
    return tuple(sorted(names))


def environments(plan: Plan) -> UvEnvironments:
    """Return what makes the sweep's environments, its wheels built."""
    releases = IndexReleases(endpoint(), datetime.fromisoformat(plan.frozen_at))
    found = UvEnvironments(
        Settings(WORK, PROJECT, plan.frozen_at, plan.backend), Noting(), releases
    )
    found.prepare()
    return found


def floors(run: RunFolder, folder: Path) -> Way:
    """Take the cells one after the other: an environment, and one bare process in it."""
    plan = read_plan(run)
    total = Way(0.0, 0.0, set(), [])
    with only_one(WORK):
        maker = environments(plan)
        for cell in plan.cells:
            _floor(maker, cell, shims(run, cell.id), folder / cell.id, total)
    return total


def _floor(
    maker: UvEnvironments, cell: PlannedCell, names: tuple[str, ...], folder: Path, total: Way
) -> None:
    noting = Noting()
    maker.processes = noting
    with clocked() as creating:
        made = maker.create(cell)
    if isinstance(made, NoEnvironment):
        sys.exit(f"no figure: {cell.id} can't be built: {made.reason}")
    with clocked() as running:
        works, command = _bare(made, cell, names, folder)
    maker.delete(cell)
    total.wall += creating.wall + running.wall
    total.cpu += creating.cpu + running.cpu
    total.works |= works
    total.commands += [*noting.commands, command]
    total.cells[cell.id] = {"environment": creating.wall, "run": running.wall}


def _bare(
    made: Environment, cell: PlannedCell, names: tuple[str, ...], folder: Path
) -> tuple[set[Check], str]:
    variables = made.variables(folder)
    request = folder / "request.json"
    checks = [check.identity for check in cell.checks]
    request.write_text(json.dumps({"library": cell.opened_by, "shims": names, "checks": checks}))
    command = [str(made.python), str(HERE / "bare.py"), str(request)]
    spent = must(spend(command, cwd=folder, env=variables))
    works = json.loads(spent.output.splitlines()[-1])
    return {(cell.id, *identity) for identity in works}, spent.command


def differences(ways: Iterable[tuple[str, Way]]) -> list[str]:
    """Say where two ways found different checks to work: then they are not the same work."""
    (first, base), *others = ways
    return [
        f"{' '.join(check)}: {first} and {name} do not agree on whether it works"
        for name, way in others
        for check in sorted(base.works ^ way.works)
        # By hand nobody writes more than a forward pass.
        if name in WHOLE or FORWARD in check
    ]
