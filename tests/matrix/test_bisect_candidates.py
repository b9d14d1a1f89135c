"""Which versions a bisect goes over, and their cells."""

from __future__ import annotations

import pytest

from matrix import axes
from matrix.bisect import companions
from matrix.bisect.candidates import Candidates, deciding
from matrix.bisect.question import Question, check
from matrix.plan import Heading, Selection
from matrix.planning.planner import make_plan
from matrix.planning.world import World
from matrix.releases import IndexUnreachableError
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError, UnknownNameError

HEADING = Heading("", "2026-11-20T10:31:00+00:00")
BUILT = ("3.10", "3.11", "3.12")
ULTRALYTICS = ("0.0.13", "8.0.0", "8.1.0", "8.2.63", "8.2.64", "8.3.162", "8.4.190")
LIGHTNING = ("1.9.5", "2.0.0", "2.3.3", "2.4.0", "2.5.6", "2.6.0", "2.6.6")


@pytest.fixture
def world(fake_releases, release, monkeypatch):
    """Have an index of a few projects; the sweep's other libraries are no matter here."""
    torches = ("2.4.1", "2.5.0", "2.5.1", "2.6.0", "2.8.0", "2.15.0")
    nights = [f"2.16.0.dev202611{day}+cpu" for day in ("01", "02", "09", "19")]
    projects = {
        "torch": [release(version, *BUILT) for version in torches],
        "ultralytics": [release(version, requires=">=3.8") for version in ULTRALYTICS],
        "pyannote.audio": [release(version) for version in ("3.1.1", "3.3.2", "3.4.0", "4.0.7")],
        "lightning": [release(version) for version in LIGHTNING],
        "fairseq": [release("0.12.2")],
        "torchaudio": [release("2.8.0", *BUILT)],
    }
    known = tuple(row for row in axes.LIBRARIES if row.name in {*projects, "torch"})
    monkeypatch.setattr(axes, "LIBRARIES", known)
    nightlies = fake_releases({"torch": [release(version, *BUILT) for version in nights]})
    # One night is built for other platforms alone.
    nightlies.listed = lambda _: (*nights[:2], "2.16.0.dev20261105+cpu", *nights[2:])
    return World(fake_releases(projects), BUILT.__contains__, catalogue(), nightlies)


def candidates(world, subject="ultralytics", torch="2.8.0", **values):
    return Candidates(Question(subject, torch, **values), HEADING, world)


def cell_of(found, version):
    (cell,) = found.plan(version).cells
    return cell


def test_a_librarys_releases_begin_with_the_series_that_the_sweep_knows(world):
    assert candidates(world).versions == ULTRALYTICS[1:]


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("8.2.64", "", ("8.2.64", "8.3.162", "8.4.190")),
        ("", "8.2.63", ("8.0.0", "8.1.0", "8.2.63")),
        ("8.1", "8.2", ("8.1.0", "8.2.63", "8.2.64")),
        ("8.1.0.0", "8.2.63", ("8.1.0", "8.2.63")),
        ("0", "8.0.0", ("0.0.13", "8.0.0")),
    ],
)
def test_bounds_are_included_and_a_series_is_all_of_its_releases(world, first, last, found):
    assert candidates(world, first=first, last=last).versions == found


def test_a_librarys_cell_is_the_sweeps_own(world):
    found = cell_of(candidates(world), "8.2.63")
    swept = make_plan(
        HEADING, Selection(("2.8.0",), ("ultralytics==8.2.63",), (), ("stock",)), world
    )
    assert (found.id, found.requirements) == (swept.cells[0].id, swept.cells[0].requirements)


def test_a_release_that_is_not_swept_has_a_cell_too(world):
    assert cell_of(candidates(world), "8.0.0").id == "py3.12-torch2.8.0-ultralytics8.0.0"


def test_of_several_sets_of_a_version_the_newest_companion_is_taken(world):
    found = cell_of(candidates(world, "pyannote.audio"), "3.4.0")
    assert found.beside == "lightning 2.6.6"


def test_the_checks_are_the_forward_passes_under_the_policy(world):
    checks = cell_of(candidates(world, policy="strict"), "8.1.0").checks
    assert {(check.use, check.policy) for check in checks} == {("forward", "strict")}
    assert len(checks) == 4


def test_the_checkpoints_that_decide_can_be_named(world):
    found = candidates(world, checkpoint=("ultralytics/yolov8n*",))
    names = {check.checkpoint for check in cell_of(found, "8.1.0").checks}
    assert names == {"ultralytics/yolov8n", "ultralytics/yolov8n-2023", "ultralytics/yolov8n-seg"}


