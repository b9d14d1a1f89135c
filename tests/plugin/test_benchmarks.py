"""Our figures inside pytest-benchmark: its table, its JSON and its comparison."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from pytest_torchcompat.plugin import benchmarks
from pytest_torchcompat.plugin.telling import duration, timing_lines

pytest.importorskip("torch")
pytest.importorskip("pytest_benchmark")

TIMES = [0.5, 0.25, 0.25, 1.0]
FIGURES = {"method": "cuda events, cache flushed", "median": 0.375}
TOLD = f"""
import pytest
from pytest_torchcompat.plugin.benchmarks import tell

def test_told(request):
    import torch
    tell(request, {FIGURES!r}, {TIMES!r})
"""
GROUPED = (
    TOLD
    + """
@pytest.mark.benchmark(group="of the test")
def test_of_the_test(request):
    test_told(request)

@pytest.mark.benchmark(group="of the class")
class TestClass:
    def test_of_the_class(self, request):
        test_told(request)

    @pytest.mark.benchmark(group="of the method")
    def test_of_the_method(self, request):
        test_told(request)
"""
)
MODULE = """
import pytest
from test_it import test_told as told

pytestmark = pytest.mark.benchmark(group="of the module")

def test_of_the_module(request):
    told(request)
"""


def run(folder, *arguments):
    """Run a folder's suite in a process of its own, which is no worker."""
    outer = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in outer},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def saved_in(folder):
    return json.loads((folder / "it.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder of a suite that was run and saved, and what it said."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "test_it.py").write_text(GROUPED, "utf-8")
    (folder / "test_module.py").write_text(MODULE, "utf-8")
    done = run(folder, "--benchmark-json=it.json", "--benchmark-save=one")
    assert "5 passed" in done.stdout, done.stdout
    return folder, done.stdout


@pytest.fixture
def compared(told, pytester):
    """Return a function that runs the test again, and compares with a copy of what was saved."""
    shutil.copytree(told[0] / ".benchmarks", pytester.path / ".benchmarks")
    pytester.makepyfile(test_it=TOLD)
    return lambda: pytester.runpytest_inprocess("--benchmark-compare=0001")


def test_a_clock_is_moved_by_the_time_of_each_round():
    replay, clock = benchmarks.replayed([0.5, 0.25], "cuda events, cache flushed")
    seen = [clock()]
    for _ in range(2):
        replay()
        seen.append(clock())
    assert seen == [0.0, 0.5, 0.75]
    assert clock.__name__ == "cuda_events_cache_flushed"


def test_its_json_holds_the_times_that_were_taken_and_the_method(told):
    (found,) = (each for each in saved_in(told[0])["benchmarks"] if each["name"] == "test_told")
    assert found["stats"]["data"] == TIMES
    assert found["stats"]["median"] == 0.375
    assert found["options"]["timer"].endswith("cuda_events_cache_flushed")
    assert found["extra_info"]["torchcompat"] == FIGURES


def test_the_group_that_a_mark_names_is_kept_with_the_times_that_were_taken(told):
    found = {each["name"]: each for each in saved_in(told[0])["benchmarks"]}
    assert {name: each["group"] for name, each in found.items()} == {
        "test_told": None,
        "test_of_the_test": "of the test",
        "test_of_the_class": "of the class",
        "test_of_the_method": "of the method",
        "test_of_the_module": "of the module",
    }
    assert [each["stats"]["data"] for each in found.values()] == [TIMES] * 5


def test_its_table_has_them(told):
    pytest.LineMatcher(told[1].splitlines()).fnmatch_lines(["*Median*", "test_told*375.0000*"])


def test_the_machine_is_described_by_its_torch_and_gpus(told):
    machine = saved_in(told[0])["machine_info"]["torchcompat"]
    assert {"torch", "cuda", "cudnn", "gpus"} <= set(machine)


def test_it_is_found_where_it_is_named_as_a_module(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile("import torch\n\ndef test_plain(benchmark): benchmark.pedantic(int)")
    words = ("-p", "pytest_benchmark.plugin", "-p", "pytest_torchcompat.plugin")
    pytester.runpytest_subprocess(*words, "--benchmark-json=it.json").assert_outcomes(passed=1)
    found = json.loads((pytester.path / "it.json").read_text("utf-8"))
    assert "torchcompat" in found["machine_info"]


def test_a_suite_that_never_imports_torch_is_not_made_to(pytester):
    pytester.makepyfile("def test_plain(benchmark):\n    benchmark(int)\n")
    done = pytester.runpytest_subprocess("--benchmark-json=it.json")
    done.assert_outcomes(passed=1)
    data = json.loads((pytester.path / "it.json").read_text("utf-8"))
    assert "torchcompat" not in data["machine_info"]


def test_two_runs_compare(compared):
    assert "test_told (0001_one)" in compared().stdout.str()


def test_another_gpu_is_not_compared_with(pytester, compared):
    (file,) = pytester.path.glob(".benchmarks/*/*.json")
    data = json.loads(file.read_text("utf-8"))
    data["machine_info"]["torchcompat"]["gpus"] = ["NVIDIA H200"]
    file.write_text(json.dumps(data), "utf-8")
    done = compared()
    said = done.stdout.str() + done.stderr.str()
    assert (
        "torchcompat: the saved benchmarks are of NVIDIA H200, these of no GPU: such figures are"
        " not compared."
    ) in said
    assert done.ret != 0


def test_where_it_is_not_installed_nothing_is_told(pytester):
    pytester.makepyfile(TOLD)
    pytester.runpytest_inprocess("-p", "no:benchmark").assert_outcomes(passed=1)


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
ONE = """
import pytest

@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
def test_speed(torchcompat_forward):
    def call():
        import torch
        return torch.ones(8)
    torchcompat_forward(call=call, batch=2, dtype="float16")

def test_plain():
    pass
"""
EFFORT = """
import functools
from pytest_torchcompat.timing import measuring

measuring.Effort = functools.partial(measuring.Effort, precision=0, seconds=0.3, most={most})
"""
QUICK = EFFORT.format(most=60)
OPTIONS = (
    *("-p", "no:cacheprovider", "--torchcompat-edition=replica", "-rs"),
    *("--torchcompat-device=cpu", "--torchcompat-report=report.jsonl"),
)


def checks(folder):
    lines = map(json.loads, (folder / "report.jsonl").read_text("utf-8").splitlines())
    return {line["test"].split("::")[1]: line for line in lines if line["kind"] == "check"}


@pytest.fixture(scope="module")
def only(tmp_path_factory):
    """The folder of a suite whose benchmarks alone were run and saved, and what it said."""
    folder = tmp_path_factory.mktemp("only")
    (folder / "test_it.py").write_text(ONE, "utf-8")
    (folder / "conftest.py").write_text(QUICK, "utf-8")
    return folder, run(folder, *OPTIONS, "--benchmark-only", "--benchmark-save=one", "-v").stdout


def test_what_is_saved_has_its_sizes_and_compares_by_the_command_of_pytest_benchmark(
    only, tmp_path
):
    folder = tmp_path / "it"
    shutil.copytree(only[0], folder)
    (folder / "report.jsonl").unlink()
    assert "2 passed" in run(folder, *OPTIONS, "--benchmark-save=two").stdout
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "0001", "0002"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "test_speed (0001_one)" in done.stdout
    assert "test_speed (0002_two)" in done.stdout
    (file,) = folder.glob(".benchmarks/*/0002*.json")
    (found,) = json.loads(file.read_text("utf-8"))["benchmarks"]
    figures = found["extra_info"]["torchcompat"]
    assert (figures["batch"], figures["dtype"]) == (2, "float16")
    assert figures["throughput"] == pytest.approx(2 / found["stats"]["median"])
    assert checks(folder)["test_speed"]["benchmark"] == figures


def test_its_option_for_benchmarks_alone_takes_our_tests_for_such(only):
    _, printed = only
    assert "1 passed, 1 skipped" in printed
    assert "test_speed PASSED" in printed
    assert "test_plain SKIPPED" in printed
    assert "Median" in printed


def test_its_option_against_benchmarks_takes_our_tests_for_such(pytester):
    pytester.makepyfile(ONE)
    result = pytester.runpytest_inprocess(*OPTIONS, "--benchmark-skip", "-v")
    result.assert_outcomes(passed=1, skipped=1)
    assert "test_speed SKIPPED" in result.stdout.str()
    assert "test_plain PASSED" in result.stdout.str()
    assert "Median" not in result.stdout.str()


# Each names when its calls are made, and each starts when the other does. None is ever precise, so
# that both last as long as they may.
TWO = (
    FORWARD
    + """
@pytest.mark.parametrize("mode", ["r", "w"])
def test_speed(torchcompat_forward, mode):
    times = []
    def call():
        times.append(time.monotonic_ns())
        for _ in range(100):
            torch.ones(64)
        times.append(time.monotonic_ns())
        return torch.ones(1)
    open(BARRIER, mode).close()  # until the other has it open as well
    figures = torchcompat_forward(call=call)
    assert figures["remarks"] == []
    Path(__file__).with_name(f"{mode}.txt").write_text(f"{times[0]} {times[-1]}")
"""
)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there is nothing to meet at")
def test_two_workers_benchmark_on_one_device_one_after_the_other(pytester):
    barrier = str(pytester.path / "barrier")
    os.mkfifo(barrier)
    pytester.makeconftest(EFFORT.format(most=10**9))
    pytester.makepyfile(f"BARRIER = {barrier!r}\n{TWO}")
    result = pytester.runpytest_subprocess(*OPTIONS, "-n2", timeout=300)
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

class Named(Library):
    name = "named"
    def load(self, checkpoint, path): return "a voice"
    def forward(self, checkpoint, model, device):
        return lambda: torch.ones(len(model))

def pytest_torchcompat_libraries(config):
    return [Library(), Sized(), Named()]

def pytest_torchcompat_checkpoints(config):
    path = Path(__file__).with_name("voice.pt")
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    from pytest_torchcompat.scan import scan_path
    replica = Replica(str(path), scan_path(path).sha256, "torch")
    return [Checkpoint(id=f"{each}/voice", library=each, why="ours", replica=replica)
            for each in ("mine", "sized", "named")]
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

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_two(torchcompat_forward):
    calls = [torchcompat_forward(call=lambda: torch.ones(1), batch=each) for each in (2, 3)]
    assert [figures["batch"] for figures in calls] == [2, 3]

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_numpys(torchcompat_forward):
    batch = pytest.importorskip("numpy").int64(1)
    assert type(torchcompat_forward(call=lambda: torch.ones(1), batch=batch)["batch"]) is int

@pytest.mark.torchcompat_checkpoint("named/voice")
def test_text_that_was_loaded(torchcompat_model, torchcompat_forward):
    torchcompat_forward(torchcompat_model)

@pytest.mark.torchcompat_checkpoint("named/voice")
def test_text_of_the_file(torchcompat_checkpoint, torchcompat_forward):
    torchcompat_forward(str(torchcompat_checkpoint.path))

@pytest.mark.torchcompat_checkpoint("mine/voice")
@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((None,), {}), (("hubert",), {}), ((), {"call": 3}), ((7,), {"call": list})],
    ids=["nothing", "none", "text", "number", "both"],
)
def test_wrong(torchcompat_forward, given, named):
    torchcompat_forward(*given, **named)

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_wrong_after_loading(torchcompat_model, torchcompat_forward):
    torchcompat_forward(torchcompat_model, call=list)

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_keyword(torchcompat_forward):
    torchcompat_forward(call=list, size=4)
