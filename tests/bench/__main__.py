"""
The project's performance suite: ``python -m tests.bench``, or ``nox -s bench``.

It measures, and it does not judge: a figure that misses its aim is no error.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from matrix.budget import default_jobs
from tests.bench import (
    carrying,
    explaining,
    fetching,
    hands,
    paging,
    scale,
    scanning,
    start_up,
    sweep,
)
from tests.bench.sweep import Way

TORCHES = ["2.5.1", "2.6.0", "2.15.0"]
LIBRARIES = [
    "fairseq==0.12.2",
    "ultralytics==8.1.0",
    "ultralytics==8.2.64",
    "ultralytics==8.3.162",
]
SUITES = ("sweep", "start-up", "fetch", "scan", "explain", "scale", "carry", "page")
OVERHEAD, SPEED_UP, START_UP = 1.15, 3.0, 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, print the table and write the JSON."""
    options = _parser().parse_args(arguments)
    figures: list[dict[str, Any]] = []
    if "start-up" in options.only:
        figures += _start_up(options.pairs)
    if "fetch" in options.only:
        figures += fetching.figures(options.downloads)
    if "scan" in options.only:
        figures += scanning.figures(options.scans, options.torch_python)
    if "explain" in options.only:
        figures += explaining.figures(options.failures)
    if "carry" in options.only:
        figures += carrying.figures()
    if "scale" in options.only:
        figures += scale.figures(options.cells)
    if "page" in options.only:
        figures += paging.figures(options.checks)
    if "sweep" in options.only:
        figures += _sweep(options)
    _print(figures)
    if options.json:
        data = {"schema": 1, "machine": _machine(), "figures": figures}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SUITES, default=SUITES)
    parser.add_argument(
        "--cells", type=int, nargs="+", default=scale.SIZES, metavar="N", help="Of runs made up"
    )
    parser.add_argument(
        "--checks", type=int, nargs="+", default=paging.SIZES, metavar="N", help="On pages"
    )
    parser.add_argument("--torch", action="append", metavar="VERSION", help="Repeatable")
    parser.add_argument("--library", action="append", metavar="NAME[==VERSION]", help="Repeatable")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="Cells at a time in ours")
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="Times each way is taken"
    )
    parser.add_argument("--cold", action="store_true", help="Begin with an empty cache of uv")
    parser.add_argument(
        "--pairs", type=int, default=25, metavar="N", help="Starts with and without"
    )
    parser.add_argument(
        "--downloads", type=int, default=5, metavar="N", help="Times 1 GiB is fetched each way"
    )
    parser.add_argument(
        "--scans", type=int, default=3, metavar="N", help="Times each scanner reads each large file"
    )
    parser.add_argument(
        "--failures", type=int, default=10_000, metavar="N", help="Recorded failures to explain"
    )
    torch_python = "A Python that has torch 2.6 or later, for torch's own lister"
    parser.add_argument(
        "--torch-python", type=Path, default=sys.executable, metavar="FILE", help=torch_python
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _figure(name: str, value: float, unit: str, aim: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "aim": aim, **more}


def _start_up(pairs: int) -> list[dict[str, Any]]:
    found = start_up.measure(pairs)
    aim = f"<= {START_UP:g}"
    imported = float(found["torch_imported"])
    return [
        _figure("start-up over -p no:torchcompat", found["milliseconds"], "ms", aim, **found),
        _figure("torch imported at start-up", imported, "times", "0", commands=found["commands"]),
    ]


def _sweep(options: argparse.Namespace) -> list[dict[str, Any]]:
    selection = [word for each in options.torch or TORCHES for word in ("--torch", each)]
    selection += [word for each in options.library or LIBRARIES for word in ("--library", each)]
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="torchcompat-bench-") as name:
        folder = Path(name)
        if options.cold:
            os.environ["UV_CACHE_DIR"] = str(folder / "uv")
        # It fills uv's cache, builds the wheels and leaves the byte code.
        first, run = sweep.ours(selection, options.jobs, folder / "first")
        for number in range(options.repeat):
            rounds.append(_round(selection, options.jobs, run, folder, backwards=number % 2 == 1))
            _tell(rounds[-1])
    cells = len(rounds[0]["ways"]["ours"].cells)
    found = _ratios(rounds, min(options.jobs, cells, os.cpu_count() or 1))
    name = "sweep: ours, the first time" + (", nothing in uv's cache" if options.cold else "")
    return [*found, _figure(name, first.wall, "s", "", cpu=first.cpu, cells=first.cells)]


