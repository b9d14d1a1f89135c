"""
One benchmark at a time on a device: what runs beside it would be measured with it.

Processes of one user keep each other out by a locked file: workers of pytest-xdist, the cells of a
sweep, another pytest. The system frees it when its holder dies.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

VARIABLE = "CUDA_VISIBLE_DEVICES"
# A benchmark takes seconds. One that hangs must not make those hang that wait for it: a check that
# was killed for the time that it waited would be blamed for it.
LONGEST = 120.0
_RECHECK = 0.1
_held: set[str] = set()  # by this process, whose benchmark may call another


def lock_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where a user's processes lock devices."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "torchcompat-gpus"
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    return Path(tempfile.gettempdir()) / f"torchcompat-gpus-{user}"


@contextlib.contextmanager
def lease(device: str, folder: Path | None = None, longest: float = LONGEST) -> Iterator[list[str]]:
    """
    Wait for a device and hold it for a block; yield what speaks against the block's figures.

    Nothing does where it is held. Where it can't be, the block runs all the same.
    """
    key, lock, remarks = _taken(device, folder, longest)
    try:
        yield remarks
    finally:
        if lock is not None:
            _held.discard(key)
            lock.release()


def _taken(device: str, folder: Path | None, longest: float) -> tuple[str, Any, list[str]]:
    """Return the device's key, with its lock where this call took it, and the remark on why not."""
    key = ""
    try:
        key = key_of(device)
        lock = None if key in _held else _locked(folder or lock_folder(), key, longest)
    except Exception as error:  # noqa: BLE001 - an odd file system is no reason to fail a benchmark
        return key, None, [_not_alone(error, device, longest)]
    if lock is not None:
        _held.add(key)
    return key, lock, []


def _locked(folder: Path, key: str, longest: float) -> Any:
    # torch depends on it, and start-up does not pay for it.
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    # A sweep locks a GPU for a whole cell under another name, within which this is asked for.
    name = re.sub(r"[^\w-]", "_", key)
    lock = FileLock(folder / f"{name}.timing.lock")
    lock.acquire(timeout=longest, poll_interval=_RECHECK)
    return lock


def _not_alone(error: Exception, device: str, longest: float) -> str:
    why = f"{type(error).__name__}: {error}"
    if type(error).__name__ == "Timeout":  # filelock's, which may not be there
        why = f"one has held {device} for {longest:g} s"
    return f"another benchmark may have run beside this one: {why}"


def key_of(device: str) -> str:
    """Return by what a device is known on this machine, whatever number it has in a process."""
    if not device.startswith("cuda"):
        return device.partition(":")[0]
    import torch

    found = torch.cuda.get_device_properties(device)
    uuid = getattr(found, "uuid", None)  # from torch 2.5 on
    if uuid is not None:
        return f"GPU-{uuid}"
    number = int(device.partition(":")[2] or torch.cuda.current_device())
    words = os.environ.get(VARIABLE, "").split(",")
    return f"{words[number] if len(words) > number and words[number] else number}-{found.name}"
