"""Which torch loads this checkpoint, under which policy, and does it still compute the same."""

from __future__ import annotations

from importlib.metadata import version as _version
from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version("pytest-torchcompat")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
