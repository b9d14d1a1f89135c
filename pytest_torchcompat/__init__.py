"""Which torch loads this checkpoint, under which policy, and does it still compute the same."""

from __future__ import annotations

from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # a scan of a file does not pay for it

        return version("pytest-torchcompat")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