"""
)


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """What a suite with libraries of its own says, its records, and its benchmarks."""
    folder = tmp_path_factory.mktemp("sizes")
    (folder / "conftest.py").write_text(QUICK + OWN, "utf-8")
    (folder / "test_sizes.py").write_text(SIZES, "utf-8")
    printed = run(folder, *OPTIONS, "--benchmark-json=it.json", "-rf").stdout
    return printed, checks(folder), saved_in(folder)["benchmarks"]


def test_a_library_is_timed_in_the_sizes_that_its_adapter_offers(sizes):
    told, found, benchmarks = sizes
    assert "9 failed, 9 passed" in told
    seen = {
        (found[name]["benchmark"]["batch"], found[name]["benchmark"]["dtype"])
        for name in found
        if name.startswith("test_sizes")
    }
    assert seen == {(1, "float32"), (1, "bfloat16"), (4, "float32"), (4, "bfloat16")}
    assert (
        "torchcompat_forward: the adapter of mine has no forward pass with batch=4. Leave that out,"
        " or time a call of your own: torchcompat_forward(call=...) with the same words."
    ) in told
    assert "torchcompat_forward: 'float61' is not a known dtype. Choose one of: float32, " in told
    # That a test asks for what is not there says nothing about its checkpoint.
    assert {found["test_no_other"]["outcome"], found["test_unknown"]["outcome"]} == {"pass"}
    names = {each["name"] for each in benchmarks}
    assert {"test_sizes[1-float32]", "test_sizes[4-bfloat16]"} <= names


def test_of_two_benchmarks_in_one_test_all_have_the_first(sizes):
    told, found, benchmarks = sizes
    (saved,) = (each for each in benchmarks if each["name"] == "test_two")
    assert found["test_two"]["benchmark"]["batch"] == 2
    assert saved["extra_info"]["torchcompat"] == found["test_two"]["benchmark"]
    assert "forward, batch 2, float32, on cpu: " in told
    assert "forward, batch 3, " not in told


def test_a_batch_of_numpys_becomes_a_number_that_a_record_holds(sizes):
    pytest.importorskip("numpy")
    assert sizes[1]["test_numpys"]["benchmark"]["batch"] == 1


def test_a_text_is_a_model_where_its_library_takes_one_for_it(sizes):
    for name in ("test_text_that_was_loaded", "test_text_of_the_file"):
        assert (sizes[1][name]["outcome"], sizes[1][name]["stage"]) == ("pass", "forward")


def test_what_is_neither_a_model_nor_a_call_is_told_and_says_nothing_about_the_checkpoint(sizes):
    told, found, _ = sizes
    assert told.count("FAILED test_sizes.py::test_wrong") == 6
    sentence = (
        "torchcompat_forward takes a model or call=, a function without arguments, and not both."
        " Write torchcompat_forward(model) or torchcompat_forward(call=lambda: ...)."
    )
    assert told.splitlines().count(sentence) == 6
    assert [name for name in found if name.startswith("test_wrong")] == ["test_wrong_after_loading"]
    loaded = found["test_wrong_after_loading"]
    assert (loaded["outcome"], loaded["stage"], loaded["benchmark"]) == ("pass", "load", None)


def test_a_wrong_keyword_is_told_by_the_name_of_the_fixture(sizes):
    told, found, _ = sizes
    assert "TypeError: torchcompat_forward() got an unexpected keyword argument 'size'" in told
    assert "test_keyword" not in found


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
        return torch.ones(1)
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
    (folder / "conftest.py").write_text(QUICK, "utf-8")
    return run(folder, *OPTIONS, "-rf", "-vv").stdout, checks(folder)


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


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1234, "1,234 s"),
        (999.6, "1,000 s"),
        (12.345, "12.3 s"),
        (1, "1 s"),
        (0.9996, "1 s"),
        (0.9994, "999 ms"),
        (0.0123, "12.3 ms"),
        (0.0009996, "1 ms"),
        (9.994e-4, "999 us"),
        (9.996e-7, "1 us"),
        (9.994e-7, "999 ns"),
        (0, "0 ns"),
    ],
)
def test_a_time_is_told_in_digits_and_never_as_a_power_of_ten(seconds, said):
    assert duration(seconds) == said


def test_the_summary_tells_the_inputs_a_second_of_more_than_one_at_once():
    figures = {"low": 0.1, "high": 0.3, "median": 0.2, "device": "cpu", "method": "m"}
    figures |= {"remarks": [], "throughput": 1624.4}
    (one,) = timing_lines({**figures, "batch": 1})
    (eight,) = timing_lines({**figures, "batch": 8})
    (unknown,) = timing_lines({**figures, "batch": 8, "throughput": None})
    assert one == "    forward, batch 1, float32, on cpu: 200 ms (100 ms to 300 ms); m"
    assert eight == (
        "    forward, batch 8, float32, on cpu: 200 ms (100 ms to 300 ms), 1,624 inputs/s; m"
    )
    assert "inputs/s" not in unknown
