"""Faults of the machine are tried again, after longer and longer waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from matrix.processes import StoppedError

DELAYS = (5.0, 30.0, 120.0)  # seconds; a server that restarts is back by then

Found = TypeVar("Found")


class Patience:
    """
    How often the cells of one sweep try again.

    Where a cell has tried to the end, those after it wait no longer, until one gets through: an
    index that is down for the night is not waited for by each.
    """

    def __init__(self, delays: Sequence[float] = DELAYS) -> None:
        self._delays = delays
        self._is_spent = False

    def retried(
        self,
        attempt: Callable[[], Found],
        is_infra: Callable[[Found], bool],
        wait: Callable[[float], bool],
    ) -> Found:
        """
        Return the first result that is no fault of the machine, or the last of all.

        ``wait`` is ``Processes.wait``: it tells whether the sweep was stopped meanwhile. What is
        stopped raises ``StoppedError``.
        """
        found = attempt()
        for delay in () if self._is_spent else self._delays:
            if not is_infra(found):
                break
            if wait(delay):
                raise StoppedError
            found = attempt()
        self._is_spent = is_infra(found)
        return found
