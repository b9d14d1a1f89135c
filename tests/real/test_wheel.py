"""An outside project that installs the built wheel, with and without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
REPLICAS = ROOT / "pytest_torchcompat" / "checkpoints" / "replicas"
MARKED = """
import pytest

@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
def test_marked(torchcompat_load):
    pass

@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
def test_file(torchcompat_checkpoint):
    assert torchcompat_checkpoint.edition.value == "replica"

def test_plain():
    pass
"""


@pytest.fixture(scope="session")
def python(python_of, wheel):
    """An environment with the wheel and what it depends on, and nothing else."""
    return python_of(str(wheel))


def run(python, folder, *arguments):
    """Run the tests of an outside project, which has settings of its own and no network."""
    home = {"HOME": str(folder), "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={"PATH": os.defpath, **home},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


MODEL = """
import pytest

@pytest.mark.torchcompat_checkpoint("ultralytics/yolov8n")
def test_model(torchcompat_model, torchcompat_forward):
    assert torchcompat_forward(torchcompat_model)["median"] > 0
"""
ORDINARY = """
from torch import load
from ultralytics import YOLO

def test_detector():
    YOLO("yolov8n.pt")

def test_state():
    load("state.pt", weights_only=False)
"""


def test_a_marked_test_loads_and_times_the_real_model_under_each_policy(detector, tmp_path):
    (tmp_path / "test_outside.py").write_text(MODEL)
    policies = "--torchcompat-policy=stock,patched,allowlisted,strict"
    told = run(detector, tmp_path, policies, "--torchcompat-edition=replica")
    assert "2 passed" in told
    assert "2 errors" in told  # torch 2.15 and strict refuse, in the fixture
    for policy in ("patched", "allowlisted"):
        assert f"ultralytics/yolov8n (replica) under {policy}: pass" in told
    assert "ultralytics/yolov8n (replica) under stock: fail at load: " in told
    refused = "under strict: refused at load: torch refuses ultralytics.nn.tasks.DetectionModel"
    assert refused in told
    assert "Median" in told  # pytest-benchmark's table


def test_an_ordinary_suite_is_held_to_strict_and_each_call_site_is_told(detector, tmp_path):
    (tmp_path / "test_ordinary.py").write_text(ORDINARY)
    shutil.copy(REPLICAS / "ultralytics" / "yolov8n.pt", tmp_path / "yolov8n.pt")
    program = "import torch; torch.save({'weight': torch.zeros(2)}, 'state.pt')"
    subprocess.run([detector, "-c", program], cwd=tmp_path, check=True)
    told = run(detector, tmp_path, "--torchcompat-policy=strict")
    assert "1 failed, 1 passed" in told
    assert "test_ordinary.py:6 -> ultralytics/nn/tasks.py:634   yolov8n.pt" in told
    assert "    refused: ultralytics.nn.tasks.DetectionModel, " in told
    assert "test_ordinary.py:9   state.pt   ok" in told
    assert "    its explicit weights_only=False was overridden" in told
    assert (
        "2 sites: 1 pass strict, 1 refused. None of them was loaded with weights_only=False."
        in told
    )


def test_the_wheel_holds_the_package_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pytest_torchcompat"}
    assert "pytest_torchcompat/py.typed" in names
    shipped = {path.relative_to(REPLICAS.parent).as_posix() for path in REPLICAS.rglob("*.*")}
    found = {name.partition("/checkpoints/")[2] for name in names if "/replicas/" in name}
    assert found == shipped
    assert wheel.stat().st_size < 4_000_000


def test_neither_torch_nor_the_hub_comes_with_it(python):
    listed = subprocess.check_output(
        [find_uv_bin(), "pip", "freeze", "--python", python], text=True, stderr=subprocess.DEVNULL
    )
    assert "torch==" not in listed
    assert "huggingface" not in listed


def test_without_torch_marked_tests_skip_with_what_to_install(python, tmp_path):
    (tmp_path / "test_outside.py").write_text(MARKED)
    policy = ("--torchcompat-policy=strict", "--torchcompat-edition=replica")
    told = run(python, tmp_path, "-rs", *policy)
    assert "2 passed, 1 skipped" in told
    assert "python -m pip install 'pytest-torchcompat[torch]'" in told
    assert "torch not installed" in told


def test_the_console_script_scans_without_torch(python):
    script = python.with_name("torchcompat")
    command = [script, "scan", REPLICAS / "rvc-hubert-base.pt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "fairseq.data.dictionary.Dictionary" in done.stdout
    assert done.returncode == 0
