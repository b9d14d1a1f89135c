"""The checks whose forward times seem to differ from their baseline's, as they run again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matrix.plan import PlannedCheck
from matrix.speed.judging import UNCONFIRMED
from matrix.speed.ways import Way, way_of
from pytest_torchcompat.record import FORWARD
from pytest_torchcompat.timing.host import host

AT_ONCE = 3  # cells beside a baseline: each is an environment of gigabytes


@dataclass(frozen=True)
class Suspect:
    """A check whose forward time differs from its baseline's, by figures taken once."""

    cell: str
    checkpoint: str
    policy: str
    median: float
    ratio: float
    way: Way
    base: str
    base_policy: str
    base_median: float


def suspects(matrix: Mapping[str, Any]) -> list[Suspect]:
    """Return the checks of a matrix that this machine can be asked about again."""
    cells = {cell["id"]: cell for cell in matrix["cells"]}
    return [
        found
        for cell in matrix["cells"]
        for check in cell["checks"]
        if (check.get("speed") or {}).get("verdict") == UNCONFIRMED
        and check["benchmark"]["machine"]["id"] == host()["id"]
        and (found := _suspect(cell, check, cells[check["speed"]["cell"]]))
    ]


def _suspect(
    cell: Mapping[str, Any], check: Mapping[str, Any], base: Mapping[str, Any]
) -> Suspect | None:
    speed, wanted = check["speed"], (check["checkpoint"], FORWARD, check["speed"]["policy"])
    for other in base["checks"]:
        if (other["checkpoint"], other["use"], other["policy"]) == wanted:
            own = (cell["id"], check["checkpoint"], check["policy"], check["benchmark"]["median"])
            theirs = (base["id"], speed["policy"], other["benchmark"]["median"])
            return Suspect(*own, speed["ratio"], way_of(check["benchmark"]), *theirs)
    return None


def groups(found: Iterable[Suspect]) -> list[list[Suspect]]:
    """Return those that run beside one another: of one baseline, the largest difference first."""
    by_base: dict[str, dict[str, list[Suspect]]] = {}
    for each in found:
        by_base.setdefault(each.base, {}).setdefault(each.cell, []).append(each)
    together = [
        [each for cell in cells[start : start + AT_ONCE] for each in cell]
        for cells in (sorted(of.values(), key=_largest, reverse=True) for of in by_base.values())
        for start in range(0, len(cells), AT_ONCE)
    ]
    return sorted(together, key=_largest, reverse=True)


def _largest(several: Iterable[Suspect]) -> float:
    return max(abs(math.log(each.ratio)) for each in several)


def asked_of(group: Iterable[Suspect]) -> dict[str, list[PlannedCheck]]:
    """Return the checks that each cell of a group is asked for, the baseline first."""
    asked: dict[str, dict[str, PlannedCheck]] = {}
    for each in group:
        for cell, policy in ((each.base, each.base_policy), (each.cell, each.policy)):
            check = PlannedCheck(each.checkpoint, policy, FORWARD)
            asked.setdefault(cell, {}).setdefault(each.checkpoint, check)
    return {cell: list(checks.values()) for cell, checks in asked.items()}
