"""A pickle's bytes, read forwards in chunks: what is long is passed over and not read."""

from __future__ import annotations

from typing import Protocol

from pytest_torchcompat.scan.refusals import Reason, RefusedError

CHUNK = 1 << 16
# The longest opcode whose length is fixed has eight bytes of argument.
_LONGEST_FIXED = 9
_PADDING = bytes(_LONGEST_FIXED)


class Readable(Protocol):
    """What is asked of a file."""

    def seek(self, offset: int, /) -> object:
        """Go to an offset."""

    def read(self, size: int, /) -> bytes:
        """Return that many bytes, fewer at the end."""


class Stream:
    """
    A part of a file as a buffer that moves along it.

    ``buffer`` holds the bytes from the file position ``base`` on, and some padding behind them;
    ``at`` is where the next opcode lies in it and ``limit`` how far one may read. Up to ``safe``
    any opcode of fixed length can be read without asking, from there on ``advance`` is asked
    before each, and finds out afterwards where one took bytes that are not there.

    While a frame is open nothing may cross its end: there the C unpickler drops bytes that others
    read, so that two readers would see two different pickles.
    """

    def __init__(self, file: Readable, start: int, end: int) -> None:
        self.buffer = _PADDING
        self.base = start
        self.at = 0
        self.limit = 0
        self.safe = 0
        self._file = file
        self._end = end
        self._frame_end: int | None = None

    @property
    def position(self) -> int:
        """Where the next byte lies in the file."""
        return self.base + self.at

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self._end - self.position

    def advance(self, at: int) -> None:
        """Go to a place in the buffer and make an opcode of fixed length readable there."""
        self.at = at
        self.check()
        if self.position == self._frame_end:
            self._frame_end = None
        available = len(self.buffer) - len(_PADDING)
        if at + _LONGEST_FIXED > available and self.base + available < self._end:
            self._load(_LONGEST_FIXED)
        self._set_limit()
        if self.at == self.limit and not self.left:
            raise _truncated()

    def check(self) -> None:
        """Refuse a stream of which more was read than there is."""
        if self.at > self.limit:
            raise self._crossing()

    def reach(self, count: int) -> None:
        """Make that many bytes readable in the buffer."""
        if self.at + count <= self.limit:
            return
        self._need(count)
        self._load(count)
        self._set_limit()
        if self.at + count > self.limit:
            raise _truncated()

    def take(self, count: int) -> bytes:
        """Return that many bytes."""
        self.reach(count)
        at, self.at = self.at, self.at + count
        return self.buffer[at : self.at]

    def number(self, width: int) -> int:
        """Return an unsigned number."""
        return int.from_bytes(self.take(width), "little")

    def skip(self, count: int) -> None:
        """Pass over that many bytes."""
        if self.at + count > self.limit:
            self._need(count)
        position, available = self.position + count, len(self.buffer) - len(_PADDING)
        if self.at + count <= available:
            self.at += count
        else:
            self.buffer, self.base, self.at = _PADDING, position, 0
        self._set_limit()

    def line(self, longest: int) -> bytes:
        """Return a line without its newline, cut to one byte more than the longest."""
        newline = self.buffer.find(b"\n", self.at, self.limit)
        if newline < 0 or newline - self.at > longest:
            return self._long_line(longest)
        line = self.buffer[self.at : newline]
        self.at = newline + 1
        return line

    def _long_line(self, longest: int) -> bytes:
        kept = b""
        while True:
            newline = self.buffer.find(b"\n", self.at, self.limit)
            end = newline if newline >= 0 else self.limit
            kept = (kept + self.buffer[self.at : end])[: longest + 1]
            self.at = end
            if newline >= 0:
                self.at += 1
                return kept
            self._need(1)
            self._load(1)
            self._set_limit()

    def enter_frame(self, size: int) -> None:
        """Open a frame; one inside another changes nothing, as it is read already."""
        self._need(size)
        if self._frame_end is None:
            self._frame_end = self.position + size
        self._set_limit()

    def finish_pickle(self) -> None:
        """Close the frame of a pickle that has ended."""
        self.check()
        if self.position == self._frame_end:
            self._frame_end = None
        if self._frame_end is not None:
            raise RefusedError(Reason.MALFORMED, "A pickle ends before its frame does.")
        self._set_limit()

    def peek(self, position: int, count: int) -> bytes:
        """Return bytes at a file position that was passed, fewer at the end."""
        offset = position - self.base
        if offset >= 0 and offset + count <= len(self.buffer) - len(_PADDING):
            return self.buffer[offset : offset + count]
        self._file.seek(position)
        return self._file.read(min(count, self._end - position))

    def _need(self, count: int) -> None:
        if self._frame_end is not None and self.position + count > self._frame_end:
            raise self._crossing()
        if count > self.left:
            raise _truncated()

    def _crossing(self) -> RefusedError:
        if self._frame_end is None:
            return _truncated()
        return RefusedError(Reason.MALFORMED, "An opcode crosses the end of its frame.")

    def _load(self, count: int) -> None:
        position = self.position
        self._file.seek(position)
        data = self._file.read(min(max(count, CHUNK), self._end - position))
        if not data and position < self._end:
            raise _truncated()
        self.buffer, self.base, self.at = data + _PADDING, position, 0

    def _set_limit(self) -> None:
        self.limit = len(self.buffer) - len(_PADDING)
        if self._frame_end is not None:
            self.limit = min(self.limit, self._frame_end - self.base)
        self.safe = self.limit - _LONGEST_FIXED + 1


def _truncated() -> RefusedError:
    return RefusedError(Reason.TRUNCATED, "The pickle ends before it says STOP.")
