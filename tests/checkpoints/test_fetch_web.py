"""Files at plain URLs: where they lie, and how a download goes on that broke off."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hub import BODY, LONG_AGO

from pytest_torchcompat.checkpoints import web
from pytest_torchcompat.checkpoints.catalogue import UrlFile
from pytest_torchcompat.checkpoints.fetch import cached, fetch, needs_download
from pytest_torchcompat.checkpoints.web import WebSource, file_name, web_folder

HALF = len(BODY) // 2
PATH = "/web/some/model/weights.pt"


@pytest.fixture
def row(hub):
    return hub.url_row()


@pytest.fixture
def broken_off(hub, row, refusal, monkeypatch):
    """A row whose download broke off after half of the file."""
    monkeypatch.setattr(web, "TRIES", 1)
    hub.fault = "cut once"
    assert f" failed ({HALF} of {len(BODY)} bytes came). Check the network" in refusal(row)
    monkeypatch.setattr(web, "TRIES", 4)
    hub.ranges.clear()
    return row


def partial_of(tmp_path):
    (partial,) = (tmp_path / "torchcompat" / "web").rglob("*.partial")
    return partial


# Going on


def test_a_download_goes_on_within_a_fetch(hub, row):
    hub.fault = "cut once"
    assert fetch(row).path.read_bytes() == BODY
    assert hub.ranges == ["", f"bytes={HALF}-"]


@pytest.mark.parametrize("etag", ['"strong"', 'W/"weak"', ""])
def test_a_download_goes_on_in_a_later_fetch(hub, etag, refusal, monkeypatch, tmp_path):
    row = hub.url_row()
    hub.etags[PATH] = etag
    monkeypatch.setattr(web, "TRIES", 1)
    hub.fault = "cut once"
    refusal(row)
    assert partial_of(tmp_path).read_bytes() == BODY[:HALF]
    note = json.loads(partial_of(tmp_path).with_name("weights.pt.partial.json").read_text())
    assert note == {"version": etag if etag == '"strong"' else LONG_AGO}
    assert fetch(row).path.read_bytes() == BODY
    assert hub.ranges == ["", f"bytes={HALF}-"]
    assert list((tmp_path / "torchcompat").rglob("*.partial*")) == []


@pytest.mark.usefixtures("broken_off")
def test_it_begins_anew_where_the_server_has_another_file_now(hub):
    other = bytes(len(BODY))
    assert fetch(hub.url_row(body=other)).path.read_bytes() == other
    assert hub.ranges == [f"bytes={HALF}-"]  # asked for, and not given


def test_it_begins_anew_where_the_server_cannot_go_on(hub, row):
    hub.resumes = False
    hub.fault = "cut once"
    assert fetch(row).path.read_bytes() == BODY
    assert hub.ranges == ["", ""]


def test_it_begins_anew_where_there_is_nothing_to_go_on_with(hub, broken_off, tmp_path):
    partial_of(tmp_path).write_bytes(BODY + BODY)
    assert fetch(broken_off).path.read_bytes() == BODY
    assert hub.asked[-2:] == [f"GET {PATH}"] * 2


def test_a_beginning_of_other_bytes_is_noticed_and_thrown_away(hub, broken_off, refusal, tmp_path):
    partial_of(tmp_path).write_bytes(bytes(HALF))
    assert "has the sha256" in refusal(broken_off)
    assert list((tmp_path / "torchcompat").rglob("*.partial*")) == []
    assert fetch(broken_off).path.read_bytes() == BODY


def test_a_server_that_breaks_off_again_and_again_is_given_up(hub, row, refusal):
    hub.fault, hub.resumes = "cut", False
    refusal(row)
    assert len(hub.asked) == web.TRIES


def test_a_server_that_refuses_connections_is_given_up(refusal, hub):
    row = hub.row(sources=(UrlFile("http://127.0.0.1:1/weights.pt"),))
    message = refusal(row)
    assert "the download from http://127.0.0.1:1 failed (ConnectionError: " in message
    assert message.endswith("Check the network and the URL, and fetch again")


def test_a_url_of_no_protocol_is_told(hub, refusal):
    message = refusal(hub.row(sources=(UrlFile("gopher://127.0.0.1/weights.pt"),)))
    assert "gopher" in message


# Where files lie


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/b/model.pt", "model.pt"),
        ("https://example.org/a/model%20v2.pt?download=true#top", "model v2.pt"),
        ("https://example.org/a/..%2F..%2Fmodel.pt", "model.pt"),
        ("https://example.org/", ""),
        ("https://example.org", ""),
    ],
)
def test_a_file_has_the_name_that_its_url_ends_in(url, name):
    assert file_name(UrlFile(url)) == name


def test_each_row_and_url_has_a_folder_of_its_own(tmp_path):
    named = [("a/b", "https://x/f"), ("a/b", "https://y/f"), ("a-b", "https://x/f")]
    folders = {web_folder(*each, tmp_path) for each in named}
    assert len(folders) == 3
    assert all(folder.parent == tmp_path / "web" for folder in folders)
    assert all(folder.name.startswith("a-b-") for folder in folders)


def test_a_file_beside_is_asked_for_without_the_query_of_the_first(tmp_path):
    source = WebSource(UrlFile("https://example.org/a/model.pt?token=1"), tmp_path)
    assert source._url("config v2.json") == "https://example.org/a/config%20v2.json"
    assert source._url("model.pt") == "https://example.org/a/model.pt?token=1"


def test_a_url_with_a_query_is_fetched_with_it(hub):
    row = hub.row(sources=(UrlFile(f"{hub.endpoint}/web/file.pt?version=2"),))
    hub.files["/web/file.pt?version=2"] = BODY
    assert fetch(row).path.name == "file.pt"


# What is said


def test_progress_is_shown_where_stderr_is_a_terminal(hub, row, monkeypatch):
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", shown)
    fetch(row)
    assert "weights.pt: 100%" in shown.getvalue()


def test_nothing_is_shown_where_it_is_not(row, capsys):
    fetch(row)
    assert capsys.readouterr() == ("", "")


def test_the_log_of_pooch_is_as_before(row):
    import pooch

    before = pooch.get_logger().level
    fetch(row)
    assert pooch.get_logger().level == before != logging.WARNING


# Offline


@pytest.mark.parametrize("yes", ["1", "true", "ON"])
def test_offline_means_plain_urls_as_well(hub, row, refusal, monkeypatch, yes):
    monkeypatch.setenv("HF_HUB_OFFLINE", yes)
    assert refusal(row) == (
        "some/model was not fetched: it is not in the cache and HF_HUB_OFFLINE is set."
        " Unset it and fetch again"
    )
    assert hub.asked == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    fetch(row)
    monkeypatch.setenv("HF_HUB_OFFLINE", yes)
    assert cached(row) == fetch(row)
    assert not needs_download(row)
