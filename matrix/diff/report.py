"""The changes between two runs by their cause, with what may have made them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matrix import commands
from matrix.diff.asked import asked
from matrix.diff.changes import Change, Kind, Side, changes, pairs
from matrix.diff.suspects import Environments, Suspect

SCHEMA = 1


@dataclass(frozen=True)
class Group:
    """
    Changes of one kind with one cause before and one after.

    ``diagnosis`` is that of the newer word on the first, where it is known.
    """

    kind: Kind
    changes: tuple[Change, ...]
    suspects: tuple[Suspect, ...]
    diagnosis: Mapping[str, Any] | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The ids of the cells that it is about."""
        return tuple(dict.fromkeys(change.latest.cell["id"] for change in self.changes))

    @property
    def carried(self) -> tuple[Change, ...]:
        """Those of which the newer run took an earlier one's word."""
        return tuple(change for change in self.changes if change.carried)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        first = self.changes[0]
        return {
            "kind": self.kind.value,
            "old": _told(first.old),
            "new": _told(first.new),
            "diagnosis": self.diagnosis,
            "suspects": [dataclasses.asdict(suspect) for suspect in self.suspects],
            "changes": [
                {
                    **vars(change.subject),
                    "cell": change.latest.cell["id"],
                    "carried": change.carried or None,
                }
                for change in self.changes
            ],
        }


def _told(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "outcome": side.outcome,
        "tally": dict(side.tally) or None,
        "stage": side.check["stage"] if side.reached else None,
        "cause": side.cause,
        "said": side.said,
    }


@dataclass(frozen=True)
class Diff:
    """
    What changed between two runs, the most urgent first.

    ``carried`` is how many checks the newer one took over as they were. ``torch`` has both columns
    where a run's nightly is compared with its newest final torch.
    """

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    groups: tuple[Group, ...]
    carried: int = 0
    torch: tuple[str, str] | None = None

    def count(self, kind: Kind) -> int:
        """Return how many checks changed in a way."""
        if kind is Kind.CARRIED:
            return self.carried
        return sum(len(group.changes) for group in self.groups if group.kind is kind)

    def command(self, change: Change) -> str:
        """Return what runs the cell of a change again."""
        run = self.new if change.new else self.old
        cell, policy, project = change.latest.cell, change.subject.policy, commands.project_in(run)
        return commands.one_cell(cell["id"], run["edition"], policy, project)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        torch = self.torch or (None, None)
        runs = {
            name: {key: run[key] for key in ("run", "started", "complete", "edition")}
            | {"torch": column}
            for name, run, column in (("old", self.old, torch[0]), ("new", self.new, torch[1]))
        }
        counts = {kind.value: self.count(kind) for kind in Kind}
        groups = [group.to_dict() for group in self.groups]
        return {"schema": SCHEMA, **runs, "counts": counts, "groups": groups}


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> Diff:
    """
    Return what changed from one matrix to another.

    Both come from ``causes.diagnosed``, by the same signatures: one that is new is no change.
    """
    found = asked(pairs(old, new), old, new)
    changed, carried = changes(found)
    environments = Environments(found.values(), changed)
    return Diff(old, new, grouped(changed, environments, new), carried)


def grouped(
    changed: Iterable[Change], environments: Environments, new: Mapping[str, Any]
) -> tuple[Group, ...]:
    """Return changes by kind and cause, the most urgent and the most frequent first."""
    order = list(Kind)
    groups = [_group(each, environments, new) for each in _grouped(changed)]
    groups.sort(key=lambda group: (order.index(group.kind), -len(group.cells)))
    return tuple(groups)


def _grouped(changed: Iterable[Change]) -> list[list[Change]]:
    found: dict[tuple[str, ...], list[Change]] = {}
    for change in changed:
        words = [f"{s.outcome} {s.cause}" if s else "" for s in (change.old, change.new)]
        if change.kind in (Kind.NEW, Kind.REMOVED, Kind.INFRA):
            # What they say is no change: one line tells them all.
            words = [side.outcome if side else "" for side in (change.old, change.new)]
        found.setdefault((change.kind.value, *words), []).append(change)
    return list(found.values())


def _group(changed: list[Change], environments: Environments, new: Mapping[str, Any]) -> Group:
    first = changed[0]
    key = None
    if first.new:
        key = (first.new.check if first.new.reached else first.new.cell)["diagnosis"]
    suspects = tuple(environments.suspects(changed))
    return Group(first.kind, tuple(changed), suspects, new["diagnoses"].get(key) if key else None)
