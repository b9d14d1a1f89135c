"""Our figures inside pytest-benchmark: its table, its JSON and its comparison."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytest_torchcompat.plugin import benchmarks

pytest.importorskip("torch")
pytest.importorskip("pytest_benchmark")

TIMES = [0.5, 0.25, 0.25, 1.0]
FIGURES = {"method": "cuda events, cache flushed", "median": 0.375}
TOLD = f"""
from pytest_torchcompat.plugin.benchmarks import tell

def test_told(request):
    import torch
    tell(request, {FIGURES!r}, {TIMES!r})
"""


def saved(pytester, *arguments):
    pytester.makepyfile(TOLD)
    done = pytester.runpytest_subprocess("--benchmark-json=it.json", *arguments)
    done.assert_outcomes(passed=1)
    return done, json.loads((pytester.path / "it.json").read_text("utf-8"))


def test_a_clock_is_moved_by_the_time_of_each_round():
    replay, clock = benchmarks.replayed([0.5, 0.25], "cuda events, cache flushed")
    seen = [clock()]
    for _ in range(2):
        replay()
        seen.append(clock())
    assert seen == [0.0, 0.5, 0.75]
    assert clock.__name__ == "cuda_events_cache_flushed"


def test_its_json_holds_the_times_that_were_taken_and_the_method(pytester):
    _, data = saved(pytester)
    (found,) = data["benchmarks"]
    assert found["stats"]["data"] == TIMES
    assert found["stats"]["median"] == 0.375
    assert found["options"]["timer"].endswith("cuda_events_cache_flushed")
    assert found["extra_info"]["torchcompat"] == FIGURES


def test_its_table_has_them(pytester):
    done, _ = saved(pytester)
    done.stdout.fnmatch_lines(["*Median*", "test_told*375.0000*"])


def test_the_machine_is_described_by_its_torch_and_gpus(pytester):
    _, data = saved(pytester)
    machine = data["machine_info"]["torchcompat"]
    assert {"torch", "cuda", "cudnn", "gpus"} <= set(machine)


def test_a_suite_that_never_imports_torch_is_not_made_to(pytester):
    pytester.makepyfile("def test_plain(benchmark):\n    benchmark(int)\n")
    done = pytester.runpytest_subprocess("--benchmark-json=it.json")
    done.assert_outcomes(passed=1)
    data = json.loads((pytester.path / "it.json").read_text("utf-8"))
    assert "torchcompat" not in data["machine_info"]


def test_two_runs_compare(pytester):
    saved(pytester, "--benchmark-save=one")
    done = pytester.runpytest_subprocess("--benchmark-compare=0001")
    assert "test_told (0001_one)" in done.stdout.str()


def test_another_gpu_is_not_compared_with(pytester):
    saved(pytester, "--benchmark-save=one")
    (file,) = pytester.path.glob(".benchmarks/*/*.json")
    data = json.loads(file.read_text("utf-8"))
    data["machine_info"]["torchcompat"]["gpus"] = ["NVIDIA H200"]
    file.write_text(json.dumps(data), "utf-8")
    done = pytester.runpytest_subprocess("--benchmark-compare=0001")
    said = done.stdout.str() + done.stderr.str()
    assert (
        "torchcompat: the saved benchmarks are of NVIDIA H200, these of no GPU: such figures are"
        " not compared."
    ) in said
    assert done.ret != 0


def test_where_it_is_not_installed_nothing_is_told(pytester):
    pytester.makepyfile(TOLD)
    pytester.runpytest_subprocess("-p", "no:benchmark").assert_outcomes(passed=1)


FORWARD = """
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from pytest_torchcompat.timing import measuring
from pytest_torchcompat.timing.wall_clock import WallClock

pytestmark = pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
"""
ONE = (
    FORWARD
    + """
def test_speed(torchcompat_forward):
    torchcompat_forward(call=lambda: torch.ones(8), batch=2, dtype="float16")
