"""Where a forward pass runs, and its fingerprint."""

from __future__ import annotations

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


def test_a_gpu_is_waited_for_before_the_clock_is_read(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    assert forward.synchronised(lambda: 7, "cuda:0")() == 7
    assert waited == ["cuda:0"]


def test_no_gradients_are_recorded():
    assert forward.synchronised(torch.is_inference_mode_enabled, "cpu")() is True


def test_a_missing_device_is_told_with_its_reason():
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(RuntimeError, match=r"device cuda:1 is not available: torch .* sees no GPU"):
        forward.device_of("cuda:1")
    assert forward.device_of("auto") == "cpu"
