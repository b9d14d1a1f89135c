"""Files that a power loss left in part: they are set aside, and what is missing is done again."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile

import pytest
from test_environments import add_sdist

from matrix.carry import Past
from matrix.environments import Environment, UvEnvironments
from matrix.plan import Selection
from matrix.processes import Processes
from matrix.releases import IndexReleases
from matrix.resolution import Settings
from matrix.runner import resumable
from pytest_torchcompat.outcome import Outcome

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def again(run_all, cell_of, traces):
    """Run a cell, and give what runs it again."""
    cell = cell_of("a", "works", "is_killed", "segfaults")
    run_all(cell)
    return lambda: run_all(cell)


ALL = {"works": "pass", "is_killed": "crash", "segfaults": "crash"}


def in_the_middle(text):
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:2], lines[2][: len(lines[2]) // 2], "\n", *lines[3:]])


def at_the_end(text):
    return text[: len(text) - 100]


def with_zeros(text):
    return text[: len(text) - 100] + "\0" * 100


@pytest.mark.parametrize("damage", [in_the_middle, at_the_end, with_zeros])
def test_a_check_whose_record_is_torn_is_run_again_and_no_other(scene, damage):
    again, checks = scene.again, scene.folder.cell("a").checks
    torn = damage(checks.read_text())
    checks.write_text(torn)
    assert again()["complete"] is True
    assert scene.outcomes(scene.cell_of("a")) == ALL
    asked = scene.folder.cell("a").request.read_text()
    assert asked.count('"checkpoint"') == 1
    assert checks.with_name("checks.jsonl.broken").read_text() == torn
    scene.traces.assert_none(scene.folder)


@pytest.mark.parametrize("text", ["", '{"outcome": nu', "[1.0, 1.4]"])
def test_an_end_that_cannot_be_read_is_none_and_nothing_is_run_twice(scene, text):
    again, files = scene.again, scene.folder.cell("a")
    before = files.checks.stat().st_mtime_ns
    for path in (files.result, files.request, files.environment, files.turns):
        path.write_text(text)
    assert again()["complete"] is True
    assert files.read_turns() == {}
    assert files.turns.with_name("turns.json.broken").read_text() == text
    assert files.read_result()["outcome"] is None
    assert files.checks.stat().st_mtime_ns == before
    assert scene.outcomes(scene.cell_of("a")) == ALL
    scene.traces.assert_none(scene.folder)


def test_an_end_that_lacks_what_every_end_has_is_set_aside_and_written_anew(scene):
    again, files = scene.again, scene.folder.cell("a")
    files.result.write_text('{"outcome": "good"}')
    assert again()["complete"] is True
    assert files.result.with_name("cell.json.broken").read_text() == '{"outcome": "good"}'
    assert files.read_result()["outcome"] is None


def test_what_was_being_written_when_the_power_went_is_deleted(again, folder, traces):
    (folder.path / ".matrix.json.x7d").write_text("{")
    (folder.cell("a").path / ".cell.json.k2f").write_text("{")
    (folder.path / ".carry-1" / "a").mkdir(parents=True)
    again()
    traces.assert_none(folder)


def test_a_run_whose_plan_is_torn_keeps_its_cells_and_is_not_gone_on_with(again, cell_of, folder):
    folder.plan.write_text(folder.plan.read_text()[:100])
    assert resumable(folder.path.parent, Selection(), "replica") is None
    assert Past((folder.path.parent,)).has(cell_of("a"))


@pytest.fixture
def environments(index, tmp_path, monkeypatch):
    for name, value in {
        "UV_DEFAULT_INDEX": index.url,
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "UV_HTTP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings(tmp_path / "work", tmp_path, "2025-01-01T00:00:00+00:00")
    made = UvEnvironments(settings, Processes(), IndexReleases(index.url))
    made._plugin = index.wheel("the-plugin", "0.1.0")
    return made


@pytest.fixture
def cell(planned_cell):
    def make(*requirements, **values):
        made = planned_cell("a-cell", requirements=requirements, **values)
        return made.__class__(**{**vars(made), "python": PYTHON})

    return make


def test_a_built_wheel_that_is_torn_is_built_again(environments, index, cell, tmp_path):
    add_sdist(index, tmp_path, "fairseq", "0.12.2")
    wanted = cell("fairseq==0.12.2", library="fairseq", version="0.12.2")
    assert isinstance(environments.create(wanted), Environment)
    folder = tmp_path / "work" / "wheels" / f"py{PYTHON}"
    (built,) = folder.iterdir()
    built.write_bytes(built.read_bytes()[:100])
    assert environments.create(wanted).distributions["fairseq"] == "0.12.2"
    assert zipfile.is_zipfile(built)
    assert list(folder.iterdir()) == [built]


def whole_wheel(index, name, version):
    """Add a wheel that records its files with their sizes, as real ones do."""
    path = index.folder / "files" / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        lines = [f"{info}/RECORD,,"]
        for file, text in files.items():
            archive.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            lines.append(f"{file},sha256={digest.decode().rstrip('=')},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join(lines) + "\n")
    index.listed(name, path)


@pytest.mark.parametrize("damage", ["truncated", "deleted"])
def test_a_torn_entry_of_uvs_cache_is_infra_and_fetched_anew(
    environments, index, cell, tmp_path, damage
):
    whole_wheel(index, "torch", "2.5.1")
    assert isinstance(environments.create(cell("torch==2.5.1")), Environment)
    (cached,) = (tmp_path / "uv-cache").glob("archive-v0/*/torch.py")
    if damage == "deleted":
        cached.unlink()
    else:
        cached.write_text("")
    made = environments.create(cell("torch==2.5.1"))
    assert made.outcome is Outcome.INFRA
    sentence = "uv's cache has not all of what it installs: torch.py of torch; it is fetched anew"
    assert made.reason == sentence
    assert isinstance(environments.create(cell("torch==2.5.1")), Environment)
