"""The parts of a plan: every cell once, one torch together, and as heavy as each other."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.plan import Plan, PlannedCell, PlannedCheck, Selection
from matrix.shards import CHECKS_A_CELL, jobs, open_run, part, save, saved, shards
from matrix.stacks import Stack
from pytest_torchcompat.errors import RecordError, TorchcompatError


def cell_of(number, torch, python, checks):
    return PlannedCell(
        id=f"cell{number}",
        python=python,
        torch=torch,
        library="ultralytics",
        version="8.1.0",
        why="a test",
        requirements=(),
        excludes=(),
        checks=tuple(PlannedCheck(f"checkpoint{each}", "stock") for each in range(checks)),
    )


def plan_of(cells, **values):
    torches = tuple(dict.fromkeys(cell.torch for cell in cells))
    values = {"run": "a-run", "edition": "replica", "selection": Selection(), **values}
    frozen_at = "2026-11-20T10:31:00+00:00"
    return Plan(frozen_at=frozen_at, torch=torches, cells=tuple(cells), **values)


def grid(torches, each, python="3.11"):
    numbers = itertools.count()
    return plan_of([cell_of(next(numbers), t, python, 1) for t in torches for _ in range(each)])


def weight(cells):
    return sum(CHECKS_A_CELL + len(cell.checks) for cell in cells)


cells_drawn = st.lists(
    st.tuples(
        st.sampled_from(["2.5.1", "2.6.0", "2.7.1"]),
        st.sampled_from(["3.10", "3.11"]),
        st.integers(0, 300),
    ),
    max_size=8,
).map(lambda drawn: [cell_of(number, *values) for number, values in enumerate(drawn)])


@given(cells=cells_drawn, count=st.integers(1, 10))
def test_every_cell_is_in_one_part_in_the_order_of_the_plan(cells, count):
    plan = plan_of(cells)
    found = shards(plan, count)
    order = {cell.id: number for number, cell in enumerate(cells)}
    places = [[order[cell.id] for cell in shard.cells] for shard in found]
    assert sorted(itertools.chain(*places)) == list(range(len(cells)))
    assert all(place == sorted(place) for place in places)
    assert places == sorted(places)
    assert len(found) == min(count, len(cells))
    assert [shard.name for shard in found] == [
        f"{n}/{len(found)}" for n in range(1, 1 + len(found))
    ]


@given(cells=cells_drawn, count=st.integers(1, 10))
def test_the_parts_of_a_plan_are_what_their_names_say(cells, count):
    plan = plan_of(cells)
    for shard in shards(plan, count):
        assert part(plan, shard.name).cells == shard.cells


@given(cells=cells_drawn, count=st.integers(1, 10))
def test_a_torch_is_split_only_where_there_are_more_parts_than_torches(cells, count):
    plan = plan_of(cells)
    found = shards(plan, count)
    if len(plan.torch) >= count:
        assert sum(len(shard.torch) for shard in found) == len(plan.torch)
    else:
        assert all(len(shard.torch) == 1 for shard in found)


@given(cells=cells_drawn, count=st.integers(1, 10))
def test_a_python_of_a_torch_is_cut_no_more_than_brute_force_has_to(cells, count):
    """Of the cuts of one torch's cells, ordered by Python, none has a lighter heaviest piece."""
    cells = [dataclasses.replace(cell, torch="2.5.1") for cell in cells]
    found = shards(plan_of(cells), count)
    pythons = list(dict.fromkeys(cell.python for cell in cells))
    ordered = [cell for python in pythons for cell in cells if cell.python == python]
    heaviest = []
    for places in itertools.combinations(range(1, len(ordered)), max(len(found) - 1, 0)):
        cuts = [0, *places, len(ordered)]
        heaviest.append(max(weight(ordered[a:b]) for a, b in itertools.pairwise(cuts)))
    if cells:
        assert max(weight(shard.cells) for shard in found) == min(heaviest)
    shared = [shard for shard in found if len({cell.python for cell in shard.cells}) > 1]
    assert len(shared) <= max(len(pythons) - 1, 0)


@given(cells=cells_drawn, count=st.integers(1, 3))
def test_whole_torches_put_together_are_within_a_third_of_the_best(cells, count):
    """What greedy filling promises: 4/3 of the best, found here by brute force."""
    plan = plan_of(cells)
    if not count <= len(plan.torch):
        return
    builds = [[cell for cell in cells if cell.torch == torch] for torch in plan.torch]
    best = min(
        max(sum(weight(b) for b, at in zip(builds, ats) if at == n) for n in range(count))
        for ats in itertools.product(range(count), repeat=len(builds))
    )
    assert max(weight(shard.cells) for shard in shards(plan, count)) <= best * 4 / 3


def test_a_job_says_what_it_installs_and_how_much_it_runs():
    plan = grid(["2.5.1", "2.6.0"], 3)
    assert jobs(plan, 2) == {
        "include": [
            {"shard": "1/2", "torch": ["2.5.1"], "cells": 3, "run": "a-run"},
            {"shard": "2/2", "torch": ["2.6.0"], "cells": 3, "run": "a-run"},
        ]
    }
    assert [job["cells"] for job in jobs(plan, 4)["include"]] == [2, 1, 2, 1]


rows_drawn = st.lists(
    st.tuples(
        st.sampled_from(["ultralytics", "torch", "torchaudio"]),
        st.sampled_from(["8.1.0", "8.2.0"]),
        st.sampled_from(["2.5.1", "2.6.0", "2.7.1"]),
        st.sampled_from(["3.10", "3.11"]),
    ),
    max_size=9,
    unique=True,
)


