"""Calls that can't be timed, or whose figures are not what they seem."""

from __future__ import annotations

import gc
import weakref

import pytest

torch = pytest.importorskip("torch")

from fake_device import Queue  # noqa: E402

from pytest_torchcompat import machine  # noqa: E402
from pytest_torchcompat.attempt import Attempt, Check, record_of  # noqa: E402
from pytest_torchcompat.checkpoints.catalogue import CheckpointFile, Edition  # noqa: E402
from pytest_torchcompat.checkpoints.rows import catalogue  # noqa: E402
from pytest_torchcompat.isolation import Returned  # noqa: E402
from pytest_torchcompat.libraries.plain import PlainTorch  # noqa: E402
from pytest_torchcompat.outcome import Outcome, Stage  # noqa: E402
from pytest_torchcompat.policies import Policy  # noqa: E402
from pytest_torchcompat.timing import ClockError, Effort, measure  # noqa: E402
from pytest_torchcompat.timing import memory as held  # noqa: E402
from pytest_torchcompat.timing.device import Events  # noqa: E402
from pytest_torchcompat.timing.faults import told  # noqa: E402
from pytest_torchcompat.timing.measuring import remarks  # noqa: E402
from pytest_torchcompat.timing.wall_clock import WallClock  # noqa: E402

LONG = Effort(precision=-1, seconds=1e9, most=100)
QUICK = Effort(seconds=0.05)
# As torch 2.13, 2.1 and 1.13 write it, with the sizes of others.
NEW = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of"
    " which 5.12 GiB is free. Process 7 has 3.00 GiB memory in use. Including non-PyTorch memory,"
    " this process has 70.99 GiB memory in use. Of the allocated memory 68.00 GiB is allocated by"
    " PyTorch, and 1.20 GiB is reserved by PyTorch but unallocated."
)
MIDDLE = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 1 has a total capacty of 7.79 GiB of"
    " which 8.50 MiB is free. Of the allocated memory 7.00 GiB is allocated by PyTorch, and"
    " 100.00 MiB is reserved by PyTorch but unallocated."
)
OLD = (
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 11.17 GiB total capacity; 10.71 GiB"
    " already allocated; 5.44 MiB free; 10.82 GiB reserved in total by PyTorch)"
)
ADVICE = "Take a smaller batch or dtype, or a GPU that nothing else runs on."


def failing_in(number, error):
    """Return a call that raises at its so manieth time."""
    calls = []

    def call():
        calls.append(1)
        if len(calls) == number:
            raise error
        return torch.ones(1)

    return call


def test_an_error_says_in_which_call_it_was_raised_and_stays_what_it_is():
    with pytest.raises(ZeroDivisionError) as raised:
        measure(failing_in(7, ZeroDivisionError("the seventh\nand more")), "cpu", LONG)
    assert str(raised.value) == "the seventh (in call 7 of the benchmark)\nand more"


def test_the_first_call_that_fails_is_told_as_it_is():
    with pytest.raises(ZeroDivisionError) as raised:
        measure(failing_in(1, ZeroDivisionError("at once")), "cpu", LONG)
    assert str(raised.value) == "at once"


def test_an_error_without_a_message_stays_without_one():
    with pytest.raises(ValueError, match=r"^$"):
        measure(failing_in(2, ValueError()), "cpu", LONG)


def test_what_a_gpu_reports_may_be_of_a_call_before():
    timer = Events(lambda: None, device=None)
    timer.calls = 6
    with pytest.raises(RuntimeError) as raised, told(timer):
        raise RuntimeError("CUDA error: device-side assert triggered")
    assert str(raised.value) == (
        "CUDA error: device-side assert triggered (in call 7 of the benchmark or an earlier one)"
    )


def test_a_call_that_needs_gradients_is_told_how_it_gets_them():
    weight = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError) as raised:
        measure(lambda: (weight * 2).sum().backward(), "cpu", QUICK)
    assert (
        "(a benchmark records no gradients: what needs them goes into a block of"
        " torch.inference_mode(False))"
    ) in str(raised.value)


