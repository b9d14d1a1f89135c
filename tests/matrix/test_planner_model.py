"""The planner beside a model of it: every combination is looked at, and the rules strike some."""

from __future__ import annotations

import itertools
from dataclasses import replace
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from matrix import axes
from matrix.axes import NEWEST, Companion, Library, Swept
from matrix.plan import Heading, Selection
from matrix.planning.planner import make_plan
from matrix.planning.world import World
from matrix.releases import Release
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint, Use

PYTHONS = ("3.9", "3.10", "3.11", "3.12")
FLOORS = ("2.4.1", "2.5.0", "2.5.1", "2.6.0", "2.7.0", "2.7.1", "2.8.0", "2.9.0", "2.10.0")
TORCHES = (*FLOORS, "2.10.1", "2.11.0", "2.12.0", "2.13.0")
TORCHAUDIOS = ("2.5.1", "2.6.0", "2.7.0", "2.9.0", "2.10.0", "2.10.1", "2.11.0", "2.11.1")
VERSIONS = ("1.0", "1.1", "1.2", "2.0")
POLICIES = ("stock", "patched", "allowlisted", "strict")
# Which Pythons a bound allows, by hand: the last patch stands for the minor.
BOUNDS = {
    "": PYTHONS,
    ">=3.10": PYTHONS[1:],
    ">=3.9.2": PYTHONS,
    "<3.12": PYTHONS[:3],
    ">=3.10,<3.12": PYTHONS[1:3],
    ">=3.13": (),
}
# torch's minor beside the minors of torchcodec that are built for it.
TORCHCODECS = {
    "2.5": {1}, "2.6": {2}, "2.7": {3, 4, 5}, "2.8": {6, 7}, "2.9": {8, 9}, "2.10": {10},
    "2.11": {11}, "2.12": set(range(12, 20)), "2.13": set(range(12, 20)),
}  # fmt: skip
CHECKPOINTS = (
    Checkpoint("one/a", "one", "why"),
    Checkpoint("one/b", "one", "why", uses=(Use("again", "why"),)),
    Checkpoint("one/wav", "one", "why", pickled=False),
    Checkpoint("two/a", "two", "why"),
    Checkpoint("torchaudio/wav", "torchaudio", "why", pickled=False),
    Checkpoint("torch/a", "torch", "why"),
)
COMMIT, REPOSITORY = "0123456789abcdef", "https://example.org/one"


class Index:
    """Releases from a dictionary."""

    def __init__(self, projects):
        self.projects = projects

    def of(self, project):
        return tuple(self.projects[project])

    def described(self, project, release):
        return release


pythons = st.frozensets(st.sampled_from(PYTHONS))
some_pythons = st.lists(st.sampled_from(PYTHONS), unique=True, max_size=3).map(tuple)


@st.composite
def releases_of(draw, versions, *, built=False):
    """Some of the versions, oldest first; torch is always built for certain Pythons."""
    kept = draw(st.sets(st.sampled_from(range(len(versions))), min_size=1))
    return tuple(
        Release(
            versions[place],
            requires_python=draw(st.sampled_from(sorted(BOUNDS))),
            pythons=draw(pythons if built else st.none() | pythons),
            classified=draw(pythons),
        )
        for place in sorted(kept)
    )


@st.composite
def swept(draw):
    """A version of the axes: listed, the newest, or a commit; alone or beside something."""
    version = draw(st.sampled_from((*VERSIONS, NEWEST, "1.0+g{commit}")))
    git = f"one @ git+{REPOSITORY}@{{commit}}" if "commit" in version else ""
    beside = draw(st.sampled_from(("", "", "lightning 2.3.3")))
    companions = (Companion("lightning==2.3.3", "why"),) if beside else ()
    return Swept(version, "why", beside, companions, (), draw(some_pythons), git)


