"""In which way a figure was taken: those of two ways are never compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

DTYPE, BATCH = "float32", 1  # where a benchmark does not say


class Way(NamedTuple):
    """
    What two figures have in common that compare.

    ``device`` names the GPU, ``machine`` is an id, empty if not known.
    """

    method: str
    device: str
    dtype: str
    batch: int
    machine: str


def way_of(benchmark: Mapping[str, Any]) -> Way:
    """Return in which way a benchmark was taken."""
    return Way(
        benchmark.get("method") or "",
        _device(benchmark),
        benchmark.get("dtype") or DTYPE,
        benchmark.get("batch") or BATCH,
        (benchmark.get("machine") or {}).get("id", ""),
    )


def _device(benchmark: Mapping[str, Any]) -> str:
    # A machine may have GPUs of several kinds, and a cell calls each of them cuda.
    return ", ".join(filter(None, (benchmark.get("device"), benchmark.get("gpu"))))
