"""
Walk a pickle's opcodes as CPython's C unpickler does, and execute nothing.

Stack, marks and memo are kept as in ``Modules/_pickle.c``, with each value reduced to what can
matter to us: text, because STACK_GLOBAL takes its operands from the stack; a number, because
torch compares the first with its magic number; anything else only by whether it is known to be
neither. ``pickletools`` is not used: it stops at streams that the C unpickler loads.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from enum import Enum
from typing import BinaryIO, NamedTuple, Union

from pytest_torchcompat.scan.refusals import Reason, RefusedError

LONGEST_NAME = 4096
MOST_OPCODES = 50_000_000
_CHUNK = 1 << 16
_HIGHEST_PROTOCOL = 5
# Opcodes that torch's weights_only reader has; it stops at any other.
_READ_BY_TORCH = frozenset(b"c\x81Rbaesu(t\x85\x86\x87N\x89\x88)]}\x8fJKMGXUQhjqr\x8a\x80.")


class Known(Enum):
    """A value whose content is not kept: OTHER is no text and no number, ANY may be either."""

    OTHER = "other"
    ANY = "any"


Value = Union[str, int, Known]


class Global(NamedTuple):
    """A name that an unpickler would look up."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """The spelling that torch's allow-list compares."""
        return f"{self.module}.{self.name}"


class Found(NamedTuple):
    """What walks found: the globals in first-seen order, and the opcodes torch's reader lacks."""

    globals: dict[Global, None]
    beyond_torch: set[int]


class Stream:
    """
    A part of a file, read forwards in chunks; long literals are skipped and not read.

    While a frame is open nothing may cross its end: there the C unpickler drops bytes that
    others read, so that two readers would see two different pickles.
    """

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._end = end
        self._buffer = b""
        self._base = start  # the file position of the buffer's first byte
        self._at = 0
        self._limit = 0  # how far into the buffer one may read before looking again
        self._frame_end: int | None = None

    @property
    def position(self) -> int:
        """Where the next byte lies in the file."""
        return self._base + self._at

    @property
    def exhausted(self) -> bool:
        """Whether no byte is left."""
        return self.position >= self._end

    def take(self, count: int) -> bytes:
        """Return that many bytes."""
        if self._at + count > self._limit:
            self._fill(count)
        at, self._at = self._at, self._at + count
        return self._buffer[at : self._at]

    def skip(self, count: int) -> None:
        """Pass over that many bytes."""
        if self._at + count <= self._limit:
            self._at += count
            return
        self._leave_frame(count)
        self._need(count)
        self._base, self._at, self._buffer = self.position + count, 0, b""
        self._set_limit()

    def line(self) -> bytes:
        """Return a line without its newline, cut where it is longer than any name may be."""
        self._leave_frame(0)
        frame_end, kept = self._frame_end, b""
        while True:
            newline = self._buffer.find(b"\n", self._at, self._limit)
            end = newline if newline >= 0 else self._limit
            kept = (kept + self._buffer[self._at : end])[: LONGEST_NAME + 1]
            if newline >= 0:
                self._at = newline + 1
                return kept
            self._at = self._limit
            if self.position == frame_end:
                raise RefusedError(Reason.MALFORMED, "An opcode crosses the end of its frame.")
            self._fill(1)

    def enter_frame(self, size: int) -> None:
        """Open a frame; one inside another changes nothing, as it is read already."""
        self._leave_frame(size)
        self._need(size)
        if self._frame_end is None:
            self._frame_end = self.position + size
        self._set_limit()

    def finish_pickle(self) -> None:
        """Close the frame of a pickle that has ended."""
        self._leave_frame(0)
        if self._frame_end is not None:
            raise RefusedError(Reason.MALFORMED, "A pickle ends before its frame does.")

    def _fill(self, count: int) -> None:
        self._leave_frame(count)
        self._need(count)
        if self._at + count > len(self._buffer):
            self._load(count)
        self._set_limit()

    def _leave_frame(self, count: int) -> None:
        if self._frame_end is None:
            return
        if self.position >= self._frame_end:
            self._frame_end = None
        elif self.position + count > self._frame_end:
            raise RefusedError(Reason.MALFORMED, "An opcode crosses the end of its frame.")

    def _need(self, count: int) -> None:
        if self.position + count > self._end:
            raise RefusedError(Reason.TRUNCATED, "The pickle ends before it says STOP.")

    def _load(self, count: int) -> None:
        position = self.position
        self._file.seek(position)
        self._buffer = self._file.read(min(max(count, _CHUNK), self._end - position))
        self._base, self._at = position, 0
        if len(self._buffer) < count:
            raise RefusedError(Reason.TRUNCATED, "The pickle ends before it says STOP.")

    def _set_limit(self) -> None:
        frame = len(self._buffer) if self._frame_end is None else self._frame_end - self._base
        self._limit = min(len(self._buffer), frame)


