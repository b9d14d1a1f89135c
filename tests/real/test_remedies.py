"""Each kind of remedy that is code, applied as it is printed: what failed before then passes."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_torchcompat.diagnosis import diagnose
from pytest_torchcompat.diagnosis.failure import normalised
from pytest_torchcompat.diagnosis.pasted import read
from pytest_torchcompat.scan import scan_path

ROOT = Path(__file__).parents[2]
YOLO = ROOT / "pytest_torchcompat" / "checkpoints" / "replicas" / "ultralytics" / "yolov8n.pt"
DETECTOR = ("torch==2.15.0", "ultralytics==8.1.0")
PAIR = ("torch==2.15.0", "torchaudio==2.11.0")
LOADS_YOLO = "from ultralytics import YOLO\nprint(type(YOLO('yolov8n.pt').model).__name__)\n"
LOADS_STATE = "print(*torch.load('state.pt', weights_only=True))\n"
PATCH = "load = torch.load\ntorch.load = lambda *a, **k: load(*a, weights_only=False, **k)\n"


def run(python, folder, program, before=""):
    """Run a program as a user would: from a shell, beside its files."""
    (folder / "program.py").write_text(program)
    path = os.pathsep.join([str(python.parent), os.defpath])
    home = {"HOME": str(folder), "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}
    return subprocess.run(
        ["sh", "-c", f"{before}\nexec python program.py"],
        cwd=folder,
        env={"PATH": path, "OMP_NUM_THREADS": "1", **home},
        capture_output=True,
        text=True,
        check=False,
    )


def diagnosed(done, *requirements, names=()):
    """What is known of the traceback that a program printed, beside what was installed."""
    assert done.returncode == 1
    told = dict(requirement.split("==") for requirement in requirements if "==" in requirement)
    versions = {**told, "python": "3.12"}
    failures = read(done.stderr).failures  # torch warns as well, that numpy is not there
    (failure,) = (each for each in failures if not each.errors[0].name.endswith("Warning"))
    known = dataclasses.replace(failure, versions=normalised(versions), globals=tuple(names))
    return diagnose(known)


def code_of(diagnosis, kind):
    return next(remedy.code for remedy in diagnosis.remedies if remedy.kind == kind)


@pytest.fixture
def folder(tmp_path):
    shutil.copy(YOLO, tmp_path / "yolov8n.pt")
    return tmp_path


@pytest.fixture
def with_state(python_of, folder):
    python = python_of(*PAIR)
    save = "import torch\ntorch.save({'weight': torch.zeros(2)}, 'state.pt')\n"
    assert run(python, folder, save).returncode == 0
    return python


def test_a_command_for_the_shell_takes_back_the_variable_that_contradicts(with_state, folder):
    program = "import torch\nprint(*torch.load('state.pt'))\n"
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    both = "".join(f"export {name}=1\n" for name in names)
    found = diagnosed(run(with_state, folder, program, both), *PAIR)
    assert found.id == "force-env-both"
    done = run(with_state, folder, program, both + code_of(found, "run"))
    assert (done.returncode, done.stdout) == (0, "weight\n")


def test_a_change_of_the_program_keeps_what_its_callers_chose(with_state, folder):
    done = run(with_state, folder, f"import torch\n{PATCH}{LOADS_STATE}")
    found = diagnosed(done, *PAIR)
    assert found.id == "patch-kwarg-clash"
    done = run(with_state, folder, f"{code_of(found, 'edit')}\n{LOADS_STATE}")
    assert (done.returncode, done.stdout) == (0, "weight\n")


def test_a_shim_at_the_top_of_the_program_lets_torchaudio_in(python_of, folder):
    program = "import torchaudio\nprint(torchaudio.__version__)\n"
    python = python_of(*PAIR)
    found = diagnosed(run(python, folder, program), *PAIR)
    assert found.id == "ta-cuda-mismatch"
    command, *words = shlex.split(code_of(found, "shim"))
    printed = [str(Path(sys.executable).with_name(command)), *words]
    top = subprocess.run(printed, capture_output=True, text=True, check=True).stdout
    done = run(python, folder, f"{top}\n{program}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2.11.0")


@pytest.fixture(scope="module")
def refused(detector, tmp_path_factory):
    """What is known of the model's refusal, with the names that the file is known to have."""
    folder = tmp_path_factory.mktemp("refused")
    shutil.copy(YOLO, folder / "yolov8n.pt")
    names = scan_path(YOLO).beyond("2.15.0")
    return diagnosed(run(detector, folder, LOADS_YOLO), *DETECTOR, names=names)


def test_an_allow_list_lets_the_file_in_under_weights_only(refused, detector, folder):
    assert refused.id == "wo-yolo"
    done = run(detector, folder, f"{code_of(refused, 'allow')}\n{LOADS_YOLO}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "DetectionModel\n"


def test_a_pin_brings_the_library_that_reads_its_own_files(refused, detector, folder, installing):
    python, *words = shlex.split(code_of(refused, "pin"))
    assert (python, words[:3]) == ("python", ["-m", "pip", "install"])
    installing(detector, *words[3:])
    try:
        done = run(detector, folder, LOADS_YOLO)
    finally:
        installing(detector, *DETECTOR)  # others have it as well
    assert done.returncode == 0, done.stderr
    assert "DetectionModel" in done.stdout
