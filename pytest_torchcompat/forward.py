"""Where a forward pass runs, and a fingerprint of what it computes."""

from __future__ import annotations

from typing import Any, Callable

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
