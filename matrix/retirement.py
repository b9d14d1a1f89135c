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

RUNS = (*WORKING, Outcome.DEGRADED.value)
# Where these stand, whoever runs the cell again may learn more.
OPEN = tuple(each.value for each in (Outcome.TIMEOUT, Outcome.INFRA, Outcome.NOT_RUN))


def shims(matrix: Mapping[str, Any], known: Iterable[Shim]) -> list[dict[str, Any]]:
    """Return for each shim the cells that need it, and those that could and do not."""
    return [_of_shim(matrix, shim) for shim in known]


def _of_shim(matrix: Mapping[str, Any], shim: Shim) -> dict[str, Any]:
    found: dict[str, list[str]] = {"needed_by": [], "not_needed_by": [], "open": []}
    for cell in matrix["cells"]:
        word = _word_on_shim(cell, shim)
        if word:
            found[word].append(cell["id"])
    about = {"name": shim.name, "restores": shim.restores, "retired_when": shim.retired_when}
    return {**about, **_verdict(matrix, found)}


def _word_on_shim(cell: Cell, shim: Shim) -> str | None:
    """Return what a cell says of a shim, ``None`` where it has no say."""
    counted = (check for check in cell["checks"] if not check["experiment"])
    checks = [check for check in counted if check["library"] in shim.libraries]
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
    return [item for row in rows for item in _of_checkpoint(matrix, row)]


def _of_checkpoint(matrix: Mapping[str, Any], row: Checkpoint) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    asked = list(_asked(matrix["cells"], row.id))
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


def _asked(
    cells: Iterable[Cell], checkpoint: str
) -> Iterator[tuple[Cell, list[Check], list[Check]]]:
    """Yield the cells with a checkpoint, and their checks under the policies that tell."""
    for cell in cells:
        checks = [check for check in cell["checks"] if check["checkpoint"] == checkpoint]
        allowlisted, strict = (
            [check for check in checks if check["policy"] == policy.value]
            for policy in (Policy.ALLOWLISTED, Policy.STRICT)
        )
        if allowlisted:
            yield cell, allowlisted, strict


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
