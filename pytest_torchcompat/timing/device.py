"""
Timing on a GPU: its own events around each call, with its cache emptied before it.

A call returns when its work is queued; a clock of the CPU around it would measure the queueing. The
events are read once the device is done. What the queueing took is a figure of its own, and so is
the work without it, as a CUDA graph replays it.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Protocol

# Rounds that are queued before the device is waited for: a queue that is full stops the CPU.
_QUEUED = 64
_CACHE = 256 * 2**20  # bytes that are written between rounds where the device does not say


class Device(Protocol):
    """
    What is asked of a GPU; a stand-in has a clock that a test moves.

    ``own`` are the bytes of it that timing takes for itself.
    """

    own: int

    def event(self) -> Any:
        """Return an event that can be recorded and asked for the milliseconds until another."""

    def flush(self) -> None:
        """Queue what leaves nothing of the last round in the cache."""

    def synchronise(self) -> None:
        """Wait until all that was queued is done."""


class Cuda:
    """A GPU of this machine."""

    def __init__(self, name: str) -> None:
        import torch

        self._name = name
        size = getattr(torch.cuda.get_device_properties(name), "L2_cache_size", 0)
        self.own = max(2 * size, _CACHE)
        self._scratch: Any = torch.empty(self.own, dtype=torch.int8, device=name)

    def event(self) -> Any:
        """Return a CUDA event with its time."""
        import torch

        return torch.cuda.Event(enable_timing=True)

    def flush(self) -> None:
        """Overwrite more than the cache holds."""
        self._scratch.zero_()

    def synchronise(self) -> None:
        """Wait for the device."""
        import torch

        torch.cuda.synchronize(self._name)

    def let_go(self) -> None:
        """Give back what overwrites the cache."""
        self._scratch = None


class Events:
    """
    Calls between two events of the device, without gradients.

    ``launches`` are the seconds that the CPU took to queue a call while the device had nothing else
    to do: behind a full queue it would wait for the work. ``last`` is what the last call returned.
    """

    method = "cuda events, cache flushed"

    def __init__(
        self,
        run: Callable[[], Any],
        device: Device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._run, self._device, self._clock = run, device, clock
        self.launches: list[float] = []
        self.last: Any = None
        self.calls = 0  # that returned

    @property
    def own(self) -> int:
        """How many bytes of the device are not the call's."""
        return self._device.own

    def let_go(self) -> None:
        """Hold nothing of the device any more."""
        self.last = None
        if isinstance(self._device, Cuda):
            self._device.let_go()

    def take(self, rounds: int) -> list[float]:
        """Make so many calls, and return the seconds of each."""
        times: list[float] = []
        import torch

        with torch.inference_mode():
            while len(times) < rounds:
                times += self._queued(min(rounds - len(times), _QUEUED))
        return times

    def _queued(self, rounds: int) -> list[float]:
        pairs = [(self._device.event(), self._device.event()) for _ in range(rounds)]
        self._device.synchronise()
        for number, (start, end) in enumerate(pairs):
            self._device.flush()
            self.last = None  # a call that returns has nobody who keeps what the last one gave
            start.record()
            before = self._clock()
            self.last = self._run()
            spent = self._clock() - before
            end.record()
            self.calls += 1
            if not number:
                self.launches.append(spent)
        self._device.synchronise()
        return [start.elapsed_time(end) / 1000 for start, end in pairs]


def graph_of(run: Callable[[], Any], name: str) -> Callable[[], Any]:
    """
    Return a replay of a call as one CUDA graph: its work without what queueing it takes.

    Raises ``RuntimeError`` where the call cannot be captured, as one that waits for the device.
    """
    import torch

    side = torch.cuda.Stream(name)
    with torch.cuda.device(name), torch.inference_mode():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):
            run()
    replay: Callable[[], Any] = graph.replay
    return replay


def name_of(name: str) -> str:
    """Return what a GPU is called; numbers are given anew in each process."""
    import torch

    return str(torch.cuda.get_device_properties(name).name)
