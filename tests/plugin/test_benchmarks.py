"""Our figures inside pytest-benchmark: its table, its JSON and its comparison."""

from __future__ import annotations

import json

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
