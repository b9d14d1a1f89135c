"""
What is known of a session's failures.

Imported where something failed and nowhere else, as are the signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.diagnosis import Error, Failure, diagnose, text
from pytest_torchcompat.diagnosis.failure import normalised, of_check
from pytest_torchcompat.diagnosis.grouping import group_of
from pytest_torchcompat.diagnosis.raised import errors_of, stage_of
from pytest_torchcompat.display import escaped

SECTION = "torchcompat"
_SHOWN = 3  # tests of a known failure that are named
_VERSIONS = pytest.StashKey["Mapping[str, str]"]()
_CHECKED = pytest.StashKey["dict[str, dict[str, Any]]"]()


def told(
    node: pytest.Item | pytest.Collector, error: BaseException, pending: list[dict[str, Any]]
) -> dict[str, Any]:
    """
    Return the line about an exception that failed a test, with its diagnosis if it is known.

    ``pending`` are the lines since the last report: a load among them that raised the exception
    tells which globals its file names, and gets the diagnosis as well.
    """
    if isinstance(error, pytest.Collector.CollectError) and error.__cause__:
        error = error.__cause__  # pytest's own holds the whole traceback as its message
    errors = errors_of(error)
    loads = _raised_by(pending, errors)
    names = tuple(loads[-1]["globals"]) if loads else ()
    failure = Failure(errors, stage_of(error), _versions(node.config), names, complete=True)
    diagnosis = _diagnosis(failure)
    for load in loads if diagnosis else ():
        load["diagnosis"] = diagnosis
    return _line(failure, diagnosis or node.config.stash.get(_CHECKED, {}).get(node.nodeid))


def _raised_by(pending: Iterable[dict[str, Any]], errors: Iterable[Error]) -> list[dict[str, Any]]:
    messages = {error.message for error in errors}
    loads = (line for line in pending if line["kind"] == "load" and line["outcome"] != "ok")
    return [load for load in loads if load["message"] in messages]


def _line(failure: Failure, diagnosis: dict[str, Any] | None) -> dict[str, Any]:
    first = failure.errors[0]
    return {
        "kind": "failure",
        "exception": first.exception,
        "message": first.message,
        "chain": [each.line for each in failure.errors[1:]],
        "stage": failure.stage or None,
        "diagnosis": diagnosis,
        "group": group_of(failure),
    }


def _versions(config: pytest.Config) -> Mapping[str, str]:
    if _VERSIONS not in config.stash:
        config.stash[_VERSIONS] = normalised(shim.installed())
    return config.stash[_VERSIONS]


def _diagnosis(failure: Failure) -> dict[str, Any] | None:
    try:
        found = diagnose(failure)
    except Exception:  # noqa: BLE001 - an odd version or message: pytest's own report has to come
        return None
    return found.to_dict() if found else None


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
    if line["diagnosis"] is None:
        return None
    return SECTION, "\n".join(text.lines(line["diagnosis"]))


def summary_lines(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Tell each known failure once, with the tests that it failed; the most frequent first."""
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        found.setdefault(text.short(line["diagnosis"]), {})[line["test"]] = None
    for words, tests in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        named = ", ".join(list(tests)[:_SHOWN])
        more = f" and {len(tests) - _SHOWN} more" if len(tests) > _SHOWN else ""
        yield f"{len(tests)} x {words}"
        yield f"    {escaped(named)}{more}"
