"""How much of the machine a sweep takes: how many cells side by side, and what waits for room."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from matrix.processes import StoppedError

BYTES_A_JOB = 4 * 2**30  # torch with a model and two copies of it, forked
GB = 10**9
RECHECK = 1.0  # others than we make room as well, and do not tell

# Where a control group says its limits: of version 2, and of 1, whose folders are by controller.
GROUPS = "sys/fs/cgroup"
MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class Machine:
    """What this machine has for us; the limits of a container count, and those of its parents."""

    root: Path = Path("/")

    def cores(self) -> int:
        """Return how many cores our processes may use."""
        limits = [limit for folder in self._groups("cpu") if (limit := _quota(folder))]
        return max(1, int(min([float(_own_cores()), *limits])))

    def memory(self) -> int:
        """Return how many bytes our processes may have together."""
        limits = [limit for limit, _ in self._memory_limits()]
        return min([self._said("MemTotal") or _physical_memory(), *limits])

    def free_memory(self) -> int:
        """Return how many bytes our processes can still get."""
        left = [limit - used for limit, used in self._memory_limits()]
        return max(0, min([self._said("MemAvailable") or _physical_memory(), *left]))

    def _memory_limits(self) -> Iterator[tuple[int, int]]:
        for folder in self._groups("memory"):
            for limit, used, reclaimable in MEMORY_FILES:
                most = _number(folder / limit)
                if most is not None:
                    # The page cache counts as used, and gives way.
                    given = _field(_text(folder / "memory.stat"), reclaimable) or 0
                    yield most, (_number(folder / used) or 0) - given

    def _said(self, name: str) -> int:
        kilobytes = _field(_text(self.root / "proc" / "meminfo"), f"{name}:")
        return (kilobytes or 0) * 1024

    def _groups(self, controller: str) -> Iterator[Path]:
        """Yield the folders of our control group and of its parents."""
        for line in _text(self.root / "proc" / "self" / "cgroup").splitlines():
            _, names, path = line.split(":", 2)
            if not names or controller in names.split(","):
                top = self.root / GROUPS / (controller if names else "")
                own = Path(path.lstrip("/"))
                # A container may be told a path that only its host has; the top is its own then.
                inner = [] if ".." in own.parts else [own, *own.parents]
                yield from dict.fromkeys([*(top / each for each in inner), top])


def _own_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _quota(folder: Path) -> float | None:
    """Return how many cores a control group may use; ``None`` where it has no limit."""
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not period:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    limited = quota.isdigit() and period.isdigit() and int(period)
    return int(quota) / int(period) if limited else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # It is another kind of machine.
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _field(text: str, name: str) -> int | None:
    for line in text.splitlines():
        words = line.split()
        if words[:1] == [name] and words[1:2] and words[1].isdigit():
            return int(words[1])
    return None


def default_jobs(machine: Machine = Machine()) -> int:
    """Return how many cells this machine can run side by side."""
    return max(1, min(machine.cores(), machine.memory() // BYTES_A_JOB))


Need = int | Callable[[], int]


@dataclass
class _Resource:
    """Something of which there is so much; ``free`` asks the machine for how much."""

    free: Callable[[], int]
    # Memory is free again when its user ends. What a user leaves on the disk stays.
    comes_back: bool
    reserved: int = 0
    _at_rest: int = 0

    def room(self) -> int:
        """Return what is free and that nobody under way has been promised."""
        free = self.free()
        if not self.comes_back:
            return free - self.reserved
        if not self.reserved:
            self._at_rest = free
        # Whoever is under way may have taken all of its promise, or nothing of it yet.
        return min(free, self._at_rest - self.reserved)


@dataclass(eq=False)
class _Ticket:
    """Somebody who asks for room, and what of it was handed out."""

    who: str
    needs: Mapping[str, Need]
    owner: int = field(default_factory=threading.get_ident)
    taken: Counter[str] = field(default_factory=Counter)

    def asked(self) -> Counter[str]:
        return Counter({k: need() if callable(need) else need for k, need in self.needs.items()})


class Budget:
    """
    Room on the disk and in memory, promised to those under way; who finds none waits.

    Nobody waits for ever: where nobody is left who would give something back, one goes on with
    what there is. ``say`` is told once of each wait, and ``stopped`` asked whether to end it. A
    need may be a function, which is asked anew each time that room is looked for.
    """

    def __init__(
        self,
        disk: Callable[[], int],
        memory: Callable[[], int],
        say: Callable[[str], object] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
        recheck: float | None = RECHECK,
    ) -> None:
        self._resources = {
            "disk": _Resource(disk, comes_back=False),
            "memory": _Resource(memory, comes_back=True),
        }
        self._say = say
        self._stopped = stopped
        self._recheck = recheck
        self._changed = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._inside: list[_Ticket] = []

    @contextmanager
    def room(self, *, disk: Need = 0, memory: Need = 0, who: str = "") -> Iterator[None]:
        """Wait for room and hold it; raises ``StoppedError`` when the sweep is stopped."""
        ticket = _Ticket(who, {"disk": disk, "memory": memory})
        with self._changed:
            self._await(ticket)
        try:
            yield
        finally:
            with self._changed:
                self._give_back(ticket)

    def _await(self, ticket: _Ticket) -> None:
        self._waiting.append(ticket)
        try:
            self._hand_out()
            if lacking := self._lacking(ticket.asked()) if ticket in self._waiting else {}:
                self._say(_sentence(ticket, lacking))
            while ticket in self._waiting:
                if self._stopped():
                    raise StoppedError
                self._changed.wait(self._recheck)
                self._hand_out()
        finally:
            if ticket in self._waiting:
                self._waiting.remove(ticket)

    def _hand_out(self) -> None:
        """Let in those who may go, who came first before the others."""
        for ticket in [] if self._stopped() else list(self._waiting):
            asked = ticket.asked()
            lacking = self._lacking(asked)
            if not lacking or not self._is_given_back(ticket, lacking):
                self._waiting.remove(ticket)
                self._let_in(ticket, asked)

    def _lacking(self, asked: Counter[str]) -> dict[str, int]:
        """Return what there is of that of which there is too little."""
        left = {name: max(0, self._resources[name].room()) for name in asked}
        return {name: room for name, room in left.items() if asked[name] > room}

    def _is_given_back(self, ticket: _Ticket, lacking: Iterable[str]) -> bool:
        """Whether others hold what is lacking, and not all others are waiting themselves."""
        others = [inside for inside in self._inside if inside.owner != ticket.owner]
        waiting = {waits.owner for waits in self._waiting}
        held = any(inside.taken[name] > 0 for inside in others for name in lacking)
        return held and any(inside.owner not in waiting for inside in others)

    def _let_in(self, ticket: _Ticket, asked: Counter[str]) -> None:
        ticket.taken = asked
        self._inside.append(ticket)
        for name, bytes_taken in asked.items():
            self._resources[name].reserved += bytes_taken
        self._changed.notify_all()

    def _give_back(self, ticket: _Ticket) -> None:
        self._inside.remove(ticket)
        for name, bytes_taken in ticket.taken.items():
            self._resources[name].reserved -= bytes_taken
        self._hand_out()


def unlimited() -> Budget:
    """Return a budget in which there is room for all."""
    return Budget(lambda: sys.maxsize, lambda: sys.maxsize)


def _sentence(ticket: _Ticket, lacking: Mapping[str, int]) -> str:
    asked = ticket.asked()
    wanted = " and ".join(f"{asked[name] / GB:.1f} GB of {name}" for name in lacking)
    free = " and ".join(f"{left / GB:.1f} GB" for left in lacking.values())
    return f"{ticket.who}: waiting for {wanted}; {free} free".removeprefix(": ")
