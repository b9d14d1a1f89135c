"""Wheels of libraries that exist as source only, built by the real uv."""

from __future__ import annotations

import dataclasses
import io
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from matrix.processes import Finished, Processes
from matrix.releases import IndexReleases
from matrix.resolution import Settings
from matrix.sources import SourceWheels, is_built_with_torch, is_whole
from matrix.verdicts import NoEnvironment
from pytest_torchcompat.outcome import Outcome

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# A build backend in the tree itself: no package is needed to build with it.
PYPROJECT = """
[build-system]
requires = [{needs}]
build-backend = "backend"
backend-path = ["."]
"""
# It notes each build, and which torch it is built with.
BACKEND = """
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    try:
        from torch import version as torch
    except ImportError:
        torch = "without torch"
    print(torch, file=open({notes!r}, "a"))
    {failing}
    name = "{module}-{version}-py3-none-any.whl"
    info = "{module}-{version}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{module}.py", "torch = " + repr(torch))
        metadata = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        wheel.writestr(info + "/METADATA", metadata)
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "{module}.py,,\\n")
    return name
"""
FAILING = 'raise SystemExit("this compiler is too new")'


METADATA = "Metadata-Version: 2.1\nName: old-lib\nVersion: 1.0\n"


def put(archive, name, text):
    info = tarfile.TarInfo(name)
    info.size = len(text)
    archive.addfile(info, io.BytesIO(text.encode()))


def filled(text, values):
    for key, value in values.items():
        text = text.replace(key, value)
    return text


@pytest.fixture
def notes(tmp_path):
    return tmp_path / "notes"


@pytest.fixture
def sources(tmp_path, index, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    for name in ("UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(tmp_path / "work", tmp_path, "2025-01-01T00:00:00+00:00")
    return SourceWheels(settings, IndexReleases(index.url), Processes())


@pytest.fixture
def add_sdist(index, tmp_path, notes):
    """Add a source distribution to the index."""

    def add(needs="", failing=""):
        values = {
            "{notes!r}": repr(str(notes)),
            "{failing}": failing,
            "{module}": "old_lib",
            "{name}": "old-lib",
            "{version}": "1.0",
            "{needs}": needs,
        }
        path = tmp_path / "old-lib-1.0.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            put(archive, "old-lib-1.0/pyproject.toml", filled(PYPROJECT, values))
            put(archive, "old-lib-1.0/backend.py", filled(BACKEND, values))
            put(archive, "old-lib-1.0/PKG-INFO", METADATA)
        return index.file("old-lib", path.name, path.read_bytes())

    return add


@pytest.fixture
def cell(planned_cell):
    made = planned_cell(library="old-lib", version="1.0", torch="2.5.1")
    return dataclasses.replace(made, python=PYTHON)


def of_torch(cell, torch):
    return dataclasses.replace(cell, torch=torch)


def built(notes):
    return notes.read_text().splitlines()


def test_a_wheel_is_built_once_for_all_torches(sources, add_sdist, cell, notes):
    add_sdist()
    wheels = {sources.wheel(of_torch(cell, torch), PYTHON) for torch in ("2.5.1", "2.6.0")}
    folder = sources.settings.work / "wheels" / f"py{PYTHON}"
    assert wheels == {folder / "old_lib-1.0-py3-none-any.whl"}
    assert built(notes) == ["without torch"]


def test_a_later_run_builds_nothing_and_asks_no_index(sources, add_sdist, cell, notes):
    sdist = add_sdist()
    first = sources.wheel(cell, PYTHON)
    sdist.unlink()
    again = SourceWheels(sources.settings, sources.releases, sources.processes)
    assert again.wheel(cell, PYTHON) == first
    assert built(notes) == ["without torch"]


def test_cells_side_by_side_build_it_once(sources, add_sdist, cell, notes):
    add_sdist()
    with ThreadPoolExecutor(4) as pool:
        wheels = set(pool.map(lambda _: sources.wheel(cell, PYTHON), range(4)))
    assert len(wheels) == 1
    assert built(notes) == ["without torch"]


def test_what_is_built_against_torch_is_built_for_each(sources, add_sdist, index, cell, notes):
    for torch in ("2.5.1", "2.6.0", "2.7.0"):
        index.wheel("torch", torch)
    add_sdist(needs='"torch"')
    for torch in ("2.5.1", "2.6.0", "2.5.1"):
        wheel = sources.wheel(of_torch(cell, torch), PYTHON)
        assert wheel.parent.name == f"py{PYTHON}-torch{torch}"
        assert zipfile.ZipFile(wheel).read("old_lib.py").decode() == f"torch = '{torch}'"
    assert built(notes) == ["2.5.1", "2.6.0"]


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "flipped"])
def test_a_wheel_that_is_not_whole_is_built_again(sources, add_sdist, cell, notes, damage):
    add_sdist()
    wheel = sources.wheel(cell, PYTHON)
    content = wheel.read_bytes()
    middle = content.index(b"torch = ")
    damaged = {
        "cut": content[:-9],
        "zeros": bytes(len(content)),
        "empty": b"",
        "flipped": content[:middle] + b"T" + content[middle + 1 :],
    }
    wheel.write_bytes(damaged[damage])
    again = SourceWheels(sources.settings, sources.releases, sources.processes)
    assert again.wheel(cell, PYTHON) == wheel
    assert is_whole(wheel)
    assert len(built(notes)) == 2


