"""Processes that the sweep starts: each with a guard, so that nothing of it outlives its end."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import IO

from uv import find_uv_bin

from matrix import inherited
from matrix.guard import NOT_STARTED
from pytest_torchcompat import machine
from pytest_torchcompat.reaping import kill_below

GUARD = Path(__file__).with_name("guard.py")
KEPT = 8 * 2**20  # bytes of a process's output: half of them its first, half its last
CHUNK = 2**16
# Seconds for a stage of a cell's environment. torch with CUDA is 5 GB: at 2 MB/s, 40 minutes.
LIMITS = {"interpreter": 900.0, "installation": 3600.0, "build": 3600.0}
LIMITS |= {"listing": 120.0, "cleaning": 60.0}
NOT_DONE = "was not done"
TICK = 1.0  # how often the clock is looked at: it goes on while the machine sleeps
GRACE = 10.0  # what a guard may take to kill all that is below it


@dataclass(frozen=True)
class Finished:
    """
    How a process ended. ``returncode`` is ``None`` when it ran out of its time.

    ``output`` has its beginning and its end where it was long. ``starved`` says that it was killed
    while the kernel was killing for want of memory.
    """

    returncode: int | None
    output: str = ""
    starved: bool = False


class StoppedError(Exception):
    """The sweep is being stopped; nothing new is started, and what was running was killed."""


class Kept:
    """The beginning and the end of what is written to it; a file gets them too, the end last."""

    def __init__(self, file: IO[str] | int | None, limit: int = KEPT) -> None:
        self._file = None if isinstance(file, int) else file
        self._half = limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self.left_out = 0

    def write(self, chunk: bytes) -> None:
        """Take some output; of a long one, what is in its middle is let go."""
        head = chunk[: self._half - len(self._head)]
        if head:
            self._head += head
            self._to_file(head)
        if len(chunk) > len(head):
            self._tail.append(chunk[len(head) :])
            self._in_tail += len(chunk) - len(head)
        while self._in_tail - len(self._tail[0] if self._tail else b"") >= self._half:
            gone = self._tail.popleft()
            self._in_tail -= len(gone)
            self.left_out += len(gone)

    def close(self) -> str:
        """Write the end to the file, and return what was kept."""
        gap = f"\n[... {self.left_out} bytes left out ...]\n".encode() if self.left_out else b""
        end = gap + b"".join(self._tail)
        self._to_file(end)
        return (bytes(self._head) + end).decode("utf-8", "replace")

    def _to_file(self, data: bytes) -> None:
        # What a process prints is worth less than what it does: a full disk does not end it.
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.write(self._file.fileno(), data)


class _Guarded:
    """A command under a guard."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path | None,
        env: Mapping[str, str],
        output: IO[str] | int | None,
    ) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-I", "-S", str(GUARD), str(theirs.fileno()), *command]
            self._guard = subprocess.Popen(
                words,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=None if output is None else subprocess.PIPE,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        self._kept = Kept(output)
        self._said = b""

    def wait(self, timeout: float | None) -> bool:
        """Take what is printed until the command has ended; false where it does not in time."""
        deadline = None if timeout is None else monotonic() + timeout
        with selectors.DefaultSelector() as ready:
            ready.register(self._line, selectors.EVENT_READ)
            if self._guard.stdout is not None:
                ready.register(self._guard.stdout, selectors.EVENT_READ)
            while True:
                left = TICK if deadline is None else deadline - monotonic()
                if left <= 0:
                    return False
                for key, _ in ready.select(min(left, TICK)):
                    if key.fileobj is self._line:
                        self._said = self._line.recv(64)
                        return True
                    if not self._take():
                        ready.unregister(key.fileobj)

    def _take(self) -> bool:
        """Take a chunk of output; false where there is none, now or ever."""
        if self._guard.stdout is None:
            return False
        try:
            chunk = os.read(self._guard.stdout.fileno(), CHUNK)
        except BlockingIOError:
            return False
        self._kept.write(chunk)
        return bool(chunk)

    def kill(self) -> None:
        """Have the guard kill all of it; may be called from another thread."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)

    def end(self) -> tuple[int, str]:
        """Wait for the guard, and return the command's exit code and what it printed."""
        try:
            self._guard.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:  # stopped, or what it is to kill does not die
            kill_below(self._guard.pid)
            self._guard.kill()
            self._guard.wait()
        if self._guard.stdout is not None:
            os.set_blocking(self._guard.stdout.fileno(), False)
            while self._take():
                pass
            self._guard.stdout.close()
        self._line.close()
        text = self._kept.close()
        if self._said:
            return int(self._said), text
        return self._guard.returncode, text


class Processes:
    """
    Starts processes and can kill all of them from another thread.

    Whatever a process started dies with it, and everything dies with the sweep.
    """

    def __init__(self) -> None:
        self._running: set[_Guarded] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the sweep is being stopped."""
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether the sweep is being stopped, which ends the wait."""
        return self._stopping.wait(seconds)

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: IO[str] | int | None = subprocess.PIPE,
        timeout: float | None = None,
    ) -> Finished:
        """
        Run a command; its output comes back as text, into a file too, or (``None``) goes out.

        Without an ``env`` it gets that of the sweep less what looks like a credential.
        """
        env = inherited.without_credentials() if env is None else env
        kills = machine.kills()
        guarded = self._start(command, cwd, env, output)
        done = False
        try:
            done = guarded.wait(timeout)
        finally:  # Ctrl-C reaches this process alone, not what it started.
            if not done:
                guarded.kill()
            code, text = guarded.end()
            self._forget(guarded)
        if self.stopped:
            raise StoppedError
        if done:
            _check_started(code, command, env)
        starved = code == -signal.SIGKILL and machine.kills() > kills
        return Finished(code if done else None, text, starved)

    def stop(self) -> None:
        """Kill what runs and start nothing more."""
        with self._lock:
            self._stopping.set()
            for guarded in self._running:
                guarded.kill()

    def _start(
        self,
        command: Sequence[str],
        cwd: Path | None,
        env: Mapping[str, str],
        output: IO[str] | int | None,
    ) -> _Guarded:
        with self._lock:
            if self.stopped:
                raise StoppedError
            guarded = _Guarded(command, cwd, env, output)
            self._running.add(guarded)
            return guarded

    def _forget(self, guarded: _Guarded) -> None:
        with self._lock:
            self._running.discard(guarded)


