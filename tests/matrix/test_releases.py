from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from matrix.releases import IndexReleases, IndexUnreachableError, Release, endpoint, wheel_pythons

LINUX = frozenset({"manylinux1_x86_64", "manylinux_2_28_x86_64", "linux_x86_64"})
FROZEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("wheel", "pythons"),
    [
        ("torch-2.5.1-cp312-cp312-manylinux1_x86_64.whl", {"3.12"}),
        ("torch-2.5.1-cp39-cp39-manylinux1_x86_64.manylinux_2_28_x86_64.whl", {"3.9"}),
        ("torch-2.5.1-cp313-cp313t-manylinux_2_28_x86_64.whl", set()),
        ("torch-2.5.1-cp312-none-macosx_11_0_arm64.whl", set()),
        ("torch-2.5.1-cp312-cp312-manylinux2014_aarch64.whl", set()),
        ("ultralytics-8.1.0-py3-none-any.whl", None),
        ("six-1.17.0-py2.py3-none-any.whl", None),
        ("old-1.0-py2-none-any.whl", set()),
    ],
)
def test_a_wheel_names_the_pythons_that_it_is_built_for_here(wheel, pythons):
    expected = pythons if pythons is None else frozenset(pythons)
    assert wheel_pythons(wheel, LINUX) == expected


def test_releases_come_oldest_first_with_what_the_page_says(index):
    index.wheel("thing", "1.10", data_requires_python="&gt;=3.9")
    index.wheel("thing", "1.9", data_upload_time="2023-02-03T04:05:06.789012Z")
    found = IndexReleases(index.url).of("thing")
    assert [release.version for release in found] == ["1.9", "1.10"]
    assert found[0].uploaded == datetime(2023, 2, 3, 4, 5, 6, 789012, timezone.utc)
    assert found[1].requires_python == ">=3.9"
    assert found[1].pythons is None


def test_the_pythons_of_all_wheels_of_a_version_count(index):
    for number in ("310", "312"):
        index.wheel("built", "1.0", tag=f"cp{number}-cp{number}-any")
    assert IndexReleases(index.url).of("built")[0].pythons == {"3.10", "3.12"}


def test_yanked_files_pre_releases_and_unreadable_names_are_left_out(index):
    index.wheel("thing", "1.0")
    index.wheel("thing", "1.1", data_yanked="broken")
    index.wheel("thing", "2.0rc1")
    index.file("thing", "thing-1.2.exe")
    index.file("thing", "thing-unknown.whl")
    assert [release.version for release in IndexReleases(index.url).of("thing")] == ["1.0"]


def test_nightlies_are_kept_where_they_are_asked_for(index):
    index.wheel("thing", "2.0.dev20261119")
    found = IndexReleases(index.url, prereleases=True).of("thing")
    assert [release.version for release in found] == ["2.0.dev20261119"]


def test_versions_are_listed_that_only_other_platforms_have(index):
    index.wheel("thing", "1.0", tag="cp312-cp312-sunos_5_sparc")
    index.wheel("thing", "0.9")
    index.wheel("thing", "1.1", tag="cp312-cp312-sunos_5_sparc", data_yanked="")
    index.wheel("thing", "1.2", data_upload_time="2026-01-01T00:00:01Z")
    releases = IndexReleases(index.url, FROZEN)
    assert releases.listed("thing") == ("0.9", "1.0")
    assert [release.version for release in releases.of("thing")] == ["0.9"]


def test_what_a_release_requires_is_read_where_the_index_serves_metadata(index):
    index.wheel("thing", "1.0", metadata=True, requires=["torch==2.5.1", "numpy"])
    index.wheel("thing", "1.1", requires=["torch==2.6.0"])
    releases = IndexReleases(index.url)
    asked = [releases.requires("thing", release) for release in releases.of("thing")]
    assert asked == [("torch==2.5.1", "numpy"), ()]


