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


@pytest.fixture
def card(monkeypatch):
    """A machine with one RTX 5080, and a torch that was built for some architectures."""

    def of(*built):
        for name, value in {
            "is_available": True,
            "device_count": 1,
            "get_device_capability": (12, 0),
            "get_device_name": "NVIDIA GeForce RTX 5080",
            "get_arch_list": list(built),
        }.items():
            monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)

    return of


def test_a_gpu_that_the_build_has_no_code_for_is_told_before_anything_runs(card):
    card("sm_80", "sm_90")
    said = (
        r"device cuda has no kernel image in torch \S+: NVIDIA GeForce RTX 5080 is sm_120, and this"
        r" build is for sm_80 sm_90\. Take a build for it, or --torchcompat-device=cpu\."
    )
    with pytest.raises(RuntimeError, match=said):
        forward.device_of("cuda")
    assert forward.device_of("auto") == "cpu"


def test_a_gpu_that_the_build_has_code_for_is_taken(card):
    card("sm_90", "compute_120")
    assert (forward.device_of("auto"), forward.device_of("cuda:0")) == ("cuda", "cuda:0")


def test_a_gpu_beyond_those_that_are_there_is_told_with_their_number(card):
    card("sm_120")
    with pytest.raises(
        RuntimeError, match=r"device cuda:3 is not available: torch \S+ sees 1 here"
    ):
        forward.device_of("cuda:3")
