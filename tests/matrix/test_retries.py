from __future__ import annotations

import pytest

from matrix.processes import Processes, StoppedError
from matrix.retries import DELAYS, Patience


class Trying:
    """Attempts that end as they are told; what was waited is noted and no time passes."""

    def __init__(self, *results):
        self.results = list(results)
        self.waited = []

    def attempt(self):
        return self.results.pop(0)

    def wait(self, seconds):
        self.waited.append(seconds)
        return False


def found(trying, delays=DELAYS, patience=None):
    patience = patience or Patience(delays)
    return patience.retried(trying.attempt, lambda result: result == "infra", trying.wait)


def test_what_is_no_fault_of_the_machine_is_not_tried_again():
    trying = Trying("fail")
    assert (found(trying), trying.waited) == ("fail", [])


def test_a_fault_of_the_machine_is_tried_again_after_a_while():
    trying = Trying("infra", "infra", "pass")
    assert (found(trying), trying.waited) == ("pass", list(DELAYS[:2]))


def test_the_waits_get_longer_and_the_last_result_counts():
    trying = Trying("infra", "infra", "infra")
    assert (found(trying, delays=(1, 2)), trying.waited) == ("infra", [1, 2])
    assert list(DELAYS) == sorted(DELAYS)


def test_a_sweep_that_is_stopped_does_not_wait():
    processes = Processes()
    processes.stop()
    trying = Trying("infra")
    with pytest.raises(StoppedError):
        Patience().retried(trying.attempt, lambda _: True, processes.wait)


def test_an_index_that_is_down_is_not_waited_for_by_each_cell():
    patience = Patience((1, 2))
    first, second, third, fourth = (
        Trying("infra", "infra", "infra"),
        Trying("infra"),
        Trying("pass"),
        Trying("infra", "pass"),
    )
    assert [found(each, patience=patience) for each in (first, second)] == ["infra", "infra"]
    assert (first.waited, second.waited) == ([1, 2], [])
    assert [found(each, patience=patience) for each in (third, fourth)] == ["pass", "pass"]
    assert fourth.waited == [1]
