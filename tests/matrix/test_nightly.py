"""The nightly axis: which build is planned, what goes with it, and that uv installs just that."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from packaging.tags import platform_tags

from matrix import axes, outside
from matrix.__main__ import _is_red
from matrix.environments import Environment, UvEnvironments
from matrix.plan import Heading, Selection
from matrix.planning.planner import make_plan
from matrix.planning.world import World
from matrix.processes import Processes
from matrix.releases import IndexReleases, IndexUnreachableError
from matrix.resolution import Settings
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.outcome import Outcome

FROZEN = datetime(2026, 11, 21, 1, 23, tzinfo=timezone.utc)
HEADING = Heading("a-run", FROZEN.isoformat())
NIGHTLY = Selection(torch=(axes.NIGHTLY,))
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = f"cp{PYTHON.replace('.', '')}"
TONIGHT, BEFORE = "2.16.0.dev20261121", "2.16.0.dev20261120"
ELSEWHERE = f"{HERE}-{HERE}-sunos_5_sparc"
OF_THIS = f"{HERE}-{HERE}-{list(platform_tags())[-1]}"


@pytest.fixture
def nightlies(index):
    """PyTorch's index as this test fills it; its files have no upload time."""

    class Nightlies:
        def add(self, name, version, *requires, tag=OF_THIS, metadata=False):
            index.wheel(
                name,
                f"{version}+cpu",
                requires=requires,
                tag=tag,
                data_upload_time=None,
                metadata=metadata,
            )

        def torch(self, version, tag=OF_THIS):
            self.add("torch", version, tag=tag)

        def follower(self, version, torch, name="torchvision", *, metadata=True):
            self.add(name, version, f"torch=={torch}", metadata=metadata)

    return Nightlies()


@pytest.fixture
def plan_of(index, fake_releases, release, monkeypatch):
    """Plan libraries beside the nightlies that the index has."""
    libraries = ("ultralytics", "torchaudio", "torch")
    rows = tuple(row for row in axes.LIBRARIES if row.name in libraries)
    rows = tuple(
        dataclasses.replace(row, versions=row.versions[:1], pythons=(PYTHON,), companions=())
        for row in rows
    )
    monkeypatch.setattr(axes, "LIBRARIES", rows)
    known = {
        "torch": [release("2.15.0", PYTHON)],
        "torchaudio": [release("2.11.0", PYTHON)],
        "ultralytics": [release("8.1.0", requires=">=3.8")],
    }

    def make(selection=NIGHTLY):
        found, notes = outside.nightlies(selection, FROZEN, index.url)
        world = World(fake_releases(known), lambda _: True, catalogue(), found)
        return make_plan(dataclasses.replace(HEADING, notes=notes), selection, world)

    return make


def of_library(plan, library):
    return next(cell for cell in plan.cells if cell.library == library)


def test_the_newest_night_is_planned_by_its_date(nightlies, plan_of):
    for version in (BEFORE, TONIGHT):
        nightlies.torch(version)
    nightlies.follower("0.31.0.dev20261121", TONIGHT)
    plan = plan_of()
    assert plan.torch == (TONIGHT,)
    assert plan.notes == ()
    assert {cell.requirements[0] for cell in plan.cells} == {f"torch=={TONIGHT}"}
    assert {cell.unsolved for cell in plan.cells} == {""}


def test_a_night_without_a_build_for_this_platform_gives_way_to_the_newest_that_has_one(
    nightlies, plan_of
):
    nightlies.torch(BEFORE)
    nightlies.torch(TONIGHT, tag=ELSEWHERE)
    nightlies.follower("0.31.0.dev20261120", BEFORE)
    plan = plan_of()
    assert plan.torch == (BEFORE,)
    assert plan.notes == (
        "The nightly of 20261121 has no build for this platform; 20261120 is the newest that has.",
    )


def test_where_no_night_has_a_build_its_cells_are_planned_and_say_so(nightlies, plan_of):
    for version in (BEFORE, TONIGHT):
        nightlies.torch(version, tag=ELSEWHERE)
    plan = plan_of(Selection())
    assert plan.torch == ("2.15.0", TONIGHT)
    planned = {(cell.library, cell.torch): cell.unsolved for cell in plan.cells}
    words = (
        "no nightly build of torch is for this platform: PyTorch's index goes up to 20261121, and "
        "has wheels for others alone"
    )
    for library in ("ultralytics", "torchaudio", "torch"):
        assert planned[library, TONIGHT] == words
        assert planned[library, "2.15.0"] == ""


