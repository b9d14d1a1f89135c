"""
Which shims and which entries of the allow-lists a run's cells still need.

Retired is what cells could have needed and none did. A run that was narrowed by anything but torch
retires nothing, and nor does one in which such a cell has yet to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.shim import Shim

Cell = Mapping[str, Any]
Check = Mapping[str, Any]
Asked = tuple[Cell, list[Check], list[Check]]

RUNS = (*WORKING, Outcome.DEGRADED.value)
_TELLING = (Policy.ALLOWLISTED.value, Policy.STRICT.value)
# Where these stand, whoever runs the cell again may learn more.
OPEN = tuple(each.value for each in (Outcome.TIMEOUT, Outcome.INFRA, Outcome.NOT_RUN))


def shims(matrix: Mapping[str, Any], known: Iterable[Shim]) -> list[dict[str, Any]]:
    """Return for each shim the cells that need it, and those that could and do not."""
    opened_by = [(cell, {check["library"] for check in cell["checks"]}) for cell in matrix["cells"]]
    return [_of_shim(matrix, shim, opened_by) for shim in known]


def _of_shim(
    matrix: Mapping[str, Any], shim: Shim, opened_by: Iterable[tuple[Cell, set[str]]]
) -> dict[str, Any]:
    found: dict[str, list[str]] = {"needed_by": [], "not_needed_by": [], "open": []}
    for cell in (cell for cell, names in opened_by if not names.isdisjoint(shim.libraries)):
        word = _word_on_shim(cell, shim)
        if word:
            found[word].append(cell["id"])
    about = {"name": shim.name, "restores": shim.restores, "retired_when": shim.retired_when}
    return {**about, **_verdict(matrix, found)}


def _word_on_shim(cell: Cell, shim: Shim) -> str | None:
    """Return what a cell says of a shim, ``None`` where it has no say."""
    mine = (check for check in cell["checks"] if check["library"] in shim.libraries)
    checks = [check for check in mine if not check["experiment"]]
    if any(shim.name in check["shims"] for check in checks):
        return "needed_by"
    if not checks or cell["outcome"] == Outcome.UNAVAILABLE.value:
        return None
    versions = {**cell["distributions"], "python": cell["python"], "cuda": cell["cuda"] or ""}
    if cell["distributions"] and not shim.applies(versions):
        return None
    if _is_open(cell["outcome"], checks):
        return "open"
    # Where a use never ran, something else is in its way, and what comes after it is not known.
    uses = {(check["checkpoint"], check["use"]) for check in checks}
    ran = {(each["checkpoint"], each["use"]) for each in checks if each["outcome"] in RUNS}
    return "not_needed_by" if ran == uses else None


def _is_open(outcome: str, checks: Sequence[Check]) -> bool:
    return outcome in OPEN or any(check["outcome"] in OPEN for check in checks)


def allowlists(matrix: Mapping[str, Any], rows: Iterable[Checkpoint]) -> list[dict[str, Any]]:
    """
    Return for each entry of the checkpoints' allow-lists the cells that need it or no longer do.

    Entries of a checkpoint that the same cells need are one item.
    """
    asked = _asked(matrix["cells"])
    return [item for row in rows for item in _of_checkpoint(matrix, row, asked.get(row.id, []))]


def _of_checkpoint(
    matrix: Mapping[str, Any], row: Checkpoint, asked: Sequence[Asked]
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for name in row.globals:
        found: dict[str, list[str]] = {"needed_by": [], "not_needed_by": [], "open": []}
        for cell, allowlisted, strict in asked:
            word = _word_on_entry(cell, name, allowlisted, strict)
            if word:
                found[word].append(cell["id"])
        groups.setdefault(tuple(map(tuple, found.values())), []).append(name)
    for key, names in groups.items():
        found = dict(zip(("needed_by", "not_needed_by", "open"), map(list, key)))
        yield {"checkpoint": row.id, "globals": names, **_verdict(matrix, found)}


def _asked(cells: Iterable[Cell]) -> Mapping[str, Sequence[Asked]]:
    """Return by checkpoint the cells with it, and their checks under the policies that tell."""
    found: dict[str, list[Asked]] = {}
    for cell in cells:
        told: dict[str, tuple[list[Check], list[Check]]] = {}
        for check in cell["checks"]:
            if check["policy"] in _TELLING:
                both = told.setdefault(check["checkpoint"], ([], []))
                both[_TELLING.index(check["policy"])].append(check)
        for checkpoint, (allowlisted, strict) in told.items():
            if allowlisted:
                found.setdefault(checkpoint, []).append((cell, allowlisted, strict))
    return found


def _word_on_entry(
    cell: Cell, name: str, allowlisted: Sequence[Check], strict: Sequence[Check]
) -> str | None:
    if cell["outcome"] == Outcome.UNAVAILABLE.value:
        return None
    if any(check["outcome"] in RUNS for check in strict):
        return "not_needed_by"  # nothing was registered there
    told = [check for check in allowlisted if check["outcome"] in RUNS]
    if not told:
        return "open" if _is_open(cell["outcome"], allowlisted) else None
    asked_for = (
        name in each["globals"] and name not in each["allowed_by_library"] for each in told
    )
    return "needed_by" if any(asked_for) else "not_needed_by"


def _verdict(matrix: Mapping[str, Any], found: Mapping[str, list[str]]) -> dict[str, Any]:
    narrowed = [axis for axis, names in matrix["selection"].items() if names and axis != "torch"]
    still = bool(found["needed_by"] or found["open"])
    retired = bool(found["not_needed_by"]) and not still and not narrowed
    return {**found, "retired": retired}


def sentence(item: Mapping[str, Any]) -> str:
    """Say in a few words who needs a shim or an entry."""
    needed, not_needed, unsaid = (len(item[key]) for key in ("needed_by", "not_needed_by", "open"))
    if item["retired"]:
        return f"no cell needs this any more ({_cells(not_needed)} could have)"
    parts = [f"{_cells(needed)} {'needs' if needed == 1 else 'need'} this"] if needed else []
    if not_needed:
        parts.append(
            f"{_cells(not_needed)} could have and {'does' if not_needed == 1 else 'do'} not"
        )
    if not parts:
        return "no cell says"
    parts += [f"{_cells(unsaid)} yet to say"] if unsaid else []
    return "; ".join(parts)


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