@st.composite
def libraries(draw):
    """The rows of the axes: two with versions of their own, and two that are paired with torch."""
    common = {"pythons": some_pythons, "only_pythons": st.booleans(), "why_python": st.just("why")}
    listed = {"versions": st.lists(swept(), max_size=4).map(tuple), "source_only": st.booleans()}
    pairs = st.sampled_from(((), ("torchaudio",), ("torchaudio", "torchcodec", "transformers")))
    one = st.builds(Library, st.just("one"), pairs=pairs, **listed, **common)
    two = st.builds(
        Library,
        st.just("two"),
        adapter=st.sampled_from(("", "one")),
        checkpoints=st.sampled_from(((), ("one/[ab]",), ("nobody/*",))),
        **listed,
        **common,
    )
    paired = [
        st.builds(Library, st.just(name), paired=st.just(True), **common)
        for name in ("torch", "torchaudio")
    ]
    return tuple(draw(row) for row in (one, two, *paired) if draw(st.booleans()))


@st.composite
def worlds(draw):
    """An index, a machine and a catalogue."""
    projects = {
        "torch": draw(releases_of(TORCHES, built=True)),
        "torchaudio": draw(releases_of(TORCHAUDIOS)),
        "one": draw(releases_of(VERSIONS)),
        "two": draw(releases_of(VERSIONS)),
    }
    commits = {REPOSITORY: COMMIT} if draw(st.booleans()) else {}
    machine = draw(pythons)
    return World(Index(projects), machine.__contains__, Catalogue(CHECKPOINTS), commits=commits)


def number(version):
    return tuple(int(part) for part in version.split("."))


def minor(version):
    return ".".join(version.split(".")[:2])


# -- the model: all combinations, each kept or struck by a rule ------------------------------------


def modelled(rows, world):
    """Return every cell there is by the rules, as id and what tells of it."""
    index = world.releases.projects
    cells = {}
    for torch, row in itertools.product(columns(index["torch"]), rows):
        for each, release in subjects(row, torch, index, world.commits):
            python = best_python(row, each, torch, release, world.has_python)
            checks = frozenset(checks_of(row))
            if python and checks:
                beside = "-" + each.beside.replace(" ", "") if each.beside else ""
                name = f"py{python}-torch{torch.version}-{row.name}{release.version}{beside}"
                cells.setdefault(name, (python, torch.version, row.name, release.version, checks))
    return cells


def columns(torches):
    """The newest patch of each minor from 2.5 on, in no order."""
    return [
        torch
        for torch in torches
        if number(torch.version) >= (2, 5)
        and not any(
            minor(other.version) == minor(torch.version)
            and number(other.version) > number(torch.version)
            for other in torches
        )
    ]


def subjects(row, torch, index, commits):
    """A library's versions; one that is paired with torch has that which goes with it."""
    if row.paired:
        fit = [each for each in index[row.name] if goes_with(row.name, each.version, torch.version)]
        newest = max(fit, key=lambda each: number(each.version), default=None)
        yield Swept("", ""), newest or Release(torch.version)
        return
    by_version = {each.version: each for each in index[row.name]}
    newest = max(by_version, key=number)
    for each in row.versions:
        if each.requirement and not commits:
            continue
        version = newest if each.version == NEWEST else each.version
        version = version.replace("{commit}", COMMIT[:7])
        release = by_version.get(version, Release(version))
        yield each, replace(release, pythons=None) if row.source_only else release


def goes_with(name, version, torch):
    """Up to 2.10 torchaudio is torch's twin, and from 2.11 on it is any 2.11."""
    if name == "torchaudio" and number(torch) >= (2, 11):
        return minor(version) == "2.11"
    return version == torch


def best_python(row, each, torch, release, has_python):
    """Of what both sides support, what the machine has, is named, is classified, is newest."""
    named = list(each.pythons or row.pythons)
    allowed = [
        python
        for python in PYTHONS
        if python in torch.pythons
        and (release.pythons is None or python in release.pythons)
        and python in BOUNDS[release.requires_python]
        and (python in named or not row.only_pythons)
    ]
    return min(
        allowed,
        default=None,
        key=lambda python: (
            not has_python(python),
            named.index(python) if python in named else len(named),
            python not in release.classified,
            -PYTHONS.index(python),
        ),
    )


def checks_of(row):
    for checkpoint in CHECKPOINTS:
        if row.checkpoints == ("nobody/*",):
            opened = False
        elif row.checkpoints:
            opened = checkpoint.id in ("one/a", "one/b")
        else:
            opened = checkpoint.library == (row.adapter or row.name)
        uses = ["forward", *(use.name for use in checkpoint.uses)]
        for use, policy in itertools.product(uses, POLICIES):
            if opened and (checkpoint.pickled or policy == "stock"):
                yield (checkpoint.id, use, policy)


