"""A call's figures: how long it takes, how sure that is, and what memory it needs."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Callable

from pytest_torchcompat.timing import memory
from pytest_torchcompat.timing.device import Cuda, Events, graph_of, name_of
from pytest_torchcompat.timing.faults import Measuring, told
from pytest_torchcompat.timing.host import host
from pytest_torchcompat.timing.lease import lease
from pytest_torchcompat.timing.sampling import Effort, sampled, summary, warmed
from pytest_torchcompat.timing.wall_clock import WallClock


def measure(
    run: Callable[[], Any], device: str, effort: Effort | None = None, *, threads: int = 1
) -> dict[str, Any]:
    """
    Return the figures of a call, times in seconds and memory in bytes.

    ``method`` says how they were taken: those of two methods are never compared. ``low`` and
    ``high`` hold the median at 95 % confidence. On a GPU ``launch`` is what the CPU takes to queue
    a call, and ``graph`` its work without that; ``memory`` is the most that was held at once, with
    what else the process holds there.
    """
    return measured(run, device, effort, threads=threads)[0]


def measured(
    run: Callable[[], Any], device: str, effort: Effort | None = None, *, threads: int = 1
) -> tuple[dict[str, Any], list[float]]:
    """Return the same with the seconds of each round; one benchmark at a time runs on a device."""
    with lease(device) as not_alone, _current(device), memory.given_back(device):
        figures, times = _figures(run, device, effort or Effort(), threads)
    figures["remarks"] += not_alone
    return figures, times


# The first call makes what later ones use again; memory is looked at before outputs are copied.
_TWICE = 2


def _figures(
    run: Callable[[], Any], device: str, effort: Effort, threads: int
) -> tuple[dict[str, Any], list[float]]:
    held: dict[str, int] = {}
    timer: Measuring = (
        Events(run, Cuda(device)) if device.startswith("cuda") else WallClock(run, threads)
    )
    with told(timer):
        with memory.peak(device, held, timer.own):
            timer.take(_TWICE)
        first = [each.detach().clone() for each in tensors(timer.last)]
        warm_up = _TWICE + warmed(timer, effort)
        alone = len(timer.launches) if isinstance(timer, Events) else 0
        times = sampled(timer, effort)
    figures = {"method": timer.method, "device": device, "warm_up": warm_up, **summary(times)}
    if isinstance(timer, Events):
        figures["gpu"] = name_of(device)
        figures["launch"] = statistics.median(timer.launches[alone:])
        figures["graph"] = _without_launches(run, device, effort)
    found = remarks(first, timer.last, device)
    return {**figures, "memory": held or None, "remarks": found, "machine": host()}, times


def _without_launches(run: Callable[[], Any], device: str, effort: Effort) -> float | None:
    """Return the median of a call as a CUDA graph; ``None`` where it cannot be captured."""
    try:
        timer = Events(graph_of(run, device), Cuda(device))
        return statistics.median(sampled(timer, effort))
    except RuntimeError:
        return None


def _current(device: str) -> AbstractContextManager[Any]:
    """Return a block in which events are of this device; elsewhere they are of the first."""
    if not device.startswith("cuda"):
        return contextlib.nullcontext()
    import torch

    current: AbstractContextManager[Any] = torch.cuda.device(device)
    return current


def tensors(output: Any) -> Iterator[Any]:
    """Yield the tensors of an output, however nested; what else there is has none."""
    import torch

    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        for value in output.values():
            yield from tensors(value)
    elif isinstance(output, (list, tuple)):
        for value in output:
            yield from tensors(value)


def remarks(first: Any, last: Any, device: str) -> list[str]:
    """Return what the outputs of the first and the last round say against the figures."""
    try:
        return _compared(list(tensors(first)), list(tensors(last)), device)
    except (RuntimeError, NotImplementedError) as error:  # of a layout that few operations know
        return [f"the output can't be looked at: {str(error).partition(chr(10))[0]}"]


def _compared(before: list[Any], after: list[Any], device: str) -> list[str]:
    import torch

    if not before:
        return ["the output holds no tensor: that the work was done can't be seen by it"]
    if any(each.device.type != device.partition(":")[0] for each in after):
        return [f"part of the output is not on {device}"]
    found = []
    if any(each.is_floating_point() and not torch.isfinite(each).all() for each in after):
        found.append("the output holds values that are not finite")
    if not _alike(before, after):
        found.append(
            "the output of the last round differs from that of the first: the call keeps state or"
            " changes its input"
        )
    return found


def _alike(before: list[Any], after: list[Any]) -> bool:
    import torch

    pairs = zip(before, after)
    return len(before) == len(after) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-6, equal_nan=True)
        for a, b in pairs
    )
