"""
A zip's directory and its entries, and nothing that could be read in two ways.

torch reads zips with miniz: the directory at the offset that the end record states, sizes from the
directory. Where another reader could differ the file is refused.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pytest_torchcompat.scan.inflating import inflated
from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.stream import Stream

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX32 = 0xFFFFFFFF
_MAX16 = 0xFFFF
_STORED, _DEFLATED = 0, 8


class Window(NamedTuple):
    """The part of a file from where reading began; torch counts offsets from there."""

    file: BinaryIO
    start: int
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Return the bytes at an offset; raises ``RefusedError`` where they are not all there."""
        if offset < 0 or offset + count > self.size:
            raise ambiguous("a part of it lies outside the file")
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


def ambiguous(how: str, what: str = "") -> RefusedError:
    """Return the refusal of a zip that has two readings."""
    why = f"{what} {how}" if what else how
    return RefusedError(Reason.AMBIGUOUS_ZIP, f"The zip can be read in two ways: {why}.")


def entries_of(window: Window, limits: Limits) -> list[Entry]:
    """Return the entries in the directory's order; raises ``RefusedError`` where it has none."""
    directory = _directory(window)
    for name, used in (("directory", directory.size), ("entries", directory.entries)):
        if used > getattr(limits, name):
            raise limits.beyond(name)
    if directory.offset + directory.size != directory.end:
        raise ambiguous("its directory and its end are apart")
    entries = list(_entries(window.read(directory.offset, directory.size), limits))
    if len(entries) != directory.entries:
        raise ambiguous("its end counts other entries")
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
        raise ambiguous("its zip64 end is elsewhere")
    record = _END64.unpack(window.read(record_offset, _END64.size))
    if record[0] != b"PK\x06\x06":
        raise ambiguous("its zip64 end record is not one")
    entries, size, offset = record[7:]
    return _Directory(offset, size, entries, record_offset)


def _entries(data: bytes, limits: Limits) -> Iterator[Entry]:
    at = count = 0
    while at < len(data):
        if count == limits.entries:
            raise limits.beyond("entries")
        entry, at = _entry(data, at)
        count += 1
        yield entry


def _entry(data: bytes, at: int) -> tuple[Entry, int]:
    if at + _ENTRY.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
        raise ambiguous("its directory is broken")
    fields = _ENTRY.unpack_from(data, at)
    _, _, _, flags, method, _, _, _, packed, size, name_size, extra_size, comment_size = fields[:13]
    name_end = at + _ENTRY.size + name_size
    end = name_end + extra_size + comment_size
    if end > len(data):
        raise ambiguous("its directory is broken")
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
        raise ambiguous("a zip64 size is missing")
    return [int.from_bytes(value, "little") for value in wide]


def _zip64_field(extra: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""


def stream_of(window: Window, entry: Entry, limits: Limits) -> Stream:
    """Return an entry's bytes; raises ``RefusedError`` where torch could not read them."""
    name = shown(entry)
    offset = _data_offset(window, entry, name)
    if entry.method == _STORED:
        if entry.size != entry.packed:
            raise ambiguous("has two sizes", name)
        return Stream(window.file, window.start + offset, window.start + offset + entry.size)
    if entry.method != _DEFLATED:
        cause = f"{name} is packed in a way that torch cannot read."
        raise RefusedError(Reason.UNSUPPORTED_ZIP, cause)
    if max(entry.size, entry.packed) > limits.inflated:
        raise limits.beyond("inflated")
    window.file.seek(window.start + offset)
    memory = inflated(window.file, entry.packed, entry.size)
    if memory is None:
        raise ambiguous("has two sizes", name)
    return Stream(memory, 0, entry.size)


def _data_offset(window: Window, entry: Entry, name: str) -> int:
    local = window.read(entry.offset, _LOCAL.size)
    if not local.startswith(b"PK\x03\x04"):
        raise ambiguous("is not where the directory says", name)
    name_size, extra_size = _LOCAL.unpack(local)[-2:]
    offset = int(entry.offset + _LOCAL.size + name_size + extra_size)
    if offset + entry.packed > window.size:
        raise ambiguous("reaches beyond the end of the file", name)
    return offset


def shown(entry: Entry) -> str:
    """Return an entry's name without its folders."""
    return entry.name.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
