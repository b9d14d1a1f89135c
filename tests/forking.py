"""
Runs of pytest and of programs in forks of a process that has imported torch.

Importing it takes seconds, a fork none. What depends on when torch is imported runs in processes of
its own: the tests of start-up, and the workers of pytest-xdist.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

SERVE = "import torch, pytest, forking; forking.serve()"


class Fork:
    """A run, with what pytester asks of a process."""

    stdin = None

    def __init__(self, parent, request):
        self._answers = parent.stdout
        parent.stdin.write(json.dumps(request).encode() + b"\n")
        self._pid = int(self._answers.readline())

    def wait(self, timeout=None):
        if not select.select([self._answers], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a fork", timeout)
        return int(self._answers.readline())

    def kill(self):
        os.kill(self._pid, signal.SIGKILL)


@contextlib.contextmanager
def forks():
    """Give a function that takes the place of ``pytester.popen``."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    # Without buffers: what has not come yet can be waited for.
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, **pipes) as parent:

        def popen(words, *, stdout, stderr, **_):
            files = {"stdout": stdout.name, "stderr": stderr.name}
            words = [str(word) for word in words]
            assert words[0] == sys.executable
            cwd = str(Path.cwd())
            known = filter(None, [cwd, os.environ.get("PYTHONPATH")])
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(known)}
            request = {"words": words[1:], "cwd": cwd, "env": env, **files}
            return Fork(parent, request)

        yield popen
        parent.stdin.close()


def serve():
    """Fork for each request, one after the other; say its process, and how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(request):
    for number, (name, mode) in enumerate((("", "r"), ("stdout", "a"), ("stderr", "a"))):
        with open(request[name] if name else os.devnull, mode) as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path.insert(0, request["cwd"])
    code = _code_of(request["words"])
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _code_of(words):
    """Run ``-mpytest WORDS`` or ``FILE WORDS`` as an interpreter would; return its exit code."""
    name, *sys.argv[1:] = words
    try:
        if name == "-mpytest":
            runpy.run_module("pytest", run_name="__main__", alter_sys=True)
        else:
            sys.argv[0] = name
            runpy.run_path(name, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else bool(ended.code)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        return 1
    return 0
