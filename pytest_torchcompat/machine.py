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

# The error that was raised: others name it, as of a torch that does not have it yet.
_RAISED = r"(?m:^(?:\w+\.)*OutOfMemoryError(?=:|$))"
# What Python, C++, torch's allocators and the C library say where they got none.
_WORDS = re.compile(
    r"\bMemoryError\b|std::bad_alloc|not enough memory: you tried to allocate"
    r"|can't allocate memory|cannot allocate memory|CUDA out of memory"
    rf"|{_RAISED}",
    re.IGNORECASE,
)


# A full disk, a quota, a limit on files: in the words of the C library, which all errors repeat.
_FULL = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|too many open files",
    re.IGNORECASE,
)


# Of a GPU, whose limit is its own. What torch's allocator says of the sizes has changed twice.
_GPU_FULL = re.compile(rf"(CUDA|HIP) out of memory|CUDA error: out of memory|{_RAISED}")
_MAKER = re.compile(r"(\w+) out of memory")
_ASKED = re.compile(r"Tried to allocate ([\d.]+ \w+)")
_CAPACITY = re.compile(
    r"GPU (\d+) has a total capaci?ty of ([\d.]+ \w+) of which ([\d.]+ \w+) is free"
)
_OLD_CAPACITY = re.compile(
    r"\(GPU (\d+); ([\d.]+ \w+) total capacity;(?: [\d.]+ \w+ already allocated;)?"
    r" ([\d.]+ \w+) free"
)
_OWN = re.compile(
    r"this process has ([\d.]+ \w+) memory in use|Of the allocated memory ([\d.]+ \w+) is allocated"
    r"|([\d.]+ \w+) already allocated",
    re.IGNORECASE,
)
_ADVICE = "Take a smaller batch or dtype, or a GPU that nothing else runs on."

# A GPU that fails whatever runs on it. An assertion in a kernel is the model's own, and what is
# called a launch failure may be.
_GPU_GONE = re.compile(
    r"GPU is lost|fallen off the bus|uncorrectable (?:ECC|NVLink) error"
    r"|CUDA-capable device\S* (?:is/)?are busy or unavailable",
    re.IGNORECASE,
)
# On the CPU it is the library that asks for a GPU, which is a finding.
_NO_GPU = re.compile(r"no CUDA-capable device is detected|No CUDA GPUs are available")
_CLOCK = re.compile(r"the clock of .* went backwards during a round.*")


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


def fault(words: str, device: str, left: tuple[int, int] | None = None) -> str | None:
    """
    Say what of the machine, and not of the model, an error's words tell of its device or clock.

    ``left`` are the bytes of the GPU that are free and that it has, for words without sizes.
    """
    gone = _GPU_GONE.search(words) or (_NO_GPU.search(words) if "cuda" in device else None)
    if gone:
        again = "Look at nvidia-smi, and run again when it works or on another."
        return f"the GPU failed, whatever ran on it ({gone[0]}). {again}"
    if _GPU_FULL.search(words):
        maker = _MAKER.search(words)
        what = f"{maker[1] if maker else 'CUDA'} out of memory."
        return f"{what} {_sizes(words, left)}. {_ADVICE}"
    clock = _CLOCK.search(words)
    return clock[0] if clock else None


def _sizes(words: str, left: tuple[int, int] | None) -> str:
    """Tell what was asked for, and what there was."""
    asked, own = _ASKED.search(words), _OWN.search(words)
    found = _CAPACITY.search(words) or _OLD_CAPACITY.search(words)
    said = [f"{asked[1]} were asked for"] if asked else []
    if found:
        said.append(f"{found[3]} of the {found[2]} of GPU {found[1]} were free")
    elif left:
        said.append(f"{in_words(left[0])} of the {in_words(left[1])} of the GPU are free")
    said += [f"this process held {next(filter(None, own.groups()))}"] if own else []
    return "; ".join(said) or "torch gives no sizes"


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
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if memory >= size:
            return f"{memory / size:.3g} {unit}"
    return f"{memory} bytes"
