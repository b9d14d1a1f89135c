"""
Our figures in pytest-benchmark's table and JSON, and what it says of the machine.

A plugin beside ours, registered where pytest-benchmark is there.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Generator, Sequence
from typing import Any, Callable

import pytest

from pytest_torchcompat.plugin.options import is_benchmarking

FIXTURE = "torchcompat_forward"
KEY = "torchcompat"  # in the JSON of a benchmark, and in that of the machine
# What a comparison stands or falls with; a driver or a clock may differ and still be told.
_MUST_BE_EQUAL = ("gpus",)


def tell(request: pytest.FixtureRequest, figures: dict[str, Any], times: Sequence[float]) -> None:
    """
    Hand times that were taken already to pytest-benchmark, where it is there and enabled.

    It reads a clock around a call; the call here does nothing, and the clock goes on by the time
    of a round. So the table, the JSON and ``pytest-benchmark compare`` have them as their own.
    """
    if not is_benchmarking(request.config):
        return
    replay, clock = replayed(times, figures["method"])
    theirs = request.node.get_closest_marker("benchmark")
    options = {**(theirs.kwargs if theirs else {}), "timer": clock}
    # In front: of several markers pytest-benchmark reads the closest.
    request.node.add_marker(pytest.mark.benchmark(**options), append=False)
    benchmark = request.getfixturevalue("benchmark")
    # Where it is disabled it calls once, measures nothing, and would warn of not being used.
    benchmark.pedantic(replay, rounds=len(times))
    benchmark.extra_info[KEY] = figures


def replayed(times: Sequence[float], method: str) -> tuple[Callable[[], None], Callable[[], float]]:
    """Return a call that does nothing, and a clock that it moves by the next of some times."""
    sums = [0.0, *itertools.accumulate(times)]
    done = [0]

    def replay() -> None:
        done[0] += 1

    def clock() -> float:
        return sums[min(done[0], len(times))]

    # The name of its clock is where pytest-benchmark keeps how a figure was taken.
    clock.__name__ = "_".join(method.replace(",", "").split())
    return replay, clock


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, object, object]:
    """Let ``--benchmark-only`` and ``--benchmark-skip`` take our tests for benchmarks."""
    # pytest-benchmark goes by the name of its fixture, which ours asks for once it has the times.
    named = _named_as_benchmarks(items)
    try:
        return (yield)
    finally:
        for names in named:
            names.remove("benchmark")


def _named_as_benchmarks(items: Sequence[pytest.Item]) -> list[list[str]]:
    """Add its fixture to the names of those items' that have ours; tests may share theirs."""
    changed = []
    for item in items:
        names = getattr(item, "fixturenames", [])
        if FIXTURE in names and "benchmark" not in names:
            names.append("benchmark")
            changed.append(names)
    return changed


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add torch and its devices to what pytest-benchmark saves, where the tests used torch."""
    if "torch" in sys.modules:
        machine_info[KEY] = machine()


def machine() -> dict[str, Any]:
    """Return the build of torch, its CUDA and cuDNN, and the GPUs with their driver and clocks."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if count else None,
        "gpus": [torch.cuda.get_device_name(index) for index in range(count)],
        **(_of_the_driver() if count else {}),
    }


def _of_the_driver() -> dict[str, Any]:
    import subprocess

    names = ("driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem")
    command = ["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [[word.strip() for word in line.split(",")] for line in said.stdout.splitlines()]
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(
    machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> None:
    """Refuse to compare what was measured on different GPUs."""
    ours = machine_info.get(KEY) or {}
    theirs = compared_benchmark.get("machine_info", {}).get(KEY) or {}
    for name in _MUST_BE_EQUAL:
        if ours.get(name, []) != theirs.get(name, []):
            message = (
                f"torchcompat: the saved benchmarks are of {_named(theirs.get(name))}, these of"
                f" {_named(ours.get(name))}: such figures are not compared. Save a run of this"
                " machine with --benchmark-autosave, and compare with that."
            )
            raise pytest.UsageError(message)


def _named(gpus: Sequence[str] | None) -> str:
    return ", ".join(gpus) if gpus else "no GPU"