class _Machine:
    """One pickle's stack, marks and memo; a new one for each, as each load has its own."""

    def __init__(self, stream: Stream, found: Found) -> None:
        self.stream = stream
        self.found = found
        self.protocol = 0
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.fence = 0  # the last mark: what lies below it is out of reach
        self.memo: dict[int, Value] = {}

    def push(self, value: Value) -> None:
        self.stack.append(value)

    def pop(self) -> Value:
        if len(self.stack) <= self.fence:
            raise RefusedError(
                Reason.MALFORMED,
                "The pickle is broken: it takes more from the stack than there is.",
            )
        return self.stack.pop()

    def top(self) -> Value:
        if len(self.stack) <= self.fence:
            raise RefusedError(
                Reason.MALFORMED,
                "The pickle is broken: it takes more from the stack than there is.",
            )
        return self.stack[-1]

    def mark(self) -> None:
        self.fence = len(self.stack)
        self.marks.append(self.fence)

    def pop_mark(self) -> int:
        """Drop what lies above the last mark, and return how many values that were."""
        if not self.marks:
            raise RefusedError(
                Reason.MALFORMED, "The pickle is broken: it looks for a mark that is not there."
            )
        mark = self.marks.pop()
        self.fence = self.marks[-1] if self.marks else 0
        count = len(self.stack) - mark
        del self.stack[mark:]
        return count

    def remember(self, key: int) -> None:
        self.memo[key] = self.top()

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise RefusedError(
                Reason.MALFORMED, "The pickle is broken: it recalls what it never stored."
            )
        self.push(self.memo[key])

    def look_up(self, module: str, name: str) -> None:
        """Record a global under the name that is looked up; what it is nobody knows."""
        renamed = _renamed(module, name)
        if self.protocol > 2:  # noqa: PLR2004 - C renames up to protocol 2, torch at any
            self.found.globals.setdefault(Global(module, name))
        self.found.globals.setdefault(renamed)
        self.push(Known.ANY)

    def number(self, width: int) -> int:
        return int.from_bytes(self.stream.take(width), "little")


def _renamed(module: str, name: str) -> Global:
    if (module, name) in NAME_MAPPING:
        return Global(*NAME_MAPPING[(module, name)])
    return Global(IMPORT_MAPPING.get(module, module), name)


Handler = Callable[[_Machine], None]


def _push(value: Value) -> Handler:
    return lambda machine: machine.push(value)


def _fixed(width: int) -> Handler:
    """Return a handler of an argument of a known length that cannot matter."""

    def handle(machine: _Machine) -> None:
        machine.stream.take(width)
        machine.push(Known.OTHER)

    return handle


def _integer(width: int, *, signed: bool = False) -> Handler:
    def handle(machine: _Machine) -> None:
        taken = machine.stream.take(width)
        machine.push(int.from_bytes(taken, "little", signed=signed))

    return handle


def _counted(width: int, value: Callable[[bytes], Value], long: Value) -> Handler:
    """Return a handler of an argument after its length; ``long`` stands for one not kept."""

    def handle(machine: _Machine) -> None:
        size = machine.number(width)
        if size <= LONGEST_NAME:
            machine.push(value(machine.stream.take(size)))
            return
        machine.stream.skip(size)
        machine.push(long)

    return handle


def _text(taken: bytes) -> Value:
    try:
        return taken.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise RefusedError(
            Reason.MALFORMED, "The pickle is broken: a text is not UTF-8."
        ) from error


