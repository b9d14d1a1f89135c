"""The small readers under a scan: a packed entry, and the records of a zip of large files."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest

from pytest_torchcompat.scan.inflating import Memory, inflated
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.zips import _zip64_field


def packed(data):
    """Return the bytes of a packed entry, as a zip has them."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def read(entry, size, length=None):
    found = inflated(io.BytesIO(entry), len(entry) if length is None else length, size)
    return found and found.read(size)


def test_an_entry_of_many_chunks_is_unpacked_to_the_last_byte():
    data = random.Random(0).randbytes(300_000) + bytes(1_000_000)
    assert read(packed(data), len(data)) == data


@pytest.mark.parametrize("size", [0, 9, 11, 1000])
def test_an_entry_of_another_size_than_it_says_is_none(size):
    assert read(packed(b"ten bytes!"), size) is None


def test_an_entry_that_ends_before_its_last_block_is_none():
    entry = packed(random.Random(0).randbytes(1000))
    assert read(entry[:-2], 1000) is None
    assert read(entry, 1000, length=len(entry) - 2) is None
    assert read(entry, 1000, length=len(entry) + 100) is not None


def test_the_bytes_of_the_next_entry_are_not_read():
    entry = packed(b"mine")
    file = io.BytesIO(entry + b"the next")
    assert inflated(file, len(entry), 4) is not None
    assert file.tell() == len(entry)


def test_what_cannot_be_unpacked_is_said():
    with pytest.raises(RefusedError) as caught:
        read(b"\xff\xff\xff\xff", 10)
    assert (caught.value.reason, caught.value.cause) == (
        Reason.TRUNCATED,
        "data.pkl cannot be unpacked.",
    )


def test_what_is_unpacked_is_read_from_its_start():
    memory = Memory(bytearray(b"abcdef"))
    assert [memory.read(2), memory.read(3), memory.read(9)] == [b"ab", b"cde", b"f"]
    assert (memory.seek(1), memory.read(2)) == (1, b"bc")


def field(kind, data):
    return struct.pack("<2H", kind, len(data)) + data


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        (b"", b""),
        (b"\1\0\0", b""),  # shorter than a field's head
        (field(1, b""), b""),
        (field(1, b"wide"), b"wide"),
        (field(1, b"wide") + b"rest", b"wide"),
        (field(7, b"abc") + field(1, b"wide"), b"wide"),
        (field(7, b"abc") + field(9, b"") + field(1, b"wide"), b"wide"),
        (field(7, b"x" * 40_000) + field(1, b"wide"), b"wide"),
        (field(7, b"abc"), b""),
    ],
    ids=range(9),
)
def test_the_wide_sizes_are_found_among_an_entrys_other_fields(extra, found):
    assert _zip64_field(extra) == found
