"""
Our figures on a GPU beside those of triton, of torch and of plain pytest-benchmark.

``pytest tests/timing/test_on_gpu.py`` takes some minutes on a machine with a GPU that nothing else
uses, and skips with the reason on another.

Two peers time two things. triton's do_bench empties the cache before each call and reads events
around it, as we do, and is compared with our figure as a user gets it. torch.utils.benchmark leaves
the cache as it is and reads a clock of the CPU around a block of calls, so that a launch goes on
while the device computes: a call whose inputs stay in the cache, or whose launches another one's
work hides, is shorter by it, and neither is wrong. So it is compared with our own loop with the
flush left out, where nothing but the loops differ.
"""

from __future__ import annotations

import json
from pathlib import Path

import peers
import pytest

torch = pytest.importorskip("torch")

import reference_models  # noqa: E402

from pytest_torchcompat import machine  # noqa: E402
from pytest_torchcompat.forward import device_of  # noqa: E402
from pytest_torchcompat.timing import Effort, measure, memory  # noqa: E402

DEVICE = "cuda:0"
WITHIN = 0.02
SECONDS, TRIES = 0.3, 4
CEILING = 0.95  # of what a bare loop of launches between two events reaches


def missing():
    """Return why nothing can run on a GPU here; nothing where it can."""
    try:
        device_of(DEVICE)
    except RuntimeError as error:
        return str(error)
    return ""


WHY = missing()
pytestmark = [
    pytest.mark.skipif(bool(WHY), reason=WHY or "there is a GPU"),
    pytest.mark.filterwarnings("default"),  # a peer's warning is no error of ours
]


def ours(run, device, seconds):
    return measure(run, device, Effort(precision=0.005, seconds=seconds))["median"]


def assert_alike(one, other):
    """
    Take two ways in turns until they agree, a few times at most.

    A GPU lowers its clocks when it gets warm, and raises them again: both ways are taken within a
    second of each other, and a pair that such a step came between says nothing.
    """
    found = []
    for number in range(TRIES):
        if number % 2:
            second, first = other(), one()
        else:
            first, second = one(), other()
        found.append(first / second)
        if abs(found[-1] - 1) <= WITHIN:
            return
    pytest.fail(f"ours over the peer's, turn by turn: {found}")


@pytest.fixture(params=["speech", "detector"])
def model(request):
    return getattr(reference_models, request.param)


@pytest.fixture(params=["fp32", "fp16", "bf16"])
def dtype(request):
    return reference_models.DTYPES[request.param]


@pytest.fixture(params=[1, 32], ids=["batch 1", "batch 32"])
def batch(request):
    return request.param


@pytest.fixture
def run(model, dtype, batch):
    yield model(DEVICE, dtype, batch)
    memory.give_back(DEVICE)


@pytest.fixture
def matmul():
    """A call that one kernel of the device is busy with: 8192 cubed, in bfloat16."""
    a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.matmul(a, b, out=out)


def test_a_median_is_that_of_tritons_do_bench(run):
    pytest.importorskip("triton.testing")
    assert_alike(
        lambda: ours(run, DEVICE, SECONDS),
        lambda: peers.tritons_do_bench(run, SECONDS),
    )


def test_a_median_without_the_flush_is_that_of_torchs_timer(run):
    assert_alike(
        lambda: peers.unflushed(run, DEVICE, SECONDS),
        lambda: peers.torchs_timer(run, SECONDS),
    )


def test_plain_pytest_benchmark_tells_the_launch_of_what_we_tell_the_work(matmul, pytester):
    pytest.importorskip("pytest_benchmark")
    # A queue has room for a thousand launches: in a few rounds the CPU never waits for the device.
    pytester.makepyfile(
        "import torch\n"
        "def test_matmul(benchmark):\n"
        f"    a = torch.randn(8192, 8192, device={DEVICE!r}, dtype=torch.bfloat16)\n"
        "    torch.cuda.synchronize()\n"
        "    benchmark.pedantic(lambda: a @ a, rounds=20, warmup_rounds=5)\n"
    )
    words = ("-p", "no:torchcompat", "--benchmark-json=it.json")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    (theirs,) = json.loads(Path(pytester.path, "it.json").read_text("utf-8"))["benchmarks"]
    assert theirs["stats"]["median"] < ours(matmul, DEVICE, SECONDS) / 10


def test_nothing_of_what_the_chip_reaches_is_lost_in_our_loop(matmul):
    found = []
    for _ in range(TRIES):  # between two readings its clocks may change
        ceiling = peers.events_alone(matmul, DEVICE, rounds=50)
        found.append(ceiling / ours(matmul, DEVICE, SECONDS))
        if found[-1] >= CEILING:
            return
    pytest.fail(f"of the speed of a bare loop our rounds have {found}")


def test_a_model_of_many_small_kernels_is_no_slower_as_a_graph():
    run = reference_models.detector(DEVICE, torch.float16, 1)
    found = measure(run, DEVICE)
    assert found["graph"] <= found["median"]
    assert found["launch"] > 0


def test_a_call_that_needs_more_memory_than_there_is_gets_the_sizes():
    free, total = torch.cuda.mem_get_info(DEVICE)
    with pytest.raises(torch.cuda.OutOfMemoryError) as caught:
        measure(lambda: torch.empty(2 * total, dtype=torch.int8, device=DEVICE), DEVICE)
    said = machine.fault(f"OutOfMemoryError: {caught.value}", DEVICE, (free, total))
    assert said.startswith("CUDA out of memory. ")
    assert "were asked for" in said
    assert "free" in said


def test_what_a_benchmark_held_is_given_back():
    # What cuDNN keeps for itself from its first call on is of no benchmark.
    reference_models.detector(DEVICE, torch.float16, 32)()
    memory.give_back(DEVICE)
    before = torch.cuda.memory_allocated(DEVICE), torch.cuda.memory_reserved(DEVICE)
    run = reference_models.detector(DEVICE, torch.float16, 32)
    with_model = torch.cuda.memory_allocated(DEVICE)
    measure(run, DEVICE, Effort(seconds=SECONDS))
    assert torch.cuda.memory_allocated(DEVICE) <= with_model
    del run
    memory.give_back(DEVICE)
    after = torch.cuda.memory_allocated(DEVICE), torch.cuda.memory_reserved(DEVICE)
    assert after <= before


def test_the_memory_of_a_call_is_what_it_holds_at_its_peak():
    size = 2**30
    found = measure(lambda: torch.empty(size, dtype=torch.int8, device=DEVICE).sum(), DEVICE)
    assert found["memory"]["allocated"] >= size
