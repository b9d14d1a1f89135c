"""
GPUs, each lent to one cell at a time: what runs beside a benchmark would be measured with it.

Other sweeps of the same user are kept out as well, by a locked file a GPU.
"""

from __future__ import annotations

import csv
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.processes import Processes, StoppedError
from pytest_torchcompat.timing.lease import lock_folder

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
QUERY = ("--query-gpu=index,uuid,name", "--format=csv,noheader")
TIMEOUT = 30.0  # a driver that hangs; a GPU that sleeps takes a few seconds
RECHECK = 1.0  # other sweeps do not tell when they are done


@dataclass(frozen=True)
class Gpu:
    """A GPU: ``id`` is what CUDA_VISIBLE_DEVICES calls it, its UUID where that is known."""

    id: str
    name: str = ""


def of_machine(environ: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """Return the GPUs that our processes may use; none where nvidia-smi finds none."""
    try:
        done = Processes().run(["nvidia-smi", *QUERY], env=environ, timeout=TIMEOUT)
    except OSError:
        return ()
    return visible(_listed(done.output), environ) if done.returncode == 0 else ()


def names() -> tuple[str, ...]:
    """Return what the GPUs are called that our processes may use."""
    return tuple(gpu.name for gpu in of_machine())


def _listed(output: str) -> tuple[Gpu, ...]:
    """Return what nvidia-smi lists, which it does in the order of the indexes."""
    rows = csv.reader(output.splitlines(), skipinitialspace=True)
    return tuple(Gpu(row[1], row[2]) for row in rows if len(row) == 3 and row[0].isdigit())  # noqa: PLR2004


def visible(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """
    Return those of the machine's GPUs that CUDA_VISIBLE_DEVICES leaves, in its order.

    It is read as CUDA reads it: up to the first word that names none, and a GPU that is named
    twice makes it name none at all.
    """
    value = environ.get(VARIABLE)
    if value is None:
        return tuple(gpus)
    found: list[Gpu] = []
    for word in value.split(","):
        gpu = _named(word.strip(), value, gpus, environ)
        if gpu is None:
            break
        found.append(gpu)
    return tuple(found) if len(set(found)) == len(found) else ()


def _named(word: str, value: str, gpus: Sequence[Gpu], environ: Mapping[str, str]) -> Gpu | None:
    if value.startswith("MIG-"):  # a part of a GPU; nvidia-smi does not list it in the query
        return Gpu(word) if word.startswith("MIG-") else None
    if value.startswith("GPU-"):
        found = [gpu for gpu in gpus if word.startswith("GPU-") and gpu.id.startswith(word)]
        return found[0] if len(found) == 1 else None
    number = re.match(r"\+?\d+", word)
    if number is None or int(number[0]) >= len(gpus):
        return None
    return _numbered(int(number[0]), gpus, environ)


def _numbered(number: int, gpus: Sequence[Gpu], environ: Mapping[str, str]) -> Gpu:
    """Return the GPU that CUDA gives a number, whose order need not be nvidia-smi's."""
    # CUDA counts the fastest first and nvidia-smi by place: which of unlike ones a number means is
    # not known here. It is handed on as it is.
    unlike = len({gpu.name for gpu in gpus}) > 1 and environ.get(ORDER) != "PCI_BUS_ID"
    return Gpu(str(number)) if unlike else gpus[number]


class Lease:
    """
    Lends GPUs, each to one cell.

    ``say`` is told once of each wait, and ``stopped`` asked whether to end it.
    """

    def __init__(
        self,
        gpus: Sequence[Gpu],
        folder: Path | None = None,
        say: Callable[[str], object] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
        recheck: float | None = RECHECK,
    ) -> None:
        self._gpus = gpus
        self._folder = folder or lock_folder()
        self._say = say
        self._stopped = stopped
        self._recheck = recheck
        self._changed = threading.Condition()

    @contextmanager
    def gpu(self, who: str = "") -> Iterator[dict[str, str]]:
        """
        Wait for a GPU and hold it; yield what a cell's environment has to say of it.

        That is nothing on a machine without one. Raises ``StoppedError`` when the sweep is
        stopped.
        """
        if not self._gpus:
            yield {}
            return
        gpu, lock = self._await(who)
        try:
            yield {VARIABLE: gpu.id}
        finally:
            with self._changed:
                lock.release()
                self._changed.notify_all()

    def _await(self, who: str) -> tuple[Gpu, FileLock]:
        self._folder.mkdir(parents=True, exist_ok=True)
        told = False
        with self._changed:
            while not self._stopped():
                for gpu in self._gpus:
                    if lock := self._locked(gpu):
                        return gpu, lock
                if not told:
                    busy = "a GPU; all are in use" if len(self._gpus) > 1 else "the GPU"
                    self._say(f"{who}: waiting for {busy}".removeprefix(": "))
                    told = True
                self._changed.wait(self._recheck)
        raise StoppedError

    def _locked(self, gpu: Gpu) -> FileLock | None:
        name = re.sub(r"[^\w-]", "_", gpu.id)
        # Two objects of one file exclude each other, in one process as in two.
        lock = FileLock(self._folder / f"{name}.lock", timeout=0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock
