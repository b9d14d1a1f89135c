"""Our figures beside those of torch's own timer and of plain pytest-benchmark, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_device import Queue

torch = pytest.importorskip("torch")

from torch.utils.benchmark import Timer  # noqa: E402

from pytest_torchcompat.timing.device import Events  # noqa: E402
from pytest_torchcompat.timing.wall_clock import WallClock  # noqa: E402

QUEUED = """
import pytest
from fake_device import Queue

device = Queue()

@pytest.mark.benchmark(timer=device.clock)
def test_queued(benchmark):
    benchmark.pedantic(device.work, args=({seconds},), rounds=3)
"""


@pytest.mark.parametrize("seconds", [5e-6, 0.05, 3.0])
def test_by_the_same_clock_a_call_takes_as_long_as_torchs_own_timer_says(seconds):
    """By a clock that only the call moves: on a real one the performance suite compares them."""

    def call(device):
        device.work(seconds)
        device.synchronise()

    by_ours, by_theirs = Queue(), Queue()
    ours = WallClock(lambda: call(by_ours), clock=by_ours.clock).take(5)
    timer = Timer("run()", globals={"run": lambda: call(by_theirs)}, timer=by_theirs.clock)
    assert ours == pytest.approx([timer.timeit(1).median for _ in range(5)])
    assert ours == pytest.approx([seconds + Queue.LAUNCH] * 5)


def test_of_work_that_is_done_later_pytest_benchmark_tells_the_launch_and_we_tell_the_work(
    pytester,
):
    pytest.importorskip("pytest_benchmark")
    pytester.makepyfile(QUEUED.format(seconds=0.05))
    pytester.makeini(f"[pytest]\npythonpath = {Path(__file__).parents[1]}")
    words = ("-p", "no:torchcompat", "--benchmark-json=it.json")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    (theirs,) = json.loads((pytester.path / "it.json").read_text("utf-8"))["benchmarks"]
    device = Queue()
    ours = Events(lambda: device.work(0.05), device, device.clock).take(3)
    assert theirs["stats"]["max"] == pytest.approx(Queue.LAUNCH)
    assert ours == pytest.approx([0.05] * 3)
