"""A sweep of the nightly column, from an index that has a real torch under a nightly's name."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from package_index import serving
from packaging.tags import platform_tags
from packaging.version import Version

ROOT = Path(__file__).parents[2]
# What the command does, asked of another index of nightlies.
COMMAND = """
import sys
from matrix import axes
axes.NIGHTLY_INDEX = sys.argv[1]
from matrix.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def torch(python_of):
    """The newest torch of the package index, as it is installed."""
    packages = next(python_of("torch").parents[1].glob("lib/python3.*/site-packages"))
    return next(importlib.metadata.distributions(name="torch", path=[str(packages)]))


@pytest.fixture(scope="module")
def next_minor(torch):
    version = Version(torch.version)
    return f"{version.major}.{version.minor + 1}.0"


@pytest.fixture(scope="module")
def found(tmp_path_factory, torch, next_minor):
    """What a sweep of the nightly column found; the night after has a build for others alone."""
    folder = tmp_path_factory.mktemp("nightly")
    # Its files are gigabytes, and stay where they are: the wheel leads to them, and not to the
    # metadata beside them.
    beside = folder / "beside"
    beside.mkdir()
    for path in Path(torch.locate_file("")).iterdir():
        if not path.name.endswith(".dist-info"):
            (beside / path.name).symlink_to(path)
    leading = {"torch_of_another.pth": f"{beside}\n".encode()}
    values = {"requires": (), "package": leading, "data_upload_time": None}
    python = Path(torch.locate_file("")).parent.name.replace("python", "cp").replace(".", "")
    here = f"{python}-{python}-{list(platform_tags())[-1]}"
    elsewhere = f"{python}-{python}-sunos_5_sparc"
    with serving(folder / "index") as index:
        index.retagged(torch, f"{next_minor}.dev20261120+cpu", tag=here, **values)
        index.retagged(torch, f"{next_minor}.dev20261121+cpu", tag=elsewhere, **values)
        chosen = ("--torch", "nightly", "--library", "torch", "--edition", "replica")
        words = ("run", "--runs", str(folder / "runs"), "--fail-on", "any", *chosen)
        command = [sys.executable, "-c", COMMAND, index.url, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run = next(path for path in (folder / "runs").iterdir() if (path / "matrix.json").exists())
    return json.loads((run / "matrix.json").read_text())


def test_the_column_is_the_build_that_it_was_pinned_to(found, next_minor):
    [cell] = found["cells"]
    assert cell["torch"] == f"{next_minor}.dev20261120"
    assert cell["distributions"]["torch"] == f"{next_minor}.dev20261120+cpu"
    assert found["complete"] is True


def test_its_checks_ran_with_the_real_torch(found, torch):
    [cell] = found["cells"]
    assert cell["torch_build"].startswith(torch.version.partition("+")[0])
    assert {check["outcome"] for check in cell["checks"]} <= {"pass", "refused"}
    assert "pass" in {check["outcome"] for check in cell["checks"]}


def test_the_night_without_a_build_is_noted_and_not_red(found):
    words = "The nightly of 20261121 has no build for this platform; 20261120 is the newest"
    assert any(note.startswith(words) for note in found["notes"])
