from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from matrix import keys
from matrix.keys import Keys, differing
from pytest_torchcompat.checkpoints.catalogue import Catalogue
from pytest_torchcompat.checkpoints.rows import catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cell(planned_cell):
    return dataclasses.replace(planned_cell(), lock=("torch==2.5.1", "numpy==2.1.0"))


def test_a_key_names_what_a_result_depends_on(cell):
    found = Keys(ROOT, catalogue(), {}).parts(cell)
    assert set(found) == {"lock", "Python", "checkpoints", "files", "code", "GPUs", "tools"}


def test_a_key_of_what_is_not_known_is_left_out(cell):
    without = dataclasses.replace(cell, lock=(), python="3.99")
    found = Keys(ROOT, catalogue()).parts(without)
    assert set(found) == {"checkpoints", "code", "GPUs", "tools"}


def test_each_part_changes_with_what_it_stands_for(cell):
    files = {"ultralytics/yolov8n": {"edition": "replica", "sha256": "a"}}
    base = Keys(ROOT, catalogue(), files).parts(cell)
    newer = dataclasses.replace(cell, lock=("torch==2.5.1", "numpy==2.2.0"))
    unsolved = dataclasses.replace(cell, lock=(), unsolved="No solution found")
    other = {"ultralytics/yolov8n": {"edition": "reference", "sha256": "b"}}
    row = catalogue().get("ultralytics/yolov8n")
    rows = Catalogue([dataclasses.replace(row, globals=())])
    assert differing(base, Keys(ROOT, catalogue(), files).parts(newer)) == ["lock"]
    assert differing(base, Keys(ROOT, catalogue(), files).parts(unsolved)) == ["lock"]
    assert differing(base, Keys(ROOT, catalogue(), other).parts(cell)) == ["files"]
    assert "checkpoints" in differing(base, Keys(ROOT, rows, files).parts(cell))
    assert differing(base, Keys(ROOT, catalogue(), files, ("H200",)).parts(cell)) == ["GPUs"]


def test_the_rows_of_other_libraries_are_no_part_of_a_key(cell):
    other = catalogue().get("rvc/hubert-base")
    rows = [row for row in catalogue() if row.id != other.id]
    without = Catalogue([*rows, dataclasses.replace(other, globals=())])
    base = Keys(ROOT, catalogue()).parts(cell)
    assert differing(base, Keys(ROOT, without).parts(cell)) == []


@pytest.fixture
def checkout(tmp_path):
    """Copy what a cell's process runs."""
    for name in ("pytest_torchcompat", "matrix"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("replicas"))
    return tmp_path


def digest_of(checkout):
    keys.code.cache_clear()
    keys._meaning.cache_clear()
    return keys.code(checkout, "ultralytics")


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("pytest_torchcompat/attempt.py", True),
        ("pytest_torchcompat/shim/numpy_aliases.py", True),
        ("pytest_torchcompat/libraries/ultralytics.py", True),
        ("pytest_torchcompat/diagnosis/raised.py", True),
        ("matrix/checks/conftest.py", True),
        ("matrix/environments.py", True),
        ("matrix/verdicts.py", True),
        ("pytest_torchcompat/libraries/fairseq.py", False),
        ("pytest_torchcompat/commands/scan.py", False),
        ("pytest_torchcompat/checkpoints/rows/yolo.py", False),
        ("matrix/page/view.py", False),
    ],
)
def test_code_matters_where_it_can_affect_the_cell(checkout, path, matters):
    before = digest_of(checkout)
    file = checkout / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{file.read_text() if file.exists() else ''}\nadded = 1\n")
    assert (digest_of(checkout) != before) == matters


def test_a_comment_or_a_docstring_changes_no_result(checkout):
    before = digest_of(checkout)
    file = checkout / "pytest_torchcompat" / "outcome.py"
    file.write_text(file.read_text().replace('"""', '"""Now ', 1) + "\n# a remark\n")
    assert digest_of(checkout) == before


def test_a_compiler_or_a_reader_of_sound_that_is_installed_later_changes_a_key(cell, monkeypatch):
    before = Keys(ROOT, catalogue()).parts(cell)
    monkeypatch.setattr(keys, "tools", keys.tools.__wrapped__)
    monkeypatch.setattr(keys, "find_library", lambda name: f"lib{name}.so.99")
    assert differing(before, Keys(ROOT, catalogue()).parts(cell)) == ["tools"]
