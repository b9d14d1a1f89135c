"""``torchcompat shims``: the adaptations of removed APIs, as a list and as code to paste."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from pytest_torchcompat import shim
from pytest_torchcompat.commands.shims_code import ENTRY_POINT, SITECUSTOMIZE, code
from pytest_torchcompat.errors import TorchcompatError


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "List the adaptations of removed APIs, or print some as code to paste"
    codes = "Exit code: 0, or 2 for a name that is not known."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "shims", help=about, description=f"{about}.", epilog=codes
    )
    names = "Print the code of these, for the top of your program; without a name, list them all"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    place = (
        "Print the code for sitecustomize.py, for programs that you cannot change; it does nothing"
        " before the first import of the library"
    )
    parser.add_argument("--sitecustomize", action="store_true", help=place)
    parser.add_argument("--json", action="store_true", help="List them for a machine to read")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list or the code; raises ``TorchcompatError`` for what cannot be printed."""
    _check(args)
    if args.names:
        place = SITECUSTOMIZE if args.sitecustomize else ENTRY_POINT
        wanted = {shim.get(name).name for name in args.names}
        sys.stdout.write(code([each for each in shim.SHIMS if each.name in wanted], place))
        return 0
    versions = shim.installed()
    found = [_described(each, versions) for each in shim.SHIMS]
    text = json.dumps(found, indent=2) if args.json else "\n\n".join(map(_paragraph, found))
    sys.stdout.write(f"{text}\n")
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.json and (args.names or args.sitecustomize):
        message = "--json lists all shims: leave out the names and --sitecustomize, or --json."
        raise TorchcompatError(message)
    if args.sitecustomize and not args.names:
        names = ", ".join(each.name for each in shim.SHIMS)
        message = f"--sitecustomize needs the names of the shims to print. There are: {names}."
        raise TorchcompatError(message)


def _described(each: shim.Shim, versions: Mapping[str, str]) -> dict[str, Any]:
    """
    Return a shim as ``--json`` lists it.

    ``name``, what it ``restores``, whether it ``applies`` here, the ``libraries`` whose checks may
    need it, whether it is needed ``at_import``, and when nobody needs it any more:
    ``retired_when``.
    """
    return {
        "name": each.name,
        "restores": each.restores,
        "applies": each.applies(versions),
        "libraries": list(each.libraries),
        "at_import": each.at_import,
        "retired_when": each.retired_when,
    }


def _paragraph(found: Mapping[str, Any]) -> str:
    lines = (
        f"{found['name']}: {'applies' if found['applies'] else 'does not apply'} here",
        f"  restores {found['restores']}",
        f"  for {', '.join(found['libraries'])}",
        f"  not needed any more when {found['retired_when']}",
    )
    return "\n".join(lines)
