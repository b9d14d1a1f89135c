"""The bounds of the reader and the names that it finds, without a file that takes long."""

from __future__ import annotations

import pytest

from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.scan.limits import Limits, described, limits_of
from pytest_torchcompat.scan.names import Found, Global
from pytest_torchcompat.scan.refusals import RefusedError


def test_the_limits_are_described_and_an_unknown_one_is_said():
    assert "marks (levels of nesting in its pickle: 200,000)" in described()
    assert limits_of({"marks": 5}) == Limits(marks=5)
    with pytest.raises(UnknownNameError, match=r"'mark' is not a known limit\. .* mean 'marks'"):
        limits_of({"mark": 5})


def test_a_name_that_is_met_again_is_listed_once_and_counted_each_time():
    found = Found(Limits(names=2))
    for _ in range(2):
        found.look_up("os", "getpid", 4)
    assert list(found.globals) == [Global("os", "getpid")]
    with pytest.raises(RefusedError, match="more than 2 look-ups of a global"):
        found.look_up("os", "getpid", 4)


def test_names_that_are_too_long_together_are_refused():
    found = Found(Limits(output=10))
    found.look_up("os", "getpid", 4)
    with pytest.raises(RefusedError, match="more than 10 bytes of names to list"):
        found.look_up("os", "kill", 4)


def test_a_name_of_python_2_is_listed_as_the_readers_rename_it():
    old, new = Found(), Found()
    for found, protocol in ((old, 2), (new, 4)):
        found.look_up("__builtin__", "xrange", protocol)
        found.look_up("copy_reg", "pickle", protocol)
    renamed = [Global("builtins", "range"), Global("copyreg", "pickle")]
    assert list(old.globals) == renamed
    as_written = [Global("__builtin__", "xrange"), Global("copy_reg", "pickle")]
    assert [each for each in new.globals if each not in as_written] == renamed
    assert len(new.globals) == 4
