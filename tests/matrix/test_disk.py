from __future__ import annotations

import contextlib
import dataclasses
import queue
import shutil
import sys
import threading

import pytest
from package_index import serving

from matrix import axes, disk
from matrix.processes import Finished, Processes, StoppedError, uv
from pytest_torchcompat.errors import TorchcompatError


@pytest.fixture
def cells(planned_cell):
    return [planned_cell(f"{torch}", torch=torch) for torch in ("2.5.1", "2.6.0", "2.15.0")]


@pytest.fixture
def free(monkeypatch):
    """Say how many GB are free, and that uv's cache has the named torch versions."""

    def say(gigabytes, cached=()):
        usage = shutil.disk_usage("/")._replace(free=gigabytes * disk.GB)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
        monkeypatch.setattr(disk, "_is_cached", lambda torch, *_: torch in cached)

    return say


def test_a_torch_build_counts_once_and_little_more_for_a_further_python():
    pairs = [("2.5.1", "3.12"), ("2.5.1", "3.12"), ("2.5.1", "3.10"), ("2.6.0", "3.12")]
    expected = 2 * axes.GB_PER_TORCH + axes.GB_PER_FURTHER_PYTHON
    assert disk.needed_gb(pairs) == pytest.approx(expected)
    assert disk.needed_gb([]) == 0
    here = [("2.5.1", "3.12"), ("2.6.0", "3.12")]
    assert disk.needed_gb(pairs, here) == pytest.approx(axes.GB_PER_FURTHER_PYTHON)


def test_byte_code_counts_once_a_build_for_cells_share_it(planned_cell, tmp_path, free):
    free(74)
    many = [planned_cell(f"{number}", torch="2.5.1") for number in range(200)]
    assert disk.check(many, tmp_path) == disk.check(many[:1], tmp_path)


def test_enough_disk_is_said(cells, tmp_path, free):
    free(74)
    assert disk.check(cells, tmp_path) == "About 17 GB of packages; 74 GB free."


def test_too_little_disk_is_said_before_starting_with_how_to_narrow(cells, tmp_path, free):
    free(12)
    sentence = r"About 17 GB of packages; 12 GB free. That won't do: .*--torch .*--force"
    with pytest.raises(TorchcompatError, match=sentence):
        disk.check(cells, tmp_path)


def test_what_uv_has_already_does_not_count(cells, tmp_path, free):
    free(12, cached=("2.5.1", "2.15.0"))
    assert disk.check(cells, tmp_path).startswith("About 6 GB of packages; 12 GB")


