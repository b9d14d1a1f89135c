from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

from matrix.needed import MODULES, OLDEST, told_where_missing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["requests", "jinja2"])
def test_without_what_it_needs_the_sweep_names_the_command_that_installs_it(module):
    program = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = ['--help']; import runpy;"
    )
    run = "runpy.run_module('matrix', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", program + run]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: python -m matrix needs {module}, which is not installed. In the clone, run:"
        " python -m pip install --group matrix . (pip 25.1 or later)\n"
    )


@pytest.mark.parametrize("name", ["matrix.gone", "pytest_torchcompat.gone", "requests.gone"])
def test_an_import_that_is_broken_otherwise_is_not_hidden(name):
    with pytest.raises(ModuleNotFoundError), told_where_missing():
        raise ModuleNotFoundError(name=name)


def test_what_it_needs_is_what_its_dependency_group_has():
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["matrix"]
    names = {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in group}
    assert names == MODULES


def test_an_interrupt_while_it_is_imported_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended, told_where_missing():
        raise KeyboardInterrupt
    assert (ended.value.code, capsys.readouterr().err) == (130, "Stopped.\n")


def test_a_python_that_is_too_old_is_said_before_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    with pytest.raises(SystemExit) as ended, told_where_missing():
        raise ModuleNotFoundError(name="requests")
    assert (ended.value.code, capsys.readouterr().err) == (
        2,
        "error: python -m matrix needs Python 3.11 or later, and this is 3.9; run it as"
        " python3.11 -m matrix\n",
    )


def test_the_oldest_python_is_that_of_nox():
    said = f"the sweep needs {'.'.join(map(str, OLDEST))} or later"
    assert said in (ROOT / "noxfile.py").read_text()
