"""What our timing is measured against: the same call, as others time it."""

from __future__ import annotations

import statistics
import time

import torch
from torch.utils.benchmark import Timer

from pytest_torchcompat.timing import Effort
from pytest_torchcompat.timing.device import Cuda, Events
from pytest_torchcompat.timing.sampling import sampled, warmed
from pytest_torchcompat.timing.wall_clock import WallClock


class Unflushed(Cuda):
    """A GPU whose cache is left as the last round left it, as torch's own timer leaves it."""

    def flush(self):
        """Leave the cache."""


def torchs_timer(run, seconds):
    """Return the median of torch.utils.benchmark, without gradients, for so many seconds."""
    with torch.inference_mode():
        timer = Timer("run()", globals={"run": run})
        return timer.blocked_autorange(min_run_time=seconds).median


def tritons_do_bench(run, seconds):
    """Return the median of triton's do_bench, which counts in milliseconds."""
    from triton.testing import do_bench

    with torch.inference_mode():
        spent = {"warmup": int(500 * seconds), "rep": int(1000 * seconds)}
        return do_bench(run, return_mode="median", **spent) / 1000


def unflushed(run, device, seconds):
    """Return our median with the cache as it is."""
    timer, effort = Events(run, Unflushed(device)), Effort(precision=0.005, seconds=seconds)
    warmed(timer, effort)
    return statistics.median(sampled(timer, effort))


def events_alone(run, device, rounds):
    """Return the seconds of a call between two events around a bare loop of so many."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.inference_mode(), torch.cuda.device(device):
        run()
        torch.cuda.synchronize()
        start.record()
        for _ in range(rounds):
            run()
        end.record()
        torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000 / rounds


def overhead(rounds):
    """Return the seconds that a round of ours takes with nothing to do, and one of a bare loop."""

    def nothing():
        pass

    def bare():
        for _ in range(rounds):
            nothing()

    # Never precise enough and never late: so many rounds, with all that asking for them takes.
    effort = Effort(precision=-1, seconds=1e9, most=rounds)
    timer = WallClock(nothing)
    return [_taken(todo) / rounds for todo in (lambda: sampled(timer, effort), bare)]


def _taken(todo):
    start = time.perf_counter()
    todo()
    return time.perf_counter() - start