def test_torchs_releases_are_gone_through_with_a_library_that_stays(world):
    found = candidates(world, "torch", "", library="ultralytics==8.1.0")
    assert found.versions == ("2.5.0", "2.5.1", "2.6.0", "2.8.0", "2.15.0")
    assert cell_of(found, "2.5.0").id == "py3.12-torch2.5.0-ultralytics8.1.0"


def test_a_library_of_torchs_bisect_without_a_version_is_the_newest(world):
    found = candidates(world, "torch", "", library="ultralytics")
    assert cell_of(found, "2.6.0").version == "8.4.190"


def test_torch_alone_is_gone_through_with_what_needs_torch_alone(world):
    assert cell_of(candidates(world, "torch", ""), "2.6.0").library == "torch"


def test_nights_are_bounded_by_their_dates(world):
    dates = {"first": "20261102", "last": "2026-11-09", "nightly": True}
    found = candidates(world, "torch", "", library="ultralytics==8.1.0", **dates)
    nights = ("2.16.0.dev20261102", "2.16.0.dev20261105", "2.16.0.dev20261109")
    assert found.versions == nights
    cell = cell_of(found, "2.16.0.dev20261102")
    assert cell.id == "py3.12-torch2.16.0.dev20261102-ultralytics8.1.0"


def test_a_night_may_be_named_by_its_version(world):
    found = candidates(world, "torch", "", nightly=True, first="2.16.0.dev20261109")
    assert found.versions == ("2.16.0.dev20261109", "2.16.0.dev20261119")


def test_a_night_without_a_build_for_this_platform_has_no_cell_and_says_so(world):
    plan = candidates(world, "torch", "", nightly=True).plan("2.16.0.dev20261105")
    assert plan.cells == ()
    assert plan.notes == (
        "The night of 2.16.0.dev20261105 has no build for this platform: no cell.",
    )


def test_the_python_can_be_named(world):
    assert cell_of(candidates(world, python="3.10"), "8.1.0").python == "3.10"


def test_a_python_that_does_not_fit_has_no_cell_and_says_so(world):
    plan = candidates(world, python="3.13").plan("8.1.0")
    assert plan.cells == ()
    assert plan.notes == ("Python 3.13 does not fit, or is not on this machine: no cell.",)


def over_lightning(world, subject="pyannote.audio==3.4.0", **values):
    return candidates(world, subject, over="lightning", **values)


def test_a_companions_releases_begin_with_the_series_of_the_oldest_that_is_listed(world):
    assert over_lightning(world).versions == LIGHTNING[1:]


def test_a_companion_is_replaced_with_those_that_are_released_with_it(world):
    cell = cell_of(over_lightning(world), "2.6.0")
    assert cell.id == "py3.12-torch2.8.0-pyannote.audio3.4.0-lightning2.6.0"
    assert cell.beside == "lightning 2.6.0"
    named = [each for each in cell.requirements if "lightning" in each]
    assert sorted(named) == ["lightning==2.6.0", "pytorch-lightning==2.6.0"]
    assert "pyannote.audio==3.4.0" in cell.requirements


@pytest.mark.parametrize(("version", "kept"), [("2.0.0", True), ("2.4.0", True), ("2.6.0", False)])
def test_what_the_nearest_older_companion_needs_stays_beside_it(world, version, kept):
    requirements = cell_of(over_lightning(world), version).requirements
    assert ("setuptools<82" in requirements) is kept


@pytest.mark.parametrize("version", ["2.3.3", "2.5.6", "2.6.6"])
def test_a_companion_that_is_swept_has_the_sweeps_own_cell(world, version):
    plan = make_plan(
        HEADING, Selection(("2.8.0",), ("pyannote.audio==3.4.0",), (), ("stock",)), world
    )
    swept = next(cell for cell in plan.cells if cell.beside == f"lightning {version}")
    found = cell_of(over_lightning(world), version)
    assert (found.id, found.beside) == (swept.id, swept.beside)
    assert sorted(found.requirements) == sorted(swept.requirements)


def test_a_companion_that_is_not_pinned_gets_its_version_and_no_other_bound(planned_cell):
    cell = planned_cell("one", requirements=["torch==2.5.1", "coqui-tts==0.27.5", "transformers<5"])
    found = companions.beside([cell], "transformers", "4.57.1")
    assert found.requirements == ("torch==2.5.1", "coqui-tts==0.27.5", "transformers==4.57.1")
    assert found.id == "one-transformers4.57.1"


def test_what_has_the_same_version_by_chance_is_no_family(planned_cell):
    cell = planned_cell("one", requirements=["torch==2.5.1", "numpy==2.3.3", "lightning==2.3.3"])
    assert companions.family(cell, "lightning") == ["lightning"]