# -- the tests -------------------------------------------------------------------------------------


def planned(rows, world, **selection):
    with mock.patch.object(axes, "LIBRARIES", rows):
        return make_plan(Heading("a-run", "2026-11-20"), Selection(**selection), world)


def told(cell):
    checks = frozenset(check.identity for check in cell.checks)
    return (cell.python, cell.torch, cell.library, cell.version, checks)


@given(libraries(), worlds())
def test_the_plan_is_what_the_rules_leave_of_all_combinations(rows, world):
    plan = planned(rows, world)
    assert {cell.id: told(cell) for cell in plan.cells} == modelled(rows, world)


@given(libraries(), worlds())
def test_no_cell_is_twice_in_a_plan_and_no_column(rows, world):
    plan = planned(rows, world)
    for found in ([cell.id for cell in plan.cells], [minor(torch) for torch in plan.torch]):
        assert len(set(found)) == len(found)


@given(libraries(), worlds())
def test_the_boundary_comes_before_the_newest_and_that_before_all_others(rows, world):
    plan = planned(rows, world)
    newest = max(plan.torch, key=number, default="")

    def rank(torch):
        return 0 if minor(torch) in ("2.5", "2.6") else 1 if torch == newest else 2

    order = [rank(cell.torch) for cell in plan.cells]
    assert order == sorted(order)
    # Columns are in the order of their versions, whatever runs first.
    assert list(plan.torch) == sorted(plan.torch, key=number)


@given(libraries(), worlds())
def test_what_goes_with_torch_is_asked_for_in_a_version_that_was_built_for_it(rows, world):
    for cell in planned(rows, world).cells:
        asked = {each.name: each for each in map(Requirement, cell.requirements)}
        bound = {each.name: each for each in map(Requirement, cell.constraints)}
        assert str(asked["torch"].specifier) == f"=={cell.torch}"
        if "torchaudio" in asked and cell.library != "torchaudio":
            fit = [v for v in TORCHAUDIOS if asked["torchaudio"].specifier.contains(v)]
            assert fit == [v for v in TORCHAUDIOS if goes_with("torchaudio", v, cell.torch)]
        built = TORCHCODECS[minor(cell.torch)]
        fit = {n for n in range(1, 20) if bound["torchcodec"].specifier.contains(f"0.{n}.0")}
        assert fit == built
        # Below 2.9 torchaudio reads without it, and nobody asks for it.
        assert "torchcodec" not in asked or number(cell.torch) >= (2, 9)


@given(libraries(), worlds(), st.data())
def test_a_selection_is_a_filter_of_the_whole_plan(rows, world, data):
    whole = planned(rows, world)
    some = {
        name: tuple(data.draw(st.lists(st.sampled_from(values), unique=True), label=name))
        for name, values in (
            ("torch", [*whole.torch, *map(minor, whole.torch)]),
            ("library", list(_named(rows, world))),
            ("policy", POLICIES),
        )
        if values
    }
    kept = {cell.id: cell for each in whole.cells for cell in _filtered(each, **some)}
    assert {cell.id: cell for cell in planned(rows, world, **some).cells} == kept
    if kept:
        ids = data.draw(st.lists(st.sampled_from(sorted(kept)), min_size=1, unique=True))
        chosen = planned(rows, world, **some, cell=tuple(ids)).cells
        assert {cell.id: cell for cell in chosen} == {name: kept[name] for name in ids}


def _named(rows, world):
    """The words that name rows which have versions here, and single versions that are swept."""
    index = world.releases.projects
    for row in rows:
        each = {release.version for _, release in subjects(row, Release("2.5.1"), index, True)}
        commits = {version for version in each if "+g" in version and not world.commits}
        if each - commits:
            yield row.name
            yield from (f"{row.name}=={version}" for version in each - commits if not row.paired)


def _filtered(cell, torch=(), library=(), policy=()):
    checks = tuple(check for check in cell.checks if not policy or check.policy in policy)
    named = (cell.library, f"{cell.library}=={cell.version}")
    if (
        checks
        and (not torch or cell.torch in torch or minor(cell.torch) in torch)
        and (not library or any(name in library for name in named))
    ):
        yield replace(cell, checks=checks)
