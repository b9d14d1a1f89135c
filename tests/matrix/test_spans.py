from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from matrix.recommend.spans import admits, newest_release, ordered, spans

RELEASES = st.builds("2.{}.{}".format, st.integers(0, 15), st.integers(0, 2))
NIGHTLIES = st.builds("2.{}.0.dev2026111{}".format, st.integers(0, 16), st.integers(0, 9))
CANDIDATES = st.builds("2.{}.0rc{}".format, st.integers(0, 16), st.integers(1, 3))
LATER = st.builds("2.{}.0.post{}".format, st.integers(0, 15), st.integers(1, 2))
LOCALS = st.builds("2.{}.0+g{}".format, st.integers(0, 15), st.sampled_from(["abc1234", "0ff"]))
VERSIONS = st.one_of(RELEASES, RELEASES, NIGHTLIES, CANDIDATES, LATER, LOCALS)
SWEPT = st.dictionaries(VERSIONS, st.booleans(), min_size=1, max_size=12)


@given(SWEPT)
@example({"0.12.2": True, "0.12.2+gabc1234": False})
@example({"0.12.2": False, "0.12.2+gabc1234": True})
@example({"2.15.0": True, "2.16.0.dev20261119": False})
@example({"2.15.0": False, "2.16.0.dev20261119": True})
def test_the_specifiers_admit_what_worked_and_nothing_else_that_was_tried(swept):
    found = spans([version for version, works in swept.items() if works], swept)
    assert {version: admits(found, version) for version in swept} == swept


@given(st.sets(VERSIONS), st.sets(st.sampled_from(["unknown", "2.x", ""])))
def test_what_is_no_version_comes_after_all_that_are(versions, odd):
    assert ordered({*versions, *odd}) == (*ordered(versions), *sorted(odd))


@given(SWEPT)
def test_every_specifier_is_one_that_an_installer_reads(swept):
    for specifier in spans([version for version, works in swept.items() if works], swept):
        SpecifierSet(specifier)


@given(st.dictionaries(RELEASES, st.booleans(), min_size=1, max_size=12))
def test_nothing_is_open_at_its_upper_end_unless_the_newest_worked(swept):
    found = spans([version for version, works in swept.items() if works], swept)
    assert admits(found, "99.0") == swept[ordered(swept)[-1]]
    assert not admits(found, "0.1")


@pytest.mark.parametrize(
    ("worked", "found"),
    [
        ("2.8.0 2.15.0", [">=2.8"]),
        ("2.5.1 2.6.0 2.8.0 2.15.0", [">=2.5.1"]),
        ("2.5.1", ["==2.5.1"]),
        ("2.5.1 2.6.0", [">=2.5.1,<=2.6.0"]),
        ("2.5.1 2.8.0 2.15.0", ["==2.5.1", ">=2.8"]),
        ("2.15.0", [">=2.15"]),
        ("2.15.0 2.16.0.dev20261119", [">=2.15", "==2.16.0.dev20261119"]),
        ("", []),
    ],
)
def test_a_hole_ends_a_span_and_a_nightly_is_named(worked, found):
    tried = ["2.6.0", "2.5.1", "2.8.0", "2.15.0", "2.16.0.dev20261119"]
    assert list(spans(worked.split(), tried)) == found


def test_a_release_does_not_admit_the_commit_that_calls_itself_after_it():
    assert spans(["0.12.2"], ["0.12.2+gabc1234"]) == (">=0.12.2,!=0.12.2+gabc1234",)
    assert spans(["0.12.2+gabc1234"], ["0.12.2"]) == ("==0.12.2+gabc1234",)


def test_the_newest_release_is_no_nightly():
    assert newest_release(["2.8.0", "2.16.0.dev20261119", "2.15.0", "2.15.0+g1"]) == "2.15.0"
    assert newest_release(["2.16.0.dev20261119"]) == ""