def test_a_cell_that_the_plan_found_impossible_is_unavailable_in_the_plans_words(
    nightlies, plan_of, tmp_path
):
    nightlies.torch(TONIGHT, tag=ELSEWHERE)
    settings = Settings(tmp_path / "work", tmp_path, HEADING.frozen_at)
    nothing = None  # no index is asked, and no process started
    cell = of_library(plan_of(), "torch")
    made = UvEnvironments(settings, nothing, nothing).create(cell)
    assert (made.outcome, made.reason) == (Outcome.UNAVAILABLE, cell.unsolved)


@pytest.mark.parametrize(
    ("built", "pinned"),
    [
        ([("0.31.0.dev20261120", BEFORE), ("0.31.0.dev20261121", TONIGHT)], "0.31.0.dev20261121"),
        # Built on the day after, of the torch of the day before.
        ([("0.31.0.dev20261121", BEFORE), ("0.31.0.dev20261122", TONIGHT)], "0.31.0.dev20261122"),
    ],
    ids=["the same night", "the night after"],
)
def test_torchvision_is_the_one_that_was_built_with_that_torch(nightlies, plan_of, built, pinned):
    nightlies.torch(TONIGHT)
    for version, torch in built:
        nightlies.follower(version, torch)
    plan = plan_of()
    cell = of_library(plan, "ultralytics")
    assert f"torchvision=={pinned}" in cell.requirements
    assert f"torchvision=={pinned}" in cell.constraints
    assert plan.notes == ()


def test_without_metadata_the_date_pairs(nightlies, plan_of):
    nightlies.torch(TONIGHT)
    for date in ("20261120", "20261121", "20261122"):
        nightlies.follower(f"0.31.0.dev{date}", "9.9", metadata=False)
    cell = of_library(plan_of(), "ultralytics")
    assert "torchvision==0.31.0.dev20261121" in cell.requirements


@pytest.mark.parametrize(
    "built",
    [[], [("0.31.0.dev20261120", BEFORE)], [("0.31.0.dev20261121", BEFORE)]],
    ids=["none", "an older night", "another torch"],
)
def test_a_night_without_its_torchvision_is_noted_and_left_to_the_resolver(
    nightlies, plan_of, built
):
    nightlies.torch(TONIGHT)
    for version, torch in built:
        nightlies.follower(version, torch)
    plan = plan_of()
    assert plan.notes == (
        f"PyTorch's index has no torchvision that goes with the nightly torch {TONIGHT}.",
    )
    assert "torchvision>=0.0.dev0" in of_library(plan, "ultralytics").requirements
    assert plan_of(dataclasses.replace(NIGHTLY, library=("torch",))).notes == ()


def test_torchaudio_is_the_nightly_where_there_is_one_and_else_its_last_release(nightlies, plan_of):
    nightlies.torch(BEFORE)
    nightlies.follower("0.31.0.dev20261120", BEFORE)
    assert of_library(plan_of(), "torchaudio").version == "2.11.0"
    nightlies.follower("2.16.0.dev20261120", BEFORE, "torchaudio")
    plan = plan_of()
    cell = of_library(plan, "torchaudio")
    assert cell.version == "2.16.0.dev20261120"
    assert cell.requirements[:2] == (f"torch=={BEFORE}", "torchaudio==2.16.0.dev20261120")
    # The rule of final releases would keep the resolver from it.
    assert "torchaudio==2.16.0.dev20261120" in cell.constraints
    assert not [each for each in cell.constraints if each.startswith("torchaudio==2.11")]


def test_an_earlier_night_asked_for_by_name_has_the_others_of_its_night(nightlies, plan_of):
    for torch, date in ((BEFORE, "20261120"), (TONIGHT, "20261121")):
        nightlies.torch(torch)
        nightlies.follower(f"0.31.0.dev{date}", torch)
    plan = plan_of(Selection(torch=(BEFORE,)))
    assert plan.torch == (BEFORE,)
    assert "torchvision==0.31.0.dev20261120" in of_library(plan, "ultralytics").requirements


