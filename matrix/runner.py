"""Cells through a pool of workers: each gets its environment, its process and its verdict."""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from matrix.budget import BYTES_A_JOB, Budget, unlimited
from matrix.disk import Needs
from matrix.environments import Environment, Environments
from matrix.files import Files
from matrix.gpus import Lease
from matrix.plan import Plan, PlannedCell, PlannedCheck, Selection
from matrix.processes import Finished, Processes
from matrix.retries import Patience
from matrix.stacks import unresolved
from matrix.staging import Staged
from matrix.store import CellFolder, RunFolder, read_json, runs, write_json
from matrix.verdicts import DISK, NoEnvironment
from pytest_torchcompat.errors import RecordError, TorchcompatError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record

CELL_TIMEOUT = 1800.0
REASON_LINES = 20
PYTEST_RAN = (0, 1)  # all passed, some failed: either way the records say what
PYTEST_REFUSED = (2, 3, 4, 5)  # interrupted, internal error, wrong usage, no tests


@dataclass(frozen=True)
class CellResult:
    """
    How a cell ended.

    ``outcome`` is ``None`` where its checks say it. ``parts`` are those of its key, ``carried`` the
    run in which it ran, if that was another.
    """

    id: str
    outcome: Outcome | None = None
    reason: str | None = None
    distributions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    finished: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    carried: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as cell.json holds it."""
        data = dataclasses.asdict(self)
        data["outcome"] = self.outcome.value if self.outcome else None
        return data


def _as_it_is(cell: PlannedCell) -> PlannedCell:
    return cell


def _no_parts(cell: PlannedCell) -> dict[str, str]:  # noqa: ARG001 - the face of Keys.parts
    return {}


@dataclass(frozen=True)
class Sweep:
    """
    What running a cell takes.

    ``files`` are the checkpoints' own; ``slots`` bounds how many cells run while more are built;
    ``show`` lets a cell's process print on the terminal instead of into its file. ``memory`` is
    what a check may take, in bytes. ``budget`` and ``needs`` say when there is room for a cell,
    ``lease`` lends it a GPU, and ``patience`` tries the machine's faults again. ``locked`` resolves
    what a cell installs, and ``parts`` says what its result depends on. ``staged`` is what a
    project's cells are given of it.
    """

    folder: RunFolder
    environments: Environments
    processes: Processes
    checks: Path
    edition: str = "auto"
    files: Files = field(default_factory=dict)
    slots: threading.Semaphore = field(default_factory=threading.Semaphore)
    timeout: float = CELL_TIMEOUT
    memory: int | None = None
    show: bool = False
    budget: Budget = field(default_factory=unlimited)
    needs: Needs | None = None
    lease: Lease = field(default_factory=lambda: Lease(()))
    patience: Patience = field(default_factory=lambda: Patience(()))
    locked: Callable[[PlannedCell], PlannedCell] = _as_it_is
    parts: Callable[[PlannedCell], Mapping[str, str]] = _no_parts
    staged: Staged | None = None

    def run_cell(self, cell: PlannedCell, files: CellFolder | None = None) -> CellResult:
        """
        Run the checks of a cell that have no record yet, and write down how it ended.

        ``files`` is where, the cell's own folder by default.
        """
        files = files or self.folder.cell(cell.id)
        files.path.mkdir(parents=True, exist_ok=True)
        attempt = functools.partial(self._tried, cell, files)
        result = self.patience.retried(attempt, _is_infra, self.processes.wait)
        finished = datetime.now(timezone.utc).isoformat(timespec="seconds")
        result = dataclasses.replace(result, finished=finished)
        write_json(files.result, result.to_dict())
        return result

    def _tried(self, cell: PlannedCell, files: CellFolder) -> CellResult:
        """Take a cell to its end once."""
        parts: Mapping[str, str] = {}
        try:
            cell = self.locked(cell)
            parts = self.parts(cell)
            files.forget(Outcome.INFRA.value)  # the machine's faults are tried again
            files.forget_unless(parts)
            # A run killed between a cell's last check and its end has nothing left to ask.
            left = missing(cell, files)
            result = self._in_environment(cell, files, parts) if left else CellResult(cell.id)
        except (OSError, RecordError) as error:
            result = CellResult(cell.id, Outcome.INFRA, str(error))
        finally:
            # A disk without room for that is no reason to stop; the cell's next try deletes it.
            with suppress(OSError):
                self.environments.delete(cell)
            shutil.rmtree(files.path / "home", ignore_errors=True)
        return dataclasses.replace(result, parts=parts)

    def _in_environment(
        self, cell: PlannedCell, files: CellFolder, parts: Mapping[str, str]
    ) -> CellResult:
        started = time.monotonic()
        disk = self.needs.of(cell) if self.needs else 0
        with self.budget.room(disk=disk, who=cell.id):
            environment = self.environments.create(cell)
        created = time.monotonic()
        seconds = {"environment": round(created - started, 3)}
        if isinstance(environment, NoEnvironment):
            return CellResult(cell.id, environment.outcome, environment.reason, {}, seconds)
        asked = self._ask(cell, files, parts)
        room = self.budget.room(memory=BYTES_A_JOB, who=cell.id)
        with self.slots, room, self.lease.gpu(cell.id) as gpu:
            started = time.monotonic()
            done = self._run(environment, files, gpu)
        seconds["run"] = round(time.monotonic() - started, 3)
        outcome, reason = self._verdict(cell, files, done, asked)
        return CellResult(cell.id, outcome, reason, environment.distributions, seconds)

    @contextmanager
    def standing(self, cell: PlannedCell) -> Iterator[Environment | NoEnvironment]:
        """Build the environment of a cell for a block in which its checks run several times."""
        disk = self.needs.of(cell) if self.needs else 0
        try:
            with self.budget.room(disk=disk, who=cell.id):
                environment = self.environments.create(cell)
            yield environment
        finally:
            self.environments.delete(cell)

    def timed(
        self,
        environment: Environment,
        cell: PlannedCell,
        files: CellFolder,
        gpu: Mapping[str, str],
    ) -> list[Record]:
        """Run a cell's checks in an environment that stands, for their forward times alone."""
        files.path.mkdir(parents=True, exist_ok=True)
        self._ask(cell, files, {}, loading=False)
        with self.slots, self.budget.room(memory=BYTES_A_JOB, who=cell.id):
            self._run(environment, files, gpu)
        return files.records()

    def _ask(
        self,
        cell: PlannedCell,
        files: CellFolder,
        parts: Mapping[str, str],
        *,
        loading: bool = True,
    ) -> list[PlannedCheck]:
        asked = missing(cell, files)
        request = {
            "library": cell.opened_by,
            "version": cell.version,
            "checks": [check.to_dict() for check in asked],
            "files": {name: self.files[name] for name in self.files if _asks(cell, name)},
            "parts": parts,
            "loading": loading,
            **({"project": self.staged.request} if self.staged else {}),
        }
        write_json(files.request, request)
        return asked

    def _run(self, environment: Environment, files: CellFolder, gpu: Mapping[str, str]) -> Finished:
        command = cell_command(environment.python, self.checks, files, self.edition)
        if self.memory:
            command.append(f"--torchcompat-check-memory={self.memory}")
        variables = {**environment.variables(files.path / "home"), **gpu}
        if self.staged:
            command += self.staged.words
            variables |= self.staged.variables
        with files.output.open("a", encoding="utf-8") as output:
            return self.processes.run(
                command,
                cwd=files.path,
                env=variables,
                output=None if self.show else output,
                timeout=self.timeout,
            )

    def _verdict(
        self, cell: PlannedCell, files: CellFolder, done: Finished, asked: Sequence[PlannedCheck]
    ) -> tuple[Outcome | None, str | None]:
        left = missing(cell, files)
        if not left:
            return None, None
        if done.returncode is None:
            return Outcome.TIMEOUT, f"the cell ran out of its {self.timeout:.0f} s"
        words = last_lines(done.output)
        died = f"{_exit(done.returncode)}, with checks left to run"
        if done.starved:
            return Outcome.INFRA, f"{died}: the kernel killed for want of memory"
        full = done.returncode not in PYTEST_RAN and DISK.search(words)
        # pytest refused to start, and no library had a part in it: the fault is ours.
        infra = full or (done.returncode in PYTEST_REFUSED and len(left) == len(asked))
        return (Outcome.INFRA if infra else Outcome.CRASH), f"{died}\n{words}".strip()


