"""The command that bisects."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional, TextIO

from matrix import commands
from matrix.bisect import companions, text
from matrix.bisect import question as questions
from matrix.bisect.candidates import Candidates, deciding
from matrix.bisect.finding import Finding
from matrix.bisect.prober import Prober, Probes, groups
from matrix.bisect.question import Question
from matrix.bisect.search import Verdict, narrow, search
from matrix.engine import Places
from matrix.files import locate_all
from matrix.needed import INTERRUPTED
from matrix.outside import world
from matrix.plan import Heading
from matrix.project import Project
from matrix.runner import only_one
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.checkpoints.fetch import EDITIONS
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.policies import Policy

PlacesOf = Callable[[Path, Optional[Project]], Places]
WIDTH = 80


def add_parser(subparsers: Any, places: PlacesOf) -> argparse.ArgumentParser:
    """
    Add the command, and return its parser.

    ``places`` says where things lie, given the folder of runs whose results may still be good, and
    the project whose sweep it is.
    """
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bisect", help="Find the version that made the difference, by a binary search"
    )
    parser.add_argument(
        "subject", metavar="SUBJECT", help="The library whose versions are gone through, or torch"
    )
    for name, metavar, help_text in (
        ("torch", "VERSION", "The torch that stays"),
        ("library", "NAME==VERSION", "The library that stays, where SUBJECT is torch"),
        ("over", "NAME", "Go over this companion of SUBJECT, a NAME==VERSION that stays"),
        ("from", "VERSION", "The oldest release; of nightlies a date, 20261101"),
        ("to", "VERSION", "The newest release, or date"),
        ("python", "VERSION", "This Python, whichever the sweep would choose"),
    ):
        dest = {"from": "first", "to": "last"}.get(name, name)
        parser.add_argument(f"--{name}", dest=dest, default="", metavar=metavar, help=help_text)
    parser.add_argument("--nightly", action="store_true", help="Go over torch's nightly builds")
    parser.add_argument(
        "--policy", default=Policy.STOCK.value, metavar="NAME", help="By default stock"
    )
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="GLOB", help="These decide; repeatable"
    )
    parser.add_argument("--edition", choices=EDITIONS, default="auto", help="Which files to load")
    parser.add_argument("--json", action="store_true", help="Print what was found as JSON")
    parser.add_argument("--fresh", action="store_true", help="Take no result of an earlier run")
    parser.add_argument("--force", action="store_true", help="Although the disk looks too small")
    parser.set_defaults(command=functools.partial(bisect, places))
    return parser


def bisect(places_of: PlacesOf, options: argparse.Namespace) -> int:
    """Bisect and print what was found; exit code 1 where no one version made a difference."""
    asked = question_of(options)
    questions.check(asked)
    if asked.over:
        companions.check(asked.row, asked.over)
    places = places_of(options.runs, options.project)
    names = deciding(asked, _rows(places))
    out = sys.stderr if options.json else sys.stdout
    with only_one(places.work):
        prober = _prober(asked, names, places, options)
        _fetch(prober, _rows(places), out)
        print(text.headline(asked, prober.candidates.versions, names), file=out, flush=True)
        try:
            findings = list(_findings(prober, names, out))
        except KeyboardInterrupt:
            print(f"\n{_stopped(prober, options)}", file=out)
            return INTERRUPTED
    if options.json:
        print(json.dumps(_document(asked, prober, findings), indent=1))
    else:
        print("\n".join(text.lines(asked, findings)))
    return 0 if any(finding.answer for finding in findings) else 1


def question_of(options: argparse.Namespace) -> Question:
    """Return the question that a command line asks."""
    same = ("subject", "torch", "library", "over", "nightly", "policy", "edition", "python")
    values = {name: getattr(options, name) for name in (*same, "first", "last")}
    project: Project | None = options.project
    found = Question(**values, checkpoint=tuple(options.checkpoint))
    if project is None:
        return found
    return dataclasses.replace(found, rows=project.libraries, project=project.entry)


def _rows(places: Places) -> Catalogue:
    return places.guest.catalogue if places.guest else catalogue()


def _prober(
    asked: Question, names: Sequence[str], places: Places, options: argparse.Namespace
) -> Prober:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    outside, backend, notes = world(asked.selection, now, places.guest)
    heading = Heading("", now.isoformat(), asked.edition, backend, notes)
    candidates = Candidates(asked, heading, outside)
    probes = Probes(places, f"{now:%Y-%m-%dT%H%M}", options.fresh, options.force)
    return Prober(candidates, names, probes.run)


def _fetch(prober: Prober, rows: Catalogue, out: TextIO) -> None:
    """Fetch the checkpoints' files first: what that has to say is no part of a probe's line."""
    newest = prober.candidates.plan(prober.candidates.versions[-1])
    locate_all(newest, rows, functools.partial(print, file=out))


def _findings(prober: Prober, names: Sequence[str], out: TextIO) -> Iterator[Finding]:
    """Yield what was found of all checkpoints, then of those that answer otherwise."""
    versions = prober.candidates.versions
    line = _Line(prober, names, out)
    known = prober.known(names)
    search(len(versions), known, line.verdict)
    others = list(groups(prober, names))
    for group in others:
        line.turn_to(group)
        narrow(prober.known(group), line.verdict)
    line.end()
    for each in (names, *others):
        yield Finding(tuple(each), versions, prober.answers)


class _Line:
    """Prints each probe as it comes: its version when it begins, and its verdict."""

    def __init__(self, prober: Prober, names: Sequence[str], out: TextIO) -> None:
        self._names, self._next = names, ""
        self._prober, self._out, self._column = prober, out, 0
        prober.asks = self._asks

    def turn_to(self, names: Sequence[str]) -> None:
        """Ask about these from now on, and say so if there is something to ask."""
        self._names, self._next = names, f"{text.listed(names)} alone:"

    def verdict(self, number: int) -> Verdict:
        """Ask of a version."""
        before = len(self._prober.answers)
        verdict = self._prober.verdict(number, self._names)
        if len(self._prober.answers) > before:
            self._print(text.probed(self._prober.answers[number], self._names) + "   ")
        return verdict

    def end(self) -> None:
        """End the line."""
        print(file=self._out, flush=True)
        self._column = 0

    def _asks(self, version: str) -> None:
        if self._next:
            self.end()
            print(self._next, file=self._out)
            self._next = ""
        if self._column > WIDTH - len(version) - len(" unavailable   "):
            self.end()
        self._print(f"{version} ")

    def _print(self, words: str) -> None:
        self._column += len(words)
        print(words, end="", file=self._out, flush=True)


def _stopped(prober: Prober, options: argparse.Namespace) -> str:
    kept = len(prober.answers)
    return f"Stopped. {kept} {'probe' if kept == 1 else 'probes'} kept; {again(options)} goes on."


def again(options: argparse.Namespace) -> str:
    """Return the command of the same bisect."""
    words = [options.subject]
    for name in ("torch", "library", "over", "first", "last", "python"):
        if value := getattr(options, name):
            words += [f"--{ {'first': 'from', 'last': 'to'}.get(name, name) }", value]
    words += ["--policy", options.policy]
    words += [word for glob in options.checkpoint for word in ("--checkpoint", glob)]
    words += ["--nightly"] if options.nightly else []
    words += ["--edition", options.edition] if options.edition != "auto" else []
    words += commands.of_project(options.project.entry["folder"]) if options.project else []
    return f"nox -s bisect -- {shlex.join(words)}"


def _document(asked: Question, prober: Prober, findings: Sequence[Finding]) -> dict[str, Any]:
    versions = prober.candidates.versions
    return {
        "package": asked.name,
        "subject": asked.subject,
        "library": asked.opened_by,
        "torch": asked.torch or None,
        "policy": asked.policy,
        "edition": asked.edition,
        "releases": {"first": versions[0], "last": versions[-1], "count": len(versions)},
        "probes": [answer.to_dict() for answer in prober.answers.values()],
        "findings": [finding.to_dict() for finding in findings],
    }