def _byte_text(taken: bytes) -> Value:
    # Python 2's str: what it becomes beyond ASCII depends on torch.load's encoding argument.
    return taken.decode("ascii") if taken.isascii() else Known.ANY


def _long(taken: bytes) -> Value:
    return int.from_bytes(taken, "little", signed=True)


def _other(_: bytes) -> Value:
    return Known.OTHER


def _typed_number(machine: _Machine) -> None:
    # A base other than ten is legal here and never written: it counts as not known.
    line = machine.stream.line()
    digits = line[:-1] if line.endswith(b"L") else line
    machine.push(int(digits) if digits.isdigit() else Known.ANY)


def _typed_float(machine: _Machine) -> None:
    machine.stream.line()
    machine.push(Known.OTHER)


def _quoted(machine: _Machine) -> None:
    line = machine.stream.line()
    plain = len(line) > 1 and line[:1] == line[-1:] and line[:1] in (b"'", b'"')
    kept = plain and len(line) <= LONGEST_NAME and b"\\" not in line
    machine.push(_byte_text(line[1:-1]) if kept else Known.ANY)


def _escaped(machine: _Machine) -> None:
    line = machine.stream.line()
    kept = len(line) <= LONGEST_NAME and b"\\" not in line
    machine.push(_byte_text(line) if kept else Known.ANY)


def _apply(operands: int) -> Handler:
    """Return a handler of a call: operands off the stack, an unknown result onto it."""

    def handle(machine: _Machine) -> None:
        for _ in range(operands):
            machine.pop()
        machine.push(Known.ANY)

    return handle


def _tuple(size: int) -> Handler:
    def handle(machine: _Machine) -> None:
        for _ in range(size):
            machine.pop()
        machine.push(Known.OTHER)

    return handle


def _put_in(operands: int) -> Handler:
    """Return a handler of what changes the container below its operands."""

    def handle(machine: _Machine) -> None:
        for _ in range(operands):
            machine.pop()
        machine.top()

    return handle


def _put_all(machine: _Machine) -> None:
    machine.pop_mark()
    machine.top()


def _collect(machine: _Machine) -> None:
    machine.pop_mark()
    machine.push(Known.OTHER)


