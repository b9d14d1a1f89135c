"""What a shim, a named and reversible adaptation, must offer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


class Shim(Protocol):
    """
    An in-memory adaptation of an API or rule that is gone.

    ``restores`` says what it brings back, ``retired_when`` under which condition nobody needs it.
    One that is needed ``at_import`` is applied before its library is imported, another after. What
    an application could not carry over it says in ``lost``, a sentence each: the check is then
    ``degraded``. Installed files are never edited: they are hard links into a cache that others
    share.
    """

    name: str
    restores: str
    retired_when: str
    at_import: bool
    lost: list[str]

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules whose first import it is for, each without a dot."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Whose checks may need it."""

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Whether an environment, its versions by distribution and ``python``, may need it."""

    def applied(self) -> AbstractContextManager[None]:
        """Apply it for a ``with`` block, and undo it exactly."""
