"""The tutorial, followed literally on a machine that has Python and uv and no more."""

from __future__ import annotations

import os
import subprocess

import yaml
from guide import ROOT, run
from uv import find_uv_bin

PYTHON = "3.12"
PREPARES = ("uv venv", "uv pip install")  # what the tutorial itself has done when its tests are run


def said_by_uv(*words):
    return subprocess.check_output([find_uv_bin(), *words], text=True).strip()


def test_the_tutorial_ends_in_green(wheel, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "uv").symlink_to(find_uv_bin())
    (tools / "python3").symlink_to(said_by_uv("python", "find", PYTHON))
    ours = ("PYTEST_", "UV_P", "VIRTUAL_ENV", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {
        **kept,
        "PATH": os.pathsep.join((str(tools), os.defpath)),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "OMP_NUM_THREADS": "1",
        "UV_CACHE_DIR": said_by_uv("cache", "dir"),
        "UV_FIND_LINKS": str(wheel.parent),  # where the package's name leads to
    }
    run(ROOT / "docs" / "tutorial.md", tmp_path, environment)
    for command in commands_of_the_workflow(tmp_path / "speech"):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path / "speech",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"


def commands_of_the_workflow(project):
    """Return what the workflow runs on a project all of which is committed."""
    workflow = yaml.safe_load((project / ".github" / "workflows" / "tests.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["tests"]["steps"] if "run" in step]
    left = [command for command in commands if not command.startswith(PREPARES)]
    assert len(left) == len(commands) - len(PREPARES) > 0
    return left
