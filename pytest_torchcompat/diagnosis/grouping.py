"""What makes two failures one: their words without what is about one machine or one version."""

from __future__ import annotations

import re

from pytest_torchcompat.diagnosis.failure import Failure

_LONGEST = 200

# In this order: a path may hold versions, and a version looks like a number.
_OWN = (
    (re.compile(r"(?:[A-Za-z]:)?[\\/][\w.+@~-]+(?:[\\/][\w.+@~-]*)+"), "PATH"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "HASH"),
    (re.compile(r"\bv?\d+(?:\.\d+)+(?:\.?(?:dev|post|a|b|rc)\d+)*(?:\+[\w.]+)?"), "VERSION"),
    (re.compile(r"\d+"), "N"),
    (re.compile(r"\s+"), " "),
)


def group_of(failure: Failure) -> str:
    """Return a failure's normalised signature: stage, exception and message."""
    if not failure.errors:
        return failure.stage
    first = failure.errors[0]
    message = first.message
    for pattern, word in _OWN:
        message = pattern.sub(word, message)
    said = f"{first.exception}: {message.strip()}"[:_LONGEST]
    return f"{failure.stage}: {said}" if failure.stage else said
