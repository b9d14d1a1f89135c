"""``torchcompat doctor`` in real environments: what it says of each, and what it exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PAIR = ("torch==2.15.0", "torchaudio==2.11.0")  # what a plain pip install of both brings
ENVIRONMENTS = {
    "2.5.1": ("torch==2.5.1", "numpy<2"),
    "2.8.0": ("torch==2.8.0",),
    "2.15.0": ("torch==2.15.0",),
    "mismatched": PAIR,
    "none": (),
}
COMMAND = (str(Path(sys.executable).with_name("torchcompat")), "doctor")


def doctor(python, *words):
    command = [*COMMAND, "--python", str(python), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def read(python_of):
    """Each environment as doctor tells it, two at a time: they are asked in processes."""
    pythons = {name: python_of(*requirements) for name, requirements in ENVIRONMENTS.items()}
    with ThreadPoolExecutor(2) as pool:
        told = pool.map(lambda python: doctor(python, "--gpu", "RTX 5080"), pythons.values())
        return dict(zip(pythons, told))


@pytest.mark.parametrize(
    ("name", "torch", "cuda", "card"),
    [
        ("2.5.1", "2.5.1", "12.4", "has no code for it"),
        ("2.8.0", "2.8.0", "12.8", "has code for it"),
        ("2.15.0", "2.15.0", "13.2", "has code for it"),
        ("mismatched", "2.15.0", "13.2", "has code for it"),
    ],
)
def test_torch_is_read_with_its_build_and_what_it_runs_on(read, name, torch, cuda, card):
    first, *lines = read[name].stdout.splitlines()
    assert first.startswith("Python 3.12.")
    assert lines[0].startswith(
        f"torch {torch} +cu{cuda.replace('.', '')}   built for CUDA {cuda}, "
    )
    assert lines[1].startswith("GPU RTX 5080 (sm_120)   ")
    assert card in lines[1]


def test_it_exits_with_1_where_something_is_broken(read):
    assert {name: done.returncode for name, done in read.items()} == {
        "2.5.1": 1,  # the card that is asked about came later
        "2.8.0": 0,
        "2.15.0": 0,
        "mismatched": 1,
        "none": 0,
    }
    assert not any(done.stderr for done in read.values())


def test_a_torchaudio_of_another_cuda_is_broken_and_has_a_remedy_to_paste(read):
    broken = [line for line in read["mismatched"].stdout.splitlines() if "BROKEN" in line]
    assert len(broken) == 1
    assert broken[0].startswith("torchaudio 2.11.0 ")
    assert broken[0].endswith("(ta-cuda-mismatch)")
    assert "        torchcompat shims torchaudio-cuda\n" in read["mismatched"].stdout
    assert "torchaudio" not in read["2.15.0"].stdout


def test_what_a_torch_lets_through_is_told_with_the_release_that_ends_it(read):
    told = {name: "CVE-2025-32434" in done.stdout for name, done in read.items()}
    assert told == {
        "2.5.1": True,
        "2.8.0": False,
        "2.15.0": False,
        "mismatched": False,
        "none": False,
    }
    assert 'python -m pip install "torch>=2.10.0"' in read["2.8.0"].stdout
    assert "no known open CVE" in read["2.15.0"].stdout


def test_a_policy_is_told_as_this_torch_behaves(read):
    assert "policy stock   weights_only=False unless" in read["2.5.1"].stdout
    assert all(
        "policy stock   weights_only=True unless" in read[n].stdout for n in ("2.8.0", "2.15.0")
    )


def test_without_torch_it_says_so_and_what_to_install(read):
    said = read["none"].stdout
    assert "torch   warning: not installed" in said
    assert "        python -m pip install torch\n" in said
    assert "policy" not in said


def test_the_same_is_there_for_a_machine(python_of):
    done = doctor(python_of(), "--json")
    data = json.loads(done.stdout)
    assert data["facts"]["python"].startswith("3.12.")
    assert [finding["signature"] for finding in data["findings"]][:1] == ["torch-missing"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_its_lines_can_be_read(read, name):
    lines = read[name].stdout.splitlines()
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert not any("Traceback" in line for line in lines)
    assert len(lines) <= 30