def _round(
    selection: list[str], jobs: int, run: Any, folder: Path, *, backwards: bool
) -> dict[str, Any]:
    """Take each way once; every second time in the other order, as the machine drifts."""
    load = os.getloadavg()[0]
    takes = {
        sweep.OURS: lambda: sweep.ours(selection, jobs, folder / "runs")[0],
        sweep.ALONE: lambda: sweep.ours(selection, 1, folder / "alone")[0],
        sweep.CARRIED: lambda: sweep.ours(selection, jobs, folder / "first", carry=True)[0],
        sweep.FLOORS: lambda: sweep.floors(run, folder / "floors"),
        **{
            name: functools.partial(hands.by_hand, name, run, folder / "by-hand")
            for name in hands.WAYS
        },
    }
    order = list(takes)[::-1] if backwards else list(takes)
    ways = {name: takes[name]() for name in order}
    return {"load": load, "ways": {name: ways[name] for name in takes}}


def _tell(found: dict[str, Any]) -> None:
    ways: dict[str, Way] = found["ways"]
    walls = ", ".join(f"{name} {way.wall:.1f} s" for name, way in ways.items())
    print(f"{walls} (load before: {found['load']:.2f})", file=sys.stderr)
    for line in sweep.differences(list(ways.items())):
        print(f"warning: {line}", file=sys.stderr)


def _ratios(rounds: list[dict[str, Any]], jobs: int) -> list[dict[str, Any]]:
    def each(name: str) -> list[float]:
        return [found["ways"][name].wall for found in rounds]

    own, alone, carried = each(sweep.OURS), each(sweep.ALONE), each(sweep.CARRIED)
    fastest = [min(several) for several in zip(*map(each, hands.WAYS))]
    overheads = [took * jobs / floor for took, floor in zip(own, each(sweep.FLOORS))]
    middle = statistics.median
    return [
        _figure(
            "sweep: wall x cores / floors",
            middle(overheads),
            "x",
            f"<= {OVERHEAD:g}",
            each=overheads,
            cores=jobs,
        ),
        _ratio("the fastest by hand / ours", fastest, own, f">= {SPEED_UP:g}"),
        _ratio("the fastest by hand / ours, all carried over", fastest, carried, ""),
        _ratio("one worker / several", alone, own, ""),
        *(_way_figure(name, rounds) for name in rounds[0]["ways"]),
    ]


def _ratio(name: str, some: list[float], others: list[float], aim: str) -> dict[str, Any]:
    each = [one / other for one, other in zip(some, others)]
    return _figure(f"sweep: {name}", statistics.median(each), "x", aim, each=each)


def _way_figure(name: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    ways: list[Way] = [found["ways"][name] for found in rounds]
    return _figure(
        f"sweep: {name}",
        statistics.median(way.wall for way in ways),
        "s",
        "",
        each=[way.wall for way in ways],
        cpu=[way.cpu for way in ways],
        loads_before=[found["load"] for found in rounds],
        cells=[way.cells for way in ways],
        commands=ways[0].commands,
    )


def _print(figures: list[dict[str, Any]]) -> None:
    table = Table("figure", "value", "aim", "each")
    for figure in figures:
        values = "  ".join(f"{value:.2f}" for value in figure.get("each", []))
        table.add_row(
            figure["name"], f"{figure['value']:.2f} {figure['unit']}", figure["aim"], values
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
