"""Which machine a figure is of: those of two machines are never compared."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

# Linux: one for each start of a machine; clones of one disk image have an id of their own in it.
_BOOT, _CPUS = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/cpuinfo")
_ID = 12  # characters of a hash: enough to tell machines apart, and no name of one


@lru_cache(maxsize=1)
def host() -> dict[str, Any]:
    """Return this machine's ``id``, the name of its processor, and how many cores it lends us."""
    said = f"{platform.node()} {_text(_BOOT).strip()}"
    return {"id": hashlib.sha256(said.encode()).hexdigest()[:_ID], "cpu": _cpu(), "cores": _cores()}


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _text(_CPUS), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cores() -> int:
    with contextlib.suppress(AttributeError):  # of Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
