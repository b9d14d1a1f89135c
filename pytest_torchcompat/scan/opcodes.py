"""
The opcodes of pickle as data, with each value reduced to what can matter to a reader.

That is text, because STACK_GLOBAL takes its operands from the stack, and the two numbers that
torch compares with its own; anything else only by whether it is known to be neither. A text is
the place where its opcode lies, and is read when it is asked for, so that a stream of millions of
them needs little memory. ``pickletools`` is not used: it stops at streams that the C unpickler
loads.
"""

from __future__ import annotations

from typing import Final

# Values. What is not told apart from anything else is OTHER, what may be a text or number ANY.
UNSET, OTHER, ANY, MAGIC, PROTOCOL = range(5)
# A text is this plus the file position of its opcode.
FIRST_TEXT: Final = 16

NUMBERS: Final = {0x1950A86A20F9469CFC6C: MAGIC, 1001: PROTOCOL}
HIGHEST_PROTOCOL: Final = 5

(
    MARK,
    TUPLE,
    STOP,
    GET,
    LONG_GET,
    PUT,
    LONG_PUT,
    MEMOIZE,
    TEXT,
    SHORT_TEXT,
    LONG_TEXT,
    OLD_TEXT,
    SHORT_OLD_TEXT,
    QUOTED,
    ESCAPED,
) = b"(t.hjqr\x94X\x8c\x8dTUSV"

# Those that torch's weights_only reader has; it stops at any other.
READ_BY_TORCH: Final = frozenset(b"c\x81Rbaesu(t\x85\x86\x87N\x89\x88)]}\x8fJKMGXUQhjqr\x8a\x80.")

# The width of the length that comes before a text.
TEXT_WIDTHS: Final = {TEXT: 4, SHORT_TEXT: 1, LONG_TEXT: 8, OLD_TEXT: 4, SHORT_OLD_TEXT: 1}
NUMBER_WIDTHS: Final = {ord("M"): 3, ord("J"): 5}
# What puts all that lies above the last mark into the value below it.
PUT_ALL: Final = frozenset(b"ue")
# torch's protocol, in the opcodes that are as short as they can be.
SHORT_NUMBERS: Final = {b"M\xe9\x03": PROTOCOL, b"J\xe9\x03\0\0": PROTOCOL}


# Opcodes of fixed width that do the same whatever argument and operands they have: the width, how
# many values above the last mark they need, how many of those they drop, and the value that then
# replaces the topmost, or where they need none, is pushed. All of them are read by torch. They are
# plain tuples, as the interpreter takes those apart faster.
Simple = tuple[int, int, int, int]
_SIMPLE: Final[dict[bytes, Simple]] = {
    b"N": (1, 0, 0, OTHER),
    b"\x88": (1, 0, 0, OTHER),
    b"\x89": (1, 0, 0, OTHER),
    b")": (1, 0, 0, OTHER),
    b"]": (1, 0, 0, OTHER),
    b"}": (1, 0, 0, OTHER),
    b"\x8f": (1, 0, 0, OTHER),
    b"K": (2, 0, 0, OTHER),
    b"G": (9, 0, 0, OTHER),
    b"\x85": (1, 1, 0, OTHER),
    b"\x86": (1, 2, 1, OTHER),
    b"\x87": (1, 3, 2, OTHER),
    b"Q": (1, 1, 0, ANY),
    b"R": (1, 2, 1, ANY),
    b"\x81": (1, 2, 1, ANY),
    b"a": (1, 2, 1, UNSET),
    b"b": (1, 2, 1, UNSET),
    b"s": (1, 3, 2, UNSET),
}
SIMPLE: Final = tuple(_SIMPLE.get(bytes([code])) for code in range(256))
