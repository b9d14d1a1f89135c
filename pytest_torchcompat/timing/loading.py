"""
What ``torch.load`` alone takes for a file: under a policy, plain, and mapped.

Each way has a fork of its own: what a first load left to the allocator would hide what a second
needs. Plain and mapped loads run whatever the pickle says, so they are of files that ``patched``
may execute, and of no others.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import io
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Callable, Optional

from pytest_torchcompat import shim
from pytest_torchcompat.checkpoints.hashes import sha256_of
from pytest_torchcompat.diagnosis.raised import errors_of
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.isolation import Result, Returned, Say, TimedOut
from pytest_torchcompat.policies import FORCE, FORCE_NOT, Policy
from pytest_torchcompat.policies.interception import applied, untrusted
from pytest_torchcompat.policies.refusals import PolicyRefusedError
from pytest_torchcompat.policies.rules import Rules
from pytest_torchcompat.policies.safe_globals import registered
from pytest_torchcompat.timing import memory
from pytest_torchcompat.timing.host import host
from pytest_torchcompat.timing.lease import lease
from pytest_torchcompat.timing.sampling import Effort, sampled, summary, warmed
from pytest_torchcompat.timing.wall_clock import held_to

METHOD = "perf_counter, 1 thread, file cached"
POLICY = "policy"
# weights_only=False is what these are about: no limit of ours or of torch's on the pickle.
UNRULED: dict[str, dict[str, Any]] = {
    "plain": {"weights_only": False},
    "mmap": {"weights_only": False, "mmap": True},
}
# Of each file of each cell: a sweep has thousands of them, and a load's time is told, not judged.
EFFORT = Effort(precision=0.05, seconds=0.1)
_DESCRIPTORS = Path("/proc/self/fd")  # Linux: each opens the very file that is open already
_BY_DESCRIPTOR = re.compile(rf"{_DESCRIPTORS.as_posix()}/\d+")


@dataclass(frozen=True)
class Asked:
    """
    A file whose loads are measured, as its check read it; travels to the child process as it is.

    ``weights_only`` is what the library gave ``torch.load``, ``allowed`` what it had registered
    with torch by then, and ``shims`` those that the check held from its load on.
    """

    path: Path
    policy: Policy
    rules: Rules
    weights_only: bool | None = None
    allowed: tuple[str, ...] = ()
    shims: tuple[str, ...] = ()


# A reading, and where there is none, why; else what speaks against it.
Found = tuple[Optional[dict[str, Any]], str]
Run = Callable[..., Result]


class Readings:
    """The loads of a cell's files; those that no policy has a part in are made once for a file."""

    def __init__(self) -> None:
        self._unruled: dict[tuple[str, ...], dict[str, Found]] = {}

    def of(self, asked: Asked, sha256: str, run: Run) -> dict[str, Any] | None:
        """
        Return the figures of a file, each taken by ``run`` in a process of its own.

        Times are in seconds, and ``memory`` is how many bytes more than before the process held at
        its peak during its first load; of a mapped file, the pages that were touched count. A
        policy's figures have our own reading and hashing of the file in them. A figure that could
        not be had is ``None``, and ``remarks`` say why. There are none of a file that is gone.
        """
        try:
            size = asked.path.stat().st_size
        except OSError:
            return None
        key = (sha256, *asked.shims)
        if key not in self._unruled:
            self._unruled[key] = {way: _found(run(read, asked, way)) for way in UNRULED}
        ways = {POLICY: _found(run(read, asked, POLICY)), **self._unruled[key]}
        return {
            "method": METHOD,
            "bytes": size,
            **{way: reading for way, (reading, _) in ways.items()},
            "remarks": [f"{way}: {why}" for way, (_, why) in ways.items() if why],
            "machine": host(),
        }


def _found(result: Result) -> Found:
    if isinstance(result, Returned):
        found: Found = result.value
        return found
    if isinstance(result, TimedOut):
        return None, f"not done after {result.seconds:.0f} s, and killed"
    if result.starved:
        return None, "the machine ran out of memory, and the kernel killed the process"
    return None, f"the process died: {result.reason}"


def read(say: Say, asked: Asked, way: str) -> Found:  # noqa: ARG001 - a task's first argument
    """Measure one way of loading in this process, which is good for nothing else afterwards."""
    try:
        _touch()
        with shim.held(asked.shims), _loader(asked, way) as load, lease("cpu") as not_alone:
            return _measured(load), "; ".join(not_alone)
    except BaseException as error:  # noqa: BLE001 - a load that fails is a remark
        return None, _in_a_line(error, asked.path.name)


def _touch() -> None:
    """Load next to nothing: a fork maps torch's code anew, and that is no need of the file."""
    import torch
    from torch import serialization

    file = io.BytesIO()
    torch.save({"": torch.zeros(1)}, file)
    for weights_only in (True, False):
        file.seek(0)
        inspect.unwrap(serialization.load)(file, map_location="cpu", weights_only=weights_only)


def _in_a_line(error: BaseException, name: str) -> str:
    """Return the first line of an error, with the file by its own name."""
    first = errors_of(error)[0]
    line = _BY_DESCRIPTOR.sub(lambda _: name, first.message.strip().partition("\n")[0])
    return line if isinstance(error, TorchcompatError) else f"{first.exception}: {line}"


@contextlib.contextmanager
def _loader(asked: Asked, way: str) -> Iterator[Callable[[], Any]]:
    from torch import serialization

    if way == POLICY:
        given = {} if asked.weights_only is None else {"weights_only": asked.weights_only}
        with registered(asked.allowed), applied(asked.policy, asked.rules, _unheard):
            yield partial(serialization.load, str(asked.path), map_location="cpu", **given)
        return
    with asked.path.open("rb") as file:
        path = _admitted(asked, file)
        for name in (FORCE, FORCE_NOT):
            os.environ.pop(name, None)
        load = inspect.unwrap(serialization.load)  # a library may have wrapped it
        yield partial(load, path, map_location="cpu", **UNRULED[way])


def _unheard(load: object) -> None:
    """Take note of no load: the check did."""


def _admitted(asked: Asked, file: BinaryIO) -> str:
    """
    Return by which path an open file is to be loaded.

    Raises ``PolicyRefusedError`` where ``patched`` may not execute it.
    """
    same = _DESCRIPTORS / str(file.fileno())
    # By its descriptor, what is loaded is what was hashed, whatever the path leads to by then.
    path = same if same.exists() else asked.path
    why = untrusted("torch.load", asked.rules, asked.path, sha256_of(path))
    if why:
        raise PolicyRefusedError(why)
    return str(path)


class Loads:
    """Loads between two readings of a clock; what one returned is gone before the next begins."""

    method = METHOD

    def __init__(
        self, load: Callable[[], Any], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._load, self._clock = load, clock

    def take(self, rounds: int) -> list[float]:
        """Make so many loads, and return the seconds of each."""
        times = []
        with held_to(1):
            for _ in range(rounds):
                start = self._clock()
                found = self._load()
                times.append(self._clock() - start)
                del found
                gc.collect()
        return times


def _measured(load: Callable[[], Any]) -> dict[str, Any]:
    """Return the figures of a load, ``memory`` being that of the first."""
    gc.freeze()  # collecting what the library's import made would be most of the time
    timer = Loads(load)
    held: dict[str, int] = {}
    with memory.growth(held):
        first = timer.take(1)[0]
    if first < EFFORT.seconds / 2:
        warmed(timer, EFFORT)
    return {**summary(sampled(timer, EFFORT)), "memory": held.get("grown")}
