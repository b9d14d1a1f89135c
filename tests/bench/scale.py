"""
Runs of up to a hundred thousand cells: planned, merged and compared, each in a process of its own.

A cell has one check and twenty-two distributions; those of today's axes have eighteen and eighty.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from matrix import diff
from matrix.causes import marked
from matrix.compare import document, merge
from matrix.lean import read_lean
from matrix.plan import Plan, Selection
from matrix.planning.planner import make_plan
from matrix.store import RunFolder, read_json, write_json
from pytest_torchcompat.checkpoints.rows import catalogue
from tests.bench import synthetic
from tests.bench.figures import Figure, figure
from tests.bench.processes import must, spend

SIZES = (1_000, 10_000, 100_000)
OLD, NEW = "old", "new"


def _plan(count: int, _: Path) -> Callable[[], object]:
    world = synthetic.world(count // len(synthetic.TORCHES) // len(synthetic.ROWS) + 1)
    return lambda: make_plan(synthetic.heading(NEW), Selection(), world)


def _document(count: int, _: Path) -> Callable[[], object]:
    plan = synthetic.plan(count, NEW)
    found = iter(list(synthetic.left(plan, 0)))
    return lambda: document(plan, found, _tolerances())


def _files(count: int, folder: Path) -> Callable[[], object]:
    return lambda: synthetic.write(RunFolder(folder), synthetic.plan(count, folder.name), 0)


def _merge(_: int, folder: Path) -> Callable[[], object]:
    run = RunFolder(folder)

    def merged() -> None:
        plan = Plan.from_dict(read_json(run.plan))
        write_json(run.matrix, merge(plan, run, _tolerances()))

    return merged


def _matrices(count: int, folder: Path) -> Callable[[], object]:
    def written() -> None:
        for seed, name in enumerate((OLD, NEW)):
            plan = synthetic.plan(count, name)
            found = synthetic.left(plan, seed)
            write_json(RunFolder(folder / name).matrix, document(plan, found, _tolerances()))

    return written


def _diff(_: int, folder: Path) -> Callable[[], object]:
    def compared() -> str:
        old, new = (marked(read_lean(RunFolder(folder / n).matrix)) for n in (OLD, NEW))
        return diff.markdown(diff.diff(old, new))

    return compared


TASKS = {
    "plan": _plan,
    "document": _document,
    "files": _files,
    "merge": _merge,
    "matrices": _matrices,
    "diff": _diff,
}


# In this order, each with the folder that it works in.
ORDER = {
    "plan": "",
    "document": "",
    "files": NEW,
    "merge": NEW,
    "matrices": "",
    "diff": "",
}
TITLES = {
    "plan": "planning {cells}",
    "document": "merging {cells} from memory",
    "merge": "merging {cells} from three files each",
    "diff": "reading two and comparing {cells}",
}
AIMED = ("plan", "merge", "diff")


def _tolerances() -> dict[str, float]:
    return {row.id: row.tolerance for row in catalogue()}


def _child(task: str, count: int, folder: Path) -> None:
    todo = TASKS[task](count, folder)
    before, start, cpu = _peak(), time.perf_counter(), time.process_time()
    todo()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": _peak(), "before": before}))


def _peak() -> float:
    """Return this process's largest size; that of getrusage begins with its parent's."""
    text = Path("/proc/self/status").read_text("ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def taken(task: str, count: int, folder: Path) -> dict[str, float]:
    """Do a task in a process of its own; return its seconds and megabytes."""
    command = [sys.executable, "-m", "tests.bench.scale", task, str(count), str(folder)]
    found: dict[str, float] = json.loads(must(spend(command)).output.splitlines()[-1])
    return found


def figures(sizes: Sequence[int]) -> list[Figure]:
    """Measure every task at every size; what only makes files for another is not shown."""
    every = [_taken(count) for count in sizes]
    by_task = {task: [each[task] for each in every] for task in TITLES}
    together = sum(every[-1][task]["seconds"] for task in AIMED)
    title = f"all three of {sizes[-1]:,} cells"
    found = (each for task, took in by_task.items() for each in _of_task(task, took, sizes))
    return [*found, figure("scale", title, [together], "s")]


def _taken(count: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="torchcompat-scale-") as name:
        return {task: taken(task, count, Path(name) / folder) for task, folder in ORDER.items()}


def _of_task(
    task: str, each: Sequence[Mapping[str, float]], sizes: Sequence[int]
) -> Iterator[Figure]:
    largest, name = each[-1], TITLES[task].format(cells=f"{sizes[-1]:,} cells")
    by_size = {"sizes": list(sizes), "by_size": list(each)}
    yield figure("scale", name, [largest["seconds"]], "s", **by_size)
    yield figure("scale", f"{name}: memory", [largest["megabytes"]], "MB")
    # The processor's time: what else the machine does is none of a cell's.
    us = [1e6 * took["cpu"] / count for took, count in zip(each, sizes)]
    peer = f"a cell of {sizes[0]:,}"
    title = f"{name}: processor time a cell"
    yield figure("scale", title, us[-1:], "us", peer=peer, theirs=us[:1], by_size=us)


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
