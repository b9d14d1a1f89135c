"""A clock that jumps: runs stay in the order in which they were made, no step takes less than 0."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest

from matrix import runner
from matrix.plan import Selection
from matrix.runner import resumable
from matrix.store import RunFolder, new_run, runs, write_json

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


class Jumping(datetime):
    """A clock that goes back by an hour each time it is looked at."""

    looks = itertools.count()

    @classmethod
    def now(cls, tz=None):
        return NOON - next(cls.looks) * HOUR


def stamp(moment):
    return f"{moment:%Y-%m-%dT%H%M}"


@pytest.mark.parametrize(
    "moments",
    [
        [NOON, NOON - HOUR, NOON + HOUR],
        [NOON, NOON + 24 * HOUR, NOON + HOUR, NOON + 2 * HOUR],
        [NOON] * 12,
    ],
    ids=["back", "ahead and back", "twelve in a minute"],
)
def test_runs_are_in_the_order_in_which_they_were_made(tmp_path, moments):
    made = []
    for moment in moments:
        folder = new_run(tmp_path, stamp(moment))
        write_json(folder.plan, {})
        made.append(folder)
    assert list(runs(tmp_path)) == made[::-1]


def test_a_folder_that_is_no_run_has_no_part_in_that(tmp_path):
    (tmp_path / "zoo").mkdir()
    assert new_run(tmp_path, stamp(NOON)).path.name == stamp(NOON)


def test_the_newest_run_is_gone_on_with_though_the_clock_was_set_back(
    tmp_path, planned_cell, make_plan_of
):
    plan = make_plan_of(planned_cell("a"))
    for moment in (NOON, NOON - HOUR):
        folder = new_run(tmp_path, stamp(moment))
        write_json(folder.plan, plan.to_dict())
    assert resumable(tmp_path, Selection(), "replica") == (plan, folder)
    assert folder == RunFolder(tmp_path / f"{stamp(NOON)}-2")


def test_no_step_of_a_cell_takes_less_than_no_time(
    run_cell, cell_of, folder, monkeypatch, outcomes
):
    monkeypatch.setattr(runner, "datetime", Jumping)
    cells = [cell_of("a", "works"), cell_of("b", "works")]
    results = [run_cell(cell) for cell in cells]
    assert all(seconds >= 0 for result in results for seconds in result.seconds.values())
    assert [outcomes(cell) for cell in cells] == [{"works": "pass"}] * 2
    # When it ended is what the clock said, and nothing is computed from it.
    assert results[1].finished < results[0].finished
