from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from matrix import axes
from matrix.axes import Companion, Library, Swept
from matrix.plan import Heading, Plan, Selection
from matrix.planning.cells import requirements
from matrix.planning.planner import make_plan
from matrix.planning.pythons import choose_python
from matrix.planning.torches import newest_patches, run_order
from matrix.planning.world import World
from matrix.releases import IndexUnreachableError, Release
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint, Use
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import RecordError, TorchcompatError, UnknownNameError

HEADING = Heading("a-run", "2026-11-20T10:31:00+00:00")
PYTHONS = [f"3.{minor}" for minor in range(9, 16)]
some_pythons = st.sets(st.sampled_from(PYTHONS))


@pytest.fixture
def world(fake_releases, release, monkeypatch):
    """The libraries that this index has; what others the axes have is no matter of planning."""
    built = ("3.9", "3.10", "3.11", "3.12")
    ultralytics = ("8.1.0", "8.2.63", "8.2.64", "8.3.161", "8.3.162", "8.4.67", "8.4.190")
    projects = {
        "torch": [
            release("2.4.1", *built),
            release("2.5.0", *built),
            release("2.5.1", *built),
            release("2.6.0", *built),
            release("2.8.0", *built),
            release("2.15.0", "3.11", "3.12", "3.15", requires=">=3.11"),
        ],
        "fairseq": [release("0.12.2", "3.6", "3.7")],
        "ultralytics": [release(version, requires=">=3.8") for version in ultralytics],
        "torchaudio": [release(version, *built) for version in ("2.5.1", "2.6.0", "2.11.0")],
    }
    known = tuple(row for row in axes.LIBRARIES if row.name in projects)
    monkeypatch.setattr(axes, "LIBRARIES", known)
    machine = ("3.10", "3.11", "3.12", "3.13")
    return World(fake_releases(projects), machine.__contains__, catalogue())


def ids(plan):
    return [cell.id for cell in plan.cells]


def test_torch_is_the_newest_patch_of_each_minor_from_the_floor_on(world):
    plan = make_plan(HEADING, Selection(), world)
    assert plan.torch == ("2.5.1", "2.6.0", "2.8.0", "2.15.0")


def test_minors_are_ordered_as_numbers():
    releases = [Release(version) for version in ("2.10.0", "2.9.1", "2.9.0", "2.5.1")]
    found = [release.version for release in newest_patches(releases, "2.5")]
    assert found == ["2.5.1", "2.9.1", "2.10.0"]


def test_the_boundary_runs_first_then_the_newest_then_the_rest():
    versions = ["2.5.1", "2.6.0", "2.7.1", "2.8.0", "2.15.0", "2.16.0.dev20261119"]
    first = ["2.5.1", "2.6.0", "2.15.0"]
    assert run_order(versions) == [*first, "2.7.1", "2.8.0", "2.16.0.dev20261119"]


def test_a_cell_is_named_by_what_it_is(world):
    plan = make_plan(HEADING, Selection(torch=("2.15.0",)), world)
    assert ids(plan)[:2] == [
        "py3.11-torch2.15.0-fairseq0.12.2",
        "py3.12-torch2.15.0-ultralytics8.1.0",
    ]
    assert ids(plan)[-3:] == [
        "py3.12-torch2.15.0-ultralytics8.4.190",
        "py3.12-torch2.15.0-torch2.15.0",
        "py3.12-torch2.15.0-torchaudio2.11.0",
    ]


def test_a_paired_library_has_one_cell_a_torch(world):
    plan = make_plan(HEADING, Selection(library=("torchaudio",)), world)
    assert [(cell.torch, cell.version) for cell in plan.cells] == [
        ("2.5.1", "2.5.1"),
        ("2.6.0", "2.6.0"),
        ("2.15.0", "2.11.0"),
        # The index has no torchaudio of this torch: the cell asks for it and says so.
        ("2.8.0", "2.8.0"),
    ]


def test_torch_itself_is_a_library_paired_with_torch_and_required_once(world):
    plan = make_plan(HEADING, Selection(library=("torch",)), world)
    assert [(cell.torch, cell.version) for cell in plan.cells] == [
        (torch, torch) for torch in ("2.5.1", "2.6.0", "2.15.0", "2.8.0")
    ]
    assert plan.cells[0].id == "py3.12-torch2.5.1-torch2.5.1"
    assert plan.cells[0].requirements == ("torch==2.5.1",)


def test_a_library_is_installed_with_its_pairs_and_companions():
    row, more = axes.library("fairseq"), (Companion("lightning==2.5.6", "as it was then"),)
    found = requirements(row, Swept("0.12.2", "why", companions=more), "0.12.2", "2.5.1")
    pinned = ("torch==2.5.1", "fairseq==0.12.2", "torchaudio==2.5.1", "numpy<2")
    assert found == (*pinned, "lightning==2.5.6")


