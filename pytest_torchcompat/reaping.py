"""
The processes below a process: found, adopted and killed, whatever group they moved to.

A group is not enough. What calls ``setsid`` has left it, and is nobody's child once its parent has
ended, unless a process further up asked to be given such orphans.

Every command of the sweep waits for this module's import: it asks for little.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it dies, however it dies."""
    if LINUX:  # Windows does not know the signal's name
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Ask Linux to make this process the parent of what is orphaned anywhere below it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(option, value)


def lead_session() -> None:
    """Leave the group and the terminal of the process that started this one."""
    if hasattr(os, "setsid"):
        try:
            os.setsid()
        except PermissionError:  # it leads one already
            return


def kill(pid: int) -> bool:
    """Kill a process, if it is there; false where it is not ours to kill."""
    try:
        os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def kill_group(pid: int) -> None:
    """Kill a process and what is in its group; where there are no groups, the process alone."""
    if not hasattr(os, "killpg"):
        kill(pid)
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def children_of() -> dict[int, list[int]]:
    """Return the living children of each process, by its id; nothing where there is no /proc."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if LINUX else ():  # noqa: PTH208 - pathlib takes its time
        parent = _living_parent(name) if name.isdigit() else None
        if parent is not None:
            found.setdefault(parent, []).append(int(name))
    return found


def _living_parent(name: str) -> int | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
            # A command's name may hold anything, parentheses too.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:  # it ended meanwhile
        return None
    return None if state in b"ZX" else int(parent)


def below(pid: int, spared: Collection[int] = ()) -> list[int]:
    """Return all that lives below a process, but for some of its children and what is theirs."""
    tree = children_of()
    found: list[int] = []
    waiting = [child for child in tree.get(pid, ()) if child not in spared]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(tree.get(found[-1], ()))
    return found


def kill_below(pid: int, spared: Collection[int] = ()) -> None:
    """Kill all that lives below a process that adopts; a parent that dies hands up its children."""
    while True:
        # What runs as another user stays, and is not waited for.
        left = [each for each in below(pid, spared) if kill(each)]
        if not left:
            return
        _reap(left)


def _reap(pids: Collection[int]) -> None:
    """Take the ends of those that are children of this process; of others somebody else does."""
    for pid in pids:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            os.sched_yield()


def has_children() -> bool:
    """
    Whether this process has any child, ended ones included: cheaper than to look for them.

    Elsewhere than on Linux nothing is found below a process, and Python may not have the call.
    """
    if not LINUX:
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
