"""The merge of a run's files into one document, and the comparison of its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import mul
from typing import Any, TypeGuard

from matrix import causes, checkpoints, retirement
from matrix.cell_files import CellFiles, paired_libraries, subject
from matrix.claims import judged
from matrix.claims_data import CLAIMS
from matrix.plan import Plan, PlannedCell, PlannedCheck
from matrix.project import catalogue_of
from matrix.speed.baselines import added
from matrix.stacks import results_of
from matrix.store import RunFolder
from matrix.tallies import tally
from matrix.versions import Rank, version_key
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.checkpoints.rows import ROWS
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record
from pytest_torchcompat.shim import SHIMS

SCHEMA = 1
_rank = lru_cache(maxsize=4096)(version_key)
DEFAULT_TOLERANCE = Checkpoint(id="", library="", why="").tolerance
_SEVERITY = {outcome: outcome.severity for outcome in Outcome}
_EXPERIMENTS = {(row.id, use.name) for row in ROWS for use in row.uses if use.experiment}
# What a run is asked to fail on with `--fail-on any`: a refusal is a policy doing its work.
RED = (
    Outcome.DEGRADED,
    Outcome.FAIL,
    Outcome.CRASH,
    Outcome.TIMEOUT,
    Outcome.UNAVAILABLE,
    Outcome.INFRA,
)


def merge(plan: Plan, folder: RunFolder, tolerances: Mapping[str, float]) -> dict[str, Any]:
    """Read a run's files and return the document of its page."""
    found = (CellFiles.read(cell, folder.cell(cell.id)) for cell in plan.cells)
    return document(plan, found, tolerances, results_of(plan.stacks, folder))


