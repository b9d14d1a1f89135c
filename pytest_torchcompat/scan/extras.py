"""Pickles that torch would not load, reported apart and without alarm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.refusals import RefusedError
from pytest_torchcompat.scan.stream import Stream
from pytest_torchcompat.scan.walk import walk
from pytest_torchcompat.scan.zips import Entry, Window, stream_of

# They decide nothing, so that looking into them is kept short.
_MOST_PICKLES = 20
_MOST_OPCODES = 100_000
_MOST_NAMES = 5


def trailing(stream: Stream, limits: Limits) -> Iterator[str]:
    """Say what lies behind a pickle that has ended."""
    left = stream.left
    if left:
        found = _walked(stream, limits)
        naming = f" and would import {_listed(found)}" if found.globals else ""
        yield f"{left:,} bytes after the pickle's end, which torch does not read{naming}"


def beside(window: Window, others: list[Entry], limits: Limits) -> Iterator[str]:
    """Say what is in the zip's other pickles."""
    for entry in others[:_MOST_PICKLES]:
        name = entry.name.decode("utf-8", "backslashreplace")
        yield f"{name} is a pickle that torch does not read{_about(window, entry, limits)}"
    if len(others) > _MOST_PICKLES:
        yield f"{len(others) - _MOST_PICKLES} more pickles that torch does not read"


def _about(window: Window, entry: Entry, limits: Limits) -> str:
    try:
        found = _walked(stream_of(window, entry, limits), limits)
    except RefusedError:
        return ""
    return f"; it would import {_listed(found)}" if found.globals else ""


def _walked(stream: Stream, limits: Limits) -> Found:
    found = Found(replace(limits, opcodes=min(limits.opcodes, _MOST_OPCODES)))
    with suppress(RefusedError):
        walk(stream, found)
    return found


def _listed(found: Found) -> str:
    names = [each.dotted for each in found.globals]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
