"""What makes two failures one: their words without what is about one machine or one version."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from pytest_torchcompat.diagnosis.failure import CRASH, RESOLVER, TIMEOUT, Failure

LONGEST = 240  # a line that names a group
_READ = 8000  # of a message; what comes later is a log
_DIGEST = 8
# Between the two, torch says what may be done, in words that differ from version to version.
REFUSAL, _REASON = "Weights only load failed.", "WeightsUnpickler error: "

_QUOTES = "'\"`"
_ROOT = r"(?:[A-Za-z]:|~|\.\.?)?[\\/]"
_NAME = r"[\w.+@~-]+"
_NOT_WITHIN = r"(?<![\w.+@~\\/-])"
# What a model, its settings, a recording or a temporary file is called. A shared library or a
# module is not among them: which one it is tells the causes apart.
_ENDINGS = (
    "pth?|ckpt|bin|onnx|safetensors|pkl|pickle|np[yz]|json|ya?ml|toml|txt|csv|log|tmp"
    "|wav|flac|mp3|ogg|mp4|png|jpe?g|zip|tar|gz|whl"
)
_NUMBER = r"v?\d+(?:\.\d+)*(?:\.?(?:dev|post|a|b|rc)\d+)*(?:\+[\w.]+)?(?:\.\*)?(?:e[+-]?\d+)?"
_NUMBERED = re.compile(r"N(?:, ?N)+")
_BRACED = re.compile(r"\{([^{}]+)\}")

# In this order: a path may hold an address, an address a hash, and each of them a number. No
# pattern may begin inside of what it failed to read, or a hostile message takes quadratic time.
_OWN = (
    (r"\bhttps?://[^\s<>()\[\]'\"`]+", "URL"),
    (rf"(?<!\w)([{_QUOTES}])(?:{_ROOT}[^{_QUOTES}]*|[^{_QUOTES}]*\.(?:{_ENDINGS}))\1", r"\1PATH\1"),
    (rf"{_NOT_WITHIN}(?:[A-Za-z]:|\\\\)(?:[\\/]{{0,2}}{_NAME})(?:[\\/]{{1,2}}{_NAME})+", "PATH"),
    (rf"{_NOT_WITHIN}[A-Za-z]:[\\/]{{1,2}}{_NAME}", "PATH"),
    (rf"{_NOT_WITHIN}~?(?:/{_NAME})+/?", "PATH"),
    (rf"{_NOT_WITHIN}{_NAME}(?:/{_NAME}){{2,}}/?", "PATH"),
    (rf"{_NOT_WITHIN}[\w.+@~-]*\.(?:{_ENDINGS})\b(?![\w.+@~\\/-])", "PATH"),
    (r"\btmp[a-z0-9_]{8}\b", "TEMP"),
    (r"\b0x[0-9a-fA-F]+\b", "ADDRESS"),
    (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "HASH"),
    (r"(?<![\w.])(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{7,}\b", "HASH"),
    (r"(?<![\w.])[a-fA-F]{16,}\b", "HASH"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b", "N"),
    # The versions that are asked for, `>=1,<2` among them, are one.
    (rf"(?:[=!~<>]=|===|[<>]){_NUMBER}(?:, ?(?:[=!~<>]=|===|[<>]){_NUMBER})*", " N"),
    # A digit within a name is part of it: float16 is not float32.
    (rf"(?<![\w]){_NUMBER}", "N"),
)
_PATTERNS = tuple((re.compile(pattern), word) for pattern, word in _OWN)


def group_of(failure: Failure) -> str:
    """Return a failure's normalised signature: stage, exception and message."""
    if not failure.errors:
        return failure.stage
    first = failure.errors[0]
    died = first.name in (CRASH, TIMEOUT)
    name = "" if died or first.name == RESOLVER else first.name
    message = _ends(first.message) if died else first.message
    parts = (failure.stage, name, normalised(message))
    return ": ".join(part for part in parts if part)


def _ends(message: str) -> str:
    """Return how a process ended and its last line; what it said before is about its work."""
    lines = [line for line in message.splitlines() if line.strip()]
    return "\n".join(dict.fromkeys([*lines[:1], *lines[-1:]]))


@lru_cache(maxsize=256)
def normalised(message: str) -> str:
    """Return a message in one line, the same for all machines, versions and runs."""
    text = _refusal(" ".join(message[:_READ].split()))
    for pattern, word in _PATTERNS:
        text = pattern.sub(word, text)
    text = _NUMBERED.sub("N", " ".join(text.split()))
    return _short(_BRACED.sub(_sorted, text))


def _refusal(text: str) -> str:
    before, refused, after = text.partition(REFUSAL)
    _, found, reason = after.rpartition(_REASON)
    # After the first sentence it says once more what may be done.
    return f"{before}{REFUSAL} {reason.partition('. ')[0]}" if refused and found else text


def _sorted(found: re.Match[str]) -> str:
    # A set is written in an order that changes from process to process.
    return "{" + ", ".join(sorted(found[1].split(", "))) + "}"


def _short(text: str) -> str:
    """Cut a line at a word; what tells it from others that begin as it does stays, as a digest."""
    if len(text) <= LONGEST:
        return text
    room = text[: LONGEST - _DIGEST - 3]
    kept = room.rpartition(" ")[0] or room
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    # In letters, which no pattern takes for a number or a hash.
    letters = digest.translate(str.maketrans("0123456789abcdef", "ghijklmnopqrstuv"))
    return f"{kept} … {letters}"
