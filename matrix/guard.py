"""
Stands between the sweep and a command: ``python -I -S guard.py FD COMMAND...``.

It ends what the command has left behind, whatever session that moved to, and all of it when the
sweep goes. FD is a socket to the sweep: its end closes when the sweep dies, even by SIGKILL, and
over it the guard says how the command ended.
"""

from __future__ import annotations

import os
import select
import signal
import sys

if __name__ == "__main__":  # alone in its process, without site-packages; pathlib takes its time
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

from pytest_torchcompat import reaping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_STARTED = 127
# Python ignores them, and what is started from it would inherit that.
RESTORED = ("SIGPIPE", "SIGXFSZ")


def main(arguments: Sequence[str]) -> int:
    """Run the command to its end, or until the sweep is gone."""
    given = int(arguments[0])
    sweep = os.dup(given)  # the lowest that is free, not inherited: select() knows none above 1023
    os.close(given)
    reaping.adopt_orphans()
    ended = _told_of_children()
    pid = _start(arguments[1:])
    status = _watched(pid, ended, sweep)
    if not reaping.LINUX:
        reaping.kill_group(pid)
    if reaping.has_children():
        reaping.kill_below(os.getpid())
    if status is not None:
        _say(sweep, os.waitstatus_to_exitcode(status))
    return 0


def _told_of_children() -> int:
    """Return a descriptor that can be read from whenever a child ends."""
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _start(command: Sequence[str]) -> int:
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()  # a command that kills its own group leaves its guard alone
        reaping.die_with_parent()
        for name in RESTORED:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        if os.getppid() == guard:
            os.execvpe(command[0], list(command), os.environ)  # noqa: S606 - a command, as it is
    except OSError as error:
        os.write(2, f"{command[0]} was not started: {error}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _watched(pid: int, ended: int, sweep: int) -> int | None:
    """Wait for the command and return its status, or ``None`` where the sweep went first."""
    while True:
        ready, _, _ = select.select([ended, sweep], [], [])
        if sweep in ready:
            return None
        os.read(ended, 4096)
        status = _status(pid)
        if status is not None:
            return status


def _status(wanted: int) -> int | None:
    """Take the ends of all children that ended, and return the command's."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == wanted:
            return status
        if pid == 0:
            return None


def _say(sweep: int, code: int) -> None:
    try:
        os.write(sweep, str(code).encode("ascii"))
    except OSError:  # it went meanwhile
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
