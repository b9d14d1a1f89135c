"""Timing on the CPU: a monotonic clock around each call, and a fixed number of threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Callable


class WallClock:
    """
    Calls between two readings of a monotonic clock, without gradients.

    One thread unless told otherwise, as torch.utils.benchmark does: what other processes leave of
    the rest differs from one minute to the next. ``last`` is what the last call returned.
    """

    def __init__(
        self,
        run: Callable[[], Any],
        threads: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.method = f"perf_counter, {threads} thread" + ("s" if threads > 1 else "")
        self._run, self._threads, self._clock = run, threads, clock
        self.last: Any = None
        self.calls = 0  # that returned
        self.own = 0  # bytes that timing takes for itself

    def take(self, rounds: int) -> list[float]:
        """Make so many calls, and return the seconds of each."""
        import torch

        run, clock = self._run, self._clock
        times: list[float] = []
        try:
            with held_to(self._threads), torch.inference_mode():
                for _ in range(rounds):
                    self.last = None  # nobody keeps what the last call gave beside this one's
                    start = clock()
                    self.last = run()
                    times.append(clock() - start)
        finally:
            self.calls += len(times)
        return times

    def let_go(self) -> None:
        """Hold no output any more."""
        self.last = None


@contextlib.contextmanager
def held_to(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads for a block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
