"""
Run a function in a child process and get data, a signal or a timeout back.

A ``Nursery`` is a process that does an expensive preparation once (importing torch and a library)
and then forks a child for each task, so that nothing one task patches, registers or breaks reaches
the next. Where there is no fork, each task prepares anew in a spawned process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Union, cast

TAIL = 8000  # characters of a dead child's output that are kept
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Returned:
    """The function returned; ``value`` is plain data."""

    value: Any
    output: str


@dataclass(frozen=True)
class Died:
    """The process ended without an answer: by a signal (negative) or an exit code."""

    exitcode: int
    stage: str | None
    output: str

    @property
    def reason(self) -> str:
        """Name the signal or the exit code."""
        if self.exitcode >= 0:
            return f"exit code {self.exitcode}"
        name = signal.Signals(-self.exitcode).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"signal {name}{hint}"


@dataclass(frozen=True)
class TimedOut:
    """The function did not end in time, and was killed with all that it had started."""

    seconds: float
    stage: str | None
    output: str


Result = Union[Returned, Died, TimedOut]
Say = Callable[[str], None]


class Nursery:
    """
    A prepared process that runs each task in a child of its own.

    ``prepare`` and the tasks are functions importable by name; they and their arguments travel as
    pickles. A task is called with ``say`` as its first argument, to tell the stage that it is at.
    """

    def __init__(self, prepare: Callable[[], Any], start_method: str | None = None) -> None:
        self._prepare = prepare
        self._method = start_method or default_start_method()
        self._process: _Process | None = None
        self._unprepared: Result | None = None

    def run(self, task: Callable[..., Any], *args: Any, timeout: float) -> Result:
        """Run ``task(say, *args)`` in a child; ``timeout`` in seconds includes a preparation."""
        deadline = time.monotonic() + timeout
        if self._method == "spawn":
            return self._run_spawned(task, args, timeout)
        process = self._process or self._prepared(deadline, timeout)
        if process is None:
            return cast("Result", self._unprepared)
        process.send((task, args))
        result = process.answer(deadline, timeout)
        if not isinstance(result, Returned):
            # Whatever a killed child left half sent in the pipe goes with the process.
            self.close()
        return result

    def _prepared(self, deadline: float, timeout: float) -> _Process | None:
        """Start a process; a preparation that died or hung once is not tried for each task."""
        if self._unprepared is not None:
            return None
        self._process = _Process(_serve, self._prepare, context="fork")
        ready = self._process.answer(deadline, timeout)
        if not isinstance(ready, Returned):
            self._unprepared = ready
            self.close()
        return self._process

    def _run_spawned(self, task: Callable[..., Any], args: Any, timeout: float) -> Result:
        process = _Process(_spawned, self._prepare, task, args, context="spawn")
        try:
            return process.answer(time.monotonic() + timeout, timeout)
        finally:
            process.kill()

    def close(self) -> None:
        """End the process and whatever runs in it."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Nursery:  # noqa: PYI034 - typing.Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_start_method() -> str:
    """Return fork where it is safe; on macOS, as on Windows, children are spawned."""
    forks = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return "fork" if forks else "spawn"


class _Process:
    """A child with a pipe to it and a file that keeps what it prints."""

    def __init__(self, target: Callable[..., Any], *args: Any, context: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="torchcompat-")
        self._output = Path(self._folder.name) / "output.txt"
        methods = multiprocessing.get_context(context)
        self._conn, theirs = methods.Pipe()
        arguments = (theirs, str(self._output), target, args)
        self._child = methods.Process(target=_child, args=arguments)  # type: ignore[attr-defined]
        self._child.start()
        theirs.close()
        self._group = self._child.pid

    def send(self, message: Any) -> None:
        with contextlib.suppress(OSError):
            self._conn.send(message)

    def answer(self, deadline: float, timeout: float) -> Result:
        """Wait for the end of a task, noting on the way its stages, its group and its value."""
        said: dict[str, Any] = {"stage": None}
        while self._conn.poll(max(0.0, deadline - time.monotonic())):
            try:
                kind, value = self._conn.recv()
            except (EOFError, OSError):
                kind, value = "ended", self._exitcode()
            said[kind] = value
            self._group = said.get("group", self._group)
            if kind == "ended":
                if value == 0 and "value" in said:
                    return Returned(said["value"], self.output())
                return Died(value, said["stage"], self.output())
        return TimedOut(timeout, said["stage"], self.output())

    def _exitcode(self) -> int:
        self._child.join(timeout=5)
        code: int | None = self._child.exitcode
        return 0 if code is None else code

    def output(self) -> str:
        if not self._output.exists():
            return ""
        with self._output.open("rb") as file:
            file.seek(max(0, self._output.stat().st_size - TAIL))
            return file.read().decode("utf-8", "replace")

    def kill(self) -> None:
        for pid in {self._group, self._child.pid}:
            _kill_group(pid)
        self._child.join(timeout=5)
        self._conn.close()
        self._folder.cleanup()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)


def _child(conn: Connection, output: str, target: Callable[..., Any], args: Any) -> None:
    """First lines of a new process: a group of its own, its output in a file."""
    _lead_group()
    die_with_parent()
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - as above
    faulthandler.enable(file=2)  # pytest's own points at the terminal
    target(conn, *args)


def _lead_group() -> None:
    if hasattr(os, "setsid"):
        with contextlib.suppress(PermissionError):  # it leads one already
            os.setsid()


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve(conn: Connection, prepare: Callable[[], Any]) -> None:
    """Prepare, say so, and fork a child a task until the other end closes."""
    prepare()
    conn.send(("value", None))
    conn.send(("ended", 0))
    while True:
        try:
            task, args = conn.recv()
        except EOFError:
            return
        _fork(conn, task, args)


def _fork(conn: Connection, task: Callable[..., Any], args: Any) -> None:
    _flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; those of numpy and torch are made for a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _lead_group()
        die_with_parent()
        conn.send(("group", os.getpid()))
        os._exit(_perform(conn, task, args))
    _, status = os.waitpid(pid, 0)
    _kill_group(pid)  # what the task started and left behind
    conn.send(("ended", os.waitstatus_to_exitcode(status)))


def _perform(conn: Connection, task: Callable[..., Any], args: Any) -> int:
    """Run a task to its answer; 0 when it was sent."""
    try:
        conn.send(("value", task(lambda stage: conn.send(("stage", stage)), *args)))
    except BaseException:  # noqa: BLE001 - a child has nobody to raise to
        traceback.print_exc()
        return 1
    finally:
        _flush()
    return 0


def _spawned(conn: Connection, prepare: Callable[[], Any], task: Any, args: Any) -> None:
    prepare()
    sys.exit(_perform(conn, task, args))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
