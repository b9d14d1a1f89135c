"""What counts as noticed of the changes that mutmut tries, and which changes a part has."""

from __future__ import annotations

import argparse
import importlib.util
from fnmatch import fnmatchcase
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def mutation():
    spec = importlib.util.spec_from_file_location(
        "mutation_main", Path(__file__).with_name("__main__.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("code", [1, 3, 36, 24, -24, 152, 255])
def test_a_test_that_fails_or_takes_too_long_has_noticed(mutation, code):
    assert mutation._judged({"scan.x_read__mutmut_1": code}) == 0


@pytest.mark.parametrize("code", [0, 2, 5, 33, 34, 35, 37, -9, -11, 99])
def test_what_no_test_ran_or_nobody_can_say_counts_as_missed(mutation, code, capsys):
    assert mutation._judged({"scan.x_read__mutmut_1": code}) == 1
    assert "not noticed: scan.x_read__mutmut_1" in capsys.readouterr().out


def test_each_change_is_in_one_part_and_small_functions_are_in_most(mutation):
    names = [
        f"scan.x_read{end}__mutmut_{number}" for end in mutation.ENDS for number in (1, 2, 150)
    ]
    small = []
    found = []
    for part in range(mutation.PARTS):
        patterns = mutation._names(argparse.Namespace(all=False, part=part))
        assert len(patterns) < 256, "Python keeps no more compiled patterns"
        tried = [name for name in names if any(fnmatchcase(name, each) for each in patterns)]
        found += tried
        small.append(any(not name.endswith("_150") for name in tried))
    assert sorted(found) == sorted(names)
    assert sum(small) > mutation.PARTS / 2
