"""An outside project that installs the built wheel, with and without torch."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
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


def uv(*arguments):
    subprocess.run([find_uv_bin(), *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def python(tmp_path_factory, wheel):
    """An environment with the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("outside")
    uv("venv", folder / "env")
    executable = folder / "env" / "bin" / "python"
    uv("pip", "install", "--python", executable, wheel)
    return executable


def test_the_wheel_holds_the_package_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pytest_torchcompat"}
    assert "pytest_torchcompat/py.typed" in names
    replicas = [n for n in zipfile.ZipFile(wheel).infolist() if "/replicas/" in n.filename]
    assert len(replicas) == 3
    assert all(entry.file_size < 1_000_000 for entry in replicas)


def test_neither_torch_nor_the_hub_comes_with_it(python):
    listed = subprocess.check_output(
        [find_uv_bin(), "pip", "freeze", "--python", python], text=True, stderr=subprocess.DEVNULL
    )
    assert "torch==" not in listed
    assert "huggingface" not in listed


def test_without_torch_marked_tests_skip_with_what_to_install(python, tmp_path):
    (tmp_path / "test_outside.py").write_text(MARKED)
    command = [python, "-m", "pytest", "-rs", "-p", "no:cacheprovider"]
    command += ["--torchcompat-policy=strict", "--torchcompat-edition=replica"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed, 1 skipped" in done.stdout
    assert "python -m pip install 'pytest-torchcompat[torch]'" in done.stdout
    assert "torch not installed" in done.stdout


def test_the_console_script_scans_without_torch(python):
    script = python.with_name("torchcompat")
    replicas = ROOT / "pytest_torchcompat" / "checkpoints" / "replicas"
    command = [script, "scan", replicas / "rvc-hubert-base.pt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "fairseq.data.dictionary.Dictionary" in done.stdout
    assert done.returncode == 0