def row_of(cell):
    """Return what a forward time is compared within."""
    return (cell.library, cell.version if cell.library == "ultralytics" else "")


@given(drawn=rows_drawn, count=st.integers(1, 8))
def test_by_library_what_is_compared_over_all_torches_is_in_one_part(drawn, count):
    cells = [
        dataclasses.replace(cell_of(n, torch, python, 1), library=library, version=version)
        for n, (library, version, torch, python) in enumerate(drawn)
    ]
    plan = plan_of(cells)
    found = shards(plan, count, "library")
    assert len(found) == min(count, len(set(map(row_of, cells))))
    assert sorted(cell.id for shard in found for cell in shard.cells) == sorted(
        cell.id for cell in cells
    )
    for shard in found:
        others = [row_of(c) for each in found if each is not shard for c in each.cells]
        assert not {row_of(cell) for cell in shard.cells} & set(others)
        assert shard.name.startswith("library:")
        assert part(plan, shard.name).cells == shard.cells


@given(drawn=rows_drawn)
def test_by_library_no_part_takes_the_torches_of_another_python_where_parts_suffice(drawn):
    cells = [
        dataclasses.replace(cell_of(n, torch, python, 1), library=library, version=version)
        for n, (library, version, torch, python) in enumerate(drawn)
    ]
    pythons = {
        row: {cell.python for cell in cells if row_of(cell) == row} for row in map(row_of, cells)
    }
    kinds = {frozenset(each) for each in pythons.values()}
    for shard in shards(plan_of(cells), max(len(kinds), 1), "library"):
        assert len({frozenset(pythons[row_of(cell)]) for cell in shard.cells}) == 1


def test_a_plan_without_cells_has_no_parts():
    assert jobs(plan_of([]), 5, "library") == {"include": []}
    assert jobs(plan_of([]), 5) == {"include": []}


def test_as_many_jobs_as_github_takes_and_no_more():
    plan = grid(["2.5.1"], 300)
    assert len(shards(plan, 256)) == 256
    for count in (0, 257):
        words = f"a GitHub Actions matrix has 1 to 256 jobs, not {count}; ask for as many"
        with pytest.raises(TorchcompatError, match=words):
            shards(plan, count)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("third", "'third' names no part of a plan; the third of twenty is 3/20, or library:3/20"),
        ("python:1/3", "'python:1/3' names no part of a plan"),
        ("0/3", "'0/3' names no part of a plan"),
        ("4/3", "there is no part 4/3: the plan's 4 cells make 3"),
        ("5/20", "there is no part 5/20: the plan's 4 cells make 4"),
    ],
)
def test_a_part_that_is_not_there_is_one_sentence(name, words):
    with pytest.raises(TorchcompatError, match=words):
        part(grid(["2.5.1"], 4), name)


def test_a_part_knows_that_it_is_not_all_and_one_of_them_resolves_the_stacks():
    stack = Stack.from_dict(
        {
            "id": "a-stack",
            "said": "works",
            "python": "3.11",
            "requirements": ["numpy"],
            "said_by": "https://example.org",
            "why": "a test",
        }
    )
    plan = dataclasses.replace(grid(["2.5.1"], 2), stacks=(stack,))
    first, second = part(plan, "1/2"), part(plan, "2/2")
    assert (first.stacks, second.stacks) == ((stack,), ())
    assert first.whole == second.whole == ("cell0", "cell1")
    assert part(plan, "1/1") == plan


def test_a_saved_plan_is_the_same_plan_under_the_name_of_its_time(tmp_path):
    plan = grid(["2.5.1", "2.6.0"], 2)
    assert save(plan, tmp_path / "plan.json") == saved(tmp_path / "plan.json") == plan
    nameless = dataclasses.replace(plan, run="")
    assert save(nameless, tmp_path / "plan.json").run == "2026-11-20T1031"
    assert saved(tmp_path / "plan.json").run == "2026-11-20T1031"


def test_a_saved_plan_that_is_not_there_or_torn_is_one_sentence_that_says_what_writes_one(tmp_path):
    path = tmp_path / "plan.json"
    with pytest.raises(RecordError) as caught:
        saved(path)
    command = f"`python -m matrix plan --save {path}`"
    assert str(caught.value) == f"{path} is not there; {command} writes a plan"
    path.write_text("{")
    with pytest.raises(RecordError) as caught:
        saved(path)
    assert str(caught.value).endswith(f"; {command} writes it anew")


def test_a_part_of_a_saved_plan_is_a_run_that_goes_on(tmp_path):
    plan = save(grid(["2.5.1"], 4), tmp_path / "plan.json")
    opened, folder = open_run(tmp_path / "plan.json", "2/2", tmp_path / "runs")
    assert opened == part(plan, "2/2")
    assert folder.path == tmp_path / "runs" / "a-run"
    assert Plan.from_dict(json.loads(folder.plan.read_text())) == opened
    assert open_run(tmp_path / "plan.json", "2/2", tmp_path / "runs") == (opened, folder)
    for name in ("1/2", ""):
        with pytest.raises(
            RecordError, match="a-run is the run of another plan or another part; g"
        ):
            open_run(tmp_path / "plan.json", name, tmp_path / "runs")
    assert open_run(tmp_path / "plan.json", "", tmp_path / "all")[0] == plan


def test_a_part_is_kept_in_its_plans_file(tmp_path):
    piece = part(grid(["2.5.1"], 4), "2/2")
    assert Plan.from_dict(json.loads(json.dumps(piece.to_dict()))) == piece
