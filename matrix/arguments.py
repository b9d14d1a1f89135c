"""What the words behind an option have to be: a count, a number of minutes, a folder."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def positive(text: str) -> int:
    """Return a count of one or more; raises ``ArgumentTypeError`` for anything else."""
    if not text.isdigit() or int(text) < 1:
        message = f"{text!r} is no count; give 1 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def minutes(text: str) -> float:
    """Return minutes, of which there may be none; raises ``ArgumentTypeError`` as above."""
    try:
        found = float(text)
    except ValueError:
        found = -1
    if not 0 <= found < math.inf:
        message = f"{text!r} is no number of minutes; give 0 or more"
        raise argparse.ArgumentTypeError(message)
    return found


def folder_there(text: str) -> Path:
    """Return a folder that exists; raises ``ArgumentTypeError`` for anything else."""
    found = Path(text).resolve()
    if not found.is_dir():
        message = f"{found} is no folder that is there; name one that is"
        raise argparse.ArgumentTypeError(message)
    return found