def test_and_so_it_gets_them():
    weight = torch.ones(2, requires_grad=True)

    def call():
        with torch.inference_mode(False):
            return torch.autograd.grad((weight * weight).sum(), weight)[0]

    assert measure(call, "cpu", QUICK)["remarks"] == []


def test_a_call_that_raises_leaves_nothing_of_its_output_behind():
    outputs = []

    def call():
        if len(outputs) == 4:
            raise ZeroDivisionError
        output = torch.ones(8)
        outputs.append(weakref.ref(output))
        return output

    with pytest.raises(ZeroDivisionError) as raised:
        measure(call, "cpu", LONG)
    assert raised.value.__traceback__ is not None
    gc.collect()
    assert [each() for each in outputs] == [None] * 4


def test_memory_that_ran_out_is_given_back_with_what_the_error_holds():
    taken = []

    def call():
        large = torch.ones(8)
        taken.append(weakref.ref(large))
        raise torch.cuda.OutOfMemoryError(NEW)

    with pytest.raises(torch.cuda.OutOfMemoryError) as raised:
        measure(call, "cpu", LONG)
    assert raised.value.__traceback__ is not None
    assert [each() for each in taken] == [None]


def test_a_gpu_that_can_not_give_back_does_not_hide_why(monkeypatch):
    def fails(_):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(held, "give_back", fails)
    with pytest.raises(ZeroDivisionError), held.given_back("cuda"):
        raise ZeroDivisionError


def test_what_is_free_of_a_gpu_is_asked_of_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1, 2))
    assert held.free("cuda:1") == (1, 2)
    assert held.free("cpu") is None


def test_and_not_known_where_it_does_not_answer(monkeypatch):
    def fails(_):
        raise RuntimeError

    monkeypatch.setattr(torch.cuda, "mem_get_info", fails)
    assert held.free("cuda") is None


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        (
            NEW,
            "20.00 GiB were asked for; 5.12 GiB of the 79.11 GiB of GPU 0 were free; this"
            " process held 70.99 GiB.",
        ),
        (
            MIDDLE,
            "20.00 MiB were asked for; 8.50 MiB of the 7.79 GiB of GPU 1 were free; this"
            " process held 7.00 GiB.",
        ),
        (
            OLD,
            "2.00 GiB were asked for; 5.44 MiB of the 11.17 GiB of GPU 0 were free; this"
            " process held 10.71 GiB.",
        ),
        ("CUDA error: out of memory", "torch gives no sizes."),
    ],
)
def test_out_of_memory_is_told_with_the_sizes(words, sizes):
    assert machine.fault(words, "cuda") == f"CUDA out of memory. {sizes} {ADVICE}"


def test_sizes_that_torch_does_not_say_the_gpu_does():
    assert machine.fault("CUDA error: out of memory", "cuda", (2**20, 2**33)) == (
        f"CUDA out of memory. 1 MiB of the 8 GiB of the GPU are free. {ADVICE}"
    )


def test_another_makers_gpu_is_called_by_its_name():
    found = machine.fault("torch.OutOfMemoryError: HIP out of memory. Tried to", "cuda")
    assert found.startswith("HIP out of memory. ")


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: uncorrectable ECC error encountered",
        "CUDA error: uncorrectable NVLink error detected during the execution",
        "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot",
        "GPU 0000:01:00.0: GPU has fallen off the bus.",
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
        "CUDA error: all CUDA-capable devices are busy or unavailable",
        "CUDA error: no CUDA-capable device is detected",
    ],
)
def test_a_gpu_that_is_gone_is_the_machines_fault(words):
    found = machine.fault(words, "cuda:0")
    assert found.startswith("the GPU failed, whatever ran on it (")
    assert found.endswith("). Look at nvidia-smi, and run again when it works or on another.")


