"""Where a forward pass runs, and a fingerprint of what it computes."""

from __future__ import annotations

from typing import Any, Callable

from pytest_torchcompat.gpus import covers

PROJECTIONS = 32


def device_of(name: str) -> str:
    """
    Return the device that ``auto``, ``cpu`` or ``cuda[:N]`` means on this machine.

    ``auto`` is a GPU where there is one that this build of torch has code for.

    Raises ``RuntimeError`` with the reason where a named device is missing, or where this build of
    torch has no code for it: a call would end with "no kernel image is available".
    """
    if name.startswith("cuda"):
        missing = _missing(int(name.partition(":")[2] or 0))
        if missing:
            message = f"device {name} {missing}"
            raise RuntimeError(message)
    if name == "auto":
        return "cpu" if _missing(0) else "cuda"
    return name


def _missing(number: int) -> str:
    """Return why nothing can run on a GPU; empty where it can."""
    import torch

    build = f"torch {torch.__version__}"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= count:
        seen = f"sees {count} here" if count else "sees no GPU here"
        return f"is not available: {build} {seen}"
    major, minor = torch.cuda.get_device_capability(number)
    built = torch.cuda.get_arch_list()
    if not built or covers(built, f"sm_{major}{minor}"):
        return ""
    return (
        f"has no kernel image in {build}: {torch.cuda.get_device_name(number)} is"
        f" sm_{major}{minor}, and this build is for {' '.join(built)}. Take a build for it, or"
        " --torchcompat-device=cpu."
    )


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
