"""Stack, marks and memo of a pickle, kept as in CPython's ``Modules/_pickle.c``."""

from __future__ import annotations

from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.opcodes import (
    ANY,
    FIRST_TEXT,
    QUOTED,
    TEXT_WIDTHS,
    UNSET,
)
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.stream import Stream

_MOST_TEXTS = 4096  # that are kept once they were read


class Machine:
    """One pickle's state, with values as ``opcodes`` reduces them; each pickle has its own."""

    def __init__(self, stream: Stream, found: Found) -> None:
        self.stream = stream
        self.found = found
        self.limits = found.limits
        self.protocol = 0
        self.stack: list[int] = []
        self.marks: list[int] = []
        self.fence = 0  # the last mark: what lies below it is out of reach
        self.memo: list[int] = []
        self.holes = 0  # keys of the memo that were passed over
        self.texts: dict[int, str] = {}

    def push(self, value: int) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def need(self, count: int) -> None:
        """Refuse a pickle that has fewer values above the last mark."""
        if len(self.stack) - self.fence < count:
            raise underflow()

    def pop(self) -> int:
        """Take the topmost value."""
        self.need(1)
        return self.stack.pop()

    def top(self) -> int:
        """Return the topmost value."""
        self.need(1)
        return self.stack[-1]

    def pop_mark(self) -> int:
        """Drop what lies above the last mark, and return how many values that were."""
        if not self.marks:
            cause = "The pickle is broken: it looks for a mark that is not there."
            raise RefusedError(Reason.MALFORMED, cause)
        mark = self.marks.pop()
        self.fence = self.marks[-1] if self.marks else 0
        count = len(self.stack) - mark
        del self.stack[mark:]
        return count

    def remember(self, key: int) -> None:
        """Store the topmost value in the memo."""
        value, missing = self.top(), key - len(self.memo)
        if key < 0:
            raise no_memo_key()
        if key >= self.limits.memo:
            raise self.limits.beyond("memo")
        if missing >= 0:
            self.holes += missing
            self.memo += [UNSET] * missing
            self.memo.append(value)
            return
        self.holes -= self.memo[key] == UNSET
        self.memo[key] = value

    def recall(self, key: int) -> None:
        """Push a value of the memo."""
        if not 0 <= key < len(self.memo) or not self.memo[key]:
            cause = "The pickle is broken: it recalls what it never stored."
            raise RefusedError(Reason.MALFORMED, cause)
        self.push(self.memo[key])

    def check_limits(self) -> None:
        """Refuse a pickle that needs more room than the limits give."""
        for name, used in (("stack", self.stack), ("marks", self.marks), ("memo", self.memo)):
            if len(used) > getattr(self.limits, name):
                raise self.limits.beyond(name)

    def push_text(self, position: int, size: int, *, old: bool) -> None:
        """Pass over a text, and push where it lies, or ANY where it could be no name."""
        if size > self.limits.name_bytes:
            self.stream.skip(size)
            self.push(ANY)
            return
        taken = self.stream.take(size)
        self.push(ANY if old and not taken.isascii() else FIRST_TEXT + position)
        if not old:
            decoded(taken)

    def text(self, value: int) -> str:
        """Return the text that a value is."""
        known = self.texts.get(value)
        if known is None:
            known = decoded(self._bytes_of(value - FIRST_TEXT))
            if len(self.texts) >= _MOST_TEXTS:
                self.texts.clear()
            self.texts[value] = known
        return known

    def _bytes_of(self, position: int) -> bytes:
        # Its end was reached before, so that all of it is there.
        data = self.stream.peek(position, 9 + self.limits.name_bytes)
        width = TEXT_WIDTHS.get(data[0])
        if width:
            size = int.from_bytes(data[1 : 1 + width], "little")
            return data[1 + width : 1 + width + size]
        line = data[1:].partition(b"\n")[0]
        return line[1:-1] if data[0] == QUOTED else line


def decoded(taken: bytes) -> str:
    """Return a text as the C unpickler decodes it."""
    try:
        return taken.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        cause = "The pickle is broken: a text is not UTF-8."
        raise RefusedError(Reason.MALFORMED, cause) from error


def underflow() -> RefusedError:
    """Return the refusal of a pickle that wants values which are not there."""
    cause = "The pickle is broken: it takes more from the stack than there is."
    return RefusedError(Reason.MALFORMED, cause)


def no_memo_key() -> RefusedError:
    """Return the refusal of a memo key that is none."""
    return RefusedError(Reason.MALFORMED, "The pickle is broken: a memo key is not a number.")