def test_two_sets_of_one_version_are_two_cells_named_by_what_tells_them_apart(world, monkeypatch):
    sets = tuple(Swept("8.1.0", "why", beside=f"lightning {v}") for v in ("2.3.3", "2.5.6"))
    row = dataclasses.replace(axes.library("ultralytics"), versions=sets)
    monkeypatch.setattr(axes, "LIBRARIES", (row,))
    plan = make_plan(HEADING, Selection(torch=("2.5.1",)), world)
    prefix = "py3.12-torch2.5.1-ultralytics8.1.0-lightning"
    assert ids(plan) == [f"{prefix}2.3.3", f"{prefix}2.5.6"]
    assert [cell.beside for cell in plan.cells] == ["lightning 2.3.3", "lightning 2.5.6"]


def test_a_library_may_be_opened_by_the_adapter_of_another(world, monkeypatch):
    old = Library("fairseq", (Swept("0.12.2", "why"),), adapter="ultralytics", source_only=True)
    some = dataclasses.replace(old, checkpoints=("ultralytics/yolov8n*",))
    for row, count in ((old, 4), (some, 3)):
        monkeypatch.setattr(axes, "LIBRARIES", (row,))
        [cell] = make_plan(HEADING, Selection(torch=("2.5.1",)), world).cells
        assert (cell.library, cell.opened_by) == ("fairseq", "ultralytics")
        assert len({check.checkpoint for check in cell.checks}) == count


def test_a_version_that_is_the_newest_as_well_is_one_cell(world, monkeypatch):
    both = (Swept("8.4.190", "why"), Swept(axes.NEWEST, "what a user gets today"))
    row = dataclasses.replace(axes.library("ultralytics"), versions=both)
    monkeypatch.setattr(axes, "LIBRARIES", (row,))
    plan = make_plan(HEADING, Selection(torch=("2.5.1",)), world)
    assert ids(plan) == ["py3.12-torch2.5.1-ultralytics8.4.190"]


def test_each_use_of_a_model_is_a_check_under_each_policy(world, monkeypatch):
    row = Checkpoint("a/b", "ultralytics", "why", uses=(Use("read-file", "why"),))
    world = dataclasses.replace(world, catalogue=Catalogue([row]))
    chosen = Selection(torch=("2.5.1",), library=("ultralytics==8.1.0",), policy=("strict",))
    [cell] = make_plan(HEADING, chosen, world).cells
    assert [check.identity for check in cell.checks] == [
        ("a/b", "forward", "strict"),
        ("a/b", "read-file", "strict"),
    ]


def test_what_no_policy_touches_is_checked_once(world):
    plan = make_plan(HEADING, Selection(torch=("2.5.1",), library=("torchaudio",)), world)
    assert {check.policy for check in plan.cells[0].checks} == {"stock"}
    plan = make_plan(HEADING, Selection(torch=("2.5.1",), library=("fairseq",)), world)
    policies = dict.fromkeys(check.policy for check in plan.cells[0].checks)
    assert list(policies) == ["stock", "patched", "allowlisted", "strict"]


def test_a_cell_without_a_check_is_not_built(world):
    plan = make_plan(HEADING, Selection(policy=("strict",)), world)
    assert {cell.library for cell in plan.cells} == {"fairseq", "torch", "ultralytics"}


def test_a_torch_without_wheels_for_any_python_that_fits_is_said(world, fake_releases, release):
    projects = {**world.releases.projects, "torch": [release("2.17.0", "3.13", "3.14")]}
    world = World(fake_releases(projects), world.has_python, world.catalogue)
    plan = make_plan(HEADING, Selection(library=("fairseq",)), world)
    assert plan.cells == ()
    assert plan.notes == ("No Python has wheels of both torch 2.17.0 and fairseq: no cell.",)


