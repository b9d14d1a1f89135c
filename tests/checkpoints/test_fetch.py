"""Reference files through the real clients, from a hub and plain URLs on localhost."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import sys

import pytest
from hub import BODY, COMMIT, ERROR, PAGE, Hub, without_commit

from pytest_torchcompat.checkpoints.catalogue import Edition, HubFile, SideFile, UrlFile
from pytest_torchcompat.checkpoints.fetch import cached, fetch, needs_download, verify
from pytest_torchcompat.errors import CatalogueError, FetchError

SHA256 = hashlib.sha256(BODY).hexdigest()
OTHER = bytes(len(BODY))


def altered(file):
    """Alter a file in the cache, as a fault of the disk would."""
    file.path.resolve().write_bytes(OTHER)
    os.utime(file.path, ns=(1, 1))


# Fetching


def test_a_file_is_downloaded_and_its_hash_is_known(served):
    row = served()
    file = fetch(row)
    assert (file.path.read_bytes(), file.checkpoint) == (BODY, row)
    assert (file.edition, file.sha256) == (Edition.REFERENCE, row.sha256)
    assert file.path.name == "weights.pt"


def test_a_file_of_the_hub_is_asked_for_at_its_commit(hub):
    fetch(hub.row())
    path = f"/some/model/resolve/{COMMIT}/weights.pt"
    assert hub.asked == [f"HEAD {path}", f"GET {path}"]


def test_a_file_in_the_cache_is_not_asked_for_again(hub, served):
    row = served()
    fetch(row)
    hub.asked.clear()
    assert fetch(row).path.read_bytes() == BODY
    assert hub.asked == []


def test_a_file_lies_in_the_hubs_own_cache_and_that_of_a_url_in_ours(hub, tmp_path):
    assert tmp_path / "huggingface" in fetch(hub.row()).path.parents
    assert tmp_path / "torchcompat" / "web" in fetch(hub.url_row()).path.parents


def test_a_cache_that_is_named_holds_the_files_and_our_notes(hub, tmp_path):
    mine = tmp_path / "mine"
    assert mine / "hub" in fetch(hub.row(), mine).path.parents
    assert mine / "web" in fetch(hub.url_row("other/model"), mine).path.parents
    assert len(list((mine / "verified").iterdir())) == 2
    assert cached(hub.row(), mine)
    assert cached(hub.row()) is None


def test_a_token_is_sent_to_the_hub_and_nowhere_else(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    hub.redirects = True
    assert fetch(hub.row()).path.read_bytes() == BODY
    assert [line.split("/")[1] for line in hub.asked] == ["some", "lfs"]
    assert hub.tokens == ["Bearer hf_abc", ""]
    hub.tokens.clear()
    fetch(hub.url_row())
    assert hub.tokens == [""]


def test_rows_that_share_a_file_name_do_not_share_a_file(hub):
    rows = [hub.url_row("a/model", b"one"), hub.url_row("b/model", b"two")]
    assert [fetch(row).path.read_bytes() for row in rows] == [b"one", b"two"]


def test_a_download_that_broke_off_goes_on_where_it_stopped(hub, served):
    row = served()
    hub.fault = "cut once"
    # Up to 1.17 the hub's client goes on at the next fetch, later ones do so within the same.
    with contextlib.suppress(FetchError):
        fetch(row)
    assert fetch(row).path.read_bytes() == BODY
    assert hub.ranges == ["", f"bytes={len(BODY) // 2}-"]


# Sources in their order


def two_sources(hub, **fields):
    row = hub.row(**fields)
    return dataclasses.replace(row, sources=(*row.sources, *hub.url_row("the/copy").sources))


def test_the_first_source_that_has_the_file_is_taken(hub):
    row = two_sources(hub)
    fetch(row)
    assert {line.split("/")[1] for line in hub.asked} == {"some"}


@pytest.mark.parametrize("fault", ["gated once", "no file once", "wrong bytes once"])
def test_after_a_fault_of_one_source_the_next_is_tried(hub, fault):
    row = two_sources(hub)
    hub.fault = fault
    file = fetch(row)
    assert (file.path.read_bytes(), file.sha256) == (BODY, SHA256)
    assert hub.asked[-1] == "GET /web/the/copy/weights.pt"
    hub.asked.clear()
    assert fetch(row).path == file.path
    assert hub.asked == []


def test_where_no_source_has_the_file_each_is_told_with_its_reason(hub, refusal):
    row = two_sources(hub)
    hub.files.clear()
    assert refusal(row) == (
        "some/model was not fetched from any of its sources."
        f" some/model/weights.pt@{COMMIT[:12]}: {hub.endpoint} does not have some/model/weights.pt"
        f" at commit {COMMIT} (404). Check HF_ENDPOINT and the catalogue's row."
        f" {hub.endpoint}/web/the/copy/weights.pt: {hub.endpoint} does not have"
        f" {hub.endpoint}/web/the/copy/weights.pt (404). Check the catalogue's row"
    )


# Files beside


def with_side_file(hub, row, body=b"{}", **known):
    side = SideFile("config.json", **{"sha256": hashlib.sha256(body).hexdigest(), **known})
    for source in row.sources:
        hub.beside(source, "config.json", body)
    return dataclasses.replace(row, beside=(side,))


def test_a_file_beside_is_fetched_into_the_same_folder(hub, served):
    row = with_side_file(hub, served())
    beside = fetch(row).path.parent / "config.json"
    assert beside.read_bytes() == b"{}"
    hub.asked.clear()
    assert cached(row)
    assert hub.asked == []
    beside.unlink()
    assert cached(row) is None
    assert fetch(row)
    assert beside.read_bytes() == b"{}"


def test_a_wrong_file_beside_fails_the_row(hub, served, refusal):
    row = with_side_file(hub, served(), body=ERROR, sha256="ff")
    message = refusal(row)
    assert "config.json" in message
    assert "and the catalogue says ff. It was removed: fetch again" in message
    assert cached(row) is None


def test_a_page_in_the_place_of_a_file_beside_is_told(hub, served, refusal):
    row = with_side_file(hub, served(), body=PAGE, sha256=hashlib.sha256(b"{}").hexdigest())
    assert "It is a web page" in refusal(row)


# What the row does not know


def test_what_a_row_leaves_unknown_is_established_by_the_download(served):
    row = served(sha256=None)
    told = (f'sha256="{SHA256}"', f"bytes={len(BODY)}")
    assert fetch(row).established == told
    assert cached(row).established == told
    assert fetch(served(bytes=len(BODY))).established == ()


def test_of_a_file_beside_too(hub, served):
    row = with_side_file(hub, served(bytes=len(BODY)), sha256=None)
    sha256 = hashlib.sha256(b"{}").hexdigest()
    assert fetch(row).established == (f'SideFile("config.json", sha256="{sha256}", bytes=2)',)


def test_after_the_first_download_its_bytes_are_what_every_later_use_has_to_find(served, refusal):
    row = served(sha256=None)
    altered(fetch(row))
    assert cached(row) is None
    message = refusal(row)
    assert f"has the sha256 {hashlib.sha256(OTHER).hexdigest()}" in message
    assert f"and its first download had {SHA256}. It was removed: fetch again" in message
    assert fetch(row).path.read_bytes() == BODY


def test_what_is_noted_of_a_first_download_needs_no_writing_later(served, monkeypatch):
    row = served(sha256=None)
    fetch(row)

    def denied(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pytest_torchcompat.checkpoints.offers.write_note", denied)
    assert cached(row) == fetch(row)


def test_another_file_at_the_same_url_is_not_the_one_of_the_first_download(hub, refusal):
    row = hub.url_row(sha256=None)
    fetch(row).path.unlink()
    hub.url_row(body=OTHER)
    assert f"and its first download had {SHA256}." in refusal(row)
    assert cached(row) is None


def test_a_first_download_of_other_bytes_than_the_hub_names_is_not_trusted(hub, refusal):
    row = hub.row(sha256=None)
    hub.fault = "wrong bytes"
    assert f"and its hub says {SHA256}. It was removed: fetch again" in refusal(row)
    hub.fault = ""
    assert fetch(row).sha256 == SHA256


@pytest.mark.parametrize("instead", [PAGE, ERROR, b""])
def test_a_first_download_that_is_plainly_something_else_is_not_trusted(hub, refusal, instead):
    row = hub.url_row(sha256=None)
    hub.instead = instead
    assert f"{row.sources[0].url} is not the file: " in refusal(row)
    hub.instead = None
    assert fetch(row).sha256 == SHA256


def test_a_first_download_of_another_size_than_the_row_says_is_not_trusted(served, refusal):
    message = refusal(served(sha256=None, bytes=3))
    assert f"has {len(BODY)} bytes and the catalogue says 3. It was removed" in message


def test_the_commit_is_asked_for_where_the_row_knows_none_and_is_remembered(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    row = without_commit(hub.row(bytes=len(BODY)))
    assert fetch(row).established == (f'revision="{COMMIT}"',)
    assert hub.asked[0] == "HEAD /some/model/resolve/main/weights.pt"
    assert set(hub.tokens) == {"Bearer hf_abc"}
    hub.asked.clear()
    assert cached(row).established == (f'revision="{COMMIT}"',)
    assert fetch(row).path.read_bytes() == BODY
    assert hub.asked == []


def test_a_hub_that_names_no_commit_is_told(hub, refusal):
    row = without_commit(hub.row())
    hub.fault = "portal"
    assert "it did not name the commit of its default branch" in refusal(row)


def test_a_default_branch_without_the_file_is_told(hub, refusal):
    row = without_commit(hub.row())
    hub.files.clear()
    assert "does not have some/model/weights.pt on its default branch (404)" in refusal(row)


def test_what_cannot_be_noted_is_not_trusted(hub, tmp_path, refusal):
    (tmp_path / "torchcompat").mkdir()
    (tmp_path / "torchcompat" / "verified").write_text("in the way")
    assert "cannot be read or written" in refusal(hub.row(sha256=None))


# Licences


def test_a_licence_has_to_be_accepted_before_the_first_download(hub, served, refusal):
    row = served(licence="CPML-1.0", terms="https://example.org/terms")
    assert refusal(row) == (
        "some/model was not fetched: its licence CPML-1.0 has to be accepted."
        " Read https://example.org/terms, then run:"
        " torchcompat fetch some/model --accept-licence CPML-1.0"
    )
    assert refusal(row, accepted=["MIT"]) == refusal(row)
    assert hub.asked == []
    assert fetch(row, accepted=["CPML-1.0"]).path.read_bytes() == BODY
    assert fetch(row).path.read_bytes() == BODY


# Rows that cannot be fetched


def test_a_branch_where_a_commit_is_due_is_an_error_of_the_catalogue(hub):
    row = hub.row(sources=(HubFile("some/model", "main", "weights.pt"),))
    for use in (fetch, cached):
        with pytest.raises(CatalogueError) as caught:
            use(row)
        assert str(caught.value) == (
            "some/model: revision 'main' is not a commit. A branch or tag moves;"
            " give the commit's 40 hex digits"
        )
    assert hub.asked == []


def test_neither_a_commit_nor_a_sha256_is_an_error_of_the_catalogue(hub):
    with pytest.raises(CatalogueError) as caught:
        fetch(without_commit(hub.row(sha256=None)))
    assert str(caught.value) == (
        "some/model: some/model/weights.pt has neither a revision nor a sha256."
        " One of them must be known: give the commit's 40 hex digits"
    )


def test_a_url_that_names_no_file_is_an_error_of_the_catalogue(hub):
    with pytest.raises(CatalogueError) as caught:
        fetch(hub.row(sources=(UrlFile("https://example.org/?file=weights.pt"),)))
    assert str(caught.value) == (
        "some/model: https://example.org/?file=weights.pt names no file; give the URL of a file"
    )


def test_a_row_without_a_source_says_so(hub, refusal):
    row = hub.row(sources=())
    assert cached(row) is None
    assert refusal(row) == (
        "some/model was not fetched: its row names no file on the hub or elsewhere; use its replica"
    )


@pytest.mark.parametrize(("package", "shape"), [("huggingface_hub", "hub"), ("pooch", "url")])
def test_a_client_that_is_not_installed_is_told_with_the_command(
    monkeypatch, refusal, tmp_path, package, shape
):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    served = Hub(endpoint="http://127.0.0.1:1")
    row = served.row() if shape == "hub" else served.url_row()
    assert cached(row, tmp_path) is None
    assert refusal(row, tmp_path) == (
        f"some/model was not fetched: {package} is not installed;"
        " pip install 'pytest-torchcompat[hub]'"
    )


# What is in the cache


def test_nothing_in_the_cache_is_none_and_asks_nobody(hub, served):
    assert cached(served()) is None
    assert needs_download(served(), "reference")
    assert hub.asked == []


def test_a_file_that_was_altered_in_the_cache_is_noticed_and_removed(served, refusal):
    row = served()
    altered(fetch(row))
    assert cached(row) is None
    assert "It was removed: fetch again" in refusal(row)
    assert fetch(row).path.read_bytes() == BODY


def test_wrong_bytes_that_cannot_be_removed_are_named(served, refusal, monkeypatch):
    row = served()
    file = fetch(row)
    altered(file)

    def denied(_path, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", denied)
    message = refusal(row)
    assert f"{file.path} has the sha256" in message
    assert "could not be removed ([Errno 13] Permission denied): delete it" in message


def test_verifying_reads_every_byte_again(hub, served):
    row = served()
    file = fetch(row)
    hub.asked.clear()
    assert verify(row) == file
    seen = file.path.stat()
    file.path.resolve().write_bytes(OTHER)
    os.utime(file.path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert cached(row)  # the file looks as it did
    with pytest.raises(FetchError) as caught:
        verify(row)
    message = str(caught.value)
    assert message.startswith(f"some/model is not what it should be: {file.path} has the sha256")
    assert "It was removed: fetch again" in message
    assert hub.asked == []
    assert cached(row) is None


def test_what_is_not_here_cannot_be_verified(hub, served):
    with pytest.raises(FetchError) as caught:
        verify(served())
    assert str(caught.value) == (
        "some/model is not in the cache. Get it with: torchcompat fetch some/model"
    )
    assert hub.asked == []
