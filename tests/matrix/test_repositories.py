"""A library whose requirement is the last commit of a git repository."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from matrix import axes, outside
from matrix.axes import Library, Swept
from matrix.plan import Heading, Selection
from matrix.planning.planner import make_plan
from matrix.planning.world import World
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://git.example/lib"
MAIN = Swept("1.0+g{commit}", "a test", requirement=f"lib @ git+{URL}@{{commit}}")
ROW = Library("lib", versions=(Swept("1.0", "a test"), MAIN), pythons=("3.12",))


@pytest.fixture
def repository(tmp_path):
    """Make a git repository of one commit."""
    author = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", tmp_path, *author, *words], check=True)
    command = ["git", "-C", tmp_path, "rev-parse", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return SimpleNamespace(url=tmp_path.as_uri(), commit=commit)


def test_a_requirement_is_pinned_to_a_commit():
    assert MAIN.repository == URL
    assert Swept("1.0", "a test").repository == ""
    pinned = MAIN.at(COMMIT)
    assert pinned.version == "1.0+g0123456"
    assert pinned.requirement == f"lib @ git+{URL}@{COMMIT}"


def test_every_repository_of_the_axes_makes_a_version_and_a_requirement():
    swept = [each for row in axes.LIBRARIES for each in row.versions if each.repository]
    assert swept
    for each in swept:
        pinned = each.at(COMMIT)
        assert Version(pinned.version).local == "g0123456"
        assert Requirement(pinned.requirement).url.endswith(f"@{COMMIT}")


def test_the_last_commit_is_asked_of_the_repository(repository):
    assert outside.newest_commit(repository.url) == repository.commit


def test_a_repository_out_of_reach_has_no_commit(tmp_path, free_port, monkeypatch):
    assert outside.newest_commit((tmp_path / "none").as_uri()) == ""
    assert outside.newest_commit(f"http://127.0.0.1:{free_port}/lib") == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outside.newest_commit(tmp_path.as_uri()) == ""


def of_repository(url):
    swept = Swept("1.0+g{commit}", "a test", requirement=f"lib @ git+{url}@{{commit}}")
    return Library("lib", versions=(swept,))


def test_only_repositories_of_the_selection_are_asked(repository):
    row = of_repository(repository.url)
    known = {repository.url: repository.commit}
    assert outside.commits(Selection(), (row,)) == (known, ())
    assert outside.commits(Selection(library=("lib==1.0",)), (row,)) == (known, ())
    assert outside.commits(Selection(library=("other",)), (row,)) == ({}, ())


def test_the_plan_says_that_a_repository_was_out_of_reach(tmp_path):
    url = (tmp_path / "none").as_uri()
    _, notes = outside.commits(Selection(), (of_repository(url),))
    assert notes == (f"git can't reach {url}: no cell for the lib that is there.",)


@pytest.fixture
def plan_of(fake_releases, release, monkeypatch):
    """Plan the row above with the commits that are known."""
    monkeypatch.setattr(axes, "LIBRARIES", (ROW,))
    known = {"torch": [release("2.5.1", "3.12")], "lib": [release("1.0")]}
    catalogue = Catalogue([Checkpoint(id="lib/one", library="lib", why="a test")])

    def make(commits):
        world = World(fake_releases(known), lambda _: True, catalogue, commits=commits)
        return make_plan(Heading("", "2026-11-20T10:31:00+00:00"), Selection(), world)

    return make


def test_a_cell_requires_the_commit_that_its_id_names(plan_of):
    plan = plan_of({URL: COMMIT})
    assert [cell.id for cell in plan.cells] == [
        "py3.12-torch2.5.1-lib1.0",
        "py3.12-torch2.5.1-lib1.0+g0123456",
    ]
    assert plan.cells[1].requirements == ("torch==2.5.1", f"lib @ git+{URL}@{COMMIT}")
    assert plan.cells[1].version == "1.0+g0123456"


@pytest.mark.parametrize("commits", [{}, {URL: ""}])
def test_a_repository_out_of_reach_has_no_cell(plan_of, commits):
    assert [cell.version for cell in plan_of(commits).cells] == ["1.0"]