@pytest.mark.parametrize(
    ("words", "device"),
    [
        ("CUDA error: device-side assert triggered", "cuda"),
        ("CUDA error: unspecified launch failure", "cuda"),
        ("CUDA error: an illegal memory access was encountered", "cuda"),
        ("CUDA error: no CUDA-capable device is detected", "cpu"),
        ("No CUDA GPUs are available", "cpu"),
        ("MemoryError: ", "cpu"),
        ("not enough memory: you tried to allocate 1024 bytes", "cpu"),
    ],
)
def test_what_may_be_the_models_fault_is_no_fault_of_the_machine(words, device):
    assert machine.fault(words, device) is None


def recorded(tmp_path, exception, message, device="cuda"):
    row = catalogue().get("rvc/hubert-base")
    file = CheckpointFile(row, tmp_path / "model.pt", Edition.REPLICA, "a1")
    found = Attempt(Stage.FORWARD, exception, message, (f"{exception}: {message}",), device=device)
    return record_of(Check(file, Policy.STRICT, PlainTorch()), Returned(found, ""))


@pytest.mark.parametrize(
    ("exception", "message", "said"),
    [
        (
            "torch.OutOfMemoryError",
            NEW,
            "CUDA out of memory. 20.00 GiB were asked for; 5.12 GiB of ",
        ),
        ("RuntimeError", "CUDA error: uncorrectable ECC error encountered", "the GPU failed, "),
        (
            "pytest_torchcompat.timing.sampling.ClockError",
            "the clock of it went backwards during a round; there is no figure. Measure again",
            "the clock of it went backwards during a round; there is no figure. Measure again",
        ),
    ],
)
def test_in_a_sweep_the_machines_fault_is_infra_with_no_limit_given(
    tmp_path, exception, message, said
):
    record = recorded(tmp_path, exception, message)
    assert record.outcome is Outcome.INFRA
    assert record.message.startswith(said)


def test_an_assertion_on_the_gpu_is_the_models_failure(tmp_path):
    record = recorded(tmp_path, "RuntimeError", "CUDA error: device-side assert triggered")
    assert record.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "words",
    [
        "AttributeError: module 'torch' has no attribute 'OutOfMemoryError'",
        "ImportError: cannot import name 'OutOfMemoryError' from 'torch'",
    ],
)
def test_an_error_that_names_the_error_is_not_that_error(words):
    assert machine.fault(words, "cpu") is None
    assert not machine.ran_out(words)


@pytest.mark.parametrize(
    "words", ["OutOfMemoryError", "load failed\ntorch.cuda.OutOfMemoryError: no memory"]
)
def test_the_error_itself_is_known_by_its_name_at_the_start_of_a_line(words):
    assert machine.ran_out(words)
    assert machine.fault(words, "cuda").startswith("CUDA out of memory. torch gives no sizes.")


def test_an_output_that_can_not_be_looked_at_fails_nothing():
    class Odd(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            if function is torch.isfinite:
                message = "not implemented for this layout"
                raise NotImplementedError(message)
            return super().__torch_function__(function, types, args, kwargs or {})

    odd = torch.ones(3).as_subclass(Odd)
    assert remarks([odd], [odd], "cpu") == [
        "the output can't be looked at: not implemented for this layout"
    ]


@pytest.mark.parametrize("kind", ["wall clock", "events"])
@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("odd"),
        RuntimeError("CUDA error: assert"),
        ClockError("went backwards"),
        KeyboardInterrupt(),
    ],
)
def test_an_error_between_two_calls_leaves_nothing_of_the_last_output(kind, error):
    def call():
        return torch.ones(8)

    timer = WallClock(call) if kind == "wall clock" else Events(call, Queue())
    timer.take(1)
    assert timer.last is not None
    with pytest.raises(type(error)), told(timer):
        raise error
    assert timer.last is None
