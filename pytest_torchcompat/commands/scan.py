"""``torchcompat scan``: what checkpoints would import, without executing anything."""

from __future__ import annotations

import argparse
import glob
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.commands.input_files import named_path
from pytest_torchcompat.commands.limit_options import add_limits, limits_from
from pytest_torchcompat.display import escaped, human_size
from pytest_torchcompat.errors import MissingFileError
from pytest_torchcompat.scan import Limits, Scan, Verdict, scan_path
from pytest_torchcompat.scan.allowlists import MEASURED, beyond_any, spelled
from pytest_torchcompat.scan.refusals import NEXT_STEPS, Reason

_SUFFIXES = (
    *(".bin", ".ckpt", ".mar", ".model", ".pickle", ".pkl", ".pt", ".pt2", ".pth"),
    *(".safetensors", ".tar", ".th", ".weights"),
)
_NO_CHECKPOINT = (
    Reason.NOT_A_CHECKPOINT.value,
    Reason.DOWNLOAD_FAULT.value,
    Reason.EMPTY.value,
)
_NOTHING = "No checkpoint found. Name a file to have it read whatever it is."
_DANGEROUS, _REFUSED = 1, 2
_WEIGHTS_ONLY_BY_DEFAULT = (2, 6)


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Say what checkpoints would import, without executing anything"
    codes = "Exit code: 0, or 1 with a dangerous file, 2 with a refused one or without any."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "scan", help=about, description=f"{about}.", epilog=codes
    )
    paths = "Files, folders and patterns, ** for folders of any depth"
    parser.add_argument("paths", nargs="+", type=named_path, metavar="FILE", help=paths)
    parser.add_argument("--json", action="store_true", help="Write a JSON list")
    hashing = (
        "Take the sha256 of each file, for which it is read whole, or of none. Without either,"
        " --json takes each, and the table only those of files as long as one of the catalogue"
    )
    action = argparse.BooleanOptionalAction
    parser.add_argument("--sha256", action=action, default=None, help=hashing)
    add_limits(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Scan each file; one that cannot be read is reported among the others.

    Raises ``MissingFileError`` where the folders that are named hold no checkpoint.
    """
    known = catalogue().by_sha256()
    hashing = args.json if args.sha256 is None else args.sha256
    sizes = frozenset(_sizes(known.values())) if args.sha256 is None else frozenset()
    way = _Way(hashing, sizes, limits_from(args.limit))
    scans = (scan for path in args.paths for each in _expanded(path) for scan in _scans(each, way))
    verdicts = _write_json(scans) if args.json else _write_reports(scans, known)
    if not verdicts:
        raise MissingFileError(_NOTHING)
    return _exit_code(verdicts)


class _Way(NamedTuple):
    """How files are scanned; ``sizes`` are those of files that their hash would name."""

    hashing: bool
    sizes: frozenset[int]
    limits: Limits

    def scan(self, path: Path) -> Scan:
        hashed = self.hashing or path.stat().st_size in self.sizes
        return scan_path(path, hashed=hashed, limits=self.limits)


def _sizes(rows: Iterable[Checkpoint]) -> Iterator[int]:
    for row in rows:
        if row.bytes is not None:
            yield row.bytes
        if row.replica and row.replica.path.is_file():
            yield row.replica.path.stat().st_size


def _write_json(scans: Iterable[Scan]) -> set[Verdict]:
    found = list(scans)
    sys.stdout.write(json.dumps([scan.to_dict() for scan in found], indent=2) + "\n")
    return {scan.verdict for scan in found}


def _write_reports(scans: Iterable[Scan], known: Mapping[str, Checkpoint]) -> set[Verdict]:
    """Write each file's lines as soon as it is read."""
    verdicts: set[Verdict] = set()
    for scan in scans:
        sys.stdout.write("\n" * bool(verdicts) + report(scan, known))
        verdicts.add(scan.verdict)
    return verdicts


def _expanded(path: Path) -> list[Path]:
    """Return the files of a pattern that the shell left as it is; a path is itself."""
    pattern = os.fspath(path)
    if path.exists() or not glob.has_magic(pattern):
        return [path]
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - it takes absolute patterns
    return [Path(name) for name in found] or [path]


def _exit_code(verdicts: set[Verdict]) -> int:
    if Verdict.REFUSED in verdicts:
        return _REFUSED
    return _DANGEROUS if Verdict.DANGEROUS in verdicts else 0


def _scans(path: Path, way: _Way) -> Iterator[Scan]:
    if not path.is_dir():
        yield _scanned(path, way)
        return
    for file in _files(path):
        scan = _scanned(file, way)
        # In a folder, what is neither named nor made like a checkpoint is not asked about.
        if file.suffix.lower() in _SUFFIXES or scan.reason not in _NO_CHECKPOINT:
            yield scan


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(parent, name) for name in sorted(names))
        yield from (path for path in paths if path.is_file() or not path.exists())


