"""What uv's words say about a cell."""

from __future__ import annotations

import pytest

from matrix.processes import NOT_DONE
from matrix.verdicts import BuildError, NoEnvironment, classify, no_interpreter, trimmed
from pytest_torchcompat.outcome import Outcome


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("error: No solution found when resolving dependencies", Outcome.UNAVAILABLE),
        ("error: Failed to build `fairseq`\n  cause: gcc: not found", Outcome.UNAVAILABLE),
        ("error: failed to write\n  cause: No space left on device (os error 28)", Outcome.INFRA),
        ("error: Request failed after 3 retries\n  cause: dns error", Outcome.INFRA),
        ("error: HTTP status server error (503 Service Unavailable)", Outcome.INFRA),
        ("the build was not done: signal 9 ended it\nBuilding", Outcome.INFRA),
        (
            "error: Failed\n  cause: Call to `b.build_wheel` failed (signal: 9 (SIGKILL))",
            Outcome.INFRA,
        ),
        ("error: Failed\n  gcc: fatal error: Killed signal terminated program cc1", Outcome.INFRA),
        ("error: Git operation failed\n  cause: Could not resolve host: a.host", Outcome.INFRA),
        ("error: Git operation failed\n  cause: not our ref 01234567", Outcome.UNAVAILABLE),
    ],
)
def test_a_fault_of_the_machine_says_nothing_about_the_cell(words, outcome):
    assert classify(words) == NoEnvironment(outcome, words.removeprefix("error: "))


def test_a_uv_that_does_not_know_an_argument_is_told_apart():
    with pytest.raises(BuildError, match="this uv is too old for the sweep; install a newer one"):
        classify("error: unexpected argument '--excludes' found\n\nUsage: uv pip install")


def test_words_lose_their_greeting_and_the_middle_of_a_long_log():
    log = "\n".join(f"line {number}" for number in range(100))
    words = trimmed(f"Using Python 3.12.1 environment at: env\nerror: it broke\n\n{log}\n")
    lines = words.splitlines()
    assert (lines[0], lines[12], lines[-1]) == ("it broke", "[...]", "line 99")
    assert len(lines) == 25
    assert trimmed("") == "uv failed and said nothing"


def test_what_uv_says_of_its_progress_is_left_out():
    words = "Downloading torch (700 MiB)\n Downloading numpy\nBuilding x\n  x No space left\n"
    assert trimmed(words).strip() == "x No space left"


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("error: No interpreter found for Python 3.8", Outcome.UNAVAILABLE),
        ("error: dns error", Outcome.UNAVAILABLE),  # none is here, and none can be had
        ("error: No space left on device", Outcome.INFRA),
        (f"error: {NOT_DONE} after 60 s", Outcome.INFRA),
    ],
)
def test_without_a_python_a_cell_cannot_exist_unless_the_machine_is_at_fault(words, outcome):
    said = f"no interpreter for Python 3.8: {words.removeprefix('error: ')}"
    assert no_interpreter("3.8", words) == NoEnvironment(outcome, said)
