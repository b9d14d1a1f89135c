"""What was seen: carried on pytest's reports, written to the report file, kept for the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_torchcompat.plugin.options import SETTINGS

ATTRIBUTE = "torchcompat"
PENDING = pytest.StashKey["list[dict[str, Any]]"]()


def note(node: pytest.Item | pytest.Collector, line: dict[str, Any]) -> None:
    """Keep a line until the next report of pytest's carries it away; a check with its diagnosis."""
    if line["kind"] == "check" and not _works(line):
        from pytest_torchcompat.plugin.failures import checked

        line = checked(node, line)
    node.config.stash[PENDING].append({**line, "test": node.nodeid})


def note_failure(
    node: pytest.Item | pytest.Collector, excinfo: pytest.ExceptionInfo[BaseException], report: Any
) -> None:
    """Say below a report's traceback what is known of the exception, and keep a line of it."""
    from pytest_torchcompat.plugin import failures

    line = failures.told(node, excinfo.value, node.config.stash[PENDING])
    section = failures.section(line)
    if section:
        report.sections.insert(0, section)
    note(node, line)


def attach(config: pytest.Config, report: Any) -> None:
    """Put the pending lines on a report: plain data, so that it crosses processes."""
    pending = config.stash[PENDING]
    if pending:
        setattr(report, ATTRIBUTE, list(pending))
        pending.clear()


class Writer:
    """Takes the lines off the reports, in the one process that hears them all."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.lines: list[dict[str, Any]] = []
        self.failing: dict[str, list[dict[str, Any]]] = {}  # checks and loads, by their test
        self.waiting: dict[str, list[dict[str, Any]]] = {}  # failures of tests that go on
        self.started = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the lines of a test's phase."""
        self._take(report)
        if report.when == "teardown":
            self._end(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take the lines of a module's import."""
        self._take(report)

    def pytest_sessionfinish(self) -> None:
        """Write the failures of modules, and of tests that were cut off."""
        for test in list(self.waiting):
            self._end(test)

    def _take(self, report: Any) -> None:
        for line in getattr(report, ATTRIBUTE, ()):
            if line["kind"] == "failure":
                # A test that is run again has not failed yet, and each worker of pytest-xdist
                # imports all modules.
                if report.outcome == "failed" and line not in self.waiting.get(line["test"], ()):
                    self.lines.append(line)
                    self.waiting.setdefault(line["test"], []).append(line)
                continue
            self.lines.append(line)
            if line["kind"] == "once":
                continue
            if line["outcome"] != "ok":
                self.failing.setdefault(line["test"], []).append(line)
            self._tell(line)

    def _end(self, test: str) -> None:
        """Write a test's failures, save those that the lines of its checks and loads tell."""
        said = self.failing.pop(test, ())
        for line in self.waiting.pop(test, ()):
            if not any(_tells(other, line) for other in said):
                self._tell(line)

    def _tell(self, line: dict[str, Any]) -> None:
        self._write(line)
        self.config.hook.pytest_torchcompat_record(record=line)

    def _write(self, line: dict[str, Any]) -> None:
        path = self.config.stash[SETTINGS].report
        if path is None:
            return
        from pytest_torchcompat.record import append_line

        if not self.started:
            from pytest_torchcompat.doctor import environment_line

            append_line(path, environment_line())
            self.started = True
        append_line(path, line)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what was seen, if anything was."""
        if self.lines:
            from pytest_torchcompat.plugin.telling import tell

            tell(terminalreporter, self.lines, len(self.config.stash[SETTINGS].policies))


def _works(check: Mapping[str, Any]) -> bool:
    from pytest_torchcompat.outcome import Outcome  # of checks alone, so that start-up is light

    return Outcome(check["outcome"]).works


def _tells(line: dict[str, Any], failure: dict[str, Any]) -> bool:
    """Whether the line of a check or a load says what made its test fail."""
    if line["kind"] == "check":
        return not _works(line)
    said = line["message"]
    return said == failure["message"] or any(c.endswith(f": {said}") for c in failure["chain"])
