"""Misbehaving servers: each fault is told by a sentence of its own, and a later fetch succeeds."""

from __future__ import annotations

import contextlib
import hashlib
import os

import pytest
from hub import BODY, COMMIT, ERROR, PAGE, POINTER, REFUSALS

from pytest_torchcompat.checkpoints import web
from pytest_torchcompat.checkpoints.catalogue import HubFile
from pytest_torchcompat.checkpoints.fetch import cached, fetch
from pytest_torchcompat.errors import FetchError

SHA256 = hashlib.sha256(BODY).hexdigest()

ACCESS = (
    "{hub} refused access to some/model ({status}). Accept its terms at {hub}/some/model, set"
    " HF_TOKEN to a token that may read it, and fetch again"
)
ABSENT = (
    "{hub} does not have some/model/weights.pt at commit"
    f" {COMMIT} (404). Check HF_ENDPOINT and the catalogue's row"
)
OF_THE_HUB = {
    "anonymous": ACCESS,
    "gated": ACCESS,
    "no file": ABSENT,
    "no revision": ABSENT,
    "too often": "{hub} answered 429. Fetch again later",
    "broken": "{hub} answered 500. Fetch again later",
}
OF_A_URL = {
    "anonymous": "{hub} refused access to {url} (401). Check that anyone may read it",
    "gated": "{hub} refused access to {url} (403). Check that anyone may read it",
    "no file": "{hub} does not have {url} (404). Check the catalogue's row",
    "too often": "{hub} answered 429. Fetch again later",
    "broken": "{hub} answered 500. Fetch again later",
}


@pytest.fixture
def impatient(monkeypatch):
    """Clients that give a server next to no time to answer."""
    from huggingface_hub import constants, file_download

    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.setattr(constants, name, 0.05)
    monkeypatch.setattr(file_download, "_ETAG_RETRY_TIMEOUT", 0.05, raising=False)
    monkeypatch.setattr(web, "TIMEOUT", 0.05)


def recovers(hub, row):
    """Show that nothing is left of a fault once it is over."""
    hub.fault, hub.instead = "", None
    assert cached(row) is None
    assert fetch(row).path.read_bytes() == BODY
    assert cached(row)


@pytest.mark.parametrize("fault", OF_THE_HUB)
def test_a_refusal_of_the_hub_says_what_to_do(hub, refusal, left_over, fault):
    row = hub.row()
    hub.fault = fault
    sentence = OF_THE_HUB[fault].format(hub=hub.endpoint, status=REFUSALS[fault][0])
    assert refusal(row) == f"some/model was not fetched: {sentence}"
    assert left_over() == []
    recovers(hub, row)


@pytest.mark.parametrize("fault", OF_A_URL)
def test_a_refusal_of_another_host_says_what_to_do(hub, refusal, left_over, fault):
    row = hub.url_row()
    hub.fault = fault
    sentence = OF_A_URL[fault].format(hub=hub.endpoint, url=row.sources[0].url)
    assert refusal(row) == f"some/model was not fetched: {sentence}"
    assert left_over() == []
    recovers(hub, row)


@pytest.mark.parametrize("fault", ["broken once", "too often once"])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(hub, served, fault):
    row = served()
    hub.fault = fault
    # Before 1.0 the hub's client takes the first answer for the last.
    with contextlib.suppress(FetchError) if _is_old(row) else contextlib.nullcontext():
        fetch(row)
    assert fetch(row).path.read_bytes() == BODY


def _is_old(row) -> bool:
    import huggingface_hub

    return isinstance(row.sources[0], HubFile) and huggingface_hub.__version__.startswith("0.")


