"""Environments of real libraries, each made once for all tests of a session."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
PYTHON = "3.12"  # the newest for which torch 2.5 has wheels as well
# They work in the checkout's own folder, where there is one sweep at a time.
SWEEPING = ("test_nightly.py", "test_shims.py", "test_sweep.py")


class TwoGroups(LoadScopeScheduling):
    """Keeps together on a worker what shares environments or the sweep's folder."""

    def _split_scope(self, nodeid):
        name = Path(nodeid.partition("::")[0]).name
        return "sweeps" if name in SWEEPING else "environments"


def pytest_xdist_make_scheduler(config, log):
    return TwoGroups(config, log)


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

    def python(*requirements, version=PYTHON):
        wanted = (version, *requirements)
        if wanted not in made:
            environment = folder / str(len(made))
            command = [find_uv_bin(), "venv", "-q", "-p", version, str(environment)]
            subprocess.run(command, check=True, capture_output=True)
            made[wanted] = environment / "bin" / "python"
            if requirements:
                installing(made[wanted], *requirements)
        return made[wanted]

    yield python
    shutil.rmtree(folder)  # pytest keeps the folders of three sessions, and these are large


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, as it is published."""
    folder = tmp_path_factory.mktemp("dist")
    command = [find_uv_bin(), "build", "--wheel", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def detector(python_of, wheel):
    """An environment as a YOLO project has it, with the wheel beside."""
    detector = ("torch==2.15.0", "ultralytics==8.1.0", "opencv-python-headless")
    return python_of(*detector, "pytest-benchmark", str(wheel))


@pytest.fixture(scope="session")
def speech(python_of, wheel):
    """An environment as a project has it that reads speech with fairseq, with the wheel beside."""
    torch = ("torch==2.9.1", "torchaudio==2.9.1", "numpy<2", "soundfile")
    return python_of("fairseq==0.12.2", *torch, str(wheel), version="3.10")
