"""What the README tells a new user to type is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_it_is_short():
    assert len(README.splitlines()) < 120


def test_each_session_that_it_names_exists():
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    sessions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    named = set(re.findall(r"nox -s ([a-z_]+)", README))
    assert named
    assert named <= sessions


def test_each_command_that_it_names_exists():
    from pytest_torchcompat.commands import cli

    named = set(re.findall(r"^    torchcompat ([a-z]+) ", README, flags=re.MULTILINE))
    assert named == set(cli.COMMANDS)


def test_its_picture_and_files_are_in_the_repository():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path


def test_its_example_is_collected_and_runs_or_says_what_to_install(pytester):
    pytest.importorskip("torch")
    pytester.makepyfile(re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1])
    result = pytester.runpytest_subprocess("--torchcompat-edition=replica", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*fairseq is not installed; python -m pip install fairseq*")
