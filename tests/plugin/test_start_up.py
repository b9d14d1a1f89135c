"""Plain pytest pays next to nothing: neither torch nor the hub's client is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, pytest
code = pytest.main(sys.argv[1:] + ["-q", "-p", "no:cacheprovider"])
heavy = {"torch", "huggingface_hub", "numpy", "multiprocessing.context", "tomllib", "tomli"}
heavy |= {"filelock"}
ours = "checkpoints.catalogue checkpoints.project diagnosis outcome"
ours += " plugin.benchmarks plugin.caught plugin.telling"
heavy |= {f"pytest_torchcompat.{name}" for name in ours.split()}
heavy &= set(sys.modules)
sys.exit(f"exit {int(code)}, imported {sorted(heavy)}")
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--co"], []], ids=["help", "co", "run"])
def test_start_up_imports_neither_torch_nor_the_hub(tmp_path, arguments):
    (tmp_path / "test_plain.py").write_text("def test_plain(): pass")
    # Other installed plugins may import what they like; ours is loaded alone.
    command = [sys.executable, "-c", PROGRAM, "-p", "pytest_torchcompat.plugin", *arguments]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "exit 0, imported []"


def test_a_projects_rows_are_not_read_before_one_is_needed(pytester):
    pytester.makepyprojecttoml("[tool.torchcompat.checkpoints]\nnonsense = true")
    pytester.makepyfile("def test_plain(): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_console_script_shows_its_help_without_torch():
    program = (
        "import sys\n"
        "from pytest_torchcompat.commands.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(str(sorted({'torch', 'huggingface_hub'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"
