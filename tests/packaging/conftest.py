"""What is published, built anew from a copy of its sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
SOURCES = (
    "pytest_torchcompat",
    ".gitignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
)


def copied(folder):
    """Copy the sources, all files with the time of the copy."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore, copy_function=shutil.copy)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def files_of(folder):
    files = {path.suffix: path for path in folder.iterdir()}
    return files[".whl"], files[".gz"]


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Build in a copy of the sources, in a folder of that name, and return the two files."""

    def built(name, umask):
        folder = copied(tmp_path_factory.mktemp("build") / name)
        for path in folder.rglob("*"):
            path.chmod(path.stat().st_mode & ~umask)
        environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
        words = ("build", "--no-isolation", "--outdir", "out", ".")
        command = [sys.executable, "-m", *words]
        subprocess.run(command, check=True, umask=umask, env=environment, cwd=folder)
        return files_of(folder / "out")

    return built


@pytest.fixture(scope="session")
def first(build):
    """The wheel and the source distribution: those that will be published, where they are named."""
    made = os.environ.get("TORCHCOMPAT_DIST")
    return files_of(Path(made)) if made else build("sources", 0o022)


@pytest.fixture(scope="session")
def outside(tmp_path_factory, first):
    """The interpreter of an environment with the wheel and its small extras, and nothing else."""
    folder = tmp_path_factory.mktemp("outside") / "env"
    subprocess.run([find_uv_bin(), "venv", "--quiet", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*command, f"{first[0]}[benchmark,hub]"], check=True)
    return python
