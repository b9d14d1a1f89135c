"""The hub's client as its callers of before 2025 know it: an argument, and a class of errors."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable

FUNCTIONS = {
    "hf_hub_download": "huggingface_hub.file_download",
    "snapshot_download": "huggingface_hub._snapshot_download",
}


class HubAuthToken:
    """
    Lets the hub's downloads take ``use_auth_token``, and raise what is an error of requests' too.

    huggingface_hub 1 removed the argument, which is ``token`` now, and left requests for another
    library. speechbrain up to 1.0 passes the one with every download, and waits for requests'
    ``HTTPError`` where the hub has no ``custom.py``, which most models lack.
    """

    name = "hub-auth-token"
    restores = "use_auth_token of the hub's downloads, and requests' HTTPError, gone in its 1.0"
    retired_when = "no library in use is written for huggingface_hub before 1"
    at_import = True
    libraries = ("speechbrain",)
    modules = ("huggingface_hub",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply from huggingface_hub 1 on."""
        known = versions.get("huggingface-hub") or versions.get("huggingface_hub") or "0"
        return int(re.findall(r"\d+", known)[0]) >= 1

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Put the tolerant functions where they are imported from."""
        hub = importlib.import_module("huggingface_hub")
        with contextlib.ExitStack() as stack:
            for name, home in FUNCTIONS.items():
                tolerant = _tolerant(getattr(hub, name))
                for place in (hub, importlib.import_module(home)):
                    stack.enter_context(_holding(vars(place), name, tolerant))
            yield


def _tolerant(download: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(download)
    def tolerant(*given: Any, use_auth_token: Any = None, **options: Any) -> Any:
        if use_auth_token is not None:
            options.setdefault("token", use_auth_token)
        try:
            return download(*given, **options)
        except Exception as error:
            _make_requests_own(error)
            raise

    return tolerant


def _make_requests_own(error: Exception) -> None:
    """Let an answer of the hub that is an error be one of requests' as well."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "HfHubHTTPError" not in kinds or not importlib.util.find_spec("requests"):
        return
    theirs = importlib.import_module("requests").exceptions.HTTPError
    if not isinstance(error, theirs):
        error.__class__ = type(type(error).__name__, (type(error), theirs), {})


@contextlib.contextmanager
def _holding(place: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """Put a value into a dict, and put back what was there, or nothing."""
    missing = object()
    before = place.get(name, missing)
    place[name] = value
    try:
        yield
    finally:
        if before is missing:
            place.pop(name, None)
        else:
            place[name] = before
