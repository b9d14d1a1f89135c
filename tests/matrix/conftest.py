"""A package index on localhost, tiny wheels, and plans without an index."""

from __future__ import annotations

import functools
import hashlib
import socket
import threading
import zipfile
from dataclasses import dataclass
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

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
        return tuple(self.projects[project])

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


class _Pages(SimpleHTTPRequestHandler):
    """Serves the folder; a page that is JSON says that it is."""

    def log_message(self, *_):
        """Say nothing."""

    def guess_type(self, path):
        """Tell the two kinds of project page apart."""
        page = Path(path)
        if page.name == "index.html" and page.read_bytes().startswith(b"{"):
            return "application/vnd.pypi.simple.v1+json"
        return super().guess_type(path)


@dataclass
class Index:
    """A simple index: a folder of files, and a page for each project."""

    folder: Path
    url: str

    def wheel(self, name, version, *, requires=(), tag="py3-none-any", module=None, **page):
        """Add a wheel; ``module`` is the source of a module of the project's name."""
        normal = name.replace("-", "_")
        path = self.folder / "files" / f"{normal}-{version}-{tag}.whl"
        info = f"{normal}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        metadata += "".join(f"Classifier: {each}\n" for each in page.pop("classifiers", ()))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{normal}.py", module or f"version = {version!r}\n")
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            archive.writestr(f"{info}/RECORD", f"{normal}.py,,\n{info}/METADATA,,\n")
        if page.pop("metadata", False):
            path.with_name(path.name + ".metadata").write_text(metadata)
            digest = hashlib.sha256(metadata.encode()).hexdigest()
            page["data_core_metadata"] = f"sha256={digest}"
        return self.listed(name, path, **page)

    def file(self, name, filename, content=b"", **page):
        """Add any file."""
        path = self.folder / "files" / filename
        path.write_bytes(content)
        return self.listed(name, path, **page)

    def listed(self, name, path, **page):
        """Add a file that is there to its project's page."""
        attributes = {key.replace("_", "-"): value for key, value in page.items()}
        attributes.setdefault("data-upload-time", "2024-01-01T00:00:00Z")
        text = "".join(
            f' {key}="{value}"' for key, value in attributes.items() if value is not None
        )
        page = self.folder / name / "index.html"
        page.parent.mkdir(exist_ok=True)
        with page.open("a") as file:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            file.write(f'<a href="../files/{path.name}#sha256={digest}"{text}>{path.name}</a>\n')
        return path


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "index"
    (folder / "files").mkdir(parents=True)
    handler = functools.partial(_Pages, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Index(folder, f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()
        thread.join()


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
