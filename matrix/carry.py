"""Results that are still good: found in earlier runs by their key, and carried over."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from matrix.keys import Keys, differing
from matrix.plan import PlannedCell
from matrix.store import CellFolder, RunFolder, read_json, runs, write_json
from matrix.whole import whole
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record

FEW = 4  # distributions that a reason names

_LEFT_OVER = shutil.ignore_patterns("home", "turn", ".*", "*.broken")

NEVER_RAN = "no run has it"
AGAIN = "asked for anew"
UNRESOLVED = "its packages could not be resolved"
NO_PYTHON = "this machine has no Python {python}"


@dataclass(frozen=True)
class Earlier:
    """A cell that ended in an earlier run."""

    run: str
    files: CellFolder
    result: Mapping[str, Any]

    @property
    def ran_in(self) -> str:
        """The run in which it really ran."""
        return str(self.result.get("carried") or self.run)


@dataclass(frozen=True)
class Past:
    """The earlier runs, newest first; ``but`` is the one that is going on."""

    roots: Sequence[Path]
    but: Path | None = None

    @cached_property
    def _runs(self) -> list[RunFolder]:
        found = [folder for root in self.roots for folder in runs(root)]
        return [folder for folder in found if folder.path != self.but]

    def has(self, cell: PlannedCell) -> bool:
        """Whether a cell ended in one of them."""
        return any(folder.cell(cell.id).result.exists() for folder in self._runs)

    def of(self, cell: PlannedCell) -> Iterator[Earlier]:
        """Yield the ends of a cell, newest first in each root."""
        for folder in self._runs:
            files = folder.cell(cell.id)
            try:
                result = files.read_result()
            except RecordError:
                continue  # What can't be read is no evidence.
            if result:
                yield Earlier(folder.path.name, files, result)


def says_something(cell: PlannedCell, earlier: Earlier) -> bool:
    """Whether a cell ended for good, with all checks that are planned now."""
    try:
        records = _read_whole(earlier.files)
        asked = _asked(earlier.files)
    except RecordError:
        return False
    ended = earlier.result["outcome"]
    if ended == Outcome.UNAVAILABLE.value:
        return True  # whatever would be checked in it
    if ended == Outcome.INFRA.value or any(each.outcome is Outcome.INFRA for each in records):
        return False
    have = {record.identity for record in records}
    planned = {check.identity for check in cell.checks} - have
    # What a cell that died was not asked for may be what does not die.
    return not planned or bool(ended and (asked is None or planned <= asked))


def _read_whole(files: CellFolder) -> list[Record]:
    """Read all that a run's page shows of a cell; raises ``RecordError`` where that fails."""
    for each in (files, *files.tries()):
        each.read_result()
        each.read_environment()
        each.records()
    return files.records()


def _asked(files: CellFolder) -> set[tuple[str, str, str]] | None:
    """Return the checks that its process was asked for last; ``None`` where that is not known."""
    if not files.request.exists():
        return None
    checks = read_json(files.request).get("checks") or []
    return {(each["checkpoint"], each["use"], each["policy"]) for each in checks}


@dataclass(frozen=True)
class Decision:
    """Whether a cell runs, and why; ``earlier`` is what it is carried over from."""

    cell: PlannedCell
    why: str
    parts: Mapping[str, str] = field(default_factory=dict)
    earlier: Earlier | None = None


def decide(cell: PlannedCell, keys: Keys, past: Past, *, fresh: bool = False) -> Decision:
    """Return whether a cell, resolved as far as that went, has to run."""
    if fresh:
        return Decision(cell, AGAIN)
    parts = keys.parts(cell)
    last: Earlier | None = None
    for earlier in past.of(cell):
        last = last or earlier
        if is_good(earlier, parts) and says_something(cell, earlier):
            return Decision(cell, f"carried over from {earlier.ran_in}", parts, earlier)
    return Decision(cell, _why(cell, last, parts), parts)


def is_good(earlier: Earlier, parts: Mapping[str, str]) -> bool:
    """Whether a result still holds where these are the parts of its cell's key."""
    known: Mapping[str, str] = earlier.result.get("parts") or {}
    return "lock" in known and "lock" in parts and not differing(known, parts)


def _why(cell: PlannedCell, last: Earlier | None, parts: Mapping[str, str]) -> str:
    """Return why a cell has to run, by its last end."""
    if last is None:
        return NEVER_RAN
    if "lock" not in parts:
        return UNRESOLVED if "Python" in parts else NO_PYTHON.format(python=cell.python)
    known: Mapping[str, str] = last.result.get("parts") or {}
    if not known:
        return f"{last.run} does not say what its result depends on"
    names = differing(known, parts)
    if not names:
        return f"{last.run} has no verdict on all of its checks"
    packages = _moved(last.result.get("distributions") or {}, cell) if "lock" in names else []
    others = [f"its {name}" for name in names if name != "lock"]
    return f"since {last.run}: {', '.join([*packages, *others])}"


def _moved(old: Mapping[str, str], cell: PlannedCell) -> list[str]:
    """Return the distributions that differ, as ``numpy 2.1.0 -> 2.2.0``."""
    if not (old and cell.lock):
        return ["what its packages resolve to"]
    before = {canonicalize_name(name): version for name, version in old.items()}
    pinned = [re.split(r"==| @ ", line, maxsplit=1) for line in cell.lock]
    after = {canonicalize_name(name): version for name, version in pinned}
    moved = [
        f"{name} {before.get(name, 'none')} -> {after[name]}"
        for name in after
        if before.get(name) != after[name]
    ]
    shown = moved if len(moved) <= FEW else [*moved[:FEW], f"{len(moved) - FEW} more"]
    return shown or ["its packages"]


def carry_over(decision: Decision, folder: RunFolder) -> None:
    """Copy a cell's files from an earlier run, whole or not at all, its end marked as carried."""
    earlier = decision.earlier
    if earlier is None:
        return
    # What the older key did not know is known now.
    parts = {**earlier.result["parts"], **decision.parts}
    with whole(folder, folder.cell(decision.cell.id).path) as new:
        shutil.copytree(earlier.files.path, new, dirs_exist_ok=True, ignore=_LEFT_OVER)
        ended = {**earlier.result, "carried": earlier.ran_in, "parts": parts}
        write_json(CellFolder(new).result, ended)
