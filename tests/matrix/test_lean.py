from __future__ import annotations

import json

import pytest
from page import synthetic_matrix

from matrix.causes import marked
from matrix.diff import diff
from matrix.lean import read_lean
from matrix.store import read_json, write_json, write_text
from pytest_torchcompat.errors import RecordError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "matrix.json"
    write_json(path, synthetic_matrix.matrix())
    return path


def test_a_lean_matrix_has_all_but_what_was_measured(file):
    lean, whole = read_lean(file), read_json(file)
    assert {name: lean[name] for name in lean if name != "cells"} == {
        name: whole[name] for name in whole if name != "cells"
    }
    for mine, other in zip(lean["cells"], whole["cells"]):
        assert other.keys() - mine.keys() == {"gpu_archs", "load_variables", "why"}
        assert {name: mine[name] for name in mine if name != "checks"} == {
            name: other[name] for name in mine if name != "checks"
        }
        for check, all_of_it in zip(mine["checks"], other["checks"]):
            assert "fingerprint" not in check
            assert check == {name: all_of_it[name] for name in check}


def test_a_comparison_misses_nothing_in_a_lean_matrix(file, tmp_path):
    changed = synthetic_matrix.matrix(run="2026-11-21T1031")
    for cell in changed["cells"][::2]:
        cell["distributions"]["numpy"] = "2.5.0"
        for check in cell["checks"][::2]:
            check.update(outcome="fail", message="nobody has met this", diagnosis=None)
    write_json(tmp_path / "other.json", changed)
    both = (file, tmp_path / "other.json")
    lean, whole = ([marked(read(path)) for path in both] for read in (read_lean, read_json))
    assert diff(*lean).to_dict() == diff(*whole).to_dict()
    assert diff(*lean).groups


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_matrix_of_another_layout_is_read_as_a_whole(file, indent):
    whole = read_json(file)
    write_text(file, json.dumps(whole, indent=indent))
    assert read_lean(file)["cells"]
    assert read_lean(file)["run"] == whole["run"]


@pytest.mark.parametrize("end", [100, -100])
def test_a_matrix_that_is_cut_off_is_one_sentence(file, end):
    write_text(file, file.read_text()[:end])
    with pytest.raises(RecordError, match="is not JSON"):
        read_lean(file)


def test_a_matrix_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(RecordError, match="is not there"):
        read_lean(tmp_path / "matrix.json")
