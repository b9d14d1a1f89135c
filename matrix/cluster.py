"""A Dask cluster as a ``concurrent.futures.Executor``; jobs whose workers are lost run again."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError, wait
from pathlib import Path
from typing import Any

from matrix.jobs import Job, OtherCodeError, leave
from pytest_torchcompat.errors import TorchcompatError

CONNECTING = 30.0
PATIENCE = 60.0  # without a worker: a cluster that grows by itself starts one in that time
POLL = 1.0
GRACE = 10.0  # for the workers to kill what runs
GPU = "GPU"  # what a worker that has some declares: `dask worker --resources GPU=1`
NO_DASK = "--executor dask needs distributed, which is not installed; `pip install distributed`"
NO_CHECKOUT = (
    "a worker can't take a cell ({why}); start it in a checkout of this commit, PYTHONPATH naming "
    "it, with the dependencies of the sweep"
)


class LostError(Exception):
    """The machines that ran a job are gone; it says nothing about the job."""


class DaskPool(Executor):
    """
    Runs jobs on the workers of a scheduler, as many at a time as these have threads.

    ``patience`` is how long there may be no worker at all before what is left is given up.
    """

    def __init__(self, address: str, run: str, patience: float = PATIENCE) -> None:
        self._client = _connected(address)
        self._executor = self._client.get_executor(pure=False)
        self._run, self._patience = run, patience
        self._pending: dict[Future[Any], Future[Any]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    @property
    def width(self) -> int:
        """How many cells run at a time."""
        return self._threads() or 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a job; its future has what it returned, or a ``LostError``."""
        if not isinstance(fn, Job) or args or kwargs:
            message = f"only a job travels to a worker, not {fn!r}"
            raise TypeError(message)
        gpu = fn.gpu and GPU in self._client.run_on_scheduler(_declared())
        inner = self._executor.submit(
            shipped(pickle.dumps(fn)),
            key=f"cell-{uuid.uuid4().hex}",
            resources={GPU: 1} if gpu else None,
        )
        outer: Future[Any] = Future()
        with self._lock:
            self._pending[outer] = inner
        inner.add_done_callback(lambda done: self._settle(outer, done))
        return outer

    def _threads(self) -> int:
        try:
            # Not scheduler_info(), from which another thread of the client's may take the workers.
            return sum(self._client.nthreads().values())
        except Exception:  # noqa: BLE001 - a scheduler that is gone fails in many ways
            return 0

    def _settle(self, outer: Future[Any], done: Future[Any]) -> None:
        with self._lock:
            self._pending.pop(outer, None)
        # Whoever gave it up was first.
        with contextlib.suppress(InvalidStateError):
            if done.cancelled():
                outer.set_exception(LostError("the connection to the scheduler was lost"))
            elif error := done.exception():
                outer.set_exception(_understood(error))
            elif isinstance(done.result(), str):
                outer.set_exception(OtherCodeError(NO_CHECKOUT.format(why=done.result())))
            else:
                outer.set_result(done.result())

    def _watch(self) -> None:
        """Give up what is left where there is no worker for too long."""
        alone = time.monotonic()
        while not self._over.wait(min(POLL, self._patience)):
            if self._threads():
                alone = time.monotonic()
            elif time.monotonic() - alone > self._patience:
                self._give_up(f"the scheduler had no worker for {self._patience:.0f} s")

    def _give_up(self, why: str) -> None:
        with self._lock:
            pending = dict(self._pending)
        for outer, inner in pending.items():
            with contextlib.suppress(InvalidStateError):
                outer.set_exception(LostError(why))
            inner.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster as it was; ``cancel_futures`` kills what runs on its workers."""
        if self._over.is_set():
            return
        if wait and not cancel_futures:
            self._wait()
        self._over.set()
        with self._lock:
            pending = list(self._pending.items())
        for outer, inner in pending:
            outer.cancel()
            inner.cancel()
        told = threading.Thread(target=self._tell_workers, daemon=True)
        told.start()
        told.join(GRACE)
        self._watching.join(GRACE)  # a scheduler that hangs does not answer it
        self._client.close(GRACE)

    def _wait(self) -> None:
        with self._lock:
            pending = list(self._pending)
        wait(pending)

    def _tell_workers(self) -> None:
        with contextlib.suppress(Exception):  # what is gone has nothing left to end
            self._client.run(_leave, self._run, on_error="ignore")


def _leave(run: str, dask_worker: Any) -> None:
    leave(Path(dask_worker.local_directory), run)


def _declared() -> Callable[[Any], set[str]]:
    """Return what asks a scheduler, by value, for the resources that its workers declare."""

    def call(dask_scheduler: Any) -> set[str]:
        return {name for name, workers in dask_scheduler.resources.items() if workers}

    return call


def shipped(job: bytes) -> Callable[[], Any]:
    """
    Return what calls a pickled job on a worker.

    It travels by value: the scheduler reads it as well, and needs no checkout. A string says why
    a worker could not read the job.
    """

    def call() -> Any:
        import pickle
        from pathlib import Path

        from distributed import get_worker

        try:
            run = pickle.loads(job)  # noqa: S301 - of the client, whom a worker obeys in any case
        except (ImportError, AttributeError) as error:
            return str(error)
        worker = get_worker()
        return run(Path(worker.local_directory), worker.state.nthreads)

    return call


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise TorchcompatError(NO_DASK) from error
    try:
        return Client(address, timeout=CONNECTING, set_as_default=False)
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler answers at {address} ({error}); `dask scheduler` starts one"
        raise TorchcompatError(message) from error


def _understood(error: BaseException) -> BaseException:
    """Return a lost worker as what it is, and anything else as it came."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return LostError(f"{error.allowed_failures + 1} workers were lost while they had this cell")
    return error
