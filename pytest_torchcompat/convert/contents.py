"""A checkpoint's file: its object, rebuilt of inert stand-ins, and the bytes of its storages."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pytest_torchcompat.convert.standins import STORED_BYTES, StorageRecord, Unpickler
from pytest_torchcompat.errors import ConvertError
from pytest_torchcompat.scan import Scan, Verdict, scan_file
from pytest_torchcompat.scan.limits import LIMITS
from pytest_torchcompat.scan.refusals import RefusedError
from pytest_torchcompat.scan.zips import Entry, Window, entries_of, shown

_LOCAL_HEADER = 30
_NAME_AND_EXTRA = struct.Struct("<2H")
_LOCAL_MAGIC = b"PK\x03\x04"
_DEFLATED = 8
_MOST_PACKED = 20  # times; weights are noise, and pack to nine tenths
_WAYS_OUT = {
    "zip": "It was saved by torch 1.6 or later.",
    "legacy": "It was saved by torch before 1.6.",
}

_OF_A_PICKLE = (
    "Where you trust it, load it in an isolated process, save what it holds with torch.save, and"
    " convert that file"
)


@dataclass
class Contents:
    """What a file holds; ``storage`` gives the bytes of one while the file is open."""

    value: Any
    classes: tuple[str, ...]
    scan: Scan
    _read: Callable[[str], bytes]
    _kept: dict[str, bytes] = field(default_factory=dict)

    def storage(self, record: StorageRecord) -> bytes:
        """Return a storage's bytes, little-endian; the last one read is kept."""
        if record.key not in self._kept:
            self._kept.clear()
            self._kept[record.key] = self._stored(record.key)
        data = self._kept[record.key]
        needed = (record.offset + record.elements) * STORED_BYTES[record.dtype]
        if len(data) < needed:
            message = f"storage {record.key!r} has {len(data)} bytes, and {needed} were announced"
            raise ConvertError(message)
        return data

    def _stored(self, key: str) -> bytes:
        try:
            return self._read(key)
        except KeyError as error:
            message = f"storage {key!r} is not in it"
            raise ConvertError(message) from error
        except (RefusedError, UnicodeError, zlib.error) as error:
            message = f"storage {key!r} cannot be read ({error})"
            raise ConvertError(message) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Contents]:
    """
    Open a checkpoint and rebuild what it holds, of stand-ins.

    Raises ``ConvertError`` for a file that torch would not load, that can be read in two ways, or
    whose tensors are not described as torch does, and ``OSError``.
    """
    with path.open("rb") as file:
        scan = scan_file(file, str(path), hashed=False)
        if scan.verdict is Verdict.REFUSED:
            message = f"{scan.cause} {scan.next_step}"
            raise ConvertError(message)
        yield _contents(file, scan)


def _contents(file: BinaryIO, scan: Scan) -> Contents:
    if scan.format not in _WAYS_OUT:
        message = f"it is a {scan.format}, and torch.save writes none. {_OF_A_PICKLE}"
        raise ConvertError(message)
    try:
        return _of_zip(file, scan) if scan.format == "zip" else _of_legacy(file, scan)
    except ConvertError:
        raise
    except RecursionError as error:
        message = "its pickle is nested deeper than any checkpoint"
        raise ConvertError(message) from error
    except Exception as error:  # a pickle can make its reader raise anything
        message = f"its pickle does not describe tensors as torch does ({error!r})"
        raise ConvertError(message) from error


def _of_zip(file: BinaryIO, scan: Scan) -> Contents:
    # By the scan's own reader: what was scanned is what is read.
    window = Window(file, 0, scan.bytes)
    entries = {entry.name.lower(): entry for entry in entries_of(window, LIMITS)}
    _check_unpacked(entries.values(), scan.bytes)
    root = next(iter(entries)).partition(b"/")[0]
    order = entries.get(root + b"/byteorder")
    if order is not None and _bytes_of(window, order) != b"little":
        message = "its numbers are big-endian, which is not supported"
        raise ConvertError(message)

    def read(key: str) -> bytes:
        return _bytes_of(window, entries[b"%b/data/%b" % (root, key.lower().encode())])

    unpickler = Unpickler(io.BytesIO(_bytes_of(window, entries[root + b"/data.pkl"])))
    value = unpickler.load()
    return Contents(value, tuple(unpickler.classes), scan, read)


def _check_unpacked(entries: Iterable[Entry], size: int) -> None:
    """Refuse a zip whose entries are far more than the file: packed zeros, or shared bytes."""
    unpacked, most = sum(entry.size for entry in entries), LIMITS.inflated + _MOST_PACKED * size
    if unpacked > most:
        message = f"its entries have {unpacked:,} bytes, and a file of its size at most {most:,}"
        raise ConvertError(message)


def _bytes_of(window: Window, entry: Entry) -> bytes:
    """Return an entry's bytes; a checksum is not asked for, as torch can save files without."""
    local = window.read(entry.offset, _LOCAL_HEADER)
    name, extra = _NAME_AND_EXTRA.unpack_from(local, _LOCAL_HEADER - _NAME_AND_EXTRA.size)
    data = window.read(entry.offset + _LOCAL_HEADER + name + extra, entry.packed)
    if entry.method == _DEFLATED:
        # A limit of 0 would be none.
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.size + 1)
    if entry.method not in (0, _DEFLATED) or len(data) != entry.size or local[:4] != _LOCAL_MAGIC:
        message = f"{shown(entry)} is packed in a way that torch cannot read"
        raise ConvertError(message)
    return data


def _of_legacy(file: BinaryIO, scan: Scan) -> Contents:
    for _ in ("magic number", "protocol", "system"):
        system = Unpickler(file).load()
    if isinstance(system, dict) and system.get("little_endian") is False:
        message = "its numbers are big-endian, which is not supported"
        raise ConvertError(message)
    unpickler = _Sized(file)
    value = unpickler.load()
    keys = Unpickler(file).load()
    offsets = dict(_offsets(file, keys, unpickler.item_bytes))

    def read(key: str) -> bytes:
        offset, size = offsets[key]
        file.seek(offset)
        return file.read(max(0, min(size, scan.bytes - offset)))

    return Contents(value, tuple(unpickler.classes), scan, read)


class _Sized(Unpickler):
    """Notes the size of an element for each storage, which the legacy format says only there."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.item_bytes: dict[str, int] = {}

    def persistent_load(self, pid: Any) -> Any:
        record = super().persistent_load(pid)
        if isinstance(record, StorageRecord):
            self.item_bytes[record.key] = STORED_BYTES[record.dtype]
        return record


def _offsets(
    file: BinaryIO, keys: list[Any], item_bytes: Mapping[str, int]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Say where each storage's bytes lie: one after the other, each after its element count."""
    for key in map(str, keys):
        size = int.from_bytes(file.read(8), "little") * item_bytes[key]
        yield key, (file.tell(), size)
        file.seek(size, io.SEEK_CUR)