def test_a_server_is_left_the_seconds_that_it_asks_for(hub, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    row = hub.url_row()
    hub.fault, hub.headers = "too often once", {"Retry-After": "7"}
    assert fetch(row)
    assert slept == [7]


def test_a_server_that_asks_for_more_than_a_moment_is_taken_at_its_word(hub, refusal):
    row = hub.url_row()
    hub.fault, hub.headers = "too often", {"Retry-After": "3600"}
    assert refusal(row) == (
        f"some/model was not fetched: {hub.endpoint} answered 429. Fetch again in 3600 s"
    )
    assert len(hub.asked) == 1


@pytest.mark.parametrize("fault", ["hang up", "cut"])
def test_a_broken_connection_is_a_fault_of_the_download(hub, served, refusal, left_over, fault):
    row = served()
    hub.fault = fault
    message = refusal(row)
    start = f"some/model was not fetched: the download from {hub.endpoint} failed ("
    assert message.startswith(start)
    assert message.endswith(" and fetch again")
    assert left_over() == []
    recovers(hub, row)


@pytest.mark.parametrize("fault", ["hang", "hang in the body"])
@pytest.mark.usefixtures("impatient")
def test_a_server_that_says_nothing_is_given_up(hub, served, refusal, left_over, fault):
    row = served()
    hub.fault = fault
    message = refusal(row)
    assert f"the download from {hub.endpoint} failed (" in message
    assert "time" in message.lower()
    assert left_over() == []
    hub.gate.set()
    recovers(hub, row)


def test_half_a_file_that_nobody_announced_as_half_is_no_file(hub, refusal, left_over):
    row = hub.url_row()
    hub.fault = "cut unannounced"
    half = hashlib.sha256(BODY[: len(BODY) // 2]).hexdigest()
    message = refusal(row)
    assert f"{row.sources[0].url} has the sha256 {half} and the catalogue says {SHA256}." in message
    assert left_over() == []
    recovers(hub, row)


def test_half_a_file_is_no_file_on_the_hub_either(hub, refusal, left_over):
    row = hub.row()
    hub.fault = "cut unannounced"
    assert f"the download from {hub.endpoint} failed (" in refusal(row)
    assert left_over() == []
    recovers(hub, row)


def test_where_half_a_file_would_look_whole_it_is_not_fetched(hub, refusal, left_over):
    row = hub.url_row(sha256=None)
    hub.fault = "cut unannounced"
    assert refusal(row) == (
        "some/model was not fetched: its server does not say how long it is, and its row knows"
        " neither its sha256 nor its bytes, so that half of it would look whole. Add one of them"
        " to the row"
    )
    assert left_over() == []
    recovers(hub, row)


def test_wrong_bytes_of_the_right_length_are_removed(hub, served, refusal, left_over):
    row = served()
    hub.fault = "wrong bytes"
    message = refusal(row)
    wrong = hashlib.sha256(bytes(len(BODY))).hexdigest()
    assert f"has the sha256 {wrong} and the catalogue says {row.sha256}." in message
    assert "It was removed: fetch again, and check " in message
    assert left_over() == []
    recovers(hub, row)


INSTEAD = {
    "page": (PAGE, "It is a web page, most likely an error or a login page"),
    "pointer": (
        POINTER,
        "It is a git-lfs pointer, which stands for a file that was not downloaded.",
    ),
    "error": (ERROR, "It is JSON text, most likely a server's error"),
    "nothing": (b"", "The file is empty."),
}


@pytest.mark.parametrize("what", INSTEAD)
def test_what_came_instead_of_the_file_is_told(hub, served, refusal, left_over, what):
    row = served()
    hub.instead, told = INSTEAD[what]
    message = refusal(row)
    assert told in message
    assert "It was removed: fetch again" in message
    assert left_over() == []
    recovers(hub, row)


def test_more_than_was_announced_is_no_file(hub, served, refusal, left_over):
    row = served()
    hub.fault = "too much"
    for _ in range(2):
        assert "\n" not in refusal(row)
        assert left_over() == []
    recovers(hub, row)


def test_a_portal_that_answers_for_the_hub_is_a_fault_of_the_download(hub, refusal, left_over):
    row = hub.row()
    hub.fault, hub.instead = "portal", PAGE
    assert f"the download from {hub.endpoint} failed (FileMetadataError: " in refusal(row)
    assert left_over() == []
    recovers(hub, row)


def test_bytes_are_hashed_as_they_lie_on_the_disk_and_not_as_they_came(hub, served, refusal):
    """A server sends a right beginning, breaks off, and sends the whole with a wrong one."""
    row = served()
    hub.fault = "evil resume"
    for _ in range(2):  # up to 1.17 the hub's client resumes at the next fetch
        refusal(row)
        assert cached(row) is None
    recovers(hub, row)


def test_a_cache_that_cannot_be_written_is_told_with_its_folder(hub, served, refusal, tmp_path):
    row = served()
    (tmp_path / "file").write_text("in the way")
    message = refusal(row, tmp_path / "file")
    assert message.startswith(f"some/model was not fetched: {tmp_path / 'file'}/")
    assert " cannot be read or written ([Errno 20] " in message
    assert message.endswith(". Change that or name another cache, and fetch again")
    recovers(hub, row)


@pytest.fixture
def powerless(monkeypatch):
    """An account that no permission is made for, as root is refused nothing."""
    if not hasattr(os, "seteuid"):
        pytest.skip("no accounts as of Unix")

    @contextlib.contextmanager
    def act():
        root = os.geteuid() == 0
        os.seteuid(65534 if root else os.geteuid())
        yield
        os.seteuid(0 if root else os.geteuid())

    monkeypatch.setenv("HF_TOKEN", "hf_abc")  # not from a file that may be refused as well
    return act


def test_a_cache_without_permission_is_told(hub, served, refusal, tmp_path, powerless):
    row = served()
    fetch(row)  # whatever is imported on the way is imported
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with powerless():
        message = refusal(row, locked)
    assert f"{locked}/" in message
    assert " cannot be read or written ([Errno 13] " in message
    assert list(locked.iterdir()) == []
