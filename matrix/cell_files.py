"""What a cell left, read once, and which of its checks compare with those of other cells."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from matrix import axes
from matrix.plan import PlannedCell
from matrix.store import CellFolder
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import FORWARD, Record


@dataclass(frozen=True)
class CellFiles:
    """
    How a cell ended, what its process found, its checks, and its further tries.

    ``turns`` are those that were taken with its baseline to be sure of a difference of speed.
    """

    cell: PlannedCell
    result: Mapping[str, Any] | None
    environment: Mapping[str, Any]
    records: tuple[Record, ...]
    tries: tuple[CellFiles, ...] = ()
    turns: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, cell: PlannedCell, files: CellFolder) -> CellFiles:
        """Read what there is; a cell that never ran has nothing."""
        records = tuple(files.records())
        tries = tuple(cls.read(cell, each) for each in files.tries())
        found = (_end(files), files.read_environment(), records)
        return cls(cell, *found, tries, files.read_turns())

    def outcome_of(self, identity: tuple[str, str, str]) -> Outcome:
        """Return the outcome of a check: that of the cell, where the check was not reached."""
        found = (record.outcome for record in self.records if record.identity == identity)
        ended = (self.result or {}).get("outcome")
        return next(found, Outcome(ended) if ended else Outcome.NOT_RUN)

    def by_policy(self) -> list[Record]:
        """Return its records in the order of the plan, whichever ended first."""
        if len(self.records) == 1:
            return list(self.records)
        order = [check.identity for check in self.cell.checks]
        position = {identity: number for number, identity in enumerate(order)}
        return sorted(
            self.records, key=lambda r: (position.get(r.identity, len(order)), r.identity)
        )


def _end(files: CellFolder) -> dict[str, Any] | None:
    """Return how a cell ended; raises ``RecordError`` where that is by no outcome."""
    result = files.read_result()
    ended = (result or {}).get("outcome")
    if ended is not None and ended not in {each.value for each in Outcome}:
        message = (
            f"{files.result} has the outcome {ended!r}, which is none; delete it, and the sweep "
            "writes it anew"
        )
        raise RecordError(message)
    return result


def paired_libraries(found: Iterable[CellFiles]) -> frozenset[str]:
    """Return the libraries whose version follows torch's."""
    names = {files.cell.library for files in found}
    return frozenset(name for name in names if axes.is_paired(name))


def subject(cell: PlannedCell, record: Record, paired: Container[str]) -> tuple[str, ...]:
    """Return what a check has in common with those that it compares with on other torches."""
    # A paired library's version changes with torch; its subject is what stays the same.
    version = "" if cell.library in paired else f"{cell.version} {cell.beside}"
    # An experiment asks what its change does to the forward pass.
    use = FORWARD if record.experiment else record.use
    return (record.checkpoint, record.edition, record.sha256, cell.library, version, use)
