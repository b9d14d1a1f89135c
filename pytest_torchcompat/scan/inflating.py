"""The bytes of a packed entry, in no more memory than they take."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from pytest_torchcompat.scan.refusals import Reason, RefusedError

_CHUNK = 1 << 16


class Memory:
    """Bytes as a file; ``io.BytesIO`` would copy them all."""

    def __init__(self, data: bytearray) -> None:
        self._data = data
        self._at = 0

    def seek(self, offset: int) -> object:
        """Go to an offset."""
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        """Return that many bytes, fewer at the end."""
        start, self._at = self._at, self._at + size
        return bytes(self._data[start : self._at])


def inflated(file: BinaryIO, packed: int, size: int) -> Memory | None:
    """Unpack an entry at the file's position; ``None`` where that is not so many bytes."""
    data, filled, unpacker = bytearray(size), 0, zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while packed > 0 and not unpacker.eof:
            chunk = file.read(min(packed, _CHUNK))
            packed -= len(chunk) or packed
            while chunk:
                piece = unpacker.decompress(chunk, _CHUNK)
                if filled + len(piece) > size:
                    return None
                data[filled : filled + len(piece)] = piece
                filled, chunk = filled + len(piece), unpacker.unconsumed_tail
    except zlib.error as error:
        raise RefusedError(Reason.TRUNCATED, "data.pkl cannot be unpacked.") from error
    return Memory(data) if unpacker.eof and filled == size else None
