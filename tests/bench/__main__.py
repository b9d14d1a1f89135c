"""
The project's performance suite: ``python -m tests.bench``, or ``nox -s bench``.

One table of what the project promises, each as a ratio to a peer that was measured in the same run.
It measures, and it does not judge: a figure that misses its aim is no error. Ctrl-C keeps what is
measured, and ``--resume`` goes on from there.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from rich.console import Console

from matrix.arguments import positive
from matrix.budget import default_jobs
from matrix.store import read_json, write_json, write_text
from pytest_torchcompat.timing.host import host
from tests.bench import (
    carrying,
    explaining,
    fetching,
    forwarding,
    hands,
    loads,
    paging,
    scale,
    scanning,
    start_up,
    sweep_turns,
)
from tests.bench.figures import Figure, NotRunError
from tests.bench.plot import plot
from tests.bench.promises import DESCRIPTIONS, SUITES
from tests.bench.report import markdown, table

SCHEMA = 2
BROKEN, INTERRUPTED = 1, 130
WIDTH = 160  # of a table that goes to no terminal
# Of each suite so much that what is promised can be seen: a night has other things to do.
QUICK: Mapping[str, Any] = {
    "cells": [1_000, 10_000],
    "checks": [1_000, 10_000],
    "pairs": 9,
    "downloads": 2,
    "openings": 3,
    "scans": 1,
    "turns": 5,
}
# Where it stands and what it writes: of no figure, so that a run that goes on may have others.
_OWN = ("only", "json", "plot", "markdown", "resume", "everything", "torch_python")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, print the table and write the files."""
    options = _options(arguments)
    found = _resumed(options) if options.resume else _nothing(options)
    interrupted = False
    try:
        _measure(found, options)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; what was measured is kept", file=sys.stderr)
    width = None if sys.stdout.isatty() else WIDTH
    Console(width=width).print(table(found, everything=options.everything))
    _write(found, options)
    if interrupted:
        return INTERRUPTED
    return BROKEN if any(suite["broken"] for suite in found["suites"].values()) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    first = parser.parse_args(arguments)
    if first.quick:
        parser.set_defaults(**QUICK)
    if first.resume and not first.resume.is_file():
        parser.error(f"{first.resume} is no file to go on from; leave --resume out to begin")
    if first.resume:
        saved = read_json(first.resume)
        if saved.get("schema") != SCHEMA or saved["machine"] != host():
            parser.error(
                f"{first.resume} is of another machine or of another version of this suite: one"
                " table is of one machine. Measure all of it here, without --resume."
            )
        parser.set_defaults(json=first.resume, **saved["settings"])
    return parser.parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    only = "The suites to measure; all by default"
    add("--only", nargs="+", choices=SUITES, default=SUITES, help=only)
    add("--quick", action="store_true", help="Less of everything, as a night has it")
    add("--all", dest="everything", action="store_true", help="Show what is only stated as well")
    add("--json", type=Path, metavar="FILE", help="Write the figures here, after each suite")
    add("--resume", type=Path, metavar="FILE", help="Skip what is in this JSON, and add to it")
    add("--plot", type=Path, metavar="FILE", help="Draw the ratios here, as an SVG")
    add("--markdown", type=Path, metavar="FILE", help="Write the table here, in Markdown")
    _add_sizes(parser)
    return parser


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    def add(flag: str, kind: Callable[[str], Any], default: Any, text: str, **more: Any) -> None:
        parser.add_argument(flag, type=kind, default=default, help=text, **{"metavar": "N", **more})

    add("--pairs", _spread, 25, "start-up: how often pytest starts with the plugin and without it")
    add("--downloads", positive, 5, "fetch: how often 1 GiB is fetched each way")
    add("--scans", positive, 3, "scan: how often each scanner reads each large file")
    torch_python = "scan: a Python that has torch 2.6 or later, for torch's own lister"
    add("--torch-python", Path, Path(sys.executable), torch_python, metavar="FILE")
    add("--failures", positive, 10_000, "explain: how many recorded failures are explained")
    cells = (
        f"scale: how many cells the made-up runs have, one run a number{_by_default(scale.SIZES)}"
    )
    add("--cells", positive, scale.SIZES, cells, nargs="+")
    checks = f"page: how many checks the pages show, one page a number{_by_default(paging.SIZES)}"
    add("--checks", positive, paging.SIZES, checks, nargs="+")
    add("--openings", positive, 5, "page: how often the browser opens each page")
    add("--turns", positive, 15, "forward and load: how often each way is taken")
    add("--seconds", _seconds, 0.5, "forward: how long each way times a call", metavar="S")
    _add_sweep(parser)


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    again = "may be given several times"
    torch = f"sweep: a version of torch to sweep; {again}{_by_default(sweep_turns.TORCHES)}"
    parser.add_argument("--torch", action="append", metavar="VERSION", help=torch)
    library = f"sweep: a library to sweep; {again}{_by_default(sweep_turns.LIBRARIES)}"
    parser.add_argument("--library", action="append", metavar="NAME[==VERSION]", help=library)
    jobs = "sweep: how many cells ours runs at a time"
    parser.add_argument("--jobs", type=positive, default=default_jobs(), metavar="N", help=jobs)
    repeat = "sweep: how often each way through the cells is taken"
    parser.add_argument("--repeat", type=positive, default=1, metavar="N", help=repeat)
    cold = "sweep: begin with an empty cache of uv"
    parser.add_argument("--cold", action="store_true", help=cold)


