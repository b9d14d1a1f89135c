"""Each timed check with the baseline that it compares with, in one run and on one machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matrix.cell_files import CellFiles, paired_libraries, subject
from matrix.speed import judging
from matrix.speed.ways import way_of
from matrix.versions import Rank, version_key
from pytest_torchcompat.record import FORWARD, Record

Identity = tuple[str, str, str]
Compared = dict[str, tuple[Record, ...]]


@dataclass(frozen=True)
class _Timed:
    """A check that was timed."""

    files: CellFiles
    record: Record
    benchmark: Mapping[str, Any]

    @property
    def rank(self) -> Rank:
        return version_key(self.files.cell.torch)


def added(found: Sequence[CellFiles], compared: Compared) -> Compared:
    """Return the records of cells with how their forward times compare with the baseline's."""
    speeds = {(cell, identity): speed for cell, identity, speed in _speeds(found, compared)}
    return {
        cell: tuple(
            record.changed(speed=speeds[cell, record.identity])
            if (cell, record.identity) in speeds
            else record
            for record in records
        )
        for cell, records in compared.items()
    }


def _speeds(
    found: Sequence[CellFiles], compared: Compared
) -> Iterator[tuple[str, Identity, dict[str, Any]]]:
    for row in _rows(found, compared):
        works = [each for each in row if each.record.outcome.works]
        base = min(works, key=lambda each: each.rank, default=None)
        for each in row if base else ():
            if each is not base and base:
                yield each.files.cell.id, each.record.identity, _speed(each, base)


def _rows(found: Sequence[CellFiles], compared: Compared) -> list[list[_Timed]]:
    """
    Return what compares: one model of one library, timed in the same way on one machine.

    With torch its packages differ, and Python too where one torch has no wheels for another's.
    """
    rows: dict[tuple[Any, ...], list[_Timed]] = {}
    paired = paired_libraries(found)
    for files in found:
        records = {record.identity: record for record in compared[files.cell.id]}
        for record in (records[each.identity] for each in files.by_policy()):
            if _compares(record):
                key = (*subject(files.cell, record, paired), *way_of(record.benchmark or {}))
                row = rows.setdefault(key, [])
                # A cell that was stopped and went on may have timed a model twice.
                if not row or row[-1].files is not files:
                    row.append(_Timed(files, record, record.benchmark or {}))
    return list(rows.values())


def _compares(record: Record) -> bool:
    """
    Whether a record has what a comparison takes, and nothing speaks against it.

    Those of older runs name no machine.
    """
    if not record.benchmark or record.experiment or record.use != FORWARD:
        return False
    if record.benchmark.get("remarks"):
        return False
    quartiles, median = record.benchmark.get("quartiles") or (), record.benchmark.get("median")
    known = [each for each in (median, *quartiles) if isinstance(each, (int, float))]
    finite = len(known) == 3 and all(math.isfinite(each) for each in known)  # noqa: PLR2004
    return finite and known[0] > 0 and bool(record.benchmark.get("machine"))


def _speed(ours: _Timed, base: _Timed) -> dict[str, Any]:
    verdict, ratio, runs = judging.ALIKE, _ratio(ours, base), 0
    if judging.differ(ours.benchmark, base.benchmark) or not judging.close(ratio):
        verdict = judging.UNCONFIRMED
        if turns := _turns(ours, base):
            verdict, ratio = judging.seen_again(turns)
            runs = len(turns)
    return {
        "cell": base.files.cell.id,
        "torch": base.files.cell.torch,
        "policy": base.record.policy,
        "ratio": ratio,
        "verdict": verdict,
        "runs": runs,
    }


def _ratio(ours: _Timed, base: _Timed) -> float:
    ratio: float = ours.benchmark["median"] / base.benchmark["median"]
    return ratio


def _turns(ours: _Timed, base: _Timed) -> list[list[float]] | None:
    """Return the turns that were taken for these very figures; ``None`` where none were."""
    kept = ours.files.turns.get(ours.record.checkpoint)
    about = {"median": ours.benchmark["median"], "baseline": base.benchmark["median"]}
    if not isinstance(kept, Mapping) or not about.items() <= kept.items():
        return None
    turns: list[list[float]] = kept.get("turns") or []
    return turns if judging.enough(turns) else None
