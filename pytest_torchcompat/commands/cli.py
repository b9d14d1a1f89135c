"""The ``torchcompat`` command line."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from pytest_torchcompat import __version__
from pytest_torchcompat.commands import allowlist, audit, convert, fetch, scan
from pytest_torchcompat.errors import TorchcompatError

COMMANDS = (scan, allowlist, convert, audit, fetch)
_FAILED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; an error on purpose is one sentence and exit 2."""
    args = _parser().parse_args(argv)
    _print_anything()
    try:
        return int(args.run(args))
    except TorchcompatError as error:
        sys.stderr.write(f"torchcompat: {error}\n")
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    about = "Checkpoints, and which torch loads them under which policy."
    parser = argparse.ArgumentParser(prog="torchcompat", description=about)
    parser.add_argument("--version", action="version", version=f"torchcompat {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def _print_anything() -> None:
    # A terminal of another encoding shows what it lacks escaped, and is no reason to stop.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
