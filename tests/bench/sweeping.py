"""The sweep against its floors and against the same cells by hand, turn by turn."""

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
    def each(name: str) -> list[float]:
        return [turn.ways[name].wall for turn in turns]

    own, alone, carried = each(sweep.OURS), each(sweep.ALONE), each(sweep.CARRIED)
    cores = min(jobs, len(turns[0].ways[sweep.OURS].cells), os.cpu_count() or 1)
    # Of one cell nothing is promised: there is nothing that two workers could share.
    few = ", one cell" if len(turns[0].ways[sweep.OURS].cells) == 1 else ""
    whole, floors = [took * cores for took in own], each(sweep.FLOORS)
    hand = [name for name in hands.WAYS if name in turns[0].ways]
    by_hand = {
        "peer": ", ".join(sorted({named(name.split(maxsplit=1)[0].rstrip(",")) for name in hand})),
        "theirs": [min(several) for several in zip(*map(each, hand))],
    }
    yield figure(
        "sweep", f"wall x cores{few}", whole, "s", peer="bare processes", theirs=floors, cores=cores
    )
    yield figure("sweep", f"the fastest by hand{few}", own, "s", **by_hand)
    yield figure("sweep", "the fastest by hand, ours all carried over", carried, "s", **by_hand)
    yield figure("sweep", "several workers", own, "s", peer="one worker", theirs=alone)
    for name in turns[0].ways:
        yield _of_way(name, turns)


def _of_way(name: str, turns: list[Turn]) -> Figure:
    ways = [turn.ways[name] for turn in turns]
    return figure(
        *("sweep", f"way: {name}", [way.wall for way in ways], "s"),
        cpu=[way.cpu for way in ways],
        loads_before=[turn.load for turn in turns],
        cells=[way.cells for way in ways],
        commands=ways[0].commands,
    )