def _is_infra(result: CellResult) -> bool:
    # A checkpoint that did not come is a fault of its checks: it does not come for this run.
    return result.outcome is Outcome.INFRA


def _asks(cell: PlannedCell, checkpoint: str) -> bool:
    return any(check.checkpoint == checkpoint for check in cell.checks)


def cell_command(python: Path, checks: Path, files: CellFolder, edition: str) -> list[str]:
    """Return the command of a cell's process."""
    # No configuration but ours: the run's folder may lie in somebody's project.
    return [
        *(str(python), "-m", "pytest", "-q", "-c", os.devnull),
        *("-p", "no:cacheprovider", "-p", "torchcompat"),
        *("--rootdir", str(checks), "--confcutdir", str(checks), str(checks)),
        f"--torchcompat-cell={files.request}",
        f"--torchcompat-report={files.checks}",
        f"--torchcompat-edition={edition}",
    ]


def missing(cell: PlannedCell, files: CellFolder) -> list[PlannedCheck]:
    """Return the checks of a cell that have no record."""
    have = {record.identity for record in files.records()}
    return [check for check in cell.checks if check.identity not in have]


def last_lines(text: str, count: int = REASON_LINES) -> str:
    """Return the end of what a process printed."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def _exit(returncode: int) -> str:
    if returncode >= 0:
        return f"the cell's process ended with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"the cell's process died of {name}"


def unfinished(plan: Plan, folder: RunFolder) -> list[PlannedCell]:
    """Return the cells that have not ended."""
    return [cell for cell in plan.cells if not folder.cell(cell.id).result.exists()]


def to_run(plan: Plan, folder: RunFolder) -> list[PlannedCell]:
    """Return the cells to run: those not ended, and those with a fault of the machine in them."""
    return [cell for cell in plan.cells if _is_to_run(folder.cell(cell.id))]


def _is_to_run(files: CellFolder) -> bool:
    result = files.read_result()
    if result is None or result["outcome"] == Outcome.INFRA.value:
        return True
    return any(record.outcome is Outcome.INFRA for record in files.records())


def resumable(
    root: Path, selection: Selection, edition: str, project: Mapping[str, Any] | None = None
) -> tuple[Plan, RunFolder] | None:
    """Return the newest run of this selection, and of a project as it is, if it is incomplete."""
    for folder in runs(root):
        try:
            plan = read_plan(folder)
        except RecordError:
            continue  # Of another version of this tool; a new run does not touch it.
        if plan.whole:
            continue  # A part: it goes on with its own plan and shard.
        if (plan.selection, plan.edition, plan.project) == (selection, edition, project or {}):
            left = unfinished(plan, folder) or unresolved(plan.stacks, folder)
            return (plan, folder) if left or folder.unsettled.exists() else None
    return None


def read_plan(folder: RunFolder) -> Plan:
    """Return a run's plan."""
    return Plan.from_dict(read_json(folder.plan))


@contextmanager
def only_one(work: Path) -> Iterator[None]:
    """Hold the folder of environments; the lock goes with the process, however it ends."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another sweep is using {work}; wait for it, or stop it"
            raise TorchcompatError(message) from error
        yield