def _by_default(values: Sequence[object]) -> str:
    return f" (by default {', '.join(map(str, values))})"


def _spread(text: str) -> int:
    number = positive(text)
    if number == 1:
        message = "of 1 pair there are no quartiles; give 2 or more"
        raise argparse.ArgumentTypeError(message)
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        message = f"{text!r} is no number of seconds; give more than 0"
        raise argparse.ArgumentTypeError(message)
    return seconds


def _suites(options: argparse.Namespace) -> dict[str, Callable[[], list[Figure]]]:
    o = options
    cells = sweep_turns.selection(
        o.torch or sweep_turns.TORCHES, o.library or sweep_turns.LIBRARIES
    )
    hand = hands.WAYS
    if o.quick and not (o.torch or o.library):
        cells, hand = list(sweep_turns.QUICK), (hands.NOX,)
    return {
        "start-up": lambda: start_up.figures(o.pairs),
        "fetch": lambda: fetching.figures(o.downloads),
        "scan": lambda: scanning.figures(o.scans, o.torch_python, quick=o.quick),
        "explain": lambda: explaining.figures(o.failures),
        "scale": lambda: scale.figures(o.cells),
        "carry": carrying.figures,
        "page": lambda: paging.figures(o.checks, o.openings),
        "forward": lambda: forwarding.figures(o.turns, o.seconds),
        "load": lambda: loads.figures(o.turns),
        "sweep": lambda: sweep_turns.figures(cells, o.jobs, o.repeat, cold=o.cold, hand=hand),
    }


def _nothing(options: argparse.Namespace) -> dict[str, Any]:
    """
    Return the file of ``--json`` before anything is measured.

    ``schema`` is the number of this form, ``started`` when it began. ``machine`` says which one it
    is, ``platform`` its system and ``versions`` what is installed; ``settings`` are the options
    that figures depend on. ``suites`` has of each suite its ``seconds``, the ``load`` of the
    machine before and after, and the ``reason`` where it did not run or is ``broken``. ``figures``
    are below.
    """
    settings = {name: value for name, value in vars(options).items() if name not in _OWN}
    return {
        "schema": SCHEMA,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": host(),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version(), **_versions()},
        "settings": settings,
        "suites": {},
        "figures": [],
    }


def _versions() -> dict[str, str]:
    found = {each.metadata["Name"].lower(): each.version for each in distributions()}
    return dict(sorted(found.items()))


def _resumed(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured before; a suite that could not run is tried again."""
    found = dict(read_json(options.resume))
    found["suites"] = {k: suite for k, suite in found["suites"].items() if not suite["reason"]}
    return found


def _measure(found: dict[str, Any], options: argparse.Namespace) -> None:
    suites = _suites(options)
    todo = [name for name in SUITES if name in options.only and name not in found["suites"]]
    for number, name in enumerate(todo, 1):
        print(f"{number} of {len(todo)}: {name}, {DESCRIPTIONS[name]}", file=sys.stderr)
        suite, figures = _taken(suites[name])
        found["suites"][name] = suite
        found["figures"] += figures
        said = suite["reason"] or f"{len(figures)} figures"
        print(f"  {said} in {suite['seconds']:.0f} s", file=sys.stderr)
        _write(found, options)


def _taken(suite: Callable[[], list[Figure]]) -> tuple[dict[str, Any], list[Figure]]:
    """Return a suite's figures; what ends it ends no other, and is its reason."""
    before, start = os.getloadavg()[0], time.monotonic()
    figures, reason, broken = [], "", False
    try:
        figures = suite()
    except NotRunError as error:
        reason = f"not run: {error}"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the others go on
        reason, broken = f"broke off: {type(error).__name__}: {error}", True
    load = [before, os.getloadavg()[0]]
    seconds = time.monotonic() - start
    return {"seconds": seconds, "load": load, "reason": reason, "broken": broken}, figures


def _write(found: Mapping[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        write_json(options.json, found)
    if options.plot:
        write_text(options.plot, plot(found))
    if options.markdown:
        write_text(options.markdown, markdown(found, everything=options.everything))


if __name__ == "__main__":
    sys.exit(main())
