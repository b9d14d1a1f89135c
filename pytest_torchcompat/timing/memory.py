"""The most memory that a block took: of the device's allocator, or of this process."""

from __future__ import annotations

import contextlib
import gc
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from pytest_torchcompat import machine

# Linux: writing 5 sets the highest mark back to what is held now (proc(5), clear_refs).
_MARK, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_KIB = 1024


@contextlib.contextmanager
def peak(device: str, found: dict[str, int], but: int = 0) -> Iterator[None]:
    """
    Write into ``found`` the most bytes that were held at once during a block.

    On a GPU ``allocated`` are those of tensors and ``reserved`` those that the allocator took from
    the device, both without the ``but`` bytes that are the timer's own; on the CPU ``resident`` are
    those of the whole process. Where the system does not say, nothing is written.
    """
    if device.startswith("cuda"):
        with _of_device(device, found, but):
            yield
        return
    marked = _mark()
    yield
    resident = _resident() if marked else None
    if resident is not None:
        found["resident"] = resident


@contextlib.contextmanager
def growth(found: dict[str, int]) -> Iterator[None]:
    """
    Write into ``found`` how many bytes more than before this process held at its peak in a block.

    It is ``grown``; of a file that is mapped, the pages that were touched count. Where the system
    does not say, nothing is written.
    """
    before = _resident() if _mark() else None
    yield
    most = _resident()
    if before is not None and most is not None:
        found["grown"] = max(0, most - before)


@contextlib.contextmanager
def _of_device(device: str, found: dict[str, int], but: int) -> Iterator[None]:
    import torch

    give_back(device)  # what loading left to the allocator would count as reserved
    torch.cuda.reset_peak_memory_stats(device)
    yield
    found["allocated"] = torch.cuda.max_memory_allocated(device) - but
    found["reserved"] = torch.cuda.max_memory_reserved(device) - but


def _mark() -> bool:
    try:
        _MARK.write_text("5", "ascii")
    except OSError:
        return False
    return True


def _resident() -> int | None:
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", _STATUS.read_text("ascii"), re.MULTILINE)
        return int(found[1]) * _KIB if found else None
    return None


@contextlib.contextmanager
def given_back(device: str) -> Iterator[None]:
    """Give back after a block what nothing holds any more, also where it raised."""
    try:
        yield
    except BaseException as error:
        if machine.ran_out(f"{type(error).__name__}: {error}"):
            # The error lives until pytest meets the next, and its frames hold what filled memory.
            traceback.clear_frames(error.__traceback__)
        with contextlib.suppress(RuntimeError):  # a GPU that failed says so to every call
            give_back(device)
        raise
    give_back(device)


def free(device: str) -> tuple[int, int] | None:
    """Return how many bytes of a GPU are free, and how many it has; ``None`` where nobody says."""
    import torch

    if not device.startswith("cuda"):
        return None
    with contextlib.suppress(RuntimeError, AssertionError):  # no GPU, or no build for one
        found: tuple[int, int] = torch.cuda.mem_get_info(device)
        return found
    return None


def give_back(device: str) -> None:
    """Return what nothing holds any more, so that the next benchmark does not pay for this one."""
    gc.collect()
    if device.startswith("cuda"):
        import torch

        # Of each stream that a graph was made on; up to 32 MiB that nobody else gives back.
        getattr(torch._C, "_cuda_clearCublasWorkspaces", _nothing)()  # noqa: SLF001 - no public name
        torch.cuda.empty_cache()


def _nothing() -> None:
    pass
