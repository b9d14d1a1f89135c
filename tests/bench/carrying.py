"""A night on which nothing changed: two hundred cells planned, resolved, keyed and carried over."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matrix.__main__ import CHECKS, PROJECT
from matrix.engine import Engine, Places
from matrix.plan import Plan, PlannedCell, Selection
from matrix.planning.planner import make_plan
from matrix.planning.world import World
from matrix.published import publish
from matrix.resolution import Resolver, Settings
from matrix.runner import to_run
from matrix.store import RunFolder, write_json
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line
from tests.bench import synthetic
from tests.bench.figures import Figure, figure
from tests.bench.processes import Spent, must, spend

CELLS = 200
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OLD, NEW = "2026-11-20T1031", "2026-11-21T1031"


class _Pages:
    """An index whose pages say what they said yesterday; how fast one answers is its own matter."""

    url = "http://localhost/"

    def digest(self, _: str) -> str:
        """Return what tells a page from a later one."""
        return "as it was"


class _Resolver(Resolver):
    """Keeps and finds its answers as the sweep's does; a first one is made up."""

    def _resolved(self, cell: PlannedCell, *_: object) -> dict[str, Any]:
        pins = [each for each in cell.requirements if "==" in each]
        lock = [*pins, *(f"{name}==1.0" for name in synthetic.DISTRIBUTIONS)]
        return {"lock": lock, "unsolved": "", "pages": {"torch": "as it was"}}


def _resolver(settings: Settings, processes: Any, _: Any) -> Resolver:
    return _Resolver(settings, processes, _Pages())  # type: ignore[arg-type]


def _environments(*_: object) -> Any:
    sys.exit("no figure: a cell asked for an environment")


def figures(count: int = CELLS) -> list[Figure]:
    """Measure a run whose cells all ran the night before, from its plan to its page."""
    with tempfile.TemporaryDirectory(prefix="torchcompat-carry-") as name:
        # Each in a process of its own: the second night remembers nothing of the first.
        _step("before", count, name)
        told = json.loads(_step("now", count, name).output.splitlines()[-1])
    title = f"{count} cells"
    return [
        figure("carry", f"{title}, planned and carried over", [told["decided"]], "s", **told),
        figure("carry", f"{title}, with the matrix and its page", [told["whole"]], "s", **told),
    ]


def _step(step: str, count: int, folder: str) -> Spent:
    command = [sys.executable, "-m", "tests.bench.carrying", step, str(count), folder]
    return must(spend(command, cwd=PROJECT))


def _child(step: str, count: int, folder: Path) -> None:
    world = dataclasses.replace(synthetic.world(count // 60 + 1), has_python=PYTHON.__eq__)
    if step == "before":
        _ran(_engine(_plan(world, count, OLD), folder))
    else:
        print(json.dumps(_measured(world, count, folder)))


def _measured(world: World, count: int, folder: Path) -> dict[str, float]:
    start, cpu = time.perf_counter(), time.process_time()
    engine = _engine(_plan(world, count, NEW), folder)
    write_json(engine.folder.plan, engine.plan.to_dict())
    ran = engine.carried(engine.decisions(to_run(engine.plan, engine.folder)))
    decided = {"decided": time.perf_counter() - start, "decided_cpu": time.process_time() - cpu}
    if ran or len(engine.plan.cells) != count:
        sys.exit(f"no figure: {len(ran)} of {len(engine.plan.cells)} cells would run: {ran[:1]}")
    publish(engine.plan, engine.folder)
    whole = {"whole": time.perf_counter() - start, "whole_cpu": time.process_time() - cpu}
    return {**decided, **whole}


def _plan(world: World, count: int, run: str) -> Plan:
    plan = make_plan(synthetic.heading(run), Selection(), world)
    cells = [cell for cell in plan.cells if cell.python == PYTHON]
    return dataclasses.replace(plan, cells=_some(cells, count))


def _some(cells: Sequence[PlannedCell], count: int) -> tuple[PlannedCell, ...]:
    # As wide as a run: every torch and library, and not many versions of one.
    return tuple(cells[:: max(1, len(cells) // count)][:count])


def _engine(plan: Plan, folder: Path) -> Engine:
    places = Places(folder / "work", PROJECT, CHECKS, (folder / "runs",))
    run = RunFolder(folder / "runs" / plan.run)
    return Engine(plan, run, places, environments=_environments, resolver=_resolver)


def _ran(engine: Engine) -> None:
    """Leave what a run leaves of whose cells all ended well."""
    write_json(engine.folder.plan, engine.plan.to_dict())
    for cell in engine.assembly.resolving.locked(engine.plan.cells, str):
        files = engine.folder.cell(cell.id)
        for check in cell.checks:
            record = Record(check.checkpoint, "replica", check.policy, Outcome.PASS, use=check.use)
            append_line(files.checks, record.to_dict())
        versions = dict(line.split("==") for line in cell.lock)
        write_json(files.environment, {"torch_build": cell.torch, "distributions": versions})
        write_json(files.result, {**_ended(), "parts": engine.keys.parts(cell)})


def _ended() -> dict[str, Any]:
    seconds = {"environment": 1.0, "run": 2.0}
    return {"outcome": None, "reason": None, "seconds": seconds, "finished": synthetic.WHEN}


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
