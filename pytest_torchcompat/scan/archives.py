"""
Which pickle of a zip torch reads, and whether that is certain.

torch compares names without regard to case, and takes the root folder from the first entry.
"""

from __future__ import annotations

from typing import NamedTuple

from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.zips import Entry, Window, ambiguous, entries_of

_ENCRYPTED_OR_PATCHED = 0x1 | 0x20 | 0x40
_PICKLES = (b".pkl", b".pickle")


class Archive(NamedTuple):
    """The pickle that torch reads, and those that it does not."""

    pickle: Entry
    others: list[Entry]


def archive_of(window: Window, limits: Limits) -> Archive:
    """
    Return the pickles of a torch zip.

    Raises ``RefusedError`` for TorchScript, for what torch would not load, and for what two
    readers could read in two ways.
    """
    entries = entries_of(window, limits)
    _refuse_torchscript(entries)
    by_name = _by_name(entries)
    root = entries[0].name.lower().partition(b"/")[0] + b"/"
    if all(name.endswith(b".npy") for name in by_name):
        cause = "It is a npz file of NumPy, which torch.load does not read."
        raise RefusedError(Reason.NOT_A_CHECKPOINT, cause)
    if not all(name.startswith(root) for name in by_name):
        cause = "The zip has no root folder that all of its entries lie in."
        raise RefusedError(Reason.AMBIGUOUS_ZIP, cause)
    if not {root + b"version", root + b".data/version"} & set(by_name):
        cause = "The zip has no version record as torch's have."
        raise RefusedError(Reason.NOT_A_CHECKPOINT, cause)
    if root + b"data.pkl" not in by_name:
        raise RefusedError(Reason.NOT_A_CHECKPOINT, "The zip has no data.pkl as torch's have.")
    pickle = by_name.pop(root + b"data.pkl")
    return Archive(pickle, [by_name[name] for name in by_name if name.endswith(_PICKLES)])


def _refuse_torchscript(entries: list[Entry]) -> None:
    if any(entry.name.lower().endswith(b"constants.pkl") for entry in entries):
        cause = (
            "It is a TorchScript archive, which can run code when it is loaded; torch 2.5 and older"
            " load one even with weights_only=True (CVE-2025-32434)."
        )
        raise RefusedError(Reason.TORCHSCRIPT, cause)


def _by_name(entries: list[Entry]) -> dict[bytes, Entry]:
    by_name: dict[bytes, Entry] = {}
    for entry in entries:
        _check(entry)
        if by_name.setdefault(entry.name.lower(), entry) is not entry:
            raise ambiguous("two names differ only in case")
    return by_name


def _check(entry: Entry) -> None:
    if entry.flags & _ENCRYPTED_OR_PATCHED:
        raise RefusedError(Reason.UNSUPPORTED_ZIP, "The zip is encrypted, which torch cannot read.")
    if b"\\" in entry.name or any(byte < ord(" ") for byte in entry.name):
        raise ambiguous("a name has a backslash or control character")
