"""The ``torchcompat`` command line."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_torchcompat.errors import TorchcompatError

# Each is a module beside this one; only what is asked for is imported.
COMMANDS = ("scan", "allowlist", "convert", "audit", "explain", "shims", "fetch", "doctor")
_FAILED = 2
_CLOSED = 141  # what a shell tells of a program that SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; an error on purpose is one sentence and exit 2."""
    words = sys.argv[1:] if argv is None else list(argv)
    args = _parser(words).parse_args(words)
    _print_anything()
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except TorchcompatError as error:
        sys.stderr.write(f"torchcompat: {error}\n")
        return _FAILED
    except BrokenPipeError:  # whoever reads has read enough, as head does
        _print_no_more()
        return _CLOSED
    return code


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    about = "Checkpoints, and which torch loads them under which policy."
    parser = argparse.ArgumentParser(prog="torchcompat", description=about)
    parser.add_argument("--version", action=_Version, help="Show the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in [word for word in words[:1] if word in COMMANDS] or COMMANDS:
        module = importlib.import_module(f"pytest_torchcompat.commands.{command}")
        module.add_parser(subparsers)
    return parser


class _Version(argparse.Action):
    """Asks for the version only when it is to be shown, as that takes some milliseconds."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from pytest_torchcompat import __version__

        sys.stdout.write(f"torchcompat {__version__}\n")
        parser.exit()


def _print_anything() -> None:
    # A terminal of another encoding shows what it lacks escaped, and is no reason to stop.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _print_no_more() -> None:
    # Python flushes as it ends, and would complain.
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the end
