"""``torchcompat fetch``: reference checkpoints into the cache, verified."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.checkpoints.fetch import cached, fetch
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError

_HEAD = ("checkpoint", "size", "licence", "have", "from")


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Download reference checkpoints into the cache, verified"
    parser: argparse.ArgumentParser = subparsers.add_parser("fetch", help=about, description=about)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", default=[], metavar="ID", help="Checkpoints to fetch")
    which.add_argument("--all", action="store_true", help="Fetch every row that has a source")
    parser.add_argument("--dry-run", action="store_true", help="Print a table and fetch nothing")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="Use DIR, not the hub's cache")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fetch the rows or print the table; 1 where one could not be had, and the others went on."""
    known = catalogue()
    rows = list(known) if args.all else [known.get(identifier) for identifier in args.ids]
    if args.dry_run:
        sys.stdout.write(_table(rows, args.cache))
        return 0
    wanted = [row for row in rows if row.sources] if args.all else rows
    fetched = [_fetched(row, args.cache) for row in wanted]
    return 0 if all(fetched) else 1


def _fetched(row: Checkpoint, cache: Path | None) -> bool:
    try:
        file = fetch(row, cache)
    except TorchcompatError as error:
        sys.stderr.write(f"torchcompat fetch: {error}\n")
        return False
    sys.stdout.write(f"{row.id}: verified, {file.path}\n")
    return True


def _table(rows: Iterable[Checkpoint], cache: Path | None) -> str:
    lines = [_HEAD, *(_line(row, cache) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "".join(f"{_padded(line, widths)}\n" for line in lines)


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip()


def _line(row: Checkpoint, cache: Path | None) -> tuple[str, ...]:
    size = f"{row.bytes / 1e6:.1f} MB" if row.bytes else "-"
    return (row.id, size, row.licence or "-", _have(row, cache), _origin(row))


def _have(row: Checkpoint, cache: Path | None) -> str:
    if cached(row, cache):
        return "reference"
    return "replica" if row.replica else "no"


def _origin(row: Checkpoint) -> str:
    if not row.sources:
        return "-"
    return str(row.sources[0])
