"""
What is known of a session's failures.

Imported where something failed and nowhere else, as are the signatures.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.diagnosis import Error, Failure, diagnose, text
from pytest_torchcompat.diagnosis.failure import normalised, of_check
from pytest_torchcompat.diagnosis.grouping import group_of
from pytest_torchcompat.diagnosis.raised import errors_of, stage_of
from pytest_torchcompat.diagnosis.signature import RUN
from pytest_torchcompat.display import escaped, first_line
from pytest_torchcompat.plugin import caught
from pytest_torchcompat.policies import Policy

SECTION = "torchcompat"
_FILE = re.compile(r"(?<= )FILE\b")  # as the commands of remedies call what is loaded
_VERDICTS = (AssertionError, pytest.fail.Exception)
_SHOWN = 3  # tests of a known failure that are named
_VERSIONS = pytest.StashKey["Mapping[str, str]"]()
_CHECKED = pytest.StashKey["dict[str, dict[str, Any]]"]()


def told(
    node: pytest.Item | pytest.Collector, error: BaseException, pending: list[dict[str, Any]]
) -> dict[str, Any]:
    """
    Return the line about an exception that failed a test, with its diagnosis if it is known.

    ``pending`` are the lines since the last report: a load among them that raised the exception
    tells which globals its file names, and gets the diagnosis as well. Of an exception that nobody
    knows, a load that failed before it and was caught may be the cause; not of an assertion, which
    is the test's own word about values.
    """
    if isinstance(error, pytest.Collector.CollectError) and error.__cause__:
        error = error.__cause__  # pytest's own holds the whole traceback as its message
    errors = errors_of(error)
    loads = _raised_by(pending, errors)
    names = tuple(loads[-1]["globals"]) if loads else ()
    failure = Failure(errors, stage_of(error), _versions(node.config), names, complete=True)
    diagnosis = _diagnosis(failure, loads[-1] if loads else None)
    for load in loads if diagnosis else ():
        load["diagnosis"] = diagnosis
    diagnosis = diagnosis or node.config.stash.get(_CHECKED, {}).get(node.nodeid)
    line = _line(failure, diagnosis)
    own = diagnosis or loads or isinstance(error, _VERDICTS)
    return line if own else {**line, "caught": _caught(node)}


def _caught(node: pytest.Item | pytest.Collector) -> dict[str, Any] | None:
    """Return the first load that failed before a test did, with what is known of it."""
    load = caught.before(node)
    if load is None:
        return None
    raised = Error(load["exception"] or "", load["message"] or "")
    names = tuple(load["globals"])
    failure = Failure((raised,), "load", _versions(node.config), names, complete=True)
    return {**load, "diagnosis": _diagnosis(failure, load)}


def _raised_by(pending: Iterable[dict[str, Any]], errors: Iterable[Error]) -> list[dict[str, Any]]:
    messages = {error.message for error in errors}
    loads = (line for line in pending if line["kind"] == "load" and line["outcome"] != "ok")
    return [load for load in loads if load["message"] in messages]


def _line(failure: Failure, diagnosis: dict[str, Any] | None) -> dict[str, Any]:
    """
    Return the line of a failure.

    ``kind`` is failure. ``exception`` and ``message`` are what was raised last, ``chain`` is what
    led to it, each as ``Name: message``. ``stage`` is how far it got, where that is known.
    ``diagnosis`` is the known signature with its remedies, or null. ``caught`` is the line of a
    load that had failed before with its error caught, or null; it may be why, and its own
    ``diagnosis`` says what is known of it. ``group`` is the same for failures that differ in paths
    and numbers alone. A report adds ``test``, as for a load.
    """
    first = failure.errors[0]
    return {
        "kind": "failure",
        "exception": first.exception,
        "message": first.message,
        "chain": [each.line for each in failure.errors[1:]],
        "stage": failure.stage or None,
        "diagnosis": diagnosis,
        "caught": None,
        "group": group_of(failure),
    }


def _versions(config: pytest.Config) -> Mapping[str, str]:
    if _VERSIONS not in config.stash:
        config.stash[_VERSIONS] = normalised(shim.installed())
    return config.stash[_VERSIONS]


def _diagnosis(failure: Failure, load: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    try:
        found = diagnose(failure)
    except Exception:  # noqa: BLE001 - an odd version or message: pytest's own report has to come
        return None
    told = found.to_dict() if found else None
    if told and load:
        told["remedies"] = _for_load(told["remedies"], load)
    return told


def _for_load(remedies: Iterable[dict[str, Any]], load: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return remedies with the file that was loaded; what its policy overrides comes last."""
    named = not load["file"].startswith("<")  # a file object has no path to paste
    file = shlex.quote(load["file"]) if named else "FILE"
    told = [{**each, "code": _filled(each, file)} for each in remedies]
    if Policy(load["policy"]).enforces:
        told.sort(key=lambda each: "weights_only=False" in each["says"] + each["code"])
    return told


def _filled(remedy: Mapping[str, Any], file: str) -> str:
    code: str = remedy["code"]
    return _FILE.sub(lambda _: file, code) if remedy["kind"] == RUN else code


def checked(node: pytest.Item | pytest.Collector, line: dict[str, Any]) -> dict[str, Any]:
    """Return a check's line with its diagnosis, kept for the report of the test that fails."""
    failure = of_check(line, _versions(node.config))
    if failure is None:
        return line
    diagnosis = line["diagnosis"] or _diagnosis(failure)
    if diagnosis:
        node.config.stash.setdefault(_CHECKED, {})[node.nodeid] = diagnosis
    return {**line, "diagnosis": diagnosis}


def section(line: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what a report shows below its traceback, where the failure is known."""
    known = (line["caught"] or line)["diagnosis"]
    lines = [*_caught_lines(line), *(text.lines(known) if known else ())]
    return (SECTION, "\n".join(lines)) if lines else None


def _caught_lines(line: Mapping[str, Any]) -> Iterator[str]:
    load = line["caught"]
    if load:
        yield "Before this a load failed and its error was caught, which may be why:"
        yield escaped(caught.place_of(load))
        first = first_line(load["message"] or "")
        yield escaped(f"{text.INDENT}{load['exception']}: {first}".rstrip(": "))


def summary_lines(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Tell what is known of failures, each once with its tests; the most frequent first."""
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        load = line["caught"]
        words = f"may be {text.short(load['diagnosis'])}" if load else text.short(line["diagnosis"])
        found.setdefault(words, {})[line["test"]] = None
    for words, tests in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        named = ", ".join(list(tests)[:_SHOWN])
        more = f" and {len(tests) - _SHOWN} more" if len(tests) > _SHOWN else ""
        yield f"{len(tests)} x {words}"
        yield f"    {escaped(named)}{more}"