def document(
    plan: Plan,
    found: Iterable[CellFiles],
    tolerances: Mapping[str, float],
    stacks: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the document of what cells and stacks left, in the order of the plan."""
    by_id = {files.cell.id: files for files in found}
    ordered = [by_id.pop(cell.id) for cell in plan.cells if cell.id in by_id]
    compared = added(ordered, compare(ordered, tolerances))
    ended = [files.result["finished"] for files in ordered if files.result]
    resolved = all(stack["outcome"] != Outcome.NOT_RUN.value for stack in stacks)
    complete = resolved and len(ended) == len(plan.whole or plan.cells)
    return answered(
        {
            "schema": SCHEMA,
            "run": plan.run,
            **_project(plan),
            "started": plan.frozen_at,
            "finished": max([*ended, plan.frozen_at]) if complete else None,
            "complete": complete,
            **({"whole": len(plan.whole)} if plan.whole else {}),
            "frozen_at": plan.frozen_at,
            "edition": plan.edition,
            "selection": plan.selection.to_dict(),
            "notes": list(plan.notes),
            "torch": list(plan.torch),
            "cells": list(_cells(ordered, compared, plan.edition)),
            "stacks": list(stacks),
        },
        catalogue_of(plan.project),
    )


def _project(plan: Plan) -> dict[str, Any]:
    """Return what a reader is told of the project whose sweep it is."""
    shown = {name: plan.project[name] for name in ("name", "folder") if plan.project}
    return {"project": shown} if shown else {}


def _cells(
    ordered: list[CellFiles], compared: dict[str, tuple[Record, ...]], edition: str
) -> Iterator[dict[str, Any]]:
    # Taken out one by one: what a large run's cells left, and what is told of it, is too much.
    ordered.reverse()
    while ordered:
        files = ordered.pop()
        yield _cell(files, compared.pop(files.cell.id), edition)


def answered(matrix: dict[str, Any], rows: Catalogue) -> dict[str, Any]:
    """Return a matrix with what its cells answer: why they are red, the claims, who needs what."""
    matrix = causes.marked(matrix)
    cases = causes.cases(matrix)
    return {
        **matrix,
        "causes": causes.causes(matrix, cases),
        "refusals": causes.refusals(matrix, cases),
        "claims": judged(CLAIMS, matrix["cells"]),
        "shims": retirement.shims(matrix, SHIMS),
        "allowlists": retirement.allowlists(matrix, rows),
        "checkpoints": checkpoints.opened(matrix, rows),
    }


def _cell(files: CellFiles, records: Sequence[Record], edition: str) -> dict[str, Any]:
    cell, result = files.cell, files.result or {}
    checks = _in_plan_order(cell, records, edition)
    return {
        "id": cell.id,
        "python": cell.python,
        "torch": cell.torch,
        "torch_build": files.environment.get("torch_build"),
        "cuda": files.environment.get("cuda"),
        "gpu_archs": files.environment.get("gpu_archs") or [],
        "load_variables": files.environment.get("load_variables") or [],
        "library": cell.library,
        "version": cell.version,
        "beside": cell.beside,
        "why": cell.why,
        "distributions": files.environment.get("distributions") or result.get("distributions", {}),
        "outcome": result.get("outcome") or _most_severe(checks),
        "reason": result.get("reason"),
        "seconds": result.get("seconds") or {},
        "finished": result.get("finished"),
        "carried": result.get("carried") or None,
        "checks": [_shown(check, files) for check in checks],
    }


def _in_plan_order(cell: PlannedCell, records: Sequence[Record], edition: str) -> list[Record]:
    """Return a record for each planned check, ``not-run`` where there is none, then any others."""
    have = {record.identity: record for record in records}
    found = [
        have.pop(check.identity) if check.identity in have else _not_run(cell, check, edition)
        for check in cell.checks
    ]
    return found + sorted(have.values(), key=lambda record: record.identity)


def _not_run(cell: PlannedCell, check: PlannedCheck, edition: str) -> Record:
    return Record(
        check.checkpoint,
        edition,
        check.policy,
        Outcome.NOT_RUN,
        use=check.use,
        library=cell.opened_by,
        experiment=(check.checkpoint, check.use) in _EXPERIMENTS,
    )


def _most_severe(checks: Sequence[Record]) -> str:
    counted = (check.outcome for check in checks if not check.experiment)
    worst = max(counted, key=_SEVERITY.__getitem__, default=Outcome.NOT_RUN)
    return worst.value


def _shown(record: Record, files: CellFiles) -> dict[str, Any]:
    data = {**record.to_dict(), "tally": None}
    del data["kind"]
    if not files.tries:
        return data
    # As the tries themselves said: that a number drifted is found here, and of the first alone.
    ended = [each for each in (files, *files.tries) if each.result]
    return {**data, "tally": tally([each.outcome_of(record.identity) for each in ended])}


def compare(
    found: Sequence[CellFiles], tolerances: Mapping[str, float]
) -> dict[str, tuple[Record, ...]]:
    """
    Return each cell's records, with ``degraded`` where the numbers drifted.

    The baseline is the same file with the same library version on the lowest torch where it works.
    """
    baselines: dict[tuple[str, ...], tuple[Rank, int, CellFiles, Record]] = {}
    paired = paired_libraries(found)
    for files in found:
        for position, record in enumerate(files.by_policy()):
            if record.outcome.works and record.fingerprint and not record.experiment:
                key = subject(files.cell, record, paired)
                rank = (_rank(files.cell.torch), position)
                if key not in baselines or rank < baselines[key][:2]:
                    baselines[key] = (*rank, files, record)
    compared: dict[str, tuple[Record, ...]] = {}
    for files in found:
        compared[files.cell.id] = tuple(
            _against(record, baselines.get(subject(files.cell, record, paired)), tolerances)
            for record in files.records
        )
    return compared


def _against(
    record: Record,
    baseline: tuple[Rank, int, CellFiles, Record] | None,
    tolerances: Mapping[str, float],
) -> Record:
    if baseline is None or not record.fingerprint:
        return record
    _, _, files, reference = baseline
    theirs = reference.fingerprint or {}
    parity = {"torch": files.cell.torch, "policy": reference.policy, "use": reference.use}
    compared = record.changed(parity={**parity, **drift(record.fingerprint, theirs)})
    tolerance = tolerances.get(record.checkpoint, DEFAULT_TOLERANCE)
    differs = difference(record.fingerprint, theirs, tolerance)
    if differs is None or not record.outcome.works:
        return compared
    message = (
        f"the output differs from torch {files.cell.torch} under {reference.policy}: {differs}"
    )
    return compared.changed(outcome=Outcome.DEGRADED, stage=Stage.PARITY, message=message)


def drift(fingerprint: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, float | None]:
    """
    Return the cosine of two outputs and the relative error of the first, as their projections say.

    Both are estimates: the projections on random directions keep lengths and angles, to about an
    eighth with 32 of them. ``None`` where the shapes differ or a number is not finite, and for the
    error of what is compared with nothing but zeros.
    """
    ours, theirs = fingerprint["projection"], baseline["projection"]
    unlike = fingerprint["shape"] != baseline["shape"] or len(ours) != len(theirs)
    if unlike or not (_all_finite(ours) and _all_finite(theirs)):
        return {"cosine": None, "relative_error": None}
    error = relative_drift(ours, theirs)
    return {"cosine": cosine(ours, theirs), "relative_error": _finite(error)}


def cosine(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Return the cosine of the angle between two vectors; ``None`` where one has no length."""
    lengths = math.hypot(*ours) * math.hypot(*theirs)
    product = math.fsum(map(mul, ours, theirs))
    return product / lengths if lengths else None


def difference(
    fingerprint: Mapping[str, Any], baseline: Mapping[str, Any], tolerance: float
) -> str | None:
    """Return how an output differs from the baseline's beyond a tolerance, or ``None``."""
    for name in ("shape", "dtype"):
        ours, theirs = fingerprint.get(name), baseline.get(name)
        if ours != theirs:
            return f"{name} {ours} instead of {theirs}"
    # The two apart: a norm is far larger than a projection of a long output, and would drown it.
    drifts = (
        _drift([fingerprint["norm"]], [baseline["norm"]]),
        _drift(fingerprint["projection"], baseline["projection"]),
    )
    # Written so that a drift that is no number counts as one.
    if all(drift <= tolerance for drift in drifts):
        return None
    return f"relative drift {max(drifts):.1e}, beyond {tolerance:.0e}"


def _drift(ours: Sequence[float | None], theirs: Sequence[float | None]) -> float:
    """Return the drift; two numbers that are not finite (JSON's null) in one place are equal."""
    if _all_finite(ours) and _all_finite(theirs):
        return relative_drift(ours, theirs)
    ours, theirs = [_finite(value) for value in ours], [_finite(value) for value in theirs]
    if [value is None for value in ours] != [value is None for value in theirs]:
        return math.inf
    return relative_drift(
        [value for value in ours if value is not None],
        [value for value in theirs if value is not None],
    )


def _all_finite(values: Sequence[float | None]) -> TypeGuard[Sequence[float]]:
    try:
        return all(map(math.isfinite, values))  # type: ignore[arg-type]
    except TypeError:  # of None
        return False


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def relative_drift(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the distance of two vectors over the length of the second."""
    if len(ours) != len(theirs):
        return math.inf
    distance, length = math.dist(ours, theirs), math.hypot(*theirs)
    if not distance:
        return 0.0
    return distance / length if length else math.inf