def test_a_night_asked_for_by_name_that_others_alone_have_is_planned_and_says_so(
    nightlies, plan_of
):
    nightlies.torch(BEFORE)
    nightlies.torch(TONIGHT, tag=ELSEWHERE)
    plan = plan_of(Selection(torch=(TONIGHT,)))
    assert plan.torch == (TONIGHT,)
    words = "the nightly of 20261121 has no build for this platform"
    assert {cell.unsolved for cell in plan.cells} == {words}
    with pytest.raises(UnknownNameError, match=r"'2.16.0.dev20261122' is not a known torch"):
        plan_of(Selection(torch=("2.16.0.dev20261122",)))


def test_an_index_without_torch_has_no_nightly_and_the_plan_says_so(index, plan_of):
    index.wheel("torch", "2.15.0", data_yanked="")
    assert plan_of(Selection()).notes == (outside.EMPTY,)
    with pytest.raises(IndexUnreachableError, match="lists no torch: no cell for the nightly"):
        plan_of()


@pytest.fixture
def environments(index, tmp_path, monkeypatch):
    """Environments of cells whose nightlies, and everything else, come from the index."""
    monkeypatch.setattr(axes, "NIGHTLY_INDEX", index.url)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    for name in ("UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(tmp_path / "work", tmp_path, HEADING.frozen_at, "auto")
    made = UvEnvironments(settings, Processes(), IndexReleases(index.url))
    made._plugin = index.wheel("the-plugin", "0.1.0")
    return made


def test_a_real_package_tagged_as_the_nightly_is_what_uv_installs(environments, index, plan_of):
    real = importlib.metadata.distribution("packaging")
    for date in ("20261119", "20261120"):
        version = f"2.16.0.dev{date}+cpu"
        index.retagged(real, version, tag=OF_THIS, requires=(), data_upload_time=None)
    index.retagged(real, f"{TONIGHT}+cpu", tag=ELSEWHERE, requires=(), data_upload_time=None)
    for version, torch in (("0.30.0", "2.15.0"), ("0.31.0.dev20261120+cpu", BEFORE)):
        values = {"requires": (f"torch=={torch}",), "package": {}, "data_upload_time": None}
        index.retagged(real, version, tag=OF_THIS, name="torchvision", **values)
    index.wheel("ultralytics", "8.1.0", requires=["torchvision>=0.9", "torch>=1.8"])
    index.wheel("torch", "2.15.0", tag=OF_THIS)

    plan = plan_of()
    assert plan.torch == (BEFORE,)
    made = environments.create(of_library(plan, "ultralytics"))
    assert isinstance(made, Environment), made
    assert {**made.distributions} == {
        "the-plugin": "0.1.0",
        "torch": f"{BEFORE}+cpu",
        "torchvision": "0.31.0.dev20261120+cpu",
        "ultralytics": "8.1.0",
    }
    # What was installed under this name is the real package.
    code = "import packaging.version as v; print(v.Version('2.16.0.dev1').is_devrelease)"
    done = subprocess.run([made.python, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"
    environments.delete(of_library(plan, "ultralytics"))


def test_a_night_whose_torchvision_wants_another_torch_is_unavailable_in_uvs_words(
    environments, index, nightlies, plan_of
):
    nightlies.torch(TONIGHT)
    nightlies.follower("0.31.0.dev20261121", BEFORE)
    index.wheel("ultralytics", "8.1.0", requires=["torchvision", "torch"])
    made = environments.create(of_library(plan_of(), "ultralytics"))
    assert made.outcome is Outcome.UNAVAILABLE
    assert f"torch=={BEFORE}" in " ".join(made.reason.split())


@pytest.mark.parametrize(
    ("torch", "outcome", "red"),
    [
        ("2.15.0", "unavailable", True),
        (TONIGHT, "unavailable", False),
        (TONIGHT, "crash", True),
        (TONIGHT, None, False),
    ],
)
def test_a_night_without_a_build_is_not_red(torch, outcome, red):
    matrix = {"cells": [{"torch": torch, "outcome": outcome, "checks": []}]}
    assert _is_red(matrix) is red
