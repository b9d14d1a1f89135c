"""README.md is short and whole; tests/docs runs its blocks as it does those of docs/."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_it_is_short():
    read = re.sub(r"<!-- .*? -->\n\n?", "", README)  # what a reader sees
    assert len(read.splitlines()) < 120


def test_each_command_that_it_names_exists():
    from pytest_torchcompat.commands import cli

    named = set(re.findall(r"^    torchcompat ([a-z]+) ", README, flags=re.MULTILINE))
    assert named == set(cli.COMMANDS)


def test_its_picture_and_files_are_in_the_repository():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path
