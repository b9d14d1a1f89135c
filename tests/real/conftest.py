"""Environments of real libraries, each made once for all tests of a session."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from uv import find_uv_bin

PYTHON = "3.12"  # the newest for which torch 2.5 has wheels as well


@pytest.fixture(scope="session")
def installing(tmp_path_factory):
    """Install requirements into the environment of an interpreter, as a remedy's pip would."""
    excludes = tmp_path_factory.mktemp("excludes") / "excludes.txt"
    excludes.write_text("opencv-python\n")  # it needs libGL, which a bare machine lacks

    def install(python, *requirements):
        words = ("--python", str(python), "--excludes", str(excludes))
        command = [find_uv_bin(), "pip", "install", *words, *requirements]
        subprocess.run(command, check=True, capture_output=True)

    return install


@pytest.fixture(scope="session")
def python_of(tmp_path_factory, installing):
    """Return the interpreter of the environment that has these requirements and nothing else."""
    folder = tmp_path_factory.mktemp("environments")
    made = {}

    def python(*requirements):
        if requirements not in made:
            environment = folder / str(len(made))
            command = [find_uv_bin(), "venv", "-q", "-p", PYTHON, str(environment)]
            subprocess.run(command, check=True, capture_output=True)
            made[requirements] = environment / "bin" / "python"
            if requirements:
                installing(made[requirements], *requirements)
        return made[requirements]

    yield python
    shutil.rmtree(folder)  # pytest keeps the folders of three sessions, and these are large
