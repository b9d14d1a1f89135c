"""The tutorial, followed literally on a machine that has Python and uv and no more."""

from __future__ import annotations

import os
import subprocess

from guide import ROOT, run
from uv import find_uv_bin

PYTHON = "3.12"


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
