"""Figures made up where a sweep of today has some and the recorded one has none."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from pytest_torchcompat.outcome import WORKING
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.record import FORWARD
from pytest_torchcompat.timing.loading import METHOD, POLICY, UNRULED
from pytest_torchcompat.timing.sampling import summary

MACHINE = {"id": "3f2a9c0d1e4b", "cpu": "AMD EPYC 7B13", "cores": 2}
PAGE = 4096  # bytes
SLOWER = 20  # one comparison of so many


def with_figures(cells: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return cells with intervals, loads and comparisons of speed, no two of them alike."""
    made = _MadeUp()
    found = list(cells)
    for cell in found:
        made.add(cell)
    return found


class _MadeUp:
    """Makes up figures of one cell after the other, the baseline's of each model first."""

    def __init__(self) -> None:
        self._chance = random.Random(9)
        self._bases: dict[tuple[str, ...], tuple[dict[str, Any], dict[str, Any]]] = {}
        self._sizes: dict[str, int] = {}

    def add(self, cell: dict[str, Any]) -> None:
        """Add to the checks of a cell what a sweep would have measured of them."""
        shared: dict[str, dict[str, Any]] = {}  # by all policies of a checkpoint
        for check in cell["checks"]:
            if check["benchmark"]:
                self._time(cell, check)
            if _is_loaded(check):
                self._load(check, shared)

    def _time(self, cell: dict[str, Any], check: dict[str, Any]) -> None:
        check["benchmark"] |= _precisely(check["benchmark"]["median"], self._chance)
        names = ("library", "version", "beside", "python")
        key = (*(cell[name] for name in names), check["checkpoint"])
        base = self._bases.setdefault(key, (cell, check))
        other = base[0]["torch"] != cell["torch"]
        check["speed"] = _speed(check, *base, self._chance) if other else None

    def _load(self, check: dict[str, Any], shared: dict[str, dict[str, Any]]) -> None:
        name = check["checkpoint"]
        size = self._sizes.setdefault(name, self._chance.randint(20_000, 2_000_000))
        unruled = shared.setdefault(name, _shared(size, self._chance))
        under = _reading(self._chance, unruled["plain"]["median"])
        check["loading"] = {**unruled, POLICY: under}


def _is_loaded(check: dict[str, Any]) -> bool:
    """Whether a sweep measures the loads of a check; under stock there is no policy to measure."""
    works = check["outcome"] in WORKING and check["use"] == FORWARD
    return works and check["policy"] != Policy.STOCK.value


def _precisely(median: float, chance: random.Random) -> dict[str, Any]:
    memory = {"resident": PAGE * chance.randint(80_000, 300_000)}
    rest = {"warm_up": chance.randint(4, 9), "memory": memory, "remarks": [], "machine": MACHINE}
    return {**_times(median, chance), **rest}


def _times(median: float, chance: random.Random) -> dict[str, Any]:
    rounds = range(chance.randint(12, 99))
    return summary([median * (1 + abs(chance.gauss(0, 0.02))) for _ in rounds])


def _reading(chance: random.Random, median: float) -> dict[str, Any]:
    return {**_times(median, chance), "memory": PAGE * chance.randint(200, 3000)}


def _shared(size: int, chance: random.Random) -> dict[str, Any]:
    median = chance.uniform(0.001, 0.3)
    readings = {name: _reading(chance, median) for name in UNRULED}
    return {"method": METHOD, "bytes": size, **readings, "remarks": [], "machine": MACHINE}


def _speed(
    check: dict[str, Any], cell: dict[str, Any], base: dict[str, Any], chance: random.Random
) -> dict[str, Any]:
    ratio = check["benchmark"]["median"] / base["benchmark"]["median"]
    verdict = "alike" if chance.randrange(SLOWER) else "slower"
    names = {"cell": cell["id"], "torch": cell["torch"], "policy": base["policy"]}
    return {**names, "ratio": ratio, "verdict": verdict, "runs": 4 * (verdict == "slower")}
