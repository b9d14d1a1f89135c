"""Locks by the real uv, tiny wheels and an index on localhost."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from datetime import datetime

import pytest

from matrix.pages import Pages
from matrix.processes import Finished, Processes
from matrix.resolution import Resolver, Settings, spoken

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FROZEN = "2025-01-01T00:00:00+00:00"


class Counting(Processes):
    """Processes as they are, and how many were started."""

    def __init__(self):
        super().__init__()
        self.started = 0

    def run(self, command, **values):
        self.started += 1
        return super().run(command, **values)


@pytest.fixture
def project(tmp_path):
    """Write a project whose plugin needs one package of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "p"\ndependencies = ["helper>=1"]\n')
    return folder


@pytest.fixture
def cell(planned_cell):
    made = planned_cell(requirements=("torch==2.5.1", "demo"))
    return dataclasses.replace(made, python=PYTHON)


@pytest.fixture
def resolver(tmp_path, index, project, monkeypatch):
    """Make resolvers that share a work folder, each with its own look at the index."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    caches = itertools.count()
    index.wheel("torch", "2.5.1")
    index.wheel("helper", "1.0")
    index.wheel("demo", "1.0", requires=("deep",))
    index.wheel("deep", "1.0")
    index.wheel("unrelated", "1.0")

    def make(**values):
        # uv takes a page for current for ten minutes; a night lies between two resolvers.
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / f"uv-cache-{next(caches)}"))
        settings = Settings(tmp_path / "work", project, FROZEN, **values)
        return Resolver(settings, Counting(), Pages(index.url, datetime.fromisoformat(FROZEN)))

    return make


LOCK = ("deep==1.0", "demo==1.0", "helper==1.0", "torch==2.5.1")


def test_a_lock_pins_all_that_a_cell_installs_and_what_the_plugin_needs(resolver, cell):
    assert resolver().lock(cell).lock == LOCK


def test_what_the_index_still_says_is_not_resolved_again(resolver, cell):
    resolver().lock(cell)
    again = resolver()
    assert again.lock(cell).lock == LOCK
    assert again.processes.started == 0


@pytest.mark.parametrize(("name", "asked"), [("deep", 1), ("demo", 1), ("unrelated", 0)])
def test_a_release_of_what_was_read_is_resolved_again_and_no_other(
    resolver, cell, index, name, asked
):
    resolver().lock(cell)
    index.wheel(name, "2.0")
    again = resolver()
    found = again.lock(cell)
    assert again.processes.started == asked
    assert (f"{name}==2.0" in found.lock) == bool(asked)


def test_a_release_that_let_the_resolver_choose_another_is_not_missed(resolver, cell, index):
    """``deep`` 2 is what ``demo`` 2 lacked: no page of the lock itself changed but that of deep."""
    index.wheel("demo", "2.0", requires=("wanted>=2",))
    index.wheel("wanted", "1.0")
    assert "demo==1.0" in resolver().lock(cell).lock
    index.wheel("wanted", "2.0")
    assert {"demo==2.0", "wanted==2.0"} <= set(resolver().lock(cell).lock)


def test_what_lies_in_a_file_is_resolved_anew_each_time(resolver, cell, index):
    wheel = index.wheel("beside", "1.0")
    wanting = dataclasses.replace(
        cell, requirements=(*cell.requirements, f"beside @ {wheel.as_uri()}")
    )
    assert "unrelated==1.0" not in resolver().lock(wanting).lock
    page = index.folder / "beside" / "index.html"
    listed = page.read_text()
    index.wheel("beside", "1.0", requires=("unrelated",))
    page.write_text(listed)  # The index says the same: what is new is in the file.
    assert "unrelated==1.0" in resolver().lock(wanting).lock


def test_a_release_after_the_runs_date_is_not_taken_and_its_page_not_trusted(resolver, cell, index):
    index.wheel("deep", "2.0", data_upload_time="2026-01-01T00:00:00Z")
    assert resolver().lock(cell).lock == LOCK
    again = resolver()
    assert again.lock(cell).lock == LOCK
    assert again.processes.started == 1


@pytest.mark.parametrize(("minute", "asked"), [("50", 1), ("30", 0)])
def test_a_page_of_the_last_minutes_is_not_trusted_as_uv_may_not_have_seen_it(
    resolver, cell, index, minute, asked
):
    index.wheel("deep", "2.0", data_upload_time=f"2024-12-31T23:{minute}:00Z")
    resolver().lock(cell)
    again = resolver()
    again.lock(cell)
    assert again.processes.started == asked


def test_what_has_no_solution_says_so_in_the_resolvers_words_and_is_kept(resolver, cell):
    cell = dataclasses.replace(cell, requirements=("demo", "deep>=5"))
    found = resolver().lock(cell)
    assert found.lock == ()
    assert "deep>=5" in found.unsolved
    assert "DEBUG" not in found.unsolved
    again = resolver()
    assert again.lock(cell) == found
    assert again.processes.started == 0


def test_an_index_that_does_not_answer_leaves_a_cell_as_it_is(
    resolver, cell, monkeypatch, free_port
):
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port}/")
    assert resolver().lock(cell) == cell


@pytest.mark.parametrize("code", [None, -9])
def test_a_resolution_that_does_not_end_or_is_killed_leaves_a_cell_as_it_is(
    resolver, cell, monkeypatch, code
):
    found = resolver()
    monkeypatch.setattr(found.processes, "run", lambda *_, **__: Finished(code))
    assert found.lock(cell) == cell


def test_a_cell_without_its_python_is_left_as_it_is(resolver, cell):
    without = dataclasses.replace(cell, python="3.99")
    assert resolver().lock(without) == without


def test_a_lock_that_comes_from_pytorchs_own_index_is_resolved_each_time(resolver, cell):
    nightly = dataclasses.replace(cell, torch="2.16.0.dev20261119", requirements=("demo",))
    for _ in range(2):
        found = resolver()
        found.lock(nightly)
        assert found.processes.started == 1


def test_a_lock_that_is_half_written_is_none(resolver, cell, tmp_path):
    resolver().lock(cell)
    [kept] = (tmp_path / "work" / "locks").glob("*.json")
    kept.write_text(kept.read_text()[:40])
    assert resolver().lock(cell).lock == LOCK


def test_cells_are_locked_in_their_order_and_told_of(resolver, cell, planned_cell):
    other = dataclasses.replace(cell, id="two", requirements=("deep",))
    told = []
    found = resolver().locked([cell, other], lambda each: told.append(each.id))
    assert [each.id for each in found] == ["one", "two"]
    assert sorted(told) == ["one", "two"]
    assert found[1].lock == ("deep==1.0", "helper==1.0")


def test_what_uv_logs_is_none_of_its_words():
    words = "DEBUG uv 0.9\n  x No solution found\nTRACE more\n   hint: try\n"
    assert spoken(words) == "  x No solution found\n   hint: try"


def test_a_page_that_is_not_there_is_an_answer_and_one_that_does_not_come_is_none(index, free_port):
    frozen = datetime.fromisoformat(FROZEN)
    assert Pages(index.url, frozen).digest("nothing") == "none"
    assert Pages(f"http://127.0.0.1:{free_port}/", frozen).digest("nothing") == ""


def test_what_is_read_from_another_index_too_is_resolved_each_time(
    resolver, cell, index, monkeypatch
):
    monkeypatch.setenv("UV_EXTRA_INDEX_URL", index.url.replace("127.0.0.1", "localhost"))
    for _ in range(2):
        found = resolver()
        assert found.lock(cell).lock == LOCK
        assert found.processes.started == 1


@pytest.mark.parametrize("when", ["2024-01-01T00:00:00", "yesterday"])
def test_a_page_with_a_time_that_says_nothing_has_no_digest(index, when):
    index.wheel("demo", "1.0", data_upload_time=when)
    assert Pages(index.url, datetime.fromisoformat(FROZEN)).digest("demo") == ""
