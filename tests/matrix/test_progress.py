from __future__ import annotations

import io

import pytest
from rich.console import Console

from matrix.progress import Reporter
from matrix.runner import CellResult
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record


def records(*outcomes):
    return [Record(f"c{n}", "replica", "stock", each) for n, each in enumerate(outcomes)]


@pytest.fixture
def told(planned_cell):
    """Tell a reporter of two cells and return what it printed."""

    def tell(*, terminal):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        seconds = {"environment": 4.3, "run": 23.7}
        broken = CellResult("two", Outcome.UNAVAILABLE, "no wheel\nfor [this] Python", {}, seconds)
        with Reporter(console, 69, 118, 2) as reporter:
            found = records(Outcome.REFUSED, Outcome.PASS, Outcome.PASS)
            found.append(found[0].changed(use="an experiment", experiment=True))
            reporter.finished(planned_cell("one"), CellResult("one", seconds=seconds), found)
            reporter.finished(planned_cell("two"), broken, [])
        return console.file.getvalue()

    return tell


def test_without_a_terminal_there_is_a_line_a_cell(told):
    assert told(terminal=False).splitlines() == [
        "70/118  one  28 s  pass 2 · refused 1",
        "71/118  two  28 s  unavailable 1: no wheel",
    ]


def test_on_a_terminal_there_is_a_bar_with_counts(told):
    text = told(terminal=True)
    assert "71/118" in text
    assert "2 running" in text
    assert "pass 2 · refused 1 · unavailable 1" in text