def test_a_failed_build_is_not_tried_again_and_says_the_same_for_each_torch(
    sources, add_sdist, cell, notes
):
    add_sdist(failing=FAILING)
    said = [sources.wheel(of_torch(cell, torch), PYTHON) for torch in ("2.5.1", "2.6.0")]
    assert said[0] is said[1]
    assert said[0].outcome is Outcome.UNAVAILABLE
    assert "this compiler is too new" in said[0].reason
    assert len(built(notes)) == 1
    assert not (sources.settings.work / "wheels").exists()


def test_a_build_that_fails_with_one_torch_is_tried_with_another(
    sources, add_sdist, index, cell, notes
):
    for torch in ("2.5.1", "2.6.0"):
        index.wheel("torch", torch)
    add_sdist(needs='"torch"', failing='assert torch == "2.6.0", "torch is too old"')
    for _ in range(2):
        assert isinstance(sources.wheel(of_torch(cell, "2.5.1"), PYTHON), NoEnvironment)
        assert sources.wheel(of_torch(cell, "2.6.0"), PYTHON).exists()
    assert built(notes) == ["2.5.1", "2.6.0"]


def test_a_fault_of_the_machine_is_tried_again(sources, add_sdist, cell):
    said = sources.wheel(cell, PYTHON)
    assert said.outcome is Outcome.INFRA
    assert "has no project 'old-lib'" in said.reason
    add_sdist()
    again = SourceWheels(sources.settings, IndexReleases(sources.releases._url), Processes())
    again._failed = sources._failed
    assert again.wheel(cell, PYTHON).exists()


class Ended(Processes):
    """Processes that end as told, and leave what they are told to in place of a wheel."""

    def __init__(self, done, left=None):
        super().__init__()
        self.done, self.left = done, left

    def run(self, command, **_):
        if self.left is not None:
            folder = Path(command[command.index("--out-dir") + 1])
            folder.mkdir()
            (folder / "old_lib-1.0-py3-none-any.whl").write_bytes(self.left)
        return self.done


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        (
            Ended(Finished(None)),
            (Outcome.INFRA, "the build was not done after 3600 s, and was killed"),
        ),
        (
            Ended(Finished(0), b"half of a whe"),
            (
                Outcome.INFRA,
                "the build of old-lib 1.0 ended well and left no whole wheel; look whether the "
                "disk is full",
            ),
        ),
        (
            Ended(Finished(2, "error: failed to write\n  cause: No space left on device")),
            (Outcome.INFRA, "failed to write\n  cause: No space left on device"),
        ),
    ],
)
def test_a_build_that_leaves_no_wheel_says_why_and_leaves_nothing(
    sources, add_sdist, cell, processes, expected
):
    add_sdist()
    sources.processes = processes
    assert sources.wheel(cell, PYTHON) == NoEnvironment(*expected)
    assert not (sources.settings.work / "wheels").exists()
    assert list((sources.settings.work / "building").iterdir()) == []


def test_what_a_killed_build_left_is_deleted(sources):
    left = sources.settings.work / "building" / "abc" / "built"
    left.mkdir(parents=True)
    sources.prune()
    assert not left.exists()
    sources.prune()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lib-1/pyproject.toml", '[build-system]\nrequires = ["setuptools", "Torch>=2"]\n', True),
        ("lib-1/pyproject.toml", '[build-system]\nrequires = ["torchmetrics"]\n', False),
        ("lib-1/sub/pyproject.toml", '[build-system]\nrequires = ["torch"]\n', False),
        ("lib-1/pyproject.toml", "[tool.black]\n", False),
        ("lib-1/pyproject.toml", "no TOML", False),
        ("lib-1/pyproject.toml", '[build-system]\nrequires = ["no requirement"]\n', False),
        ("lib-1/setup.py", "import torch\n", False),
    ],
)
def test_a_source_says_whether_it_is_built_with_torch(tmp_path, name, text, expected):
    path = tmp_path / "lib-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        put(archive, name, text)
    assert is_built_with_torch(path) is expected


def test_a_source_that_is_no_archive_says_nothing(tmp_path):
    path = tmp_path / "lib-1.zip"
    path.write_bytes(b"PK\3\4")
    assert is_built_with_torch(path) is False
