"""
The zip file that torch reads, and nothing that could be read in two ways.

torch reads zips with miniz: names without regard to case, the directory at the offset that the end
record states, sizes from the directory. Where another reader could differ the file is refused.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO, NamedTuple

from pytest_torchcompat.scan.opcodes import Stream
from pytest_torchcompat.scan.refusals import Reason, RefusedError

LARGEST_DIRECTORY = 1 << 26
LARGEST_INFLATED = 1 << 28

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX32 = 0xFFFFFFFF
_MAX16 = 0xFFFF
_ENCRYPTED_OR_PATCHED = 0x1 | 0x20 | 0x40
_STORED, _DEFLATED = 0, 8


class Window(NamedTuple):
    """The part of a file from where reading began; torch counts offsets from there."""

    file: BinaryIO
    start: int
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Return the bytes at an offset; raises ``RefusedError`` where they are not all there."""
        if offset < 0 or offset + count > self.size:
            raise RefusedError(
                Reason.AMBIGUOUS_ZIP,
                "The zip can be read in two ways: a part of it lies outside the file.",
            )
        self.file.seek(self.start + offset)
        data = self.file.read(count)
        if len(data) < count:
            raise RefusedError(Reason.TRUNCATED, "The file ends sooner than its size says.")
        return data


class Entry(NamedTuple):
    """One entry of the directory."""

    name: bytes
    flags: int
    method: int
    packed: int
    size: int
    offset: int


class _Directory(NamedTuple):
    offset: int
    size: int
    entries: int
    end: int  # where it has to end, so that every reader finds the same one


def pickle_stream(window: Window) -> Stream:
    """
    Return the data.pkl of a torch zip.

    Raises ``RefusedError`` for TorchScript, for what torch would not load, and for what two
    readers could read in two ways.
    """
    entries = _entries(window)
    _refuse_torchscript(entries)
    by_name = _by_name(entries)
    root = entries[0].name.lower().partition(b"/")[0] + b"/"
    _refuse_other_roots(by_name, root)
    if not {root + b"version", root + b".data/version"} & set(by_name):
        raise RefusedError(
            Reason.NOT_A_CHECKPOINT, "The zip has no version record as torch's have."
        )
    if root + b"data.pkl" not in by_name:
        raise RefusedError(Reason.NOT_A_CHECKPOINT, "The zip has no data.pkl as torch's have.")
    return _open(window, by_name[root + b"data.pkl"])


def _entries(window: Window) -> list[Entry]:
    directory = _directory(window)
    if directory.size > LARGEST_DIRECTORY:
        raise RefusedError(Reason.TOO_LARGE, "The zip's directory is larger than 64 MiB.")
    if directory.offset + directory.size != directory.end:
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: its directory and its end are apart.",
        )
    data = window.read(directory.offset, directory.size)
    entries, at = [], 0
    while at < len(data):
        entry, at = _entry(data, at)
        entries.append(entry)
    if len(entries) != directory.entries:
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: its end counts other entries.",
        )
    if not entries:
        raise RefusedError(Reason.NOT_A_CHECKPOINT, "The zip is empty.")
    return entries


def _directory(window: Window) -> _Directory:
    start = max(0, window.size - _END.size - _MAX16)
    tail = window.read(start, window.size - start)
    # As miniz: the last signature that has room for a record behind it.
    found = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size) + 4)
    if found < 0:
        raise RefusedError(Reason.TRUNCATED, "The zip has no end: its directory is missing.")
    _, _, _, _, entries, size, offset, _ = _END.unpack_from(tail, found)
    end = start + found
    if end >= _LOCATOR.size:
        locator = window.read(end - _LOCATOR.size, _LOCATOR.size)
        if locator.startswith(b"PK\x06\x07"):
            return _directory64(window, locator, end)
    return _Directory(offset, size, entries, end)


def _directory64(window: Window, locator: bytes, end: int) -> _Directory:
    record_offset = _LOCATOR.unpack(locator)[2]
    if record_offset + _END64.size + _LOCATOR.size != end:
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: its zip64 end is elsewhere.",
        )
    record = _END64.unpack(window.read(record_offset, _END64.size))
    if record[0] != b"PK\x06\x06":
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: its zip64 end record is not one.",
        )
    entries, size, offset = record[7:]
    return _Directory(offset, size, entries, record_offset)


