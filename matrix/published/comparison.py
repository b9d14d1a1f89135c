"""``changes.json``: how a run differs from the one before it; written, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from matrix.causes import marked
from matrix.compare import SCHEMA as OF_MATRIX
from matrix.diff import Change, Diff, Group, Kind, diff
from matrix.diff.changes import Side, Subject
from matrix.diff.suspects import Difference, Suspect
from matrix.store import RunFolder, in_order, read_json, runs
from pytest_torchcompat.errors import RecordError

SCHEMA = 1
# What data of another form than is read here leads to.
WHY_NOT = (KeyError, TypeError, AttributeError, ValueError, RecursionError)
LONGEST = 200  # characters of what is wrong with a run
_SUBJECT = ("library", "version", "beside", "torch", "checkpoint", "use", "policy", "python")


class Compared(NamedTuple):
    """How a run differs from an earlier one, or why that is not known; neither where none is."""

    changes: Diff | None
    why_not: str = ""


@dataclass(frozen=True)
class Earlier:
    """The run before another: its name, its matrix, or what is wrong with that."""

    name: str
    matrix: dict[str, Any] | None = None
    wrong: str = ""

    @classmethod
    def read(cls, name: str, matrix: dict[str, Any]) -> Earlier:
        """Return a run as a comparison takes it; one of another schema or form says so."""
        if matrix.get("schema") != OF_MATRIX:
            schema = f"its matrix.json has schema {matrix.get('schema')!r}"
            return cls(name, wrong=f"{schema}, and {OF_MATRIX} is the one that is read here")
        try:
            return cls(name, marked(matrix))
        except WHY_NOT as error:
            return cls(name, wrong=_misshapen(error))

    def compared(self, matrix: dict[str, Any]) -> Compared:
        """Return how a run differs from this one."""
        if self.matrix is None:
            return Compared(None, self._why_not(self.wrong) if self.wrong else "")
        try:
            return Compared(diff(self.matrix, matrix))
        except WHY_NOT as error:
            return Compared(None, self._why_not(_misshapen(error)))

    def _why_not(self, wrong: str) -> str:
        return (
            f"Run {self.name} was before it and can't be compared with: {wrong}. "
            "`python -m matrix render` writes it anew where it is named."
        )


def _misshapen(error: Exception) -> str:
    return f"its matrix.json is not of the form that is read here ({repr(error)[:LONGEST]})"


def told(changes: Diff | None, matrix: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison as plain data; ``old`` is null where there is nothing to compare with."""
    if changes is None:
        found = {**Diff(matrix, matrix, ()).to_dict(), "old": None}
    else:
        found = changes.to_dict()
    ended = [cell["finished"] for cell in matrix["cells"] if cell.get("finished")]
    about = {"selection": matrix["selection"], "updated": max([matrix["started"], *ended])}
    return {**found, **about}


def lineage(folder: RunFolder, own: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """
    Yield the comparison of a run, then those of complete earlier ones of its selection.

    They are read as they are asked for, the newest first; what can't be read is left out.
    """
    yield own
    for other in runs(folder.path.parent):
        if in_order(other.path.name) < in_order(folder.path.name):
            found = _read(other)
            if found and _is_alike(found, own):
                yield found


def _read(folder: RunFolder) -> dict[str, Any] | None:
    try:
        return read_json(folder.changes)
    except (RecordError, OSError, RecursionError):
        return None


def _is_alike(found: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    new = found.get("new")
    if found.get("schema") != SCHEMA or not isinstance(new, Mapping):
        return False
    # The run after one that is not complete is compared with the same one: it says that again.
    whole = new.get("complete") is True and new.get("run") != own["new"]["run"]
    alike = found.get("selection") == own["selection"]
    return whole and alike and new.get("edition") == own["new"]["edition"]


def read_back(data: Mapping[str, Any]) -> Diff:
    """Return a comparison from plain data, without what its cells said beyond that."""
    torch = (data["old"]["torch"], data["new"]["torch"])
    groups = tuple(_group(each, data) for each in data["groups"])
    return Diff(
        data["old"], data["new"], groups, data["counts"]["carried"], torch if all(torch) else None
    )


def _group(data: Mapping[str, Any], run: Mapping[str, Any]) -> Group:
    changes = tuple(_change(each, data, run) for each in data["changes"])
    suspects = tuple(
        Suspect(Difference(**each["difference"]), each["lift"], each["named"])
        for each in data["suspects"]
    )
    return Group(Kind(data["kind"]), changes, suspects, data["diagnosis"])


def _change(data: Mapping[str, Any], group: Mapping[str, Any], run: Mapping[str, Any]) -> Change:
    old, new = (_side(group[side], data, run[side]["run"]) for side in ("old", "new"))
    return Change(Kind(group["kind"]), Subject(**{name: data[name] for name in _SUBJECT}), old, new)


def _side(said: Mapping[str, Any] | None, data: Mapping[str, Any], run: str) -> Side | None:
    """Return one run's word; a cell that was not reached said it as its check would have."""
    if said is None:
        return None
    cell = {"id": data["cell"], "carried": data["carried"], "outcome": said["outcome"]}
    check = {
        **{name: said[name] for name in ("outcome", "tally", "stage")},
        "message": said["said"],
        "shims": [said["cause"]],
    }
    return Side({**cell, "reason": said["said"]}, check, run)
