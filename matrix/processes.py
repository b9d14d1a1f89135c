"""Processes that the sweep starts: each in a group of its own, so that all of it can be stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from uv import find_uv_bin


@dataclass(frozen=True)
class Finished:
    """How a process ended. ``returncode`` is ``None`` when it ran out of its time."""

    returncode: int | None
    output: str = ""


class StoppedError(Exception):
    """The sweep is being stopped; nothing new is started, and what was running was killed."""


class Processes:
    """
    Starts processes and can kill all of them from another thread.

    A process that a cell forked is in its group and dies with it.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self.stopped = False

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: IO[str] | int | None = subprocess.PIPE,
        timeout: float | None = None,
    ) -> Finished:
        """Run a command; its output comes back as text, or goes to a file, or (``None``) out."""
        process = self._start(command, cwd, env, output)
        try:
            text, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            process.communicate()
            return Finished(None)
        except BaseException:  # Ctrl-C reaches this process alone, not the group of that one.
            kill_group(process.pid)
            raise
        finally:
            self._forget(process)
        if self.stopped:
            raise StoppedError
        return Finished(process.returncode, text or "")

    def stop(self) -> None:
        """Kill what runs and start nothing more."""
        with self._lock:
            self.stopped = True
            for process in self._running:
                kill_group(process.pid)

    def _start(
        self,
        command: Sequence[str],
        cwd: Path | None,
        env: Mapping[str, str] | None,
        output: IO[str] | int | None,
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self.stopped:
                raise StoppedError
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def _forget(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.discard(process)


def kill_group(pid: int) -> None:
    """Kill a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):  # It ended by itself meanwhile.
        os.killpg(pid, signal.SIGKILL)


def uv_cache(processes: Processes) -> Path | None:
    """Return uv's cache directory, which need not be there yet; ``None`` where uv won't say."""
    done = processes.run(uv("cache", "dir", "--color", "never"))
    text = done.output.strip()
    return Path(text.splitlines()[-1]) if done.returncode == 0 and text else None


def uv(*arguments: str) -> list[str]:
    """Return a uv command: the uv that is installed beside this Python."""
    return [find_uv_bin(), *arguments]
