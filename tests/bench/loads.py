"""torch.load under a policy against torch.load by itself, over the same file in turns."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, NotRunError, figure, named

TENSORS, SIDE = 25, 1024  # float32: 4 MiB each
BLOCK = 1 << 20
MMAP = {"mmap": True}


def figures(turns: int) -> list[Figure]:
    """Return what each policy takes beside plain torch.load, and beside that and a sha256."""
    try:
        import torch
    except ImportError as error:
        raise NotRunError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="torchcompat-bench-") as name:
        file = Path(name) / "weights.pt"
        torch.save({f"w{n}": torch.randn(SIDE, SIDE) for n in range(TENSORS)}, file)
        taken = _taken(file, turns)
    return _figures(taken, named("torch"))


def _ways(file: Path) -> dict[str, Callable[[], Any]]:
    from pytest_torchcompat.policies import Policy

    plain = {
        "plain": lambda: _load(file),
        "plain, mmap": lambda: _load(file, **MMAP),
        "sha256": lambda: _sha256(file),
    }
    held = {policy.value: lambda policy=policy: _under(policy, file) for policy in Policy}
    return {**plain, **held, "strict, mmap": lambda: _under(Policy.STRICT, file, **MMAP)}


def _load(file: Path, **options: Any) -> Any:
    import torch

    return torch.load(file, map_location="cpu", **options)


def _under(policy: Any, file: Path, **options: Any) -> Any:
    from pytest_torchcompat.policies.interception import applied
    from pytest_torchcompat.policies.rules import Rules

    with applied(policy, Rules(trust=("*",)), lambda _: None):
        return _load(file, **options)


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _taken(file: Path, turns: int) -> dict[str, list[float]]:
    """Take each way in turns, every second time in the other order; return the milliseconds."""
    ways = _ways(file)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-1, turns):  # the first is for the disk's cache, and not counted
        for name in list(ways)[::-1] if turn % 2 else ways:
            start = time.perf_counter()
            ways[name]()
            if turn >= 0:
                found[name].append((time.perf_counter() - start) * 1000)
    return found


def _figures(taken: dict[str, list[float]], torch: str) -> list[Figure]:
    def hashed(name: str) -> list[float]:
        return [load + sha for load, sha in zip(taken[name], taken["sha256"])]

    found = [
        figure(
            *("load", f"{name}, with the file's sha256", taken[name], "ms"),
            peer=f"{torch} and a sha256",
            theirs=hashed("plain, mmap" if "mmap" in name else "plain"),
        )
        for name in ("patched", "strict", "strict, mmap")
    ]
    plain = {"peer": torch, "theirs": taken["plain"]}
    names = ("stock", "patched", "allowlisted", "strict", "plain, mmap")
    return [*found, *(figure("load", name, taken[name], "ms", **plain) for name in names)]
