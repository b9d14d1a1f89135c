"""
Cells through a ``concurrent.futures.Executor``: threads of this machine, or a Dask cluster.

What differs is the task. Here it runs a cell in the run's own folder. Beyond this machine no files
are shared: a job goes out, and the files of the cell's folder come back.
"""

from __future__ import annotations

import argparse
import functools
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

from matrix.cluster import DaskPool, LostError
from matrix.jobs import Job, Places, Site, code_digest, packed, unpack
from matrix.plan import Plan, PlannedCell
from matrix.processes import Processes
from matrix.runner import CellResult, Sweep
from matrix.store import CellFolder, RunFolder
from matrix.whole import whole
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome

LOCAL, DASK = "local", "dask"
Finished = Callable[[PlannedCell, CellResult], None]


class Task(Protocol):
    """What an executor is asked to do with a cell, and what is made of its answer."""

    def work(self, cell: PlannedCell) -> Callable[..., Any]:
        """Return what the executor calls."""

    def taken(self, cell: PlannedCell, future: Future[Any]) -> CellResult:
        """Take what came back; the cell's files lie in the run's folder then, if it ended."""


def run_cells(
    task: Task, cells: Sequence[PlannedCell], executor: Executor, finished: Finished
) -> None:
    """
    Run cells side by side and tell of each that ended.

    An exception, ``KeyboardInterrupt`` among them, kills what runs and is raised again.
    """
    try:
        futures = {executor.submit(task.work(cell)): cell for cell in cells}
        for future in as_completed(futures):
            finished(futures[future], task.taken(futures[future], future))
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise


class LocalPool(ThreadPoolExecutor):
    """
    Threads of this process.

    With several cells at a time one environment more is built ahead: building waits for the index,
    and running for a core. With one, each cell is ended before the next begins.
    """

    def __init__(self, processes: Processes, jobs: int) -> None:
        super().__init__(max_workers=jobs + 1 if jobs > 1 else 1)
        self._processes, self.width = processes, jobs

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End; ``cancel_futures`` kills what runs."""
        if cancel_futures:
            self._processes.stop()
        super().shutdown(wait=wait, cancel_futures=cancel_futures)


@dataclass(frozen=True)
class Local:
    """A cell run by this process, as its ``number``-th try."""

    sweep: Sweep
    number: int = 1

    def work(self, cell: PlannedCell) -> Callable[[], CellResult]:
        """Return the running of a cell."""
        files = _files(self.sweep.folder, cell, self.number)
        return functools.partial(self.sweep.run_cell, cell, files)

    def taken(self, cell: PlannedCell, future: Future[CellResult]) -> CellResult:  # noqa: ARG002 - the face of tasks
        """Return how it ended; its files lie where they belong already."""
        return future.result()


@dataclass(frozen=True)
class Remote:
    """
    A cell run by a worker that shares no file with this machine, as its ``number``-th try.

    ``run`` names what the workers keep for it, ``gpu`` says which cells need one, ``places`` are
    what this machine calls what cells name.
    """

    plan: Plan
    folder: RunFolder
    run: str
    code: str = field(default_factory=code_digest)
    site: type[Site] = Site
    gpu: Callable[[PlannedCell], bool] = lambda _: False
    number: int = 1
    places: Places | None = None

    def work(self, cell: PlannedCell) -> Job:
        """Return the job of a cell, with what an interrupted try of it has left."""
        files = _files(self.folder, cell, self.number)
        alone = replace(self.plan, cells=(cell,), stacks=(), notes=(), whole=())
        have = {
            name: data for name, data in packed(files.path).items() if name != files.result.name
        }
        gpu = self.gpu(cell)
        return Job(alone.to_dict(), self.code, self.run, have, self.site, gpu, self.places)

    def taken(self, cell: PlannedCell, future: Future[Any]) -> CellResult:
        """Write the files that came back; of a cell whose workers were lost there are none."""
        files = _files(self.folder, cell, self.number)
        try:
            contents = future.result()
        except (LostError, OSError) as error:  # OSError: the worker's disk, or its network
            return CellResult(cell.id, Outcome.INFRA, str(error))
        with whole(self.folder, files.path) as folder:
            unpack(contents, folder)
        return _result(files)


def _files(folder: RunFolder, cell: PlannedCell, number: int) -> CellFolder:
    files = folder.cell(cell.id)
    return files if number == 1 else files.again(number)


def _result(files: CellFolder) -> CellResult:
    data = files.read_result() or {}
    known = {field.name: data[field.name] for field in fields(CellResult) if field.name in data}
    outcome = Outcome(known["outcome"]) if known.get("outcome") else None
    return CellResult(**{**known, "outcome": outcome})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where cells run."""
    parser.add_argument(
        "--executor", choices=[LOCAL, DASK], default=LOCAL, help="Where cells run; here by default"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="Of a Dask cluster: tcp://host:8786")


def scheduler_of(options: argparse.Namespace) -> str:
    """Return the address of the scheduler that cells go to; empty where they run here."""
    if (options.executor == DASK) != bool(options.scheduler):
        message = "--executor dask and --scheduler ADDRESS go together; give both, or none"
        raise TorchcompatError(message)
    return options.scheduler or ""


def local(sweep: Sweep, jobs: int, number: int = 1) -> tuple[Task, Executor]:
    """Return what runs cells on this machine, ``jobs`` at a time, and its executor."""
    bounded = replace(sweep, slots=threading.Semaphore(jobs))
    return Local(bounded, number), LocalPool(sweep.processes, jobs)


def remote(
    plan: Plan, folder: RunFolder, work: Path, scheduler: str, number: int = 1
) -> tuple[Task, Executor]:
    """
    Return what runs cells on a Dask cluster, and its executor.

    ``work`` is where the environments of cells that run here are built: what cells say of their
    own place comes back as if they had run there.
    """
    run = f"torchcompat-{uuid.uuid4().hex}"
    task = Remote(plan, folder, run, number=number, places=Places(folder.path, work))
    return task, DaskPool(scheduler, run)
