"""
``python -m matrix site``: what is published of all runs, as one folder.

The root is always a complete run where there is one: badges and ``matrix.json`` are linked from
elsewhere, and half a run would turn them grey. A newer one that is not complete lies beside it. A
run that was narrowed by hand takes no root from one that was not; where all are narrowed, as in a
workflow that passes arguments, the newest has it.
"""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import contextlib
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from matrix.history.files import FOLDER as HISTORY
from matrix.lean import read_lean
from matrix.questions import before, folder_of, newest
from matrix.store import RunFolder, runs, write_text
from matrix.thinning import kind_of, thin
from matrix.whole import COMING, whole
from pytest_torchcompat.errors import RecordError

INCOMPLETE, DOCS = "incomplete", "docs"
RECENT = 10  # runs among which the widest is looked for: one that is made no more gives way
BODY = "<body>\n"
NOTE = Markup(
    '<aside aria-label="A newer run"><p>A newer run, {run}, is not complete: '
    '<a href="{folder}/">what it found so far</a>.</p></aside>\n'
)


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("site", help="Put together what is published of all runs")
    parser.add_argument("runs", type=folder_of, metavar="RUNS", help="The folder of the runs")
    parser.add_argument("out", type=folder_of, metavar="OUT", help="The folder that is published")
    parser.add_argument("--docs", type=folder_of, metavar="DIR", help="Documentation, built")
    parser.add_argument(
        "--thin",
        action="store_true",
        help="Make all runs small but the last two of each selection: delete what nobody asks for",
    )
    parser.set_defaults(command=make_site)


def make_site(options: argparse.Namespace) -> int:
    """Write the site, whole or not at all, and say what is at its root."""
    print(site(options.runs, options.out, options.docs))
    if options.thin:
        thin(options.runs)
    return 0


def site(root: Path, out: Path, docs: Path | None = None) -> str:
    """Write what is published into a folder that is new, or a site; say what it shows."""
    latest = _widest(root)
    if not latest.page.exists():
        message = f"{latest.path} has no page; `python -m matrix render {latest.path}` writes it"
        raise RecordError(message)
    shown = _last_complete(latest)
    _refuse_others(out, docs)
    with whole(RunFolder(out.parent), out) as new:
        _copy_run(shown, new)
        if shown != latest:
            _copy_run(latest, new / INCOMPLETE)
            _point_to(latest, new / shown.page.name)
        _copy_beside(root / HISTORY, new / HISTORY)
        if docs:
            _copy_beside(docs, new / DOCS)
    with contextlib.suppress(OSError):  # another site is being written beside it
        (out.parent / COMING).rmdir()
    beside = f"; {latest.path.name} is not complete, and beside it" if shown != latest else ""
    last = newest(root)
    other = f"; {last.name} is of another selection or edition, and left out"
    return f"{out}: {shown.path.name}{beside}{other if last != latest.path else ''}"


def _widest(root: Path) -> RunFolder:
    """Return the newest of the recent runs that were narrowed least."""
    recent = [run for run in islice(runs(root), RECENT) if run.matrix.exists()]
    return min(recent, key=_narrowed, default=RunFolder(newest(root)))


def _narrowed(run: RunFolder) -> tuple[bool, bool]:
    kind = kind_of(run)
    return (not kind or bool(kind.selection), not kind or kind.edition != "auto")


def _last_complete(latest: RunFolder) -> RunFolder:
    """Return a run where it is complete or all there is, else the last complete one before it."""
    matrix = read_lean(latest.matrix)
    if matrix.get("complete"):
        return latest
    try:
        return RunFolder(before(latest.path, matrix)[0])
    except RecordError:
        return latest


def _refuse_others(out: Path, docs: Path | None) -> None:
    if out.exists() and not (out / "matrix.json").exists() and any(out.iterdir()):
        message = f"{out} holds something else than a site; name a new folder, or empty that one"
        raise RecordError(message)
    if docs and not (docs / "index.html").exists():
        message = f"{docs} has no index.html; build the documentation first: nox -s docs"
        raise RecordError(message)


def _copy_run(run: RunFolder, into: Path) -> None:
    into.mkdir(exist_ok=True)
    for path in (run.page, run.matrix, run.schema, run.changes, run.feed, run.summary):
        if path.exists():  # A run that was stopped has some of these not yet.
            shutil.copy(path, into / path.name)
    _copy_beside(run.badges, into / run.badges.name)


def _copy_beside(folder: Path, into: Path) -> None:
    if folder.is_dir():
        shutil.copytree(folder, into)


def _point_to(latest: RunFolder, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    note = str(NOTE.format(run=latest.path.name, folder=INCOMPLETE))
    write_text(page, text.replace(BODY, BODY + note, 1))
