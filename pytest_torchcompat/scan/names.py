"""The globals that pickles name, as unpicklers look them up."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_torchcompat.scan.limits import LIMITS, Limits

_LAST_RENAMED = 2  # the C unpickler renames what Python 2 wrote up to this protocol, torch at any


class Global(NamedTuple):
    """A name that an unpickler would look up."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """The spelling that torch's allow-list compares."""
        return f"{self.module}.{self.name}"


@dataclass
class Found:
    """
    What walks found, and how much of the limits they used up.

    ``globals`` are in first-seen order; ``beyond_torch`` are the opcodes that torch's own
    weights_only reader lacks.
    """

    limits: Limits = LIMITS
    globals: dict[Global, None] = field(default_factory=dict)
    beyond_torch: set[int] = field(default_factory=set)
    opcodes: int = 0
    frames: int = 0
    look_ups: int = 0
    output: int = 0

    def look_up(self, module: str, name: str, protocol: int) -> None:
        """Record a global under each name that an unpickler may look it up by."""
        self.look_ups += 1
        if self.look_ups > self.limits.names:
            raise self.limits.beyond("names")
        if protocol > _LAST_RENAMED:
            self._record(Global(module, name))
        self._record(_renamed(module, name))

    def _record(self, found: Global) -> None:
        if found in self.globals:
            return
        self.output += len(found.module) + len(found.name)
        if self.output > self.limits.output:
            raise self.limits.beyond("output")
        self.globals[found] = None


def _renamed(module: str, name: str) -> Global:
    if (module, name) in NAME_MAPPING:
        return Global(*NAME_MAPPING[(module, name)])
    return Global(IMPORT_MAPPING.get(module, module), name)
