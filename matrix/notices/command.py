"""``python -m matrix notices``: the issues of a repository brought to what a run says."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any

from matrix.notices.decisions import Decision, decisions
from matrix.notices.evidence import Evidence
from matrix.notices.github import API, GitHub, RefusedError
from matrix.notices.notice import notices
from matrix.published.comparison import WHY_NOT
from matrix.questions import folder_of
from matrix.store import RunFolder, read_json
from pytest_torchcompat.errors import RecordError, TorchcompatError

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w-]*/[\w.-]+")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("notices", help="Keep an issue for each new cause of failures")
    parser.add_argument("run", type=folder_of, metavar="RUN", help="The run's folder")
    parser.add_argument(
        "--repository",
        default=os.environ.get("GITHUB_REPOSITORY", ""),
        metavar="OWNER/NAME",
        help="Whose issues; GITHUB_REPOSITORY by default",
    )
    parser.add_argument("--dry-run", action="store_true", help="Say what would be done")
    parser.set_defaults(command=keep)


def keep(options: argparse.Namespace) -> int:
    """Open, edit and close issues, and say so line by line; 2 says that not all was done."""
    at = _github(options)
    evidence, found = _read(RunFolder(options.run))
    # Decided before the first is done: a run that can't be read changes nothing.
    decided = list(decisions(found, at.issues(), evidence))
    refused = sum(not _is_done(decision, at, dry=options.dry_run) for decision in decided)
    if not decided:
        print("Nothing to do: each issue says what the run says.")
    return 2 if refused else 0


def _is_done(decision: Decision, at: GitHub, *, dry: bool) -> bool:
    """Do it and say so; false where GitHub does not take it, which ends none of the others."""
    try:
        print(decision if dry else decision.done(at), flush=True)
    except RefusedError as error:
        what = str(decision).removeprefix("would ")
        after = "the others go on, and the next run tries this one again"
        print(f"error: could not {what}: {error}; {after}", file=sys.stderr)
        return False
    return True


def _github(options: argparse.Namespace) -> GitHub:
    """Return the issues of a repository, with the token and at the address that are set."""
    if not _REPOSITORY.fullmatch(options.repository):
        message = f"{options.repository!r} names no repository; give --repository OWNER/NAME"
        raise TorchcompatError(message)
    token = os.environ.get("GITHUB_TOKEN", "")
    if not (token or options.dry_run):
        message = (
            "GITHUB_TOKEN is not set; give a token that may write issues, or ask for --dry-run"
        )
        raise TorchcompatError(message)
    api = os.environ.get("GITHUB_API_URL") or API
    return GitHub(options.repository, token, api)


def _read(folder: RunFolder) -> tuple[Evidence, list[Any]]:
    """Return a run and its notices; one of another form says how to write it anew."""
    matrix, changes = read_json(folder.matrix), read_json(folder.changes)
    try:
        return Evidence(matrix), notices(matrix, changes)
    except WHY_NOT as error:
        message = (
            f"{folder.path} is not of the form that is read here ({error!r}); `python -m matrix "
            f"render {folder.path}` writes it anew"
        )
        raise RecordError(message) from error