def test_the_nightly_is_pinned_to_its_build(world, fake_releases, release):
    dates = ("20261118", "20261119")
    nightly = [release(f"2.16.0.dev{date}+cpu", "3.11", "3.12") for date in dates]
    nightlies = fake_releases({"torch": [*nightly, release("2.16.0.dev20261120+cpu")]})
    world = World(world.releases, world.has_python, world.catalogue, nightlies)
    plan = make_plan(HEADING, Selection(torch=("nightly",)), world)
    assert plan.torch == ("2.16.0.dev20261119",)
    assert "py3.12-torch2.16.0.dev20261119-ultralytics8.1.0" in ids(plan)
    assert "torchvision>=0.0.dev0" in plan.cells[1].requirements
    assert f"py3.12-torch{plan.torch[0]}-torch{plan.torch[0]}" in ids(plan)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(torch=("2.5",)), 10),
        (Selection(torch=("2.5.1", "2.15.0"), library=("ultralytics==8.1.0",)), 2),
        (Selection(library=("ultralytics==8.1.0", "ultralytics")), 28),
        (Selection(cell=("*torch2.6.0*", "*-fairseq*")), 13),
        (Selection(torch=("2.5.1",), library=("ultralytics",), cell=("*8.3*",)), 2),
    ],
)
def test_a_selection_narrows_the_plan(world, selection, count):
    plan = make_plan(HEADING, selection, world)
    assert len(plan.cells) == count
    assert len(set(ids(plan))) == count


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (Selection(torch=("2.5.9",)), r"'2.5.9' is not a known torch version.*2.5.1, 2.6.0"),
        (Selection(library=("fairsec",)), r"not a known library.*Did you mean 'fairseq'\?"),
        (
            Selection(library=("ultralytics==8.2.65",)),
            r"not a known library version.*Did you mean 'ultralytics==8.2.64'\?",
        ),
        (Selection(policy=("stict",)), r"not a known policy.*Did you mean 'strict'\?"),
        (
            Selection(cell=("py3.12-torch2.6.0-ultralytics8.1",)),
            r"no cell matches .*matrix plan` lists the 40 .*mean '.*torch2.6.0-ultralytics8.1.0'",
        ),
    ],
)
def test_a_selection_of_what_is_not_is_one_sentence(world, selection, sentence):
    with pytest.raises(UnknownNameError, match=sentence):
        make_plan(HEADING, selection, world)


def test_a_library_that_follows_torch_is_selected_by_torch_and_the_sentence_says_so(world):
    with pytest.raises(TorchcompatError) as caught:
        make_plan(HEADING, Selection(library=("torchaudio==2.5.1",)), world)
    assert str(caught.value) == (
        "the version of torchaudio follows torch's: name it without one, --library torchaudio, and"
        " its torch with --torch"
    )


def test_a_plan_survives_its_file(world):
    plan = make_plan(HEADING, Selection(torch=("2.5",), policy=("strict",)), world)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_plan_of_another_schema_is_refused(world):
    data = make_plan(HEADING, Selection(), world).to_dict() | {"schema": 7}
    with pytest.raises(RecordError, match="this plan has schema 7, and 1 is the one"):
        Plan.from_dict(data)


@given(
    torch=some_pythons,
    built=st.none() | some_pythons,
    floor=st.sampled_from(PYTHONS),
    classified=some_pythons,
    named=st.lists(st.sampled_from(PYTHONS), unique=True, max_size=3),
    only=st.booleans(),
    machine=some_pythons,
)
def test_the_python_of_a_cell_is_the_best_of_all_that_could_be(  # noqa: PLR0913, PLR0917 - the axes
    torch, built, floor, classified, named, only, machine
):
    row = Library("any", pythons=tuple(named), only_pythons=only)
    pythons = None if built is None else frozenset(built)
    release = Release("1", None, f">={floor}", pythons, frozenset(classified))

    def rank(python):
        place = named.index(python) if python in named else len(named)
        newest_first = -int(python.split(".")[1])
        return (python not in machine, place, python not in classified, newest_first)

    could_be = [
        python
        for python in torch
        if (built is None or python in built)
        and SpecifierSet(f">={floor}").contains(python)
        and (not only or python in named)
    ]
    best = min(could_be, key=rank, default=None)
    found = choose_python(
        row, Release("2", pythons=frozenset(torch)), release, machine.__contains__
    )
    assert found == best


def test_a_plan_of_another_form_is_refused(world):
    words = "this plan is not of the form that is read here"
    with pytest.raises(RecordError, match=words):
        Plan.from_dict({"schema": 1})
    # As versions of this tool wrote it that had none of these yet.
    for key in ("stacks", "constraints"):
        data = make_plan(HEADING, Selection(torch=("2.5",)), world).to_dict()
        del (data if key in data else data["cells"][0])[key]
        with pytest.raises(RecordError, match=rf"{words} \(KeyError\('{key}'\)\); delete the run"):
            Plan.from_dict(data)


@pytest.mark.parametrize("project", ["torch", "ultralytics"])
def test_an_index_without_a_release_is_one_sentence(world, project):
    world.releases.projects[project] = []
    with pytest.raises(IndexUnreachableError, match=f"lists no release of {project} that this"):
        make_plan(HEADING, Selection(), world)


def test_a_plan_of_named_cells_has_their_torches_alone(world):
    plan = make_plan(HEADING, Selection(cell=("*torch2.6.0*", "*torch2.5.1-fairseq*")), world)
    assert plan.torch == ("2.5.1", "2.6.0")
