"""Walk a pickle's opcodes as CPython's C unpickler does, and execute nothing."""

from __future__ import annotations

from itertools import repeat
from operator import length_hint
from struct import Struct

from pytest_torchcompat.scan.handlers import HANDLERS
from pytest_torchcompat.scan.machine import Machine, decoded, underflow
from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.opcodes import (
    FIRST_TEXT,
    GET,
    LONG_GET,
    LONG_PUT,
    MARK,
    MEMOIZE,
    NUMBER_WIDTHS,
    OTHER,
    PUT,
    PUT_ALL,
    READ_BY_TORCH,
    SHORT_NUMBERS,
    SHORT_TEXT,
    SIMPLE,
    STOP,
    TEXT,
    TUPLE,
)
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.stream import Stream

_NUMBER_AT = Struct("<L").unpack_from


# One loop over local variables, with the common opcodes in it by their frequency: a call for each
# of some millions would take most of the time. What is rare, or near the end of the buffer, goes to
# a handler, which works on the machine and the stream.
def walk(stream: Stream, found: Found) -> int:  # noqa: C901, PLR0912, PLR0915
    """
    Walk one pickle to its STOP, note its globals in ``found``, return what is known of its value.

    Raises ``RefusedError`` where the pickle is broken or hides a name; what was found stays.
    """
    machine = Machine(stream, found)
    stack, marks, memo = machine.stack, machine.marks, machine.memo
    simple_table, number_at, longest = SIMPLE, _NUMBER_AT, found.limits.name_bytes
    buffer, at, safe, limit, fence, text_base = stream.buffer, stream.at, -1, 0, 0, 0
    most = found.limits.opcodes
    left = repeat(None, most - found.opcodes)
    for _ in left:
        if at >= safe:
            stream.advance(at)
            machine.check_limits()
            buffer, at, safe, limit = stream.buffer, stream.at, stream.safe, stream.limit
            text_base = FIRST_TEXT + stream.base
        code = buffer[at]
        if code == LONG_PUT:
            if number_at(buffer, at + 1)[0] == len(memo) and len(stack) > fence:
                memo.append(stack[-1])
                at += 5
                continue
        elif simple := simple_table[code]:
            width, needs, drops, value = simple
            at += width
            if not needs:
                stack.append(value)
                continue
            if len(stack) - fence < needs:
                raise underflow()
            if drops == 1:
                stack.pop()
            elif drops:
                del stack[-drops:]
            if value:
                stack[-1] = value
            continue
        elif code == LONG_GET:
            key = number_at(buffer, at + 1)[0]
            if key < len(memo) and memo[key]:
                stack.append(memo[key])
                at += 5
                continue
        elif code == TEXT:
            start = at + 5
            end = start + number_at(buffer, at + 1)[0]
            if end <= limit and end - start <= longest:
                text = buffer[start:end]
                if not text.isascii():
                    decoded(text)
                stack.append(text_base + at)
                at = end
                continue
        elif code == GET:
            key = buffer[at + 1]
            if key < len(memo) and memo[key]:
                stack.append(memo[key])
                at += 2
                continue
        elif code == MARK:
            fence = len(stack)
            marks.append(fence)
            at += 1
            continue
        elif code == TUPLE:
            if marks:
                del stack[marks.pop() :]
                fence = marks[-1] if marks else 0
                stack.append(OTHER)
                at += 1
                continue
        elif code in NUMBER_WIDTHS:
            end = at + NUMBER_WIDTHS[code]
            stack.append(SHORT_NUMBERS.get(buffer[at:end], OTHER))
            at = end
            continue
        elif code == PUT:
            if buffer[at + 1] == len(memo) and len(stack) > fence:
                memo.append(stack[-1])
                at += 2
                continue
        elif code == MEMOIZE:
            if not machine.holes and len(stack) > fence:
                memo.append(stack[-1])
                at += 1
                found.beyond_torch.add(code)
                continue
        elif code == SHORT_TEXT:
            start = at + 2
            end = start + buffer[at + 1]
            if end <= limit and end - start <= longest:
                text = buffer[start:end]
                if not text.isascii():
                    decoded(text)
                stack.append(text_base + at)
                at = end
                found.beyond_torch.add(code)
                continue
        elif code in PUT_ALL:
            if marks:
                del stack[marks.pop() :]
                fence = marks[-1] if marks else 0
                if len(stack) <= fence:
                    raise underflow()
                at += 1
                continue
        elif code == STOP:
            found.opcodes, stream.at, machine.fence = most - length_hint(left), at + 1, fence
            stream.finish_pickle()
            return machine.pop()
        handler = HANDLERS[code]
        if handler is None:
            raise RefusedError(
                Reason.MALFORMED, f"The pickle is broken: 0x{code:02x} is no opcode."
            )
        if code not in READ_BY_TORCH:
            found.beyond_torch.add(code)
        stream.at, machine.fence = at + 1, fence
        handler(machine)
        buffer, at, safe, limit = stream.buffer, stream.at, stream.safe, stream.limit
        text_base, fence = FIRST_TEXT + stream.base, machine.fence
    raise found.limits.beyond("opcodes")