def test_uv_says_what_it_has(index, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    index.wheel("torch", "2.5.1")
    build = (f"{sys.version_info.major}.{sys.version_info.minor}", tmp_path)
    assert disk._is_cached("2.5.1", *build) is False
    install = uv("pip", "install", "-q", "--target", str(tmp_path / "into"), "torch==2.5.1")
    assert Processes().run(install).returncode == 0
    assert disk._is_cached("2.5.1", *build) is True
    assert disk._is_cached("2.6.0", *build) is False


def test_a_user_can_go_on_all_the_same(cells, tmp_path, free):
    free(1)
    assert disk.check(cells, tmp_path, force=True).startswith("About 17 GB of packages; 1 GB")


def test_the_smaller_of_the_work_and_uvs_cache_counts(cells, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    cache.mkdir()
    usage = shutil.disk_usage("/")
    sizes = {cache: usage._replace(free=20 * disk.GB), tmp_path: usage._replace(free=90 * disk.GB)}
    monkeypatch.setattr(disk.shutil, "disk_usage", sizes.__getitem__)
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    assert disk.check(cells, tmp_path).endswith("20 GB free.")
    cache.rmdir()
    assert disk.check(cells, tmp_path).endswith("90 GB free.")


def test_a_nightly_is_a_build_for_cpus():
    night = ("2.16.0.dev20261120", "3.12")
    assert disk.needed_gb([night]) == axes.GB_PER_CPU_TORCH
    assert disk.needed_gb([night, ("2.15.0", "3.12")]) == axes.GB_PER_CPU_TORCH + axes.GB_PER_TORCH
    assert disk.needed_gb([night], [night]) == 0


def test_without_a_gpu_pytorchs_own_builds_are_for_cpus(cells, tmp_path, free, monkeypatch):
    free(12)
    assert disk.check(cells, tmp_path, cpu=True) == "About 3 GB of packages; 12 GB free."
    needs = disk.Needs(tmp_path, tmp_path, cpu=True)
    assert needs.of(cells[0])() == int((axes.GB_PER_CPU_TORCH + disk.GB_OF_A_CELL) * disk.GB)
    free(1)
    with pytest.raises(TorchcompatError, match=r"a torch build takes about 0\.9 GB"):
        disk.check(cells, tmp_path, cpu=True)
    for lent, backend, expected in (((), "auto", True), ((), "", False), (("A",), "auto", False)):
        monkeypatch.setattr(disk.gpus, "of_machine", lambda lent=lent: lent)
        assert disk.is_for_cpus(backend) is expected


def test_whether_uv_has_a_nightly_is_asked_of_its_own_index(index, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    night = index.wheel("torch", "2.16.0.dev20261120").name.split("-")[1]
    build = (f"{sys.version_info.major}.{sys.version_info.minor}", tmp_path)
    install = uv("pip", "install", "-q", "--prerelease", "allow", "torch")
    target = ("--target", str(tmp_path / "into"), "--index", index.url)
    with serving(tmp_path / "finals") as finals:
        finals.wheel("torch", "2.15.0")
        monkeypatch.setenv("UV_DEFAULT_INDEX", finals.url)
        monkeypatch.setattr(axes, "NIGHTLY_INDEX", index.url)
        assert disk._is_cached(night, *build) is False
        assert Processes().run([*install, *target]).returncode == 0
        assert disk._is_cached(night, *build) is True


def test_a_cell_that_cannot_be_installed_takes_no_disk(cells):
    some = [dataclasses.replace(cells[0], unsolved="there is none"), cells[1]]
    assert disk.builds_of(some) == {("2.6.0", "3.11")}


def test_a_cell_takes_its_torch_until_uv_has_it(cells, tmp_path, free):
    free(74, cached=("2.15.0",))
    needs = disk.Needs(tmp_path, tmp_path)
    needed = {cell.torch: needs.of(cell) for cell in cells}
    small, large = int(0.5 * disk.GB), int((axes.GB_PER_TORCH + 0.5) * disk.GB)
    assert [need() for need in needed.values()] == [large, large, small]
    (tmp_path / disk.FETCHED).mkdir()
    (tmp_path / disk.FETCHED / "py3.11-torch2.5.1").touch()
    assert [need() for need in needed.values()] == [small, large, small]
    # Of a torch that is there, a further Python takes a part.
    other = needs.of(dataclasses.replace(cells[0], python="3.10"))
    assert other() == int((axes.GB_PER_FURTHER_PYTHON + 0.5) * disk.GB)


def test_of_what_is_marked_uv_is_not_asked(cells, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(disk, "_is_cached", lambda *build: asked.append(build[:2]))
    (tmp_path / disk.FETCHED).mkdir()
    (tmp_path / disk.FETCHED / "py3.11-torch2.5.1").touch()
    needs = disk.Needs(tmp_path, tmp_path)
    for cell in (*cells, *cells):
        needs.of(cell)
    assert asked == [("2.6.0", "3.11"), ("2.15.0", "3.11")]


def test_the_budget_reads_the_smaller_disk_and_the_machines_memory(tmp_path, free, monkeypatch):
    monkeypatch.setattr(disk.Machine, "free_memory", lambda _: 3 * disk.GB)
    free(7)
    said, stopped = queue.Queue(), threading.Event()
    rooms = disk.budget_of(tmp_path, tmp_path, said.put, stopped.is_set)

    def second():
        with contextlib.suppress(StoppedError):
            with rooms.room(disk=2 * disk.GB, memory=disk.GB, who="a-cell"):
                pass

    thread = threading.Thread(target=second, daemon=True)
    with rooms.room(disk=6 * disk.GB, memory=3 * disk.GB):
        thread.start()
        words = "a-cell: waiting for 2.0 GB of disk and 1.0 GB of memory; 1.0 GB and 0.0 GB free"
        assert said.get(timeout=60) == words
        stopped.set()
    thread.join(60)


def test_a_uv_that_hangs_when_asked_for_its_cache_has_no_torch_there(tmp_path, monkeypatch):
    limits = []

    def hang(_, __, timeout=None, **___):
        limits.append(timeout)
        return Finished(None)

    monkeypatch.setattr(disk, "find", lambda _: sys.executable)
    monkeypatch.setattr(Processes, "run", hang)
    assert disk._is_cached("2.5.1", "3.10", tmp_path) is False
    assert limits == [120.0]