def _check_started(code: int, command: Sequence[str], env: Mapping[str, str]) -> None:
    """Look for a command that did not start; raises ``FileNotFoundError`` where there is none."""
    if code == NOT_STARTED and shutil.which(command[0], path=env.get("PATH")) is None:
        raise FileNotFoundError(2, "there is no such command", command[0])


def limited(
    processes: Processes, stage: str, command: Sequence[str], limits: Mapping[str, float] = LIMITS
) -> Finished:
    """
    Run a stage of a cell's environment, a command of uv.

    Of one that hangs, which is ended, and of one that is killed, the output says so.
    """
    done = run_uv(processes, command, limits[stage])
    if done.returncode is None:
        sentence = f"the {stage} {NOT_DONE} after {limits[stage]:.0f} s, and was killed"
    elif done.returncode < 0:
        sentence = f"the {stage} {NOT_DONE}: signal {-done.returncode} ended it"
    else:
        return done
    return replace(done, output=f"{sentence}\n{done.output}".strip())


def uv_cache(processes: Processes) -> Path | None:
    """Return uv's cache directory, which need not be there yet; ``None`` where uv won't say."""
    command = uv("cache", "dir", "--color", "never")
    done = run_uv(processes, command, LIMITS["listing"])
    text = done.output.strip()
    return Path(text.splitlines()[-1]) if done.returncode == 0 and text else None


def uv(*arguments: str) -> list[str]:
    """Return a uv command: the uv that is installed beside this Python."""
    return [find_uv_bin(), *arguments]


def run_uv(processes: Processes, command: Sequence[str], timeout: float | None = None) -> Finished:
    """Run a command of uv, which gets the logins of indexes as well."""
    return processes.run(command, env=inherited.for_uv(), timeout=timeout)
