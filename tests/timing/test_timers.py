"""Known answers: clocks that a test moves, and a device that works behind the CPU's back."""

from __future__ import annotations

import contextlib
import time
import weakref

import pytest

torch = pytest.importorskip("torch")

from fake_device import Queue  # noqa: E402

from pytest_torchcompat.timing import Effort, measure, measuring, memory  # noqa: E402
from pytest_torchcompat.timing.device import Cuda, Events, graph_of  # noqa: E402
from pytest_torchcompat.timing.measuring import remarks, tensors  # noqa: E402
from pytest_torchcompat.timing.wall_clock import WallClock  # noqa: E402

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
QUICK = Effort(seconds=0.05)


def test_a_call_that_returns_before_its_work_is_done_is_not_under_reported():
    device = Queue()
    timer = Events(lambda: device.work(0.05), device, device.clock)
    assert timer.take(3) == pytest.approx([0.05] * 3)


def test_a_clock_of_the_cpu_around_the_same_call_would_have_told_its_launch():
    device = Queue()
    timer = WallClock(lambda: device.work(0.05), clock=device.clock)
    assert timer.take(3) == pytest.approx([Queue.LAUNCH] * 3)


def test_what_queueing_takes_is_told_apart_from_the_work():
    device = Queue()
    timer = Events(lambda: device.work(0.05), device, device.clock)
    timer.take(2)
    assert timer.launches == pytest.approx([Queue.LAUNCH])  # of the one that had nothing before it


def test_a_call_that_waits_for_its_work_takes_as_long_by_either_clock():
    def call(device):
        device.work(0.05)
        device.synchronise()

    by_events, by_wall = Queue(), Queue()
    events = Events(lambda: call(by_events), by_events, by_events.clock).take(3)
    wall = WallClock(lambda: call(by_wall), clock=by_wall.clock).take(3)
    assert wall == pytest.approx([0.05 + Queue.LAUNCH] * 3)
    # The flush is queued work too, and a launch that is made beside it takes no time of its own.
    assert events == pytest.approx([0.05] * 3)


def test_what_the_device_rests_between_two_rounds_is_of_none():
    device = Queue()
    timer = Events(lambda: device.work(0.05), device, device.clock)
    times = timer.take(1)
    device.cpu += 3600
    assert times + timer.take(1) == pytest.approx([0.05] * 2)


def test_what_the_device_waits_for_within_a_call_is_of_the_call():
    device = Queue(launch=0.01)

    def call():
        for _ in range(4):
            device.work(1e-5)

    timer = Events(call, device, device.clock)
    # It waits for the launch of each of the four, the flush being done long before the first.
    assert timer.take(2) == pytest.approx([4 * 0.01 + 1e-5 - Queue.FLUSH] * 2)
    assert timer.launches == pytest.approx([0.04])


def test_a_model_whose_layers_take_known_times_takes_their_sum():
    device = Queue()

    class Layer(torch.nn.Module):
        def __init__(self, seconds):
            super().__init__()
            self.seconds = seconds

        def forward(self, x):
            device.work(self.seconds)
            return x

    model, x = torch.nn.Sequential(*map(Layer, (0.01, 0.02, 0.03))), torch.ones(1)
    assert Events(lambda: model(x), device, device.clock).take(5) == pytest.approx([0.06] * 5)


def test_a_round_reads_the_clock_twice_and_calls_once():
    seen = []
    timer = WallClock(lambda: seen.append("call"), clock=lambda: seen.append("clock") or 0.0)
    timer.take(3)
    assert seen == ["clock", "call", "clock"] * 3


def test_the_cache_is_emptied_before_each_round():
    device = Queue()
    Events(lambda: device.work(0.001), device, device.clock).take(100)
    assert device.flushed == 100


def test_a_known_clock_gives_known_times():
    ticks = iter([1.0, 1.25, 2.0, 2.5])
    assert WallClock(lambda: None, clock=lambda: next(ticks)).take(2) == [0.25, 0.5]


def test_a_round_is_held_to_its_threads_and_the_next_code_gets_its_own_back():
    before = torch.get_num_threads()
    seen = []
    timer = WallClock(lambda: seen.append(torch.get_num_threads()), threads=1)
    timer.take(1)
    assert (seen, torch.get_num_threads()) == ([1], before)
    assert timer.method == "perf_counter, 1 thread"
    assert WallClock(int, threads=2).method == "perf_counter, 2 threads"


def test_no_gradients_are_recorded():
    timer = WallClock(torch.is_inference_mode_enabled)
    timer.take(1)
    assert timer.last is True


def test_a_measured_call_has_its_method_its_figures_and_its_memory():
    found = measure(lambda: torch.ones(8) * 2, "cpu", QUICK)
    assert (found["method"], found["device"]) == ("perf_counter, 1 thread", "cpu")
    assert 0 < found["min"] <= found["low"] <= found["median"] <= found["high"] <= found["max"]
    assert found["warm_up"] > 0
    assert found["remarks"] == []


@pytest.mark.skipif(
    not __import__("pathlib").Path("/proc/self/clear_refs").exists(),
    reason="only Linux says what a process held at most",
)
def test_the_most_memory_that_was_held_is_that_of_the_block_alone():
    small = measure(lambda: torch.ones(8), "cpu", QUICK)["memory"]["resident"]
    large = measure(lambda: torch.ones(64 * 2**20).sum(), "cpu", QUICK)["memory"]["resident"]
    after = measure(lambda: torch.ones(8), "cpu", QUICK)["memory"]["resident"]
    assert large - small > 200 * 2**20
    assert after < large