"""
)


def forward(pytester, body, *arguments):
    pytester.makepyfile(body)
    return pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--torchcompat-edition=replica", "-rs"),
        *("--torchcompat-device=cpu", "--torchcompat-report=report.jsonl", *arguments),
        timeout=300,
    )


def checks(folder):
    lines = map(json.loads, (folder / "report.jsonl").read_text("utf-8").splitlines())
    return {line["test"].split("::")[1]: line for line in lines if line["kind"] == "check"}


def test_what_is_saved_has_its_sizes_and_compares_by_the_command_of_pytest_benchmark(pytester):
    for name in ("one", "two"):
        forward(pytester, ONE, f"--benchmark-save={name}").assert_outcomes(passed=1)
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "0001", "0002"]
    done = subprocess.run(
        command, cwd=pytester.path, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "test_speed (0001_one)" in done.stdout
    assert "test_speed (0002_two)" in done.stdout
    (file,) = pytester.path.glob(".benchmarks/*/0002*.json")
    (found,) = json.loads(file.read_text("utf-8"))["benchmarks"]
    figures = found["extra_info"]["torchcompat"]
    assert (figures["batch"], figures["dtype"]) == (2, "float16")
    assert figures["throughput"] == pytest.approx(2 / found["stats"]["median"])
    assert checks(pytester.path)["test_speed"]["benchmark"] == figures


@pytest.mark.parametrize(
    ("option", "ours", "plain"),
    [("--benchmark-only", "passed", "skipped"), ("--benchmark-skip", "skipped", "passed")],
)
def test_its_options_take_our_tests_for_benchmarks(pytester, option, ours, plain):
    result = forward(pytester, ONE + "\ndef test_plain(): pass\n", option, "-v")
    result.assert_outcomes(passed=1, skipped=1)
    assert f"test_speed {ours.upper()}" in result.stdout.str()
    assert f"test_plain {plain.upper()}" in result.stdout.str()
    assert ("Median" in result.stdout.str()) is (ours == "passed")


# Each names when its calls are made, and each starts when the other does. Calls of two lengths are
# never precise, so that both last as long as they may.
TWO = (
    FORWARD
    + """
@pytest.mark.parametrize("mode", ["r", "w"])
def test_speed(torchcompat_forward, mode):
    times = []
    def call():
        times.append(time.monotonic_ns())
        for _ in range(100 * (1 + 3 * (len(times) % 2))):
            torch.ones(64)
        times.append(time.monotonic_ns())
        return torch.ones(1)
    open(BARRIER, mode).close()  # until the other has it open as well
    figures = torchcompat_forward(call=call)
    assert figures["remarks"] == []
    Path(__file__).with_name(f"{mode}.txt").write_text(f"{times[0]} {times[-1]}")
"""
)


@pytest.mark.skipif(not hasattr(__import__("os"), "mkfifo"), reason="there is nothing to meet at")
def test_two_workers_benchmark_on_one_device_one_after_the_other(pytester):
    import os

    barrier = str(pytester.path / "barrier")
    os.mkfifo(barrier)
    result = forward(pytester, f"BARRIER = {barrier!r}\n{TWO}", "-n2")
    result.assert_outcomes(passed=2)
    assert "was not used at all" not in result.stdout.str()
    spans = sorted(
        tuple(map(int, (pytester.path / f"{mode}.txt").read_text().split())) for mode in "rw"
    )
    assert spans[0][1] < spans[1][0]


OWN = """
import torch
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica
from pathlib import Path

class Library:
    name, distribution = "mine", "pytest"  # a distribution that is surely installed
    def import_(self): pass
    def load(self, checkpoint, path):
        model = torch.nn.Linear(2, 2)
        model.load_state_dict(torch.load(path))
        return model
    def forward(self, checkpoint, model, device):
        return lambda: model(torch.ones(1, 2))

class Sized(Library):
    name = "sized"
    def forward(self, checkpoint, model, device, *, batch=1, dtype="float32"):
        from pytest_torchcompat.libraries.inputs import placed, repeated
        model = placed(model, device, dtype)
        x = repeated(torch.ones(1, 2), batch, dtype)
        return lambda: model(x)

