"""What a sweep of today measures and the recorded one did not: intervals, loads, comparisons."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from pytest_torchcompat.outcome import WORKING
from pytest_torchcompat.timing.sampling import summary

MACHINE = {"id": "3f2a9c0d1e4b", "cpu": "AMD EPYC 7B13", "cores": 2}
METHOD = "perf_counter, 1 thread, file cached"
PAGE = 4096  # bytes
SLOWER = 20  # one comparison of so many


def measured(cells: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return cells with made-up figures where a sweep would have some, no two of them alike."""
    chance = random.Random(9)
    bases: dict[tuple[str, ...], tuple[dict[str, Any], dict[str, Any]]] = {}
    sizes: dict[str, int] = {}
    found = list(cells)
    for cell in found:
        plain: dict[str, dict[str, Any]] = {}
        for check in cell["checks"]:
            if check["benchmark"]:
                check["benchmark"] |= _precisely(check["benchmark"]["median"], chance)
                names = ("library", "version", "beside", "python")
                key = (*(cell[name] for name in names), check["checkpoint"])
                base = bases.setdefault(key, (cell, check))
                other = base[0]["torch"] != cell["torch"]
                check["speed"] = _speed(check, *base, chance) if other else None
            if check["outcome"] in WORKING and check["use"] == "forward":
                size = sizes.setdefault(check["checkpoint"], chance.randint(20_000, 2_000_000))
                shared = plain.setdefault(check["checkpoint"], _shared(size, chance))
                check["loading"] = {**shared, "policy": _reading(chance, shared["plain"]["median"])}
    return found


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
    readings = {name: _reading(chance, median) for name in ("plain", "mmap")}
    return {"method": METHOD, "bytes": size, **readings, "remarks": [], "machine": MACHINE}


def _speed(
    check: dict[str, Any], cell: dict[str, Any], base: dict[str, Any], chance: random.Random
) -> dict[str, Any]:
    ratio = check["benchmark"]["median"] / base["benchmark"]["median"]
    verdict = "alike" if chance.randrange(SLOWER) else "slower"
    names = {"cell": cell["id"], "torch": cell["torch"], "policy": base["policy"]}
    return {**names, "ratio": ratio, "verdict": verdict, "runs": 4 * (verdict == "slower")}
