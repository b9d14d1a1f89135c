"""The small readers under a scan: a packed entry, and the records of a zip of large files."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest

from pytest_torchcompat.scan import inflating
from pytest_torchcompat.scan.inflating import Memory, inflated
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.zips import Window, _sizes, _zip64_field


def packed(data):
    """Return the bytes of a packed entry, as a zip has them."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def read(entry, size, length=None):
    found = inflated(io.BytesIO(entry), len(entry) if length is None else length, size)
    return found and found.read(size + 1)  # it holds no more either


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


def test_an_entry_is_unpacked_though_its_file_gives_byte_after_byte():
    class Slow(io.BytesIO):
        def read(self, size):
            return super().read(min(size, 1))

    entry = packed(b"slow")
    assert inflated(Slow(entry), len(entry), 4).read(9) == b"slow"


def test_what_unpacks_to_more_than_it_says_is_left_at_the_first_chunk(monkeypatch):
    pieces, unpacker = [], zlib.decompressobj

    class Watched:
        def __init__(self, *options):
            self.own = unpacker(*options)

        def decompress(self, *options):
            pieces.append(len(self.own.decompress(*options)))
            return bytes(pieces[-1])

        eof, unconsumed_tail = False, b"more"

    entry = packed(bytes(10_000_000))
    monkeypatch.setattr(inflating.zlib, "decompressobj", Watched)
    assert inflated(io.BytesIO(entry), len(entry), 10) is None
    assert pieces == [1 << 16]


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


MOST = 0xFFFFFFFF
WIDE = [1 << 40, 2 << 40, 3 << 40]


@pytest.mark.parametrize(
    ("sizes", "wide"),
    [
        ([1, 2, 3], []),
        ([MOST, 2, 3], WIDE[:1]),
        ([1, MOST, 3], WIDE[:1]),
        ([1, 2, MOST], WIDE[:1]),
        ([MOST, MOST, 3], WIDE[:2]),
        ([MOST, MOST, MOST], WIDE),
    ],
)
def test_of_the_sizes_those_at_their_maximum_are_the_wide_ones(sizes, wide):
    extra = field(1, struct.pack(f"<{len(wide)}Q", *wide))
    left = iter(wide)
    assert _sizes(extra, sizes) == [next(left) if each == MOST else each for each in sizes]
    if wide:
        with pytest.raises(RefusedError, match="a zip64 size is missing"):
            _sizes(field(1, struct.pack(f"<{len(wide)}Q", *wide)[:-1]), sizes)


def test_a_part_is_read_from_where_the_reading_began_and_never_beyond_it():
    window = Window(io.BytesIO(b"beforeabcdefbehind"), 6, 6)
    assert (window.read(0, 6), window.read(2, 4), window.read(6, 0)) == (b"abcdef", b"cdef", b"")
    for offset, count in ((-1, 1), (0, 7), (6, 1)):
        with pytest.raises(RefusedError, match="a part of it lies outside the file"):
            window.read(offset, count)


def test_a_file_that_shrinks_while_it_is_read_is_cut():
    with pytest.raises(RefusedError) as caught:
        Window(io.BytesIO(b"abc"), 0, 9).read(1, 5)
    assert (caught.value.reason, caught.value.cause) == (
        Reason.TRUNCATED,
        "The file ends sooner than its size says.",
    )
