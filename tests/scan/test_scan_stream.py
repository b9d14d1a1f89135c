"""A pickle is the same wherever its file's chunks end, and whatever lies around it."""

from __future__ import annotations

import io
import pickle

import big_files
import pytest
from scan_corpus import HIDDEN, REFUSED, short_text

from pytest_torchcompat.scan import stream
from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.opcodes import FIRST_TEXT
from pytest_torchcompat.scan.refusals import RefusedError
from pytest_torchcompat.scan.walk import walk

LIMITS = Limits(name_bytes=20)
BEFORE, BEHIND = b"(((cos\nabort\n" * 3, b"\n0.(((cos\nabort\n"
CHUNKS = (1, 2, 3, 8, 9, 10, 11, 17)
WIDTHS = {b"X": 4, b"T": 4, b"U": 1, b"\x8c": 1, b"\x8d": 8}


class Part(io.BytesIO):
    """A file of which only a part may be read."""

    end = 0

    def read(self, size):
        assert 0 <= size <= self.end - self.tell(), "what lies behind the part was asked for"
        return super().read(size)


def texts(size):
    """Yield a text of that many bytes in each form that a pickle has for one."""
    for code, width in WIDTHS.items():
        yield code + size.to_bytes(width, "little") + b"n" * size
    yield b"S'" + b"n" * (size - 2) + b"'\n"
    yield b"V" + b"n" * size + b"\n"


def framed(inner, size=None):
    return b"\x95" + (len(inner) if size is None else size).to_bytes(8, "little") + inner


VALUE = {"text": "x" * 30, "more": [1, 2.0, {3}, "x", 70_000, 1 << 70], "é": (1, b"y" * 30)}
PICKLES = [
    *HIDDEN.values(),
    *(data for data, _ in REFUSED.values()),
    *(pickle.dumps(VALUE, protocol) for protocol in range(6)),
    b"".join(big_files.state_dict(3)),
    *(short_text("os") + text + b"\x93." for size in (2, 19, 20, 21, 50) for text in texts(size)),
    *(code + b"n" * size + b"\n." for code in (b"P", b"F", b"I") for size in (0, 1, 20, 64, 90)),
    *(b"c" + b"n" * size + b"\nx\n." for size in (0, 1, 19, 20, 21, 50)),
    *(b"B\x1e\0\0\0" + b"x" * size for size in (0, 29, 30)),
    *(framed(b"N" * 20 + b"cos\nkill\n.", size) for size in range(20, 32)),
    framed(framed(b"N0") + b"N0" + framed(b"cos\nkill\n")) + framed(b"0N."),
    framed(b"C\x1e" + b"x" * 30) + framed(b"0cos\nkill\n."),
    framed(b"C\x1e" + b"x" * 30, 31) + b"0cos\nkill\n.",
    b"Vos\nVkill\n\x93" + b"N0" * 200 + b"Vos\nVabort\n\x93.",
    b"X\x0a\0\0\0os",
    b"J\0\0",
    b"N",
    b"",
]


def told(data, before=b"", behind=b""):
    """Return all that a walk tells, with places counted from the pickle's start."""
    file, found = Part(before + data + behind), Found(LIMITS)
    file.end = len(before) + len(data)
    part = stream.Stream(file, len(before), file.end)
    try:
        value = walk(part, found)
    except RefusedError as error:
        return error.reason, error.cause, list(found.globals), found.beyond_torch
    placed = value - len(before) if value >= FIRST_TEXT else value
    return placed, list(found.globals), found.beyond_torch, found.opcodes, part.left


@pytest.mark.parametrize("data", PICKLES, ids=range(len(PICKLES)))
def test_where_chunks_end_and_what_lies_around_changes_nothing(data, monkeypatch):
    whole = told(data)
    assert told(data, BEFORE, BEHIND) == whole
    for size in CHUNKS:
        monkeypatch.setattr(stream, "CHUNK", size)
        assert told(data, BEFORE, BEHIND) == whole, size
