"""Timing a forward pass, and its fingerprint."""

from __future__ import annotations

import itertools

import pytest

from pytest_torchcompat import forward

torch = pytest.importorskip("torch")


def test_equal_outputs_have_equal_fingerprints_and_others_do_not():
    values = torch.arange(12.0).reshape(3, 4)
    same, other = forward.fingerprint(values.clone()), forward.fingerprint(values + 1e-3)
    assert forward.fingerprint(values) == same
    assert same["projection"] != other["projection"]
    assert (same["shape"], same["dtype"]) == ([3, 4], "float32")
    assert same["norm"] == pytest.approx(float(values.norm()))


def test_the_projection_is_the_same_on_every_torch():
    """Measured on torch 2.5.1 and 2.15.0: parity compares figures across versions."""
    found = forward.fingerprint(torch.ones(4))["projection"][:2]
    assert found == pytest.approx([-0.18139545115539635, -0.6208722785839693], rel=1e-12)


def test_a_known_clock_gives_known_figures(monkeypatch):
    ticks = itertools.count(0, 0.25)
    monkeypatch.setattr(forward.time, "perf_counter", lambda: next(ticks))
    calls = []
    figures = forward.measure(lambda: calls.append(1), "cpu")
    # Half a second a clock pair would be 0.25 s a round: four rounds reach the second.
    assert figures == {
        "method": "perf_counter",
        "device": "cpu",
        "rounds": 4,
        "min": 0.25,
        "median": 0.25,
        "iqr": 0.0,
        "max": 0.25,
    }
    assert len(calls) == forward.WARM_UP + 4


def test_a_call_that_was_made_already_counts_as_warm_up(monkeypatch):
    ticks = itertools.count(0, 1)
    monkeypatch.setattr(forward.time, "perf_counter", lambda: next(ticks))
    calls = []
    assert forward.measure(lambda: calls.append(1), "cpu", warm_up=1)["rounds"] == 3
    assert len(calls) == 4


def test_a_gpu_is_waited_for_before_the_clock_is_read(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    assert forward.synchronised(lambda: 7, "cuda:0")() == 7
    assert waited == ["cuda:0"]


def test_no_gradients_are_recorded():
    assert forward.synchronised(torch.is_inference_mode_enabled, "cpu")() is True


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_on_a_gpu_the_work_is_timed_and_not_its_launch():
    x = torch.randn(8192, 8192, device="cuda")
    measured = forward.measure(lambda: x @ x, "cuda")["median"]
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(10):
        x @ x
    end.record()
    end.synchronize()
    assert measured == pytest.approx(start.elapsed_time(end) / 1e4, rel=0.2)


def test_a_missing_device_is_told_with_its_reason():
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(RuntimeError, match=r"device cuda:1 is not available: torch .* sees no GPU"):
        forward.device_of("cuda:1")
    assert forward.device_of("auto") == "cpu"
