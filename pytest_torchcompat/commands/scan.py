"""``torchcompat scan``: what checkpoints would import, without executing anything."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.commands.display import escaped, human_size
from pytest_torchcompat.scan import Scan, Verdict, scan_path
from pytest_torchcompat.scan.allowlists import MEASURED, spelled
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
_NOTHING = "No checkpoint found. Name a file to have it read whatever it is.\n"
_DANGEROUS, _REFUSED = 1, 2
_WEIGHTS_ONLY_BY_DEFAULT = (2, 6)


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Say what checkpoints would import, without executing anything"
    codes = "Exit code: 0, or 1 with a dangerous file, 2 with a refused one."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "scan", help=about, description=f"{about}.", epilog=codes
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="Files and folders")
    parser.add_argument("--json", action="store_true", help="Write a JSON list")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Scan each file; one that cannot be read is reported among the others."""
    scans = [scan for path in args.paths for scan in _scans(path)]
    if args.json:
        sys.stdout.write(json.dumps([scan.to_dict() for scan in scans], indent=2) + "\n")
    else:
        known = catalogue().by_sha256()
        sys.stdout.write("\n".join(report(scan, known) for scan in scans) or _NOTHING)
    return _exit_code(scans)


def _exit_code(scans: Sequence[Scan]) -> int:
    verdicts = {scan.verdict for scan in scans}
    if Verdict.REFUSED in verdicts:
        return _REFUSED
    return _DANGEROUS if Verdict.DANGEROUS in verdicts else 0


def _scans(path: Path) -> Iterator[Scan]:
    if not path.is_dir():
        yield _scanned(path)
        return
    for file in _files(path):
        scan = _scanned(file)
        # In a folder, what is neither named nor made like a checkpoint is not asked about.
        if file.suffix.lower() in _SUFFIXES or scan.reason not in _NO_CHECKPOINT:
            yield scan


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(parent, name) for name in sorted(names))
        yield from (path for path in paths if path.is_file() or not path.exists())


def _scanned(path: Path) -> Scan:
    # A pipe or a device could be read for ever.
    if path.exists() and not path.is_file():
        return _unreadable(path, "It is not a regular file.")
    try:
        return scan_path(path)
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
    if not scan.sha256:
        return path
    row = known.get(scan.sha256)
    name = f" = {row.id} ({_edition(row, scan.sha256)})" if row else ""
    return f"{path}   {scan.format}, {human_size(scan.bytes)}, sha256 {scan.sha256[:8]}…{name}"


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


def beyond_any(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are missing from some torch's own allow-list."""
    return tuple(
        name for name in names if not all(name in allowed for allowed in MEASURED.values())
    )


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
