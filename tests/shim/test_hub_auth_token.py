"""The hub's client takes an older argument again, and raises what older callers wait for."""

from __future__ import annotations

import sys
import types

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.shim.hub_auth_token import HubAuthToken


class RequestsHTTPError(OSError):
    """What requests raises."""


class HfHubHTTPError(OSError):
    """What the hub's client of today raises, which is no error of requests."""


class RemoteEntryNotFoundError(HfHubHTTPError):
    """What it raises for a file that the hub does not have."""


def hf_hub_download(repo_id, filename, *, token=None, revision=None):
    if filename == "custom.py":
        message = "404 Client Error."
        raise RemoteEntryNotFoundError(message)
    return (repo_id, filename, token, revision)


def snapshot_download(repo_id, *, token=None):
    return (repo_id, token)


@pytest.fixture
def hub(monkeypatch):
    """A client like that of today, which finds its functions when they are asked for."""
    functions = {each.__name__: each for each in (hf_hub_download, snapshot_download)}
    hub = types.ModuleType("huggingface_hub")
    hub.__getattr__ = functions.__getitem__
    modules = {
        "huggingface_hub": hub,
        "huggingface_hub.file_download": types.ModuleType("file_download"),
        "huggingface_hub._snapshot_download": types.ModuleType("_snapshot_download"),
        "requests": types.ModuleType("requests"),
    }
    modules["requests"].exceptions = types.SimpleNamespace(HTTPError=RequestsHTTPError)
    modules["requests"].__spec__ = "installed"
    modules["huggingface_hub.file_download"].hf_hub_download = hf_hub_download
    modules["huggingface_hub._snapshot_download"].snapshot_download = snapshot_download
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return hub


def test_the_older_argument_is_taken_for_the_newer_under_the_shim_only(hub):
    with HubAuthToken().applied():
        found = hub.hf_hub_download("me/voice", "v.ckpt", use_auth_token="hf_1", revision="main")
        assert found == ("me/voice", "v.ckpt", "hf_1", "main")
        assert hub.snapshot_download("me/voice", use_auth_token=False) == ("me/voice", False)
    with pytest.raises(TypeError, match="use_auth_token"):
        hub.hf_hub_download("me/voice", "v.ckpt", use_auth_token="hf_1")


def test_a_call_of_today_stays_what_it_is(hub):
    with HubAuthToken().applied():
        both = hub.hf_hub_download("me/voice", "v.ckpt", token="hf_2", use_auth_token=False)
        assert both == ("me/voice", "v.ckpt", "hf_2", None)
        assert hub.hf_hub_download("me/voice", "v.ckpt") == ("me/voice", "v.ckpt", None, None)


def test_a_function_that_is_imported_from_its_own_module_takes_it_too(hub):
    with HubAuthToken().applied():
        from huggingface_hub.file_download import hf_hub_download as download

        assert download("me/voice", "v.ckpt", use_auth_token=True)[2] is True


def test_a_file_that_the_hub_lacks_is_an_error_of_requests_and_its_own(hub):
    with HubAuthToken().applied(), pytest.raises(RequestsHTTPError, match="404") as caught:
        hub.hf_hub_download("me/voice", "custom.py")
    assert isinstance(caught.value, RemoteEntryNotFoundError)
    assert type(caught.value).__name__ == "RemoteEntryNotFoundError"


def test_without_requests_its_error_stays_its_own(hub, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with HubAuthToken().applied(), pytest.raises(RemoteEntryNotFoundError) as caught:
        hub.hf_hub_download("me/voice", "custom.py")
    assert not isinstance(caught.value, RequestsHTTPError)


def test_an_error_that_no_server_gave_stays_what_it_is(hub):
    with HubAuthToken().applied(), pytest.raises(TypeError) as caught:
        hub.hf_hub_download("me/voice")
    assert type(caught.value) is TypeError


def test_the_client_is_put_back_exactly_also_after_an_error(hub):
    home = sys.modules["huggingface_hub.file_download"]
    before = dict(vars(hub)), dict(vars(home))
    with pytest.raises(ZeroDivisionError), HubAuthToken().applied():
        1 / 0  # noqa: B018 - the error is the point
    assert (vars(hub), vars(home)) == before


@pytest.mark.parametrize(
    ("versions", "applies"),
    [
        ({"huggingface-hub": "0.36.2"}, False),
        ({"huggingface_hub": "1.0.0rc1"}, True),
        ({"huggingface-hub": "2.4.0"}, True),
        ({}, False),
    ],
)
def test_it_applies_from_1_on(versions, applies):
    assert HubAuthToken().applies(versions) is applies


def test_speechbrain_gets_it():
    assert shim.that_apply("speechbrain", {"huggingface-hub": "2.4.0"}) == ("hub-auth-token",)
