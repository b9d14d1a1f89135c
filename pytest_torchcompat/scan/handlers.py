"""What each opcode does that is not common enough to be in the walk's own loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pytest_torchcompat.scan.machine import Machine, no_memo_key, underflow
from pytest_torchcompat.scan.opcodes import (
    ANY,
    FIRST_TEXT,
    HIGHEST_PROTOCOL,
    NUMBERS,
    OLD_TEXT,
    OTHER,
    SHORT_OLD_TEXT,
    TEXT_WIDTHS,
)
from pytest_torchcompat.scan.refusals import Reason, RefusedError

_SHORTEST_NUMBER = 4  # digits of the shorter of torch's two numbers
_LONGEST_NUMBER = 64  # bytes, far more than either of torch's numbers has

_ESCAPES = re.compile(rb"(?:[^\\]|\\[^x]|\\x[0-9a-fA-F]{2})*", re.DOTALL)

Handler = Callable[[Machine], None]


def _text(code: int, width: int) -> Handler:
    old = code in (OLD_TEXT, SHORT_OLD_TEXT)

    def handle(machine: Machine) -> None:
        position = machine.stream.position - 1
        machine.push_text(position, machine.stream.number(width), old=old)

    return handle


def _skipped(width: int) -> Handler:
    """Return a handler of bytes after their length."""

    def handle(machine: Machine) -> None:
        machine.stream.skip(machine.stream.number(width))
        machine.push(OTHER)

    return handle


def _long(width: int) -> Handler:
    def handle(machine: Machine) -> None:
        size = machine.stream.number(width)
        if size > _LONGEST_NUMBER:
            machine.stream.skip(size)
            machine.push(ANY)
            return
        number = int.from_bytes(machine.stream.take(size), "little", signed=True)
        machine.push(NUMBERS.get(number, OTHER))

    return handle


def _typed_number(machine: Machine) -> None:
    # A base other than ten is legal here and never written: it counts as not known.
    line = machine.stream.line(_LONGEST_NUMBER)
    if len(line) < _SHORTEST_NUMBER and line.isdigit():
        machine.stack.append(OTHER)
        return
    digits = line[:-1] if line.endswith(b"L") else line
    known = digits.isdigit() and len(line) <= _LONGEST_NUMBER
    machine.push(NUMBERS.get(int(digits), OTHER) if known else ANY)


def _typed_float(machine: Machine) -> None:
    machine.stream.line(0)
    machine.push(OTHER)


def _quoted(machine: Machine) -> None:
    position, longest = machine.stream.position - 1, machine.limits.name_bytes
    line = machine.stream.line(longest)
    end = machine.stream.peek(machine.stream.position - 2, 1)  # before the newline, if it was cut
    if len(line) < 2 or line[:1] != end or end not in (b"'", b'"'):  # noqa: PLR2004 - both quotes
        raise RefusedError(Reason.MALFORMED, "The pickle is broken: a text is not in quotes.")
    if len(line) <= longest and not _ESCAPES.fullmatch(line, 1, len(line) - 1):
        raise RefusedError(Reason.MALFORMED, "The pickle is broken: a text is cut in an escape.")
    machine.push(_kept(position, line, longest))


def _escaped(machine: Machine) -> None:
    position, longest = machine.stream.position - 1, machine.limits.name_bytes
    machine.push(_kept(position, machine.stream.line(longest), longest))


def _kept(position: int, line: bytes, longest: int) -> int:
    # What text beyond ASCII becomes depends on torch.load's encoding argument.
    known = len(line) <= longest and line.isascii() and b"\\" not in line
    return FIRST_TEXT + position if known else ANY


def _pop(machine: Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.pop_mark()
    else:
        machine.pop()


def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


def _duplicate(machine: Machine) -> None:
    machine.push(machine.top())


def _put_all(machine: Machine) -> None:
    machine.pop_mark()
    machine.need(1)


def _collect(machine: Machine) -> None:
    machine.pop_mark()
    machine.push(OTHER)


def _new_object_with_keywords(machine: Machine) -> None:
    machine.need(3)
    del machine.stack[-3:]
    machine.push(ANY)


def _line_text(machine: Machine) -> str:
    line = machine.stream.line(machine.limits.name_bytes)
    if len(line) > machine.limits.name_bytes:
        raise machine.limits.beyond("name_bytes")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        cause = "The pickle is broken: a global's name is not UTF-8."
        raise RefusedError(Reason.MALFORMED, cause) from error


def _look_up(machine: Machine, module: str, name: str) -> None:
    machine.found.look_up(module, name, machine.protocol)
    machine.push(ANY)  # what it is nobody knows


def _global(machine: Machine) -> None:
    module = _line_text(machine)
    _look_up(machine, module, _line_text(machine))


def _inst(machine: Machine) -> None:
    machine.pop_mark()
    _global(machine)


def _obj(machine: Machine) -> None:
    if not machine.pop_mark():
        raise underflow()
    machine.push(ANY)


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if ANY in (name, module):
        cause = "It computes the name of what it imports, so the name cannot be known."
        raise RefusedError(Reason.UNRESOLVED_GLOBAL, cause)
    if min(name, module) < FIRST_TEXT:
        raise RefusedError(Reason.MALFORMED, "The pickle is broken: a global's name is not a text.")
    _look_up(machine, machine.text(module), machine.text(name))


def _extension(_: Machine) -> None:
    cause = "It imports by a number of copyreg's registry, which only the loading program knows."
    raise RefusedError(Reason.UNRESOLVED_GLOBAL, cause)


def _out_of_band(_: Machine) -> None:
    cause = "The pickle is broken: it refers to a buffer outside itself."
    raise RefusedError(Reason.MALFORMED, cause)


def _persistent(machine: Machine) -> None:
    machine.stream.line(0)
    machine.push(ANY)


def _protocol(machine: Machine) -> None:
    machine.protocol = machine.stream.number(1)
    if machine.protocol > HIGHEST_PROTOCOL:
        cause = f"The pickle is broken: its protocol is {machine.protocol}."
        raise RefusedError(Reason.MALFORMED, cause)


def _frame(machine: Machine) -> None:
    machine.found.frames += 1
    if machine.found.frames > machine.limits.frames:
        raise machine.limits.beyond("frames")
    machine.stream.enter_frame(machine.stream.number(8))


def _key(machine: Machine) -> int:
    try:
        return int(machine.stream.line(_LONGEST_NUMBER))
    except ValueError as error:
        raise no_memo_key() from error


def _typed_get(machine: Machine) -> None:
    machine.recall(_key(machine))


def _typed_put(machine: Machine) -> None:
    machine.remember(_key(machine))


def _get(width: int) -> Handler:
    return lambda machine: machine.recall(machine.stream.number(width))


def _put(width: int) -> Handler:
    return lambda machine: machine.remember(machine.stream.number(width))


def _memoize(machine: Machine) -> None:
    machine.remember(len(machine.memo) - machine.holes)


_HANDLERS: Final[dict[bytes, Handler]] = {
    b"0": _pop,
    b"1": _pop_mark,
    b"2": _duplicate,
    # literals
    b"I": _typed_number,
    b"L": _typed_number,
    b"F": _typed_float,
    b"\x8a": _long(1),
    b"\x8b": _long(4),
    b"S": _quoted,
    b"V": _escaped,
    **{bytes([code]): _text(code, width) for code, width in TEXT_WIDTHS.items()},
    b"B": _skipped(4),
    b"C": _skipped(1),
    b"\x8e": _skipped(8),
    b"\x96": _skipped(8),
    # containers
    b"t": _collect,
    b"l": _collect,
    b"d": _collect,
    b"\x91": _collect,
    b"e": _put_all,
    b"u": _put_all,
    b"\x90": _put_all,
    # memo
    b"g": _typed_get,
    b"h": _get(1),
    b"j": _get(4),
    b"p": _typed_put,
    b"q": _put(1),
    b"r": _put(4),
    b"\x94": _memoize,
    # names, calls and objects
    b"c": _global,
    b"\x93": _stack_global,
    b"i": _inst,
    b"o": _obj,
    b"\x92": _new_object_with_keywords,
    b"P": _persistent,
    b"\x82": _extension,
    b"\x83": _extension,
    b"\x84": _extension,
    b"\x97": _out_of_band,
    b"\x98": _out_of_band,
    # the stream itself
    b"\x80": _protocol,
    b"\x95": _frame,
}
HANDLERS: Final = tuple(_HANDLERS.get(bytes([code])) for code in range(256))
