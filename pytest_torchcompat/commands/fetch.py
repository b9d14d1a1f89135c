"""``torchcompat fetch``: reference checkpoints into the cache, verified."""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import (
    Catalogue,
    Checkpoint,
    CheckpointFile,
    Edition,
    HubFile,
    in_megabytes,
)
from pytest_torchcompat.checkpoints.fetch import cached, fetch, locate, verify
from pytest_torchcompat.checkpoints.offers import offers
from pytest_torchcompat.checkpoints.own import is_here
from pytest_torchcompat.checkpoints.project import add_project_rows
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import FetchError, TorchcompatError, unknown_name
from pytest_torchcompat.scan import Verdict, scan_path

_HEAD = ("checkpoint", "size", "licence", "have", "sha256", "from")
_UNKNOWN = "unknown"
_HERE = (Edition.REFERENCE.value, Edition.LOCAL.value)
_WEIGHTS_ONLY_BY_DEFAULT = "2.6"  # the torch whose allow-list the rows are written against
_INTERRUPTED = 130
_STOPPED = (
    "torchcompat fetch: stopped. What is finished is kept; the same command goes on with the rest"
)


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Download reference checkpoints into the cache, verified"
    codes = (
        "Exit code: 0, or 1 where one could not be had and the others went on, 2 for a name that is"
        " not known, 130 where it was interrupted."
    )
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "fetch", help=about, description=f"{about}.", epilog=codes
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", default=[], metavar="ID", help="Checkpoints to fetch")
    which.add_argument("--all", action="store_true", help="Each row that has a source or a path")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="Print a table and fetch nothing")
    how.add_argument(
        "--verify", action="store_true", help="Read again every byte of what is here; fetch nothing"
    )
    how.add_argument(
        "--replica",
        type=Path,
        metavar="DIR",
        help="Copy the small stand-ins that are shipped to DIR instead; fetch nothing",
    )
    parser.add_argument(
        "--accept-licence",
        action="append",
        default=[],
        metavar="NAME",
        help="A licence whose terms you have read and accept; repeatable",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="Use DIR, not the hub's cache")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fetch the rows or print the table; 1 where one could not be had, and the others went on."""
    known = _catalogue()
    accepted = _accepted(args.accept_licence, known)
    rows = _with_origin(known) if args.all else [known.get(each) for each in args.ids]
    try:
        if args.dry_run:
            sys.stdout.write(_table(rows, args.cache))
            return 0
        if args.verify:
            return _all_go_well(partial(verify, row, args.cache) for row in _here(rows, args))
        if args.replica:
            return _all_go_well(partial(_copied, row, args.replica) for row in rows)
        return _all_go_well(partial(fetch, row, args.cache, accepted=accepted) for row in rows)
    except KeyboardInterrupt:
        sys.stderr.write(f"{_STOPPED}\n")
        return _INTERRUPTED


def _catalogue() -> Catalogue:
    known = catalogue()
    add_project_rows(known, Path.cwd())
    return known


def _with_origin(known: Catalogue) -> list[Checkpoint]:
    return [row for row in known if row.sources or row.local]


def _accepted(names: Sequence[str], known: Catalogue) -> tuple[str, ...]:
    valid = sorted({row.licence for row in known if row.terms})
    for name in names:
        if name not in valid:
            raise unknown_name("licence to accept", name, valid)
    return tuple(names)


def _copied(row: Checkpoint, folder: Path) -> CheckpointFile:
    """Copy a replica and what it is read with; raises ``FetchError`` before it replaces a file."""
    file = locate(row, Edition.REPLICA.value)
    names = [file.path.name, *(side.filename for side in row.beside if side.replica_sha256)]
    due = [name for name in names if _is_due(file.path.parent / name, folder / name)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in due:
            shutil.copyfile(file.path.parent / name, folder / name)
    except OSError as error:
        reason = error.strerror or error
        message = f"{row.id}: {folder} cannot be written: {reason}. Name another folder"
        raise FetchError(message) from error
    if not due:
        sys.stdout.write(f"{row.id}: there already, with the same bytes\n")
    return replace(file, path=folder / file.path.name)


def _is_due(source: Path, target: Path) -> bool:
    """Whether a file is to be copied; raises ``FetchError`` where another one has its place."""
    if not target.exists():
        return True
    if filecmp.cmp(source, target, shallow=False):
        return False
    message = f"{target} exists; remove it or name another folder"
    raise FetchError(message)


def _all_go_well(each: Iterable[Callable[[], CheckpointFile]]) -> int:
    failed = [get for get in each if not _goes_well(get)]
    return 1 if failed else 0


def _here(rows: Iterable[Checkpoint], args: argparse.Namespace) -> list[Checkpoint]:
    """Return what there is to verify: of all rows those that are here, else what was named."""
    return [row for row in rows if not args.all or _is_here(row, args.cache)]


def _is_here(row: Checkpoint, cache: Path | None) -> bool:
    """Whether there is a file to verify, right or wrong."""
    if row.local and not row.sources:
        return is_here(row)
    return any(offer.is_here() for offer in offers(row, cache))


def _goes_well(get: Callable[[], CheckpointFile]) -> bool:
    try:
        _tell(get())
    except TorchcompatError as error:
        sys.stderr.write(f"torchcompat fetch: {error}\n")
        return False
    return True


def _tell(file: CheckpointFile) -> None:
    row = file.checkpoint
    lines = [f"{row.id}: {_done(file)}, {file.path}"]
    if file.established:
        values = ", ".join(file.established)
        lines += [f"  its row leaves open, and this file says: {values}; put it in the row"]
    lines += [f"  {_globals_of(file)}"] if row.pickled else []
    sys.stdout.write("".join(f"{escaped(line)}\n" for line in lines))
    sys.stdout.flush()


def _done(file: CheckpointFile) -> str:
    if file.edition is Edition.REPLICA:
        return "a replica, which stands in for the real file"
    # Bytes that nobody had stated before can't be verified by themselves.
    got = "local" if file.edition is Edition.LOCAL else "fetched"
    return "verified" if file.checkpoint.sha256 else f"{got}, not verified"


def _globals_of(file: CheckpointFile) -> str:
    """Compare what a file pickles with what its row says."""
    scan = scan_path(file.path, hashed=False)  # its hash is known
    if scan.verdict is Verdict.REFUSED:
        return f"globals: not read. {scan.cause}"
    found, stated = set(scan.beyond(_WEIGHTS_ONLY_BY_DEFAULT)), set(file.checkpoint.globals)
    if found == stated:
        return f"globals: as the row says ({len(stated)})"
    lacking, excess = ", ".join(sorted(found - stated)), ", ".join(sorted(stated - found))
    parts = [f"pickles {lacking}, which its row lacks"] if lacking else []
    parts += [f"does not pickle {excess}, which its row lists"] if excess else []
    said = "; it ".join(parts)
    return f"globals: the file {said}. Please report it, or correct the row if it is yours"


def _table(rows: Sequence[Checkpoint], cache: Path | None) -> str:
    have = [_have(row, cache) for row in rows]
    lines = [_HEAD, *(_line(row, state) for row, state in zip(rows, have))]
    widths = [max(map(len, column)) for column in zip(*lines)]
    told = [_padded(line, widths) for line in lines]
    return "\n".join([*told, _sum(list(zip(rows, have)))]) + "\n"


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip()


def _line(row: Checkpoint, have: str) -> tuple[str, ...]:
    sha256 = row.sha256[:8] if row.sha256 else _UNKNOWN
    return (row.id, row.size, _licence(row), have, sha256, ", else ".join(_origins(row)))


def _licence(row: Checkpoint) -> str:
    gates = [isinstance(source, HubFile) and source.gated for source in row.sources]
    words = [row.licence or _UNKNOWN]
    words += ["to be accepted"] if row.terms else []
    if gates and gates[0]:
        words += ["gated" if all(gates) else "gated at its first source"]
    return ", ".join(words)


def _origins(row: Checkpoint) -> Iterator[str]:
    if row.local:
        yield str(row.local.path)
    yield from map(str, row.sources)
    if not (row.local or row.sources):
        yield "-"


def _have(row: Checkpoint, cache: Path | None) -> str:
    found = _local(row, cache) or cached(row, cache)
    if found:
        return found.edition.value
    return Edition.REPLICA.value if row.replica else "no"


def _local(row: Checkpoint, cache: Path | None) -> CheckpointFile | None:
    if not is_here(row):
        return None
    try:
        return locate(row, cache=cache)
    except TorchcompatError:
        return None


def _sum(rows: Sequence[tuple[Checkpoint, str]]) -> str:
    here = sum(have in _HERE for _, have in rows)
    noun = "checkpoint" if len(rows) == 1 else "checkpoints"
    return f"{len(rows)} {noun}, {here} here, {_left(rows)}"


def _left(rows: Sequence[tuple[Checkpoint, str]]) -> str:
    left = [row for row, have in rows if have not in _HERE and row.sources]
    if not left:
        return "nothing left to fetch"
    known = sum(size or 0 for row in left for size in row.sizes)
    open_ = sum(None in row.sizes for row in left)
    unknown = f" and {open_} of unknown size" if open_ else ""
    return f"left to fetch: {in_megabytes(known)}{unknown}"
