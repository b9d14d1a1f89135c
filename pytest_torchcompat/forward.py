"""Timing a forward pass, and a fingerprint of what it computes."""

from __future__ import annotations

import statistics
import time
from typing import Any, Callable

WARM_UP = 2
ROUNDS = 20
SECONDS = 1.0  # enough for a median; a slow model gets fewer rounds, never fewer than three
PROJECTIONS = 32


def device_of(name: str) -> str:
    """
    Return the device that ``auto``, ``cpu`` or ``cuda[:N]`` means on this machine.

    Raises ``RuntimeError`` with the reason where a named device is missing.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    if name.startswith("cuda") and not available:
        message = f"device {name} is not available: torch {torch.__version__} sees no GPU here"
        raise RuntimeError(message)
    return name


def synchronised(run: Callable[[], Any], device: str) -> Callable[[], Any]:
    """Return a call that ends when the device has done the work, not when it was queued."""
    import torch

    def call() -> Any:
        with torch.inference_mode():
            result = run()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return result

    return call


def method_of(device: str) -> str:
    """Name the way of timing; figures of two methods are never compared."""
    return "perf_counter+cuda.synchronize" if device.startswith("cuda") else "perf_counter"


def measure(run: Callable[[], Any], device: str, warm_up: int = WARM_UP) -> dict[str, Any]:
    """Time a forward pass after some calls that do not count; the figures are seconds a call."""
    call = synchronised(run, device)
    for _ in range(warm_up):
        call()
    times = _rounds(call)
    return {"method": method_of(device), "device": device, **summary(times)}


def _rounds(call: Callable[[], Any]) -> list[float]:
    times: list[float] = []
    while len(times) < ROUNDS and (len(times) < 3 or sum(times) < SECONDS):  # noqa: PLR2004
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def summary(times: list[float]) -> dict[str, Any]:
    """Return the rounds, minimum, median, interquartile range and maximum of some times."""
    low, _, high = statistics.quantiles(times, n=4)
    return {
        "rounds": len(times),
        "min": min(times),
        "median": statistics.median(times),
        "iqr": high - low,
        "max": max(times),
    }


def fingerprint(output: Any) -> dict[str, Any]:
    """
    Describe a tensor so that two runs can be compared without keeping either.

    ``projection`` holds the products with fixed seeded directions, scaled by the root of the
    number of elements; torch's CPU generator gives the same directions on every version.
    """
    import torch

    values = output.detach().to("cpu", torch.float64).reshape(-1)
    generator = torch.Generator().manual_seed(0)
    scale = max(1, values.numel()) ** 0.5
    products = [
        float(torch.randn(values.numel(), generator=generator, dtype=torch.float64) @ values)
        for _ in range(PROJECTIONS)
    ]
    return {
        "shape": list(output.shape),
        "dtype": str(output.dtype).replace("torch.", ""),
        "norm": float(values.norm()),
        "projection": [product / scale for product in products],
    }