def _entry(data: bytes, at: int) -> tuple[Entry, int]:
    if at + _ENTRY.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP, "The zip can be read in two ways: its directory is broken."
        )
    fields = _ENTRY.unpack_from(data, at)
    _, _, _, flags, method, _, _, _, packed, size, name_size, extra_size, comment_size = fields[:13]
    name_end = at + _ENTRY.size + name_size
    end = name_end + extra_size + comment_size
    if end > len(data):
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP, "The zip can be read in two ways: its directory is broken."
        )
    extra = data[name_end : name_end + extra_size]
    size, packed, offset = _sizes(extra, [size, packed, fields[-1]])
    return Entry(data[at + _ENTRY.size : name_end], flags, method, packed, size, offset), end


def _sizes(extra: bytes, sizes: list[int]) -> list[int]:
    """Return size, packed size and offset, those that are at their maximum from the zip64 field."""
    if _MAX32 not in sizes:
        return sizes
    field = io.BytesIO(_zip64_field(extra))
    wide = [field.read(8) if value == _MAX32 else value.to_bytes(8, "little") for value in sizes]
    if any(len(value) < 8 for value in wide):  # noqa: PLR2004 - eight bytes each
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP, "The zip can be read in two ways: a zip64 size is missing."
        )
    return [int.from_bytes(value, "little") for value in wide]


def _zip64_field(extra: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""


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
        if entry.flags & _ENCRYPTED_OR_PATCHED:
            raise RefusedError(
                Reason.UNSUPPORTED_ZIP, "The zip is encrypted, which torch cannot read."
            )
        if b"\\" in entry.name or any(byte < ord(" ") for byte in entry.name):
            raise RefusedError(
                Reason.AMBIGUOUS_ZIP,
                "The zip can be read in two ways: a name has a backslash or control character.",
            )
        if entry.name.lower() in by_name:
            raise RefusedError(
                Reason.AMBIGUOUS_ZIP,
                "The zip can be read in two ways: two names differ only in case.",
            )
        by_name[entry.name.lower()] = entry
    return by_name


def _refuse_other_roots(names: dict[bytes, Entry], root: bytes) -> None:
    if not all(name.startswith(root) for name in names):
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP, "The zip has no root folder that all of its entries lie in."
        )


def _open(window: Window, entry: Entry) -> Stream:
    local = window.read(entry.offset, _LOCAL.size)
    if not local.startswith(b"PK\x03\x04"):
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: data.pkl is not where the directory says.",
        )
    name_size, extra_size = _LOCAL.unpack(local)[-2:]
    offset = entry.offset + _LOCAL.size + name_size + extra_size
    if offset + entry.packed > window.size:
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: data.pkl reaches beyond the end of the file.",
        )
    if entry.method == _STORED:
        if entry.size != entry.packed:
            raise RefusedError(
                Reason.AMBIGUOUS_ZIP,
                "The zip can be read in two ways: data.pkl has two sizes.",
            )
        return Stream(window.file, window.start + offset, window.start + offset + entry.size)
    if entry.method != _DEFLATED:
        raise RefusedError(
            Reason.UNSUPPORTED_ZIP, "data.pkl is packed in a way that torch cannot read."
        )
    data = _inflate(window.read(offset, entry.packed), entry.size)
    return Stream(io.BytesIO(data), 0, len(data))


def _inflate(packed: bytes, size: int) -> bytes:
    if size > LARGEST_INFLATED:
        raise RefusedError(Reason.TOO_LARGE, "data.pkl unpacks to more than 256 MiB.")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise RefusedError(Reason.TRUNCATED, "data.pkl cannot be unpacked.") from error
    if len(data) != size or not unpacker.eof:
        raise RefusedError(
            Reason.AMBIGUOUS_ZIP,
            "The zip can be read in two ways: data.pkl has two sizes.",
        )
    return data
