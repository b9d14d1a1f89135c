"""``--limit NAME=NUMBER``: the bounds of the reader, set on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.scan.limits import Limits, described, limits_of


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    about = f"Set a limit beyond which a file is refused; repeatable: {described()}"
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=NUMBER", help=about)


def limits_from(options: Sequence[str]) -> Limits:
    """Return the limits as set; raises ``TorchcompatError`` for what sets none."""
    settings = dict(option.partition("=")[::2] for option in options)
    for name, number in settings.items():
        if not (number.isascii() and number.isdigit()):
            message = f"--limit {name}={number} sets no limit. Give a name and a number of digits."
            raise TorchcompatError(message)
    return limits_of({name: int(number) for name, number in settings.items()})
