"""One shim a file, in one registry."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.shims.dataclass_defaults import DataclassDefaults
from pytest_torchcompat.shims.protocol import Shim
from pytest_torchcompat.shims.torchaudio_cuda import TorchaudioCuda

__all__ = ["SHIMS", "Shim", "combinations_that_apply", "get"]

SHIMS: tuple[Shim, ...] = (DataclassDefaults(), TorchaudioCuda())


def get(name: str) -> Shim:
    """Return a shim; raises ``UnknownNameError`` with the valid names."""
    by_name = {shim.name: shim for shim in SHIMS}
    if name not in by_name:
        raise unknown_name("shim", name, by_name)
    return by_name[name]


def combinations_that_apply(
    library: str, versions: Mapping[str, str], chosen: str = "auto"
) -> list[tuple[str, ...]]:
    """
    Return the sets of shims to try for a library, smallest first, the empty one left out.

    ``chosen`` is ``auto``, ``off`` or a comma-separated list of names.
    """
    if chosen == "off":
        return []
    if chosen != "auto":
        return [tuple(get(name.strip()).name for name in chosen.split(","))]
    names = [shim.name for shim in SHIMS if library in shim.libraries and shim.applies(versions)]
    return [each for size in range(1, len(names) + 1) for each in combinations(names, size)]
