"""A package index on localhost, tiny wheels, and plans without an index."""

from __future__ import annotations

import socket
from datetime import datetime

import pytest
from package_index import serving

from matrix.plan import Plan, PlannedCell, PlannedCheck, Selection
from matrix.releases import IndexUnreachableError, Release

# What a cell's process runs is no test of this project.
collect_ignore = ["stub_checks"]


class FakeReleases:
    """Releases from a dictionary, as of a date that a test need not give."""

    def __init__(self, projects):
        self.projects = projects

    def of(self, project):
        """Return what the dictionary has."""
        if project not in self.projects:
            message = f"no project {project!r} in this test"
            raise IndexUnreachableError(message)
        return tuple(self.projects[project])

    def listed(self, project):
        """Return all versions of the dictionary, whatever they are built for."""
        return tuple(release.version for release in self.of(project))

    def requires(self, project, release):
        """Return nothing, as an index without metadata does."""
        return ()

    def described(self, project, release):
        """Return it as it is."""
        return release

    def sdist(self, project, version, folder):
        """Fail as an index that does not answer does."""
        message = "no network in this test"
        raise IndexUnreachableError(message)


@pytest.fixture
def fake_releases():
    return FakeReleases


def built_for(version, *pythons, requires=""):
    return Release(version, requires_python=requires, pythons=frozenset(pythons) or None)


@pytest.fixture
def release():
    return built_for


@pytest.fixture
def index(tmp_path):
    with serving(tmp_path / "index") as served:
        yield served


@pytest.fixture
def free_port():
    """Hold a port on which nothing answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]  # Bound and not listening: nobody else can take it.


@pytest.fixture
def planned_cell():
    """Make a cell with the given checks, four policies of one checkpoint by default."""

    def make(name="one", *, torch="2.5.1", library="ultralytics", version="8.1.0", **values):
        checks = values.pop("checks", [("ultralytics/yolov8n", p) for p in POLICIES])
        return PlannedCell(
            id=name,
            python="3.11",
            torch=torch,
            library=library,
            version=version,
            why="a test",
            requirements=tuple(values.pop("requirements", ())),
            excludes=tuple(values.pop("excludes", ())),
            checks=tuple(PlannedCheck(*check) for check in checks),
        )

    return make


POLICIES = ("stock", "patched", "allowlisted", "strict")


@pytest.fixture
def make_plan_of():
    """Make a plan of cells."""

    def make(*cells, selection=None, edition="replica"):
        return Plan(
            run="a-run",
            frozen_at=datetime.fromisoformat("2026-11-20T10:31:00+00:00").isoformat(),
            edition=edition,
            selection=selection or Selection(),
            torch=tuple(dict.fromkeys(cell.torch for cell in cells)),
            cells=cells,
        )

    return make
