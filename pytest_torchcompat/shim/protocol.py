"""What a shim, a named and reversible adaptation, must offer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


class Shim(Protocol):
    """
    An in-memory adaptation of an API or rule that is gone.

    ``restores`` says what it brings back, ``retired_when`` under which condition nobody needs it.
    Installed files are never edited: they are hard links into a cache that others share.
    """

    name: str
    restores: str
    retired_when: str

    @property
    def libraries(self) -> tuple[str, ...]:
        """Whose checks may need it."""

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Whether an environment, given as versions by distribution and ``python``, may need it."""

    def applied(self) -> AbstractContextManager[None]:
        """Apply it for a ``with`` block, and undo it exactly."""
