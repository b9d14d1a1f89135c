"""``torchcompat allowlist``: the smallest allow-list of a checkpoint, as code to paste."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_torchcompat.allowlist_code import ENTRY_POINT, PLACES, code, of_scripts
from pytest_torchcompat.commands.input_files import cannot_be_read, require_file
from pytest_torchcompat.commands.limit_options import add_limits, limits_from
from pytest_torchcompat.display import escaped
from pytest_torchcompat.scan import Limits, Scan, scan_path

_LOAD = """
import sys
import torch

torch.load(sys.argv[1], map_location="cpu", weights_only=True)
sys.stdout.write("\\n" + torch.__version__)
"""
_SENTENCES = (
    re.compile(r"WeightsUnpickler error:\s*(.+)"),
    re.compile(r"^[\w.]*Error\b.*", re.MULTILINE),
)
_SECONDS = 600
_LONGEST = 300
_NOT_TRIED = (
    "# Not tried: with --verify torch loads the file with this code, which imports these names and"
    " lets the file call them."
)
_NOT_PLACED = (
    "the file does not say where {names} is defined, so that nothing here can import it. Import it"
    " as the code says, and load the file in a program of yours."
)
_NOT_TRIED_WITHOUT_CODE = "# Not tried: with --verify torch loads the file."


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Print the smallest allow-list of a checkpoint, as code to paste"
    codes = "Exit code: 0, or 1 where --verify could not load the file, 2 without an allow-list."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "allowlist", help=about, description=f"{about}.", epilog=codes
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="The checkpoint")
    place = (
        "Where the code goes: to the top of your program, or into sitecustomize.py, for programs"
        " that you cannot change; there it does nothing before the first torch.load"
    )
    parser.add_argument("--for", dest="place", choices=PLACES, default=ENTRY_POINT, help=place)
    verify = (
        "Load the file with this code, weights_only=True and the installed torch, in a process of"
        " its own: this imports the names and lets the file call them"
    )
    parser.add_argument("--verify", action="store_true", help=verify)
    add_limits(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the code; raises ``TorchcompatError`` for a file that no allow-list should open."""
    scan = _scanned(args.file, limits_from(args.limit))
    lines = code(scan, args.place)
    unplaced = of_scripts(scan.globals)
    if unplaced:
        sentence, failed = _unplaced(unplaced, tried=args.verify), args.verify
    else:
        sentence, failed = _verified(args.file, lines) if args.verify else (_untried(lines), False)
    sys.stdout.write("\n".join([*lines, sentence]) + "\n")
    return int(failed)


def _scanned(path: Path, limits: Limits) -> Scan:
    require_file(path)
    try:
        return scan_path(path, hashed=False, limits=limits)
    except OSError as error:
        raise cannot_be_read(path, error) from error


def _unplaced(names: Sequence[str], *, tried: bool) -> str:
    said = _NOT_PLACED.format(names=" or ".join(names))
    return f"# Not {'verified' if tried else 'tried'}: {said}"


def _untried(lines: Sequence[str]) -> str:
    has_code = any(not line.startswith("#") for line in lines)
    return _NOT_TRIED if has_code else _NOT_TRIED_WITHOUT_CODE


def _verified(path: Path, lines: Sequence[str]) -> tuple[str, bool]:
    """Load the file with the code in another process; return what came of it, and if it failed."""
    command = [sys.executable, "-c", "\n".join(lines) + _LOAD, os.fspath(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"# Not verified: the load took longer than {_SECONDS} seconds.", True
    if done.returncode == 0:
        return f"# Verified with torch {escaped(done.stdout.splitlines()[-1])}.", False
    return f"# Not verified: {_last_words(done)}", True


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Return the sentence of an error that says most, of torch's many."""
    if "No module named 'torch'\n" in done.stderr:
        return "torch is not installed."
    found = [said for pattern in _SENTENCES for said in pattern.findall(done.stderr)[-1:]]
    return escaped(found[0] if found else f"the process ended with {done.returncode}.")[:_LONGEST]
