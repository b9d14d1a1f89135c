"""
What a check may take of the machine, and how it shows that there was not enough.

A machine's memory and its disk say nothing about a checkpoint: what they stop is ``infra``.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

KILLED_FIRST = "1000"  # of the kernel's scale: before everything else of this machine
SCORE = Path("/proc/self/oom_score_adj")
COUNTERS = (Path("/proc/vmstat"),)  # "oom_kill N": what the kernel killed for want of memory

# What Python, C++, torch's allocators and the C library say where they got none.
_WORDS = re.compile(
    r"\bMemoryError\b|std::bad_alloc|not enough memory: you tried to allocate"
    r"|can't allocate memory|cannot allocate memory|CUDA out of memory|\bOutOfMemoryError\b",
    re.IGNORECASE,
)


# A full disk, a quota, a limit on files: in the words of the C library, which all errors repeat.
_FULL = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|too many open files",
    re.IGNORECASE,
)


def confine(memory: int | None) -> None:
    """Limit what this process and its children may allocate, and let the kernel kill them first."""
    with contextlib.suppress(OSError):  # no Linux, or a machine that does not let us
        SCORE.write_text(KILLED_FIRST, "ascii")
    if memory:
        with contextlib.suppress(ImportError):  # on Windows, where nothing is limited
            _limit_data(memory)


def _limit_data(memory: int) -> None:
    import resource

    # Not the address space: torch with CUDA reserves far more of that than it uses.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # What somebody limited already, nobody but root may raise.
    most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def ran_out(words: str) -> bool:
    """Whether an error's words say that an allocation failed."""
    return bool(_WORDS.search(words))


def is_full(words: str) -> bool:
    """Whether an error's words say that the disk, or the table of open files, is full."""
    return bool(_FULL.search(words))


def kills(counters: tuple[Path, ...] = COUNTERS) -> int:
    """Return how many processes the kernel has killed for want of memory, as far as it says."""
    total = 0
    for path in counters:
        with contextlib.suppress(OSError):
            total += sum(
                map(int, re.findall(r"^oom_kill (\d+)$", path.read_text("ascii"), re.MULTILINE))
            )
    return total


def in_words(memory: int) -> str:
    """Return a size as people say it."""
    for unit, size in (("GB", 2**30), ("MB", 2**20)):
        if memory >= size:
            return f"{memory / size:.3g} {unit}"
    return f"{memory} bytes"
