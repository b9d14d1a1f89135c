"""How much of a file is read before it is refused: every bound of the reader, in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.scan.refusals import Reason, RefusedError

_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Limits:
    """
    The bounds within which a file is read; a file beyond one is refused, with its name.

    They are far above ordinary files, and low enough that no file takes long or much memory.
    """

    opcodes: int = 8_000_000  # some 250,000 tensors
    stack: int = 500_000
    marks: int = 200_000
    memo: int = 2_000_000
    frames: int = 100_000  # picklers write 64 KiB into each
    names: int = 200_000
    name_bytes: int = 4096
    output: int = _MIB
    inflated: int = 64 * _MIB
    entries: int = 200_000
    directory: int = 32 * _MIB

    def beyond(self, name: str) -> RefusedError:
        """Return the refusal of a file that goes beyond the limit of this name."""
        limit = getattr(self, name)
        cause = f"It has more than {limit:,} {_MEANING[name]}, which is the limit {name!r}."
        next_step = (
            "Do not load it unless you know its origin. To read it all the same, run:"
            f" torchcompat scan --limit {name}={2 * limit} FILE"
        )
        return RefusedError(Reason.TOO_LARGE, cause, next_step)


_MEANING: Final = {
    "opcodes": "pickle opcodes",
    "stack": "values side by side on the pickle's stack",
    "marks": "levels of nesting in its pickle",
    "memo": "values in the pickle's memo",
    "frames": "frames in its pickle",
    "names": "look-ups of a global",
    "name_bytes": "bytes in the name of a global",
    "output": "bytes of names to list",
    "inflated": "bytes in its data.pkl when that is unpacked",
    "entries": "entries in its zip",
    "directory": "bytes in the directory of its zip",
}
LIMITS: Final = Limits()


def described() -> str:
    """Return each limit with what it bounds and where it stands, for a help text."""
    each = (f"{f.name} ({_MEANING[f.name]}: {getattr(LIMITS, f.name):,})" for f in fields(Limits))
    return ", ".join(each)


def limits_of(settings: dict[str, int]) -> Limits:
    """Return the limits with some of them set; raises ``UnknownNameError`` for another name."""
    for name in settings:
        if name not in _MEANING:
            kind = "limit"
            raise unknown_name(kind, name, _MEANING)
    return Limits(**settings)