def pytest_torchcompat_libraries(config):
    return [Library(), Sized()]

def pytest_torchcompat_checkpoints(config):
    path = Path(__file__).with_name("voice.pt")
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    from pytest_torchcompat.scan import scan_path
    replica = Replica(str(path), scan_path(path).sha256, "torch")
    return [Checkpoint(id=f"{each}/voice", library=each, why="ours", replica=replica)
            for each in ("mine", "sized")]
"""
SIZES = (
    FORWARD
    + """
@pytest.mark.torchcompat_checkpoint("sized/voice")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("batch", [1, 4])
def test_sizes(torchcompat_model, torchcompat_forward, batch, dtype):
    figures = torchcompat_forward(torchcompat_model, batch=batch, dtype=dtype)
    assert figures["throughput"] == pytest.approx(batch / figures["median"])
    assert {each.dtype for each in torchcompat_model.parameters()} == {torch.float32}

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_one_size(torchcompat_model, torchcompat_forward):
    torchcompat_forward(torchcompat_model)

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_no_other(torchcompat_model, torchcompat_forward):
    torchcompat_forward(torchcompat_model, batch=4)

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_unknown(torchcompat_model, torchcompat_forward):
    torchcompat_forward(torchcompat_model, dtype="float61")
"""
)


def test_a_library_is_timed_in_the_sizes_that_its_adapter_offers(pytester):
    pytester.makeconftest(OWN)
    result = forward(pytester, SIZES, "--benchmark-json=it.json")
    result.assert_outcomes(passed=5, failed=2)
    found = checks(pytester.path)
    sizes = {
        (found[name]["benchmark"]["batch"], found[name]["benchmark"]["dtype"])
        for name in found
        if name.startswith("test_sizes")
    }
    assert sizes == {(1, "float32"), (1, "bfloat16"), (4, "float32"), (4, "bfloat16")}
    told = result.stdout.str()
    assert (
        "torchcompat_forward: the adapter of mine has no forward pass with batch=4. Leave that out,"
        " or time a call of your own: torchcompat_forward(call=...) with the same words."
    ) in told
    assert "torchcompat_forward: 'float61' is not a known dtype. Choose one of: float32, " in told
    # That a test asks for what is not there says nothing about its checkpoint.
    assert {found["test_no_other"]["outcome"], found["test_unknown"]["outcome"]} == {"pass"}
    data = json.loads((pytester.path / "it.json").read_text("utf-8"))
    names = {each["name"] for each in data["benchmarks"]}
    assert {"test_sizes[1-float32]", "test_sizes[4-bfloat16]"} <= names


BAD = (
    FORWARD
    + """
X = torch.ones(4)
OOM = torch.cuda.OutOfMemoryError
FULL = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of"
    " which 5.12 GiB is free. Including non-PyTorch memory, this process has 70.99 GiB memory in"
    " use. Of the allocated memory 68.00 GiB is allocated by PyTorch."
)

class Backwards(WallClock):
    def __init__(self, run, threads):
        super().__init__(run, threads, iter(range(9, -9**9, -1)).__next__)

def raising(number, error):
    calls = []
    def call():
        calls.append(1)
        if len(calls) == number:
            raise error
        return torch.ones(len(calls) % 2 * 10**5)  # of two lengths, so that there are many
    return call

def test_no_tensor(torchcompat_forward):
    torchcompat_forward(call=lambda: 7)

def test_changes_input(torchcompat_forward):
    torchcompat_forward(call=lambda: X.mul_(0.5).clone())

def test_moves(torchcompat_forward):
    torchcompat_forward(call=lambda: torch.ones(1, device="meta"))

def test_not_finite(torchcompat_forward):
    torchcompat_forward(call=lambda: torch.full((2,), float("nan")))

def test_prints(torchcompat_forward):
    torchcompat_forward(call=lambda: print("NOISE") or torch.ones(1))

def test_gradients(torchcompat_forward):
    weight = torch.ones(2, requires_grad=True)
    torchcompat_forward(call=lambda: (weight * 2).sum().backward())

