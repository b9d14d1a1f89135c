"""A failure as data: what was raised, where, and beside which versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name

from pytest_torchcompat.outcome import Outcome

# What stands for an exception's name where there is none.
RESOLVER = "resolver"  # an installer's words: pip's or uv's
CRASH = "crash"  # a process that died: how, and its last output
TIMEOUT = "timeout"

# The stage of words of an installer; the others are those of ``outcome.Stage``.
RESOLVE = "resolve"


@dataclass(frozen=True)
class Error:
    """An exception's name, with its module where it is not a builtin, and its message."""

    exception: str
    message: str

    @classmethod
    def from_line(cls, line: str) -> Error:
        """Read ``module.Name: message``, as a traceback ends."""
        exception, _, message = line.partition(": ")
        return cls(exception, message)

    @property
    def line(self) -> str:
        """The way back to a line."""
        return f"{self.exception}: {self.message}"

    @property
    def name(self) -> str:
        """The exception's name without its module: the two spell one class in several ways."""
        return self.exception.rpartition(".")[2]


@dataclass(frozen=True)
class Failure:
    """
    What is known of a failure.

    ``errors`` are the chain as it is shown last to first: what was raised in the end, then its
    causes. ``versions`` are those of distributions by normalised name and of ``python``; what is
    not among them is unknown, or, if they are ``complete``, not installed. ``globals`` are the
    names in the pickle beyond torch's own, where all of them are known. ``named`` are distributions
    that are known to play a part, by their normalised names, though not in which version.
    """

    errors: tuple[Error, ...]
    stage: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    globals: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    complete: bool = False

    def knows(self, name: str) -> bool:
        """Whether a distribution is known to be there."""
        return name in self.versions or name in self.named


_canonical = lru_cache(maxsize=16_384)(canonicalize_name)


def normalised(versions: Mapping[str, str]) -> Mapping[str, str]:
    """Return versions by the names that distributions are compared by."""
    return MappingProxyType({_canonical(name): v for name, v in versions.items() if v})


# What stops a check without an exception.
NAMES = {
    Outcome.CRASH.value: CRASH,
    Outcome.TIMEOUT.value: TIMEOUT,
    Outcome.UNAVAILABLE.value: RESOLVER,
}
# A drift has no message of a library's, and a fault of the machine says nothing about the check.
STOPPED = (*NAMES, Outcome.FAIL.value, Outcome.REFUSED.value)


def of_check(check: Mapping[str, Any], versions: Mapping[str, str]) -> Failure | None:
    """Return the failure that a check's record tells; ``None`` where none stopped it."""
    outcome, stage = check["outcome"], check["stage"] or ""
    if outcome not in STOPPED:
        return None
    if outcome in NAMES:
        words = "\n".join(filter(None, (check["message"], check["output"])))
        errors: tuple[Error, ...] = (Error(NAMES[outcome], words),)
        stage = RESOLVE if outcome == Outcome.UNAVAILABLE.value else stage
    else:
        raised = Error(check["exception"] or "", check["message"] or "")
        errors = (raised, *map(Error.from_line, check.get("chain") or ()))
    complete = outcome != Outcome.UNAVAILABLE.value
    return Failure(errors, stage, versions, tuple(check["globals"]), complete=complete)