def test_a_package_that_the_sweep_does_not_install_by_name_is_no_companion():
    with pytest.raises(TorchcompatError, match="'numba' is no companion of pyannote"):
        companions.check(axes.library("pyannote.audio"), "numba")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"first": "9"},
            "two releases of ultralytics, and from 9 there is none. The index has 0.0",
        ),
        ({"first": "8.4"}, "from 8.4 there is 8.4.190 alone. The index has 0.0.13 … 8.4.190"),
        ({"first": "8.2", "last": "8.1"}, "and from 8.2 to 8.1 there is none"),
        ({"last": "x"}, "'x' is no bound of a bisect; give a version such as 2.8.0"),
    ],
)
def test_a_range_without_two_releases_is_one_sentence(world, values, words):
    with pytest.raises(TorchcompatError) as raised:
        _ = candidates(world, **values).versions
    assert words in str(raised.value)


def test_a_date_that_is_none_is_one_sentence(world):
    found = candidates(world, "torch", "", nightly=True, first="yesterday")
    with pytest.raises(TorchcompatError, match="give a date such as 20261119"):
        _ = found.versions


def test_an_index_without_a_release_is_one_sentence(fake_releases, world):
    empty = World(fake_releases({"ultralytics": []}), BUILT.__contains__, catalogue())
    with pytest.raises(IndexUnreachableError, match="lists no release of ultralytics that this"):
        _ = candidates(empty).versions


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"subject": "ultralytics"}, "`bisect ultralytics --torch VERSION`"),
        ({"subject": "ultralytics==8.1.0", "torch": "2.8.0"}, "so that 8.1.0 can't stay"),
        (
            {"subject": "pyannote.audio", "torch": "2.8.0", "over": "lightning"},
            "`bisect pyannote.audio==VERSION --over lightning`",
        ),
        ({"subject": "torchaudio", "torch": "2.8.0"}, "`bisect torch --library torchaudio`"),
        ({"subject": "torch", "torch": "2.8.0"}, "with --from and --to"),
        ({"subject": "torch==2.8.0"}, "with --from and --to"),
        ({"subject": "torch", "over": "lightning"}, "`bisect NAME==VERSION --over lightning"),
        ({"subject": "torch", "library": "torchaudio==2.8.0"}, "--library torchaudio"),
        (
            {"subject": "ultralytics", "torch": "2.8.0", "nightly": True},
            "`bisect torch --library ultralytics`",
        ),
    ],
)
def test_a_question_that_nothing_can_answer_names_one_that_can_be(values, words):
    with pytest.raises(TorchcompatError) as raised:
        check(Question(**values))
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"subject": "ultralitics", "torch": "2.8.0"}, "is not a known library"),
        ({"subject": "torch", "library": "nothing==1.0"}, "is not a known library"),
        ({"subject": "ultralytics", "torch": "2.8.0", "policy": "stict"}, "not a known policy"),
    ],
)
def test_an_unknown_name_has_the_known_ones_beside_it(values, words):
    with pytest.raises(UnknownNameError, match=words):
        check(Question(**values))


def test_a_checkpoint_that_the_library_does_not_open_is_unknown():
    with pytest.raises(UnknownNameError, match="not a known checkpoint of ultralytics under stock"):
        deciding(Question("ultralytics", "2.8.0", checkpoint=("rvc/*",)), catalogue())


def test_a_policy_that_no_check_is_made_under_is_refused():
    with pytest.raises(TorchcompatError, match="torchaudio has no check under strict: ask under"):
        deciding(Question("torch", library="torchaudio", policy="strict"), catalogue())


@pytest.mark.parametrize("question", [{"nightly": True}, {}])
def test_a_python_that_torch_has_wheels_for_is_taken_whatever_the_bisect_goes_over(world, question):
    subjects = {"subject": "torch", "torch": ""} if question else {}
    assert candidates(world, **subjects, **question, python="3.11").versions
    with pytest.raises(
        TorchcompatError, match=r"for Python 3\.13; .* that has: 3\.10, 3\.11, 3\.12$"
    ):
        assert candidates(world, **subjects, **question, python="3.13").versions


def test_a_python_that_no_release_of_the_library_is_for_is_refused_too(fake_releases, release):
    projects = {
        "torch": [release("2.8.0", *BUILT)],
        "ultralytics": [release(each, requires=">=3.11") for each in ("8.0.0", "8.1.0")],
    }
    found = World(fake_releases(projects), BUILT.__contains__, catalogue())
    with pytest.raises(TorchcompatError, match=r"for Python 3\.10; .* that has: 3\.11, 3\.12$"):
        assert candidates(found, python="3.10").versions