def test_seventh(torchcompat_forward):
    torchcompat_forward(call=raising(7, ZeroDivisionError("the seventh")))

def test_clock(torchcompat_forward, monkeypatch):
    monkeypatch.setattr(measuring, "WallClock", Backwards)
    torchcompat_forward(call=lambda: torch.ones(1))

def test_assertion(torchcompat_forward):
    error = RuntimeError("CUDA error: device-side assert triggered")
    torchcompat_forward(call=raising(5, error))

def test_gone(torchcompat_forward):
    error = RuntimeError("CUDA error: uncorrectable ECC error encountered")
    torchcompat_forward(call=raising(5, error))

def test_full(torchcompat_forward):
    torchcompat_forward(call=raising(2, OOM(FULL)))

def test_smaller(torchcompat_forward):
    with pytest.raises(OOM, match="20.00 GiB were asked for"):
        torchcompat_forward(call=raising(2, OOM(FULL)), batch=2)
    torchcompat_forward(call=lambda: torch.ones(1))
"""
)


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """What a suite of calls that can't be timed well says, and its records."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "test_bad.py").write_text(BAD, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rf", "-vv"]
    options = ("edition=replica", "device=cpu", "report=report.jsonl")
    done = subprocess.run(
        [*command, *(f"--torchcompat-{each}" for each in options)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    return done.stdout, checks(folder)


@pytest.mark.parametrize(
    ("test", "remark"),
    [
        ("no_tensor", "the output holds no tensor: that the work was done can't be seen by it"),
        ("changes_input", "the output of the last round differs from that of the first: "),
        ("moves", "part of the output is not on cpu"),
        ("not_finite", "the output holds values that are not finite"),
    ],
)
def test_what_speaks_against_figures_is_in_the_record_and_told(bad, test, remark):
    printed, records = bad
    record = records[f"test_{test}"]
    assert record["outcome"] == "pass"
    assert any(each.startswith(remark) for each in record["benchmark"]["remarks"])
    assert f"    but {remark}" in printed


def test_what_a_call_prints_is_captured(bad):
    printed, records = bad
    assert records["test_prints"]["benchmark"]["remarks"] == []
    assert "NOISE" not in printed


@pytest.mark.parametrize(
    ("test", "outcome", "said"),
    [
        ("gradients", "fail", "a benchmark records no gradients: what needs them goes into a"),
        ("seventh", "fail", "the seventh (in call 7 of the benchmark)"),
        ("clock", "infra", "the clock of perf_counter, 1 thread went backwards during a round; "),
        ("assertion", "fail", "CUDA error: device-side assert triggered (in call 5 of the "),
        ("gone", "infra", "the GPU failed, whatever ran on it (uncorrectable ECC error). Look at"),
        (
            "full",
            "infra",
            "CUDA out of memory. 20.00 GiB were asked for; 5.12 GiB of the 79.11 GiB of GPU 0 were"
            " free; this process held 70.99 GiB. Take a smaller batch or dtype, or a GPU that"
            " nothing else runs on.",
        ),
    ],
)
def test_what_ends_a_benchmark_fails_its_test_with_a_sentence(bad, test, outcome, said):
    printed, records = bad
    record = records[f"test_{test}"]
    assert (record["outcome"], record["stage"]) == (outcome, "forward")
    assert record["benchmark"] is None
    assert said in record["message"]
    assert said in printed


def test_a_clock_that_goes_backwards_is_told_without_a_traceback(bad):
    printed, _ = bad
    section = printed.split(" test_clock ")[1].split(" test_assertion ")[0]
    assert section.splitlines()[1].startswith("infra: the clock of perf_counter, 1 thread went ")
    assert ".py" not in section


def test_a_smaller_batch_after_one_that_was_too_large_is_what_counts(bad):
    _, records = bad
    record = records["test_smaller"]
    assert (record["outcome"], record["message"]) == ("pass", None)
    assert record["benchmark"]["batch"] == 1
