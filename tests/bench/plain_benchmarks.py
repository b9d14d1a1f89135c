"""The calls of the suite as a user of pytest-benchmark writes them: ``pytest FILE``."""

from __future__ import annotations

import os

import pytest
import torch

from tests.bench.forwarding import cases

DEVICE = os.environ.get("TORCHCOMPAT_BENCH_DEVICE", "cpu")
CASES = cases(DEVICE)


@pytest.mark.parametrize("case", CASES)
def test_forward(benchmark, case):
    torch.set_num_threads(1)
    benchmark.extra_info["case"] = case
    with torch.inference_mode():
        benchmark(CASES[case])
