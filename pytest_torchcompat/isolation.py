"""
Run a function in a child process and get data, a signal or a timeout back.

A ``Nursery`` is a process that does an expensive preparation once (importing torch and a library)
and then forks a child for each task, so that nothing one task patches, registers or breaks reaches
the next. Where there is no fork, each task prepares anew in a spawned process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Callable, Union, cast

from pytest_torchcompat import machine
from pytest_torchcompat.reaping import (
    adopt_orphans,
    below,
    die_with_parent,
    has_children,
    kill_below,
    kill_group,
    lead_session,
)

TAIL = 8000  # bytes of a child's output that are kept: its last
_CHUNK = 2**16
_GOES = 5.0  # seconds in which a killed process is gone


@dataclass(frozen=True)
class Returned:
    """The function returned; ``value`` is plain data."""

    value: Any
    output: str


@dataclass(frozen=True)
class Died:
    """
    The process ended without an answer: by a signal (negative) or an exit code.

    ``starved`` says that the kernel killed for want of memory when it did.
    """

    exitcode: int
    stage: str | None
    output: str
    starved: bool = False

    @property
    def reason(self) -> str:
        """Name the signal or the exit code."""
        if self.exitcode >= 0:
            return f"exit code {self.exitcode}"
        try:
            name = signal.Signals(-self.exitcode).name
        except ValueError:  # of real time, of which few have a name
            return f"signal {-self.exitcode}"
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
    ``memory`` bounds what each may allocate, in bytes.
    """

    def __init__(
        self,
        prepare: Callable[[], Any],
        start_method: str | None = None,
        memory: int | None = None,
    ) -> None:
        self._prepare = prepare
        self._memory = memory
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
        self._process = _Process(_serve, self._prepare, context="fork", memory=self._memory)
        ready = self._process.answer(deadline, timeout)
        if not isinstance(ready, Returned):
            self._unprepared = ready
            self.close()
        return self._process

    def _run_spawned(self, task: Callable[..., Any], args: Any, timeout: float) -> Result:
        tasks = (self._prepare, task, args)
        process = _Process(_spawned, *tasks, context="spawn", memory=self._memory)
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
    """A child with a pipe to it, and a pipe for what it prints, of which the end is kept."""

    def __init__(
        self, target: Callable[..., Any], *args: Any, context: str, memory: int | None
    ) -> None:
        self._output = bytearray()
        methods = multiprocessing.get_context(context)
        self._conn, theirs = methods.Pipe()
        self._printed, printing = _for_output(methods)
        arguments = (theirs, printing, memory, target, args)
        self._child = methods.Process(target=_child, args=arguments)  # type: ignore[attr-defined]
        self._child.start()
        theirs.close()
        if printing is not None:
            printing.close()
        self._group = self._child.pid

    def send(self, message: Any) -> None:
        with contextlib.suppress(OSError):
            self._conn.send(message)

    def answer(self, deadline: float, timeout: float) -> Result:
        """Wait for the end of a task, noting on the way its stages, its group and its value."""
        said: dict[str, Any] = {"stage": None}
        kills = machine.kills()
        while self._heard(deadline):
            try:
                kind, value = self._conn.recv()
                if kind == "ended":
                    # The task's process was waited for: its id may be anybody's by now.
                    self._group = self._child.pid
            except (EOFError, OSError):
                kind, value = "ended", self._exitcode()
            said[kind] = value
            if kind == "group":
                self._group = value
            if kind == "ended":
                if value == 0 and "value" in said:
                    return Returned(said["value"], self.output())
                starved = value == _KILLED and machine.kills() > kills
                return Died(value, said["stage"], self.output(), starved)
        return TimedOut(timeout, said["stage"], self.output())

    def _heard(self, deadline: float) -> bool:
        """Take what is printed until there is a message; false where none comes in time."""
        while True:
            sources = [each for each in (self._conn, self._printed) if each is not None]
            ready = wait(sources, max(0.0, deadline - time.monotonic()))
            if self._printed in ready:
                self._take()
            if self._conn in ready:
                return True
            if time.monotonic() >= deadline:
                return False

    def _take(self) -> None:
        """Take a chunk of what was printed, and keep the end of all of it."""
        if self._printed is None:
            return
        chunk = os.read(self._printed.fileno(), _CHUNK)
        self._output += chunk
        del self._output[:-TAIL]
        if not chunk:
            self._printed.close()
            self._printed = None

    def _exitcode(self) -> int:
        self._child.join(timeout=_GOES)
        code: int | None = self._child.exitcode
        return 0 if code is None else code

    def output(self) -> str:
        """Return the end of what was printed until now."""
        left = _MOST_AT_ONCE  # what never stops printing is not waited for
        while self._printed is not None and left and wait([self._printed], 0):
            self._take()
            left -= 1
        return self._output.decode("utf-8", "replace")

    def kill(self) -> None:
        kill_below(self._child.pid)
        for pid in {self._group, self._child.pid}:
            kill_group(pid)
        self._child.join(timeout=_GOES)
        self._conn.close()
        if self._printed is not None:
            self._printed.close()


_KILLED = -9
_MOST_AT_ONCE = 64


def _for_output(methods: Any) -> tuple[Connection | None, Connection | None]:
    """Return the two ends of a pipe; on Windows, a standard stream can't be one."""
    found: tuple[Connection, Connection] = methods.Pipe(duplex=False)
    return (None, None) if sys.platform == "win32" else found


def _child(
    conn: Connection,
    printing: Connection | None,
    memory: int | None,
    target: Callable[..., Any],
    args: Any,
) -> None:
    """First lines of a new process: a session of its own, its limits, its output into a pipe."""
    lead_session()
    die_with_parent()
    machine.confine(memory)
    if printing is not None:
        for stream in (1, 2):
            os.dup2(printing.fileno(), stream)
        printing.close()
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - as above
    faulthandler.enable(file=2)  # pytest's own points at the terminal
    target(conn, *args)


def _serve(conn: Connection, prepare: Callable[[], Any]) -> None:
    """Prepare, say so, and fork a child a task until the other end closes."""
    adopt_orphans()
    prepare()
    prepared = below(os.getpid())
    conn.send(("value", None))
    conn.send(("ended", 0))
    while True:
        try:
            task, args = conn.recv()
        except EOFError:
            return
        _fork(conn, task, args, prepared)


def _fork(conn: Connection, task: Callable[..., Any], args: Any, prepared: Collection[int]) -> None:
    _flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads; those of numpy and torch are made for a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        lead_session()
        die_with_parent()
        conn.send(("group", os.getpid()))
        os._exit(_perform(conn, task, args))
    _, status = os.waitpid(pid, 0)
    kill_group(pid)  # what the task started and left behind, and what left its group
    if has_children():
        kill_below(os.getpid(), prepared)
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
    adopt_orphans()
    prepare()
    code = _perform(conn, task, args)
    if has_children():
        kill_below(os.getpid())
    sys.exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
