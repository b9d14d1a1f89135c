"""``torchcompat audit``: how a code base loads checkpoints, told from its source alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pytest_torchcompat import __version__
from pytest_torchcompat.audit import (
    Finding,
    Level,
    NothingToReadError,
    Report,
    Verdict,
    audit,
    sarif,
)
from pytest_torchcompat.commands.input_files import named_path
from pytest_torchcompat.display import escaped

_ABOUT_VERDICTS = {
    Verdict.OK: "weights-only",
    Verdict.BY_VERSION: "as torch's version has it",
    Verdict.BY_LIGHTNING: "as lightning's version has it",
    Verdict.EXECUTES: "executing pickles on every torch",
    Verdict.RAISES: "raising on every torch",
    Verdict.NOT_KNOWN: "not known",
}


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Say how a code base loads checkpoints, and what goes wrong there, importing none of it"
    codes = (
        "Exit code: 0, or 1 with an error or a warning, 2 where there is nothing to read. "
        "A line that ends in '# torchcompat: ignore[TC001]' is not told about."
    )
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "audit", help=about, description=f"{about}.", epilog=codes
    )
    parser.add_argument(
        "paths", nargs="+", type=named_path, metavar="PATH", help="Files and folders"
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="Leave these out, by name or by path below PATH; repeatable",
    )
    written = parser.add_mutually_exclusive_group()
    written.add_argument("--json", action="store_true", help="Write sites and findings as JSON")
    written.add_argument("--sarif", action="store_true", help="Write the findings as SARIF 2.1.0")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Read the paths and print what was found; 1 where that is more than notes.

    Raises:
        NothingToReadError: A path does not exist, or there is nothing to read below them.

    """
    for path in args.paths:
        if not path.exists():
            message = f"There is no {escaped(str(path))}. Name files and folders that exist."
            raise NothingToReadError(message)
    report = audit(args.paths, args.exclude)
    if not report.files:
        raise NothingToReadError("There is no Python file to read. Name one, or drop --exclude.")
    sys.stdout.write(_written(report, args))
    return 1 if report.failures else 0


def _written(report: Report, args: argparse.Namespace) -> str:
    if args.json:
        return json.dumps(report.to_dict(), indent=2) + "\n"
    if args.sarif:
        return json.dumps(sarif(report, __version__), indent=2) + "\n"
    files = groupby(report.findings, key=lambda finding: finding.place.path)
    tables = ["\n".join(_table(list(findings))) + "\n\n" for _, findings in files]
    return f"{''.join(tables)}{summary(report)}\n"


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a file's lines: each finding, then what to do, once for each rule."""
    places = [escaped(str(finding.place)) for finding in findings]
    width = max(map(len, places))
    for place, finding in zip(places, findings):
        note = "note: " if finding.level is Level.NOTE else ""
        yield f"{place.ljust(width)}  {finding.rule.code}  {note}{escaped(finding.message)}"
    rules = {finding.rule.code: finding.rule for finding in findings}
    for code, rule in sorted(rules.items()):
        yield f"  next: {f'{code}: ' if len(rules) > 1 else ''}{rule.remedy}"


def summary(report: Report) -> str:
    """Return what the sites come to, and how much was found, in two sentences."""
    counted = Counter(site.verdict for site in report.sites)
    verdicts = [
        f"{counted[each]} {words}" for each, words in _ABOUT_VERDICTS.items() if counted[each]
    ]
    holding = len({site.place.path for site in report.sites})
    where = f" in {_count(holding, 'file')}" if holding else ""
    told = f": {', '.join(verdicts)}" if verdicts else ""
    failures = len(report.failures)
    found = [_count(failures, "finding"), _count(len(report.findings) - failures, "note")]
    silenced = [f"{report.silenced} silenced"] if report.silenced else []
    return (
        f"{_count(len(report.sites), 'site')}{where} of {report.files} read{told}.\n"
        f"{', '.join([*found, *silenced])}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