def test_what_is_newer_than_the_date_of_the_run_is_left_out(index):
    index.wheel("thing", "1.0", data_upload_time="2025-12-31T23:59:59Z")
    index.wheel("thing", "1.1", data_upload_time="2026-01-01T00:00:01Z")
    index.wheel("thing", "1.2", data_upload_time=None)
    found = [release.version for release in IndexReleases(index.url, FROZEN).of("thing")]
    # 1.2 has no date: uv has the last word on it.
    assert found == ["1.0", "1.2"]


def test_a_json_page_is_read_as_an_html_page_is(index):
    page = {
        "meta": {"api-version": "1.1"},
        "name": "thing",
        "files": [
            {
                "filename": "thing-1.0-py3-none-any.whl",
                "url": "../files/thing-1.0-py3-none-any.whl",
                "hashes": {},
                "upload-time": "2024-05-06T07:08:09Z",
                "requires-python": ">=3.8",
                "size": 1,
            }
        ],
        "versions": ["1.0"],
    }
    folder = index.folder / "thing"
    folder.mkdir()
    (folder / "index.html").write_text(json.dumps(page))
    uploaded = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
    expected = Release("1.0", uploaded, ">=3.8")
    assert IndexReleases(index.url).of("thing") == (expected,)


def test_classifiers_are_read_where_the_index_serves_metadata(index):
    named = [f"Programming Language :: Python :: {each}" for each in ("3", "3.10", "3.11")]
    index.wheel("thing", "1.0", metadata=True, classifiers=[*named, "Typing :: Typed"])
    index.wheel("thing", "1.1", classifiers=named)
    releases = IndexReleases(index.url)
    described = [releases.described("thing", release) for release in releases.of("thing")]
    assert [release.classified for release in described] == [{"3.10", "3.11"}, frozenset()]


def test_a_source_distribution_is_downloaded(index, tmp_path):
    index.wheel("thing", "1.0")
    index.file("thing", "thing-1.0.tar.gz", b"the source")
    found = IndexReleases(index.url).sdist("thing", "1.0", tmp_path)
    assert found.read_bytes() == b"the source"


def test_a_version_without_a_source_distribution_is_said(index, tmp_path):
    index.wheel("thing", "1.0")
    with pytest.raises(IndexUnreachableError, match=r"thing 1.0 has no source distribution"):
        IndexReleases(index.url).sdist("thing", "1.0", tmp_path)


def test_a_project_that_the_index_lacks_is_said(index):
    with pytest.raises(IndexUnreachableError, match="has no project 'nothing'; check its name"):
        IndexReleases(index.url).of("nothing")


def test_an_index_that_does_not_answer_is_said(free_port):
    url = f"http://127.0.0.1:{free_port}/"
    with pytest.raises(IndexUnreachableError, match=r"can't be read .* in one of UV_DEFAULT_INDEX"):
        IndexReleases(url).of("torch")


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, PYPI_SIMPLE_ENDPOINT),
        ({"PIP_INDEX_URL": "http://pip/"}, "http://pip/"),
        ({"PIP_INDEX_URL": "http://pip/", "UV_DEFAULT_INDEX": "http://uv/"}, "http://uv/"),
        ({"UV_DEFAULT_INDEX": "mirror=http://uv/"}, "http://uv/"),
        ({"UV_INDEX_URL": "http://uv/?a=b"}, "http://uv/?a=b"),
    ],
)
def test_the_index_is_the_one_that_uv_and_pip_are_set_to(environ, url):
    assert endpoint(environ) == url


@pytest.mark.parametrize("page", ["{}", '{"meta": 5}', "{ not JSON"])
def test_a_page_that_is_none_of_an_index_is_said(index, page):
    folder = index.folder / "thing"
    folder.mkdir()
    (folder / "index.html").write_text(page)
    with pytest.raises(IndexUnreachableError, match="can't be read"):
        IndexReleases(index.url).of("thing")


def test_a_message_has_no_user_and_no_password(free_port):
    url = f"http://someone:secret@127.0.0.1:{free_port}/"
    with pytest.raises(IndexUnreachableError, match=r"index http://127\.0\.0\.1:") as raised:
        IndexReleases(url).of("torch")
    assert "secret" not in str(raised.value)
