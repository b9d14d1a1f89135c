"""All ways through the same cells, turn by turn: the sweep, its floors, and by hand."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import hands, sweep
from tests.bench.figures import Figure, figure, named
from tests.bench.sweep import Way

TORCHES = ("2.5.1", "2.6.0", "2.15.0")
LIBRARIES = (
    "fairseq==0.12.2",
    "ultralytics==8.1.0",
    "ultralytics==8.2.64",
    "ultralytics==8.3.162",
)
# One cell under one policy: by hand it takes as long whatever the tool, so one tool is enough.
QUICK = ("--torch", "2.6.0", "--library", "ultralytics==8.3.162", "--policy", "stock")


class Turn(NamedTuple):
    """Each way taken once, and the load of the machine before."""

    load: float
    ways: dict[str, Way]


def selection(torches: Sequence[str], libraries: Sequence[str]) -> list[str]:
    """Return the words that choose the cells."""
    words = [word for each in torches for word in ("--torch", each)]
    return words + [word for each in libraries for word in ("--library", each)]


def figures(
    selected: Sequence[str], jobs: int, repeat: int, *, cold: bool, hand: Sequence[str] = hands.WAYS
) -> list[Figure]:
    """Measure each way through the cells; ``cold`` begins with an empty cache of uv."""
    with tempfile.TemporaryDirectory(prefix="torchcompat-bench-") as name:
        folder = Path(name)
        if cold:
            os.environ["UV_CACHE_DIR"] = str(folder / "uv")
        # It fills uv's cache, builds the wheels and leaves the byte code.
        first, run = sweep.ours(selected, jobs, folder / "first")
        takes = _takes(selected, jobs, run, folder, hand)
        turns = [_turn(takes, number % 2) for number in range(repeat)]
    title = "ours, the first time" + (", nothing in uv's cache" if cold else "")
    more = {"cpu": first.cpu, "cells": first.cells}
    return [*_figures(turns, jobs), figure("sweep", title, [first.wall], "s", **more)]


def _takes(
    selected: Sequence[str], jobs: int, run: Any, folder: Path, hand: Sequence[str]
) -> dict[str, Callable[[], Way]]:
    return {
        sweep.OURS: lambda: sweep.ours(selected, jobs, folder / "runs")[0],
        sweep.ALONE: lambda: sweep.ours(selected, 1, folder / "alone")[0],
        sweep.CARRIED: lambda: sweep.ours(selected, jobs, folder / "first", carry=True)[0],
        sweep.FLOORS: lambda: sweep.floors(run, folder / "floors"),
        **{name: functools.partial(hands.by_hand, name, run, folder / "by-hand") for name in hand},
    }


def _turn(takes: Mapping[str, Callable[[], Way]], odd: int) -> Turn:
    """Take each way once; every second time in the other order, as the machine drifts."""
    load = os.getloadavg()[0]
    ways = {name: takes[name]() for name in (list(takes)[::-1] if odd else takes)}
    found = Turn(load, {name: ways[name] for name in takes})
    _tell(found)
    return found


def _tell(found: Turn) -> None:
    walls = ", ".join(f"{name} {way.wall:.1f} s" for name, way in found.ways.items())
    print(f"{walls} (load before: {found.load:.2f})", file=sys.stderr)
    for line in sweep.differences(list(found.ways.items())):
        print(f"warning: {line}", file=sys.stderr)


def _figures(turns: list[Turn], jobs: int) -> Iterator[Figure]:
    cells = len(turns[0].ways[sweep.OURS].cells)
    # Of one cell nothing is promised: there is nothing that two workers could share.
    few = ", one cell" if cells == 1 else ""
    yield _beside_floors(turns, min(jobs, cells, os.cpu_count() or 1), few)
    yield _by_hand(turns, sweep.OURS, f"the fastest by hand{few}")
    yield _by_hand(turns, sweep.CARRIED, "the fastest by hand, ours all carried over")
    alone = {"peer": "one worker", "theirs": _walls(turns, sweep.ALONE)}
    yield figure("sweep", "several workers", _walls(turns, sweep.OURS), "s", **alone)
    for name in turns[0].ways:
        yield _of_way(name, turns)


def _walls(turns: list[Turn], name: str) -> list[float]:
    return [turn.ways[name].wall for turn in turns]


def _beside_floors(turns: list[Turn], cores: int, few: str) -> Figure:
    whole = [took * cores for took in _walls(turns, sweep.OURS)]
    floors = {"peer": "bare processes", "theirs": _walls(turns, sweep.FLOORS)}
    return figure("sweep", f"wall x cores{few}", whole, "s", **floors, cores=cores)


def _by_hand(turns: list[Turn], ours: str, title: str) -> Figure:
    """Return one of our ways beside whichever was the fastest by hand in each turn."""
    ways = [name for name in hands.WAYS if name in turns[0].ways]
    tools = {named(name.split(maxsplit=1)[0].rstrip(",")) for name in ways}
    fastest = [min(turn.ways[name].wall for name in ways) for turn in turns]
    peer = {"peer": ", ".join(sorted(tools)), "theirs": fastest}
    return figure("sweep", title, _walls(turns, ours), "s", **peer)


def _of_way(name: str, turns: list[Turn]) -> Figure:
    ways = [turn.ways[name] for turn in turns]
    return figure(
        *("sweep", f"way: {name}", [way.wall for way in ways], "s"),
        cpu=[way.cpu for way in ways],
        loads_before=[turn.load for turn in turns],
        cells=[way.cells for way in ways],
        commands=ways[0].commands,
    )
