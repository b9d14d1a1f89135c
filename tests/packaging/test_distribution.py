"""The wheel and the source distribution: the same at each build, and with nothing besides."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_torchcompat"
# Each stands in the place of what must not be imported, and says so.
HEAVY = ("torch", "huggingface_hub", "numpy")


def digests(files):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def sources(folder):
    """Return the files of a folder as a wheel names them."""
    found = (path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if "__pycache__" not in name}


def test_two_builds_in_other_folders_with_other_rights_and_times_are_the_same(first, build):
    assert digests(first) == digests(build("elsewhere", 0o077))


def test_the_wheel_has_the_package_with_its_data_and_nothing_else(first):
    with zipfile.ZipFile(first[0]) as wheel:
        names = set(wheel.namelist())
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - about == sources(PACKAGE)
    told = {name.split("/", 1)[1] for name in about}
    assert told == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def test_it_is_typed_and_brings_the_replicas(first):
    with zipfile.ZipFile(first[0]) as wheel:
        names = wheel.namelist()
    assert "pytest_torchcompat/py.typed" in names
    assert any("/replicas/" in name for name in names)


def test_the_wheel_is_for_every_platform_and_python_3(first):
    assert first[0].name.endswith("-py3-none-any.whl")


def test_the_source_distribution_has_what_the_wheel_is_built_from(first):
    with tarfile.open(first[1]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    about = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO", ".gitignore"}
    assert names - about == sources(PACKAGE)


def test_the_metadata_tells_what_an_index_shows(first):
    with zipfile.ZipFile(first[0]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
        told = message_from_bytes(wheel.read(name))
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == ">=3.9"
    assert told["Description-Content-Type"] == "text/markdown"
    assert set(told.get_all("Provides-Extra")) == {"benchmark", "hub", "torch"}
    bare = [each for each in told.get_all("Requires-Dist") if ";" not in each]
    assert sorted(each.split(">")[0] for each in bare) == ["packaging", "pytest"]


def started(python, folder, *command):
    """Run a command where an import of something heavy ends it, and return what it printed."""
    for name in HEAVY:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    environment = {"PATH": os.defpath, "PYTHONPATH": str(folder), "HOME": str(folder)}
    command = [str(python.parent / command[0]), *command[1:]]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_torchcompat_starts_in_an_empty_environment_without_a_heavy_import(
    outside, tmp_path, first
):
    version = first[0].name.split("-")[1]
    assert started(outside, tmp_path, "torchcompat", "--version").split()[-1] == version


def test_pytest_starts_beside_the_plugin_without_a_heavy_import(outside, tmp_path):
    assert "pytest-torchcompat" in started(outside, tmp_path, "pytest", "--version", "--version")