def _pop(machine: _Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.pop_mark()
    else:
        machine.pop()


def _pop_mark(machine: _Machine) -> None:
    machine.pop_mark()


def _line_text(machine: _Machine) -> str:
    line = machine.stream.line()
    if len(line) > LONGEST_NAME:
        raise RefusedError(
            Reason.TOO_LARGE, f"A global's name is longer than {LONGEST_NAME} bytes."
        )
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(
            Reason.MALFORMED, "The pickle is broken: a global's name is not UTF-8."
        ) from error


def _global(machine: _Machine) -> None:
    module = _line_text(machine)
    machine.look_up(module, _line_text(machine))


def _inst(machine: _Machine) -> None:
    machine.pop_mark()
    _global(machine)


def _obj(machine: _Machine) -> None:
    if not machine.pop_mark():
        raise RefusedError(
            Reason.MALFORMED, "The pickle is broken: it takes more from the stack than there is."
        )
    machine.push(Known.ANY)


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if Known.ANY in (name, module):
        cause = "It computes the name of what it imports, so the name cannot be known."
        raise RefusedError(Reason.UNRESOLVED_GLOBAL, cause)
    if not isinstance(name, str) or not isinstance(module, str):
        raise RefusedError(Reason.MALFORMED, "The pickle is broken: a global's name is not a text.")
    machine.look_up(module, name)


def _extension(_: _Machine) -> None:
    cause = "It imports by a number of copyreg's registry, which only the loading program knows."
    raise RefusedError(Reason.UNRESOLVED_GLOBAL, cause)


def _out_of_band(_: _Machine) -> None:
    raise RefusedError(
        Reason.MALFORMED, "The pickle is broken: it refers to a buffer outside itself."
    )


def _persistent(machine: _Machine) -> None:
    machine.stream.line()
    machine.push(Known.ANY)


def _protocol(machine: _Machine) -> None:
    machine.protocol = machine.number(1)
    if machine.protocol > _HIGHEST_PROTOCOL:
        raise RefusedError(
            Reason.MALFORMED, f"The pickle is broken: its protocol is {machine.protocol}."
        )


def _memo_key(machine: _Machine) -> int:
    try:
        return int(machine.stream.line())
    except ValueError as error:
        raise RefusedError(
            Reason.MALFORMED, "The pickle is broken: a memo key is not a number."
        ) from error


def _get(width: int) -> Handler:
    return lambda machine: machine.recall(machine.number(width))


def _put(width: int) -> Handler:
    return lambda machine: machine.remember(machine.number(width))


_HANDLERS: dict[bytes, Handler] = {
    b"(": _Machine.mark,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": lambda machine: machine.push(machine.top()),
    # literals
    b"N": _push(Known.OTHER),
    b"\x88": _push(Known.OTHER),
    b"\x89": _push(Known.OTHER),
    b"I": _typed_number,
    b"L": _typed_number,
    b"F": _typed_float,
    b"G": _fixed(8),
    b"J": _integer(4, signed=True),
    b"K": _integer(1),
    b"M": _integer(2),
    b"\x8a": _counted(1, _long, Known.OTHER),
    b"\x8b": _counted(4, _long, Known.OTHER),
    b"S": _quoted,
    b"V": _escaped,
    b"T": _counted(4, _byte_text, Known.ANY),
    b"U": _counted(1, _byte_text, Known.ANY),
    b"X": _counted(4, _text, Known.ANY),
    b"\x8c": _counted(1, _text, Known.ANY),
    b"\x8d": _counted(8, _text, Known.ANY),
    b"B": _counted(4, _other, Known.OTHER),
    b"C": _counted(1, _other, Known.OTHER),
    b"\x8e": _counted(8, _other, Known.OTHER),
    b"\x96": _counted(8, _other, Known.OTHER),
    # containers
    b")": _push(Known.OTHER),
    b"]": _push(Known.OTHER),
    b"}": _push(Known.OTHER),
    b"\x8f": _push(Known.OTHER),
    b"t": _collect,
    b"l": _collect,
    b"d": _collect,
    b"\x91": _collect,
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": _put_in(1),
    b"s": _put_in(2),
    b"e": _put_all,
    b"u": _put_all,
    b"\x90": _put_all,
    # memo
    b"g": lambda machine: machine.recall(_memo_key(machine)),
    b"h": _get(1),
    b"j": _get(4),
    b"p": lambda machine: machine.remember(_memo_key(machine)),
    b"q": _put(1),
    b"r": _put(4),
    b"\x94": lambda machine: machine.remember(len(machine.memo)),
    # names, calls and objects
    b"c": _global,
    b"\x93": _stack_global,
    b"i": _inst,
    b"o": _obj,
    b"R": _apply(2),
    b"\x81": _apply(2),
    b"\x92": _apply(3),
    b"b": _put_in(1),
    b"P": _persistent,
    b"Q": _apply(1),
    b"\x82": _extension,
    b"\x83": _extension,
    b"\x84": _extension,
    b"\x97": _out_of_band,
    b"\x98": _out_of_band,
    # the stream itself
    b"\x80": _protocol,
    b"\x95": lambda machine: machine.stream.enter_frame(machine.number(8)),
}
_TABLE: list[Handler | None] = [_HANDLERS.get(bytes([code])) for code in range(256)]
_STOP = ord(".")


def walk(stream: Stream, found: Found, most: int = MOST_OPCODES) -> Value:
    """
    Walk one pickle to its STOP, note its globals in ``found``, return what is known of its value.

    Raises ``RefusedError`` where the pickle is broken or hides a name; what was found stays.
    """
    machine, take = _Machine(stream, found), stream.take
    for _ in range(most):
        code = take(1)[0]
        if code == _STOP:
            value = machine.pop()
            stream.finish_pickle()
            return value
        handler = _TABLE[code]
        if handler is None:
            raise RefusedError(
                Reason.MALFORMED, f"The pickle is broken: 0x{code:02x} is no opcode."
            )
        if code not in _READ_BY_TORCH:
            found.beyond_torch.add(code)
        handler(machine)
    raise RefusedError(Reason.TOO_LARGE, f"The pickle has more than {most:,} opcodes.")
