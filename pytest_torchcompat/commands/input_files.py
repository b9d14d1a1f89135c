"""The file that a command reads."""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path

from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import MissingFileError

_NEXT = "Check the path and its permissions."


def named_path(text: str) -> Path:
    """Return the path that an argument names; an empty one would mean the current folder."""
    if not text:
        message = "'' names nothing. Is a variable of the shell unset? Name . for this folder."
        raise argparse.ArgumentTypeError(message)
    return Path(text)


def require_file(path: Path) -> None:
    """Raise ``MissingFileError`` where there is no file to read; a pipe could be read for ever."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise cannot_be_read(path, error) from error
    if not regular:
        message = f"{escaped(os.fspath(path))} is not a regular file. Name one."
        raise MissingFileError(message)


def cannot_be_read(path: Path, error: OSError) -> MissingFileError:
    """Return the error of a file that the system does not give."""
    reason = error.strerror or error
    return MissingFileError(f"{escaped(os.fspath(path))} cannot be read: {reason}. {_NEXT}")