def _scanned(path: Path, way: _Way) -> Scan:
    # A pipe or a device could be read for ever.
    if path.exists() and not path.is_file():
        return _unreadable(path, "It is not a regular file.")
    try:
        return way.scan(path)
    except OSError as error:
        return _unreadable(path, f"It cannot be read: {error.strerror or error}.")


def _unreadable(path: Path, cause: str) -> Scan:
    reason = Reason.UNREADABLE
    return Scan(
        path=os.fspath(path),
        sha256="",
        bytes=0,
        format="unknown",
        globals=(),
        verdict=Verdict.REFUSED,
        reason=reason.value,
        cause=cause,
        next_step=NEXT_STEPS[reason],
        weights_only=False,
    )


def report(scan: Scan, known: Mapping[str, Checkpoint]) -> str:
    """Return a file's lines for a terminal; what comes from the file is escaped."""
    lines = [_head(scan, known), *(f"  {escaped(line)}" for line in _findings(scan))]
    lines += [f"  note: {escaped(note)}" for note in scan.notes]
    next_step = escaped(_next_step(scan))
    return "\n".join([*lines, *([f"  next: {next_step}"] if next_step else [])]) + "\n"


def _head(scan: Scan, known: Mapping[str, Checkpoint]) -> str:
    path = escaped(scan.path)
    if scan.reason == Reason.UNREADABLE.value:
        return path
    row = known.get(scan.sha256)
    name = f" = {row.id} ({_edition(row, scan.sha256)})" if row else ""
    sha256 = f", sha256 {scan.sha256[:8]}…" if scan.sha256 else ""
    return f"{path}   {scan.format}, {human_size(scan.bytes)}{sha256}{name}"


def _edition(row: Checkpoint, sha256: str) -> str:
    return "verified" if row.sha256 == sha256 else "replica"


def _findings(scan: Scan) -> Iterator[str]:
    if scan.verdict is Verdict.REFUSED:
        yield f"refused ({scan.reason}): {scan.cause}"
    elif scan.verdict is Verdict.DANGEROUS:
        yield f"DANGEROUS: {scan.cause}"
    elif scan.verdict is Verdict.SAFE:
        yield "safe: it imports nothing beyond torch's own allow-list"
    else:
        yield from _allow_list_lines(scan)


def _allow_list_lines(scan: Scan) -> Iterator[str]:
    beyond = beyond_any(scan.globals)
    yield f"needs an allow-list: {_count(len(beyond), 'global')} beyond torch's own"
    yield from (f"  {name}" for name in beyond)
    if scan.weights_only:
        yield f"torch 2.5: loads by default   {_from_2_6(scan)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _from_2_6(scan: Scan) -> str:
    later = [release for release in MEASURED if release >= _WEIGHTS_ONLY_BY_DEFAULT]
    refusing = [spelled(each) for each in later if scan.beyond(spelled(each))]
    if not refusing:
        return "torch 2.6 and later: loads"
    if len(refusing) == len(later):
        return "torch 2.6 and later: refused until allowed"
    return f"torch {', '.join(refusing)}: refused until allowed"


def _next_step(scan: Scan) -> str:
    if scan.verdict is Verdict.NEEDS_ALLOWLIST:
        return f"torchcompat allowlist {shlex.quote(scan.path)}" if scan.weights_only else ""
    return scan.next_step
