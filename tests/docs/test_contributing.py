"""CONTRIBUTING.md keeps to the tree: its map, its files, its commands and its five steps."""

from __future__ import annotations

import re

import pytest
from house import PAGE, ROOT, house, written

TEXT = PAGE.read_text("utf-8")
RECIPES = ("subject", "shim", "signature of a failure", "version to the sweep")


def test_the_map_has_each_room_with_what_it_says_of_itself():
    assert written() == house(), "write it anew: python -m tests.docs.house"


@pytest.mark.parametrize("package", ["pytest_torchcompat", "matrix"])
def test_each_folder_and_module_is_a_room_of_the_map(package):
    found = [path for path in (ROOT / package).iterdir() if (path / "__init__.py").exists()]
    found += (ROOT / package).glob("*.py")
    rooms = {f"{each.name}/" if each.is_dir() else each.name for each in found} - {"__init__.py"}
    section = written().partition(f"### {package}/")[2].partition("###")[0]
    assert set(re.findall(r"^- `([\w./]+)`", section, re.MULTILINE)) == rooms


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_five_steps(recipe):
    section = TEXT.partition(f"## How to add a {recipe}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d)\. \*\*", section, re.MULTILINE) == list("12345")


def test_the_files_that_are_named_are_there():
    named = set(re.findall(r"`((?:pytest_torchcompat|matrix|tests)/[\w/.]*)`", TEXT))
    named = {name for name in named if not re.search("NAME|FAMILY", name)}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    assert len(named) > 5


def test_the_folders_of_what_is_added_are_there():
    added = re.findall(r"`([\w/]+)/(?:\w*NAME|FAMILY)\.\w+`", TEXT)
    assert [folder for folder in sorted({*added}) if not (ROOT / folder).is_dir()] == []
    assert len(added) > 5


def test_the_sessions_that_are_named_are_in_the_noxfile():
    sessions = set(
        re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    )
    assert set(re.findall(r"nox -s (\w+)", TEXT)) - sessions == set()
