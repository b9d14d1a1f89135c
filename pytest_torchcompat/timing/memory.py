"""The most memory that a block took: of the device's allocator, or of this process."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator
from pathlib import Path

# Linux: writing 5 sets the highest mark back to what is held now (proc(5), clear_refs).
_MARK, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_KIB = 1024


@contextlib.contextmanager
def peak(device: str, found: dict[str, int]) -> Iterator[None]:
    """
    Write into ``found`` the most bytes that were held at once during a block.

    On a GPU ``allocated`` are those of tensors and ``reserved`` those that the allocator took from
    the device; on the CPU ``resident`` are those of the whole process. Where the system does not
    say, nothing is written.
    """
    if device.startswith("cuda"):
        with _of_device(device, found):
            yield
        return
    marked = _mark()
    yield
    resident = _resident() if marked else None
    if resident is not None:
        found["resident"] = resident


@contextlib.contextmanager
def _of_device(device: str, found: dict[str, int]) -> Iterator[None]:
    import torch

    torch.cuda.reset_peak_memory_stats(device)
    yield
    found["allocated"] = torch.cuda.max_memory_allocated(device)
    found["reserved"] = torch.cuda.max_memory_reserved(device)


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


def give_back(device: str) -> None:
    """Return what nothing holds any more, so that the next benchmark does not pay for this one."""
    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
