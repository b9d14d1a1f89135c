"""``torchcompat doctor``: this environment, what is broken in it and what helps."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from pytest_torchcompat.display import escaped

_INTERRUPTED = 130
_STOPPED = "torchcompat doctor: stopped. What was being imported is ended"
_MARKS = {"broken": "BROKEN: ", "warning": "warning: ", "ok": ""}


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Say what this environment is, what is broken in it, and what helps"
    codes = (
        "Exit code: 0, also where torch is not installed; 1 where something is broken; 2 for a GPU"
        " that is not known or an interpreter that does not answer."
    )
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor", help=about, description=f"{about}. Each import is tried.", epilog=codes
    )
    parser.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="NAME",
        help="Say whether this torch runs on that GPU as well: 'RTX 5080', sm_120; repeatable",
    )
    python = "Look into the environment of this interpreter; by default that of this command"
    parser.add_argument("--python", metavar="PATH", help=python)
    parser.add_argument("--json", action="store_true", help="Write facts and findings as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is found; 1 where something is broken. Raises ``TorchcompatError``."""
    from pytest_torchcompat.doctor import ask, findings
    from pytest_torchcompat.gpus import architecture

    for name in args.gpu:
        architecture(name)  # told before the imports take their time
    try:
        facts = ask(args.python)
    except KeyboardInterrupt:
        sys.stderr.write(f"{_STOPPED}\n")
        return _INTERRUPTED
    found = findings(facts, args.gpu)
    if args.json:
        sys.stdout.write(json.dumps(whole(facts, found), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(said(facts, found)) + "\n")
    return int(any(each.level == "broken" for each in found))


def whole(facts: Any, found: list[Any]) -> dict[str, Any]:
    """
    Return what ``--json`` writes.

    ``schema`` is 1. ``facts`` has ``python``, ``implementation``, ``platform``, ``machine`` and
    ``system``; ``distributions``, each with ``name``, ``version`` and the folder that it is ``in``;
    ``builds``, what the version.py of a package says of CUDA; ``variables`` of the environment; and
    ``modules``, what became of importing each. ``findings`` are below.
    """
    return {"schema": 1, "facts": facts.data, "findings": [each.to_dict() for each in found]}


def said(facts: Any, found: list[Any]) -> Iterator[str]:
    """Yield the lines of what is found: the environment, each finding with what helps, the sum."""
    from pytest_torchcompat.diagnosis import text
    from pytest_torchcompat.doctor import counted

    yield f"Python {facts.data['python']}   {escaped(facts.data['platform'])}"
    for each in found:
        signature = f"   ({each.signature})" if each.signature else ""
        line = f"{each.subject}   {_MARKS[each.level]}{each.says}"
        yield f"{escaped(line)}{signature}"
        helping = (line for remedy in each.remedies for line in text.helping(vars(remedy)))
        yield from ((text.INDENT + line).rstrip() for line in helping)
    yield counted(found)
