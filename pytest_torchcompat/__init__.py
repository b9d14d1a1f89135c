"""
Which torch loads this checkpoint, under which policy, and does it still compute the same.

``__version__``: the version of this package, read when it is first asked for.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["__version__", "shims"]

__version__: str


def shims(*names: str) -> AbstractContextManager[tuple[str, ...]]:
    """
    Apply shims by name for a ``with`` block and undo them exactly; gives the names in order.

    Without names, all that apply to this environment. ``torchcompat shims`` lists them.
    """
    from pytest_torchcompat.shim import applied  # an import of this package stays light

    return applied(*names)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # a scan of a file does not pay for it

        return version("pytest-torchcompat")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