def test_a_call_that_raises_in_a_later_round_raises_as_it_is():
    calls = []

    def seventh():
        calls.append(1)
        if len(calls) == 7:
            raise ZeroDivisionError("the seventh")
        return torch.ones(1)

    with pytest.raises(ZeroDivisionError, match="the seventh"):
        measure(seventh, "cpu", Effort(precision=-1, seconds=10, most=100))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (1, 2, "the output holds no tensor: that the work was done can't be seen by it"),
        (torch.ones(2), torch.tensor([1.0, float("nan")]), "values that are not finite"),
        (torch.ones(2), torch.zeros(2), "the output of the last round differs from that of"),
        (torch.ones(2), torch.ones(3), "the output of the last round differs from that of"),
        ([torch.ones(2)], [], "the output of the last round differs from that of"),
    ],
)
def test_outputs_that_speak_against_the_figures_are_told(first, last, said):
    assert any(said in each for each in remarks(first, last, "cpu"))


def test_an_output_that_moved_to_another_device_is_told():
    told = remarks(torch.ones(1), torch.ones(1, device="meta"), "cpu")
    assert "part of the output is not on cpu" in told


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float16, torch.complex64])
def test_equal_outputs_of_any_kind_say_nothing(dtype):
    assert remarks(torch.ones(3, dtype=dtype), torch.ones(3, dtype=dtype), "cpu") == []


def test_tensors_are_found_wherever_they_are_in_an_output():
    one, two = torch.ones(1), torch.ones(2)
    assert list(tensors({"a": [one, "text"], "b": (two, None)})) == [one, two]


def test_a_call_that_changes_its_input_is_told():
    x = torch.ones(4)
    assert "changes its input" in measure(lambda: x.mul_(0.9).clone(), "cpu", QUICK)["remarks"][0]


@on_a_gpu
def test_on_a_gpu_the_work_is_timed_and_not_its_launch():
    x = torch.randn(8192, 8192, device="cuda")
    found = measure(lambda: x @ x, "cuda")
    start = time.perf_counter()
    for _ in range(20):
        x @ x
    torch.cuda.synchronize()
    assert found["median"] == pytest.approx((time.perf_counter() - start) / 20, rel=0.1)
    assert found["launch"] < found["median"] / 10


@on_a_gpu
def test_on_a_gpu_a_small_call_is_shorter_as_a_graph_than_queued():
    x = torch.randn(16, device="cuda")
    found = measure(lambda: ((x + 1) * 2).relu().sum(), "cuda")
    assert found["graph"] <= found["median"]


@on_a_gpu
def test_on_a_gpu_what_waits_for_the_device_has_no_graph():
    x = torch.randn(16, device="cuda")
    with pytest.raises(RuntimeError):
        graph_of(lambda: x.sum().item(), "cuda")
    assert Cuda("cuda").event().elapsed_time


@pytest.mark.parametrize("kind", ["wall clock", "events"])
def test_what_a_call_gave_is_gone_before_the_next_begins(kind):
    class Output:
        pass

    kept = []

    def run():
        assert not kept or kept[-1]() is None
        output = Output()
        kept.append(weakref.ref(output))
        return output

    timer = WallClock(run) if kind == "wall clock" else Events(run, Queue())
    timer.take(3)
    assert len(kept) == 3
    assert timer.last is kept[-1]()


def test_the_memory_of_a_gpu_is_without_what_timing_takes_of_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 1_300)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 2_256)
    found = {}
    with memory.peak("cuda", found, but=256):
        pass
    assert found == {"allocated": 1_044, "reserved": 2_000}


def test_the_launch_is_that_of_a_call_behind_which_nothing_waits():
    device, full = Queue(), 0.05

    def run():
        # A queue that is full lets the CPU go on when the work before it is done.
        waits = device.done - device.cpu > Queue.FLUSH + Queue.LAUNCH
        device.cpu += full if waits else 0
        device.work(0.05)

    timer = Events(run, device, device.clock)
    timer.take(8)
    assert timer.calls == 8
    assert timer.launches == pytest.approx([Queue.LAUNCH])


def test_memory_is_looked_at_before_outputs_are_copied(monkeypatch):
    order = []

    @contextlib.contextmanager
    def peak(device, found, but):
        yield
        order.append("peak")

    def tensors(output):
        order.append("copied")
        return iter([])

    monkeypatch.setattr(measuring.memory, "peak", peak)
    monkeypatch.setattr(measuring, "tensors", tensors)
    measure(lambda: torch.ones(3), "cpu", QUICK)
    assert order[:2] == ["peak", "copied"]


def test_what_a_benchmark_on_a_gpu_took_is_without_what_overwrites_its_cache(monkeypatch):
    def graph_of(*_):
        raise RuntimeError

    device = Queue()
    device.own = 256
    monkeypatch.setattr(measuring, "Cuda", lambda _: device)
    monkeypatch.setattr(measuring, "name_of", lambda _: "a GPU")
    monkeypatch.setattr(measuring, "graph_of", graph_of)
    monkeypatch.setattr(measuring, "_current", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(memory, "give_back", lambda _: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 1_300)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 2_256)
    found = measure(lambda: device.work(0.05), "cuda", QUICK)
    assert found["memory"] == {"allocated": 1_044, "reserved": 2_000}
    assert (found["median"], found["graph"]) == (pytest.approx(0.05), None)
