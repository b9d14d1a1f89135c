"""What uv's output says about a cell: that it can't exist, or that the machine is at fault."""

from __future__ import annotations

import re
from dataclasses import dataclass

from matrix.processes import NOT_DONE
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome

# uv says "Caused by" chains; 25 lines hold the sentence and its hint, and not a build's whole log.
WORDS_LINES = 25

# What uv says on the way, before what went wrong.
GREETINGS = (
    *("Using Python", "Using CPython", "Creating virtual environment", "Resolved ", "Prepared "),
    *("Downloading ", " Downloading", "Downloaded ", "Building ", "Built "),
    *("   Updating ", "    Updated "),  # a git repository
)

# What a fault of the network or of the machine looks like in uv's words. Anything else says
# something about the cell.
DISK = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|cannot allocate memory"
    r"|too many open files",
    re.IGNORECASE,
)
# Of a build whose compiler, or whose Python, the kernel killed.
MEMORY = re.compile(
    r"\bsignal: 9 \(SIGKILL\)|killed signal terminated program|internal compiler error: killed"
    r"|unable to execute command: killed|virtual memory exhausted",
    re.IGNORECASE,
)
NETWORK = re.compile(
    r"error sending request|client error|dns error|connection (?:refused|reset|closed)"
    r"|operation timed out|request failed after|HTTP status server error|failed to lookup address"
    r"|connection error|retries exceeded"
    # an answer that was cut off, and one that asks for patience
    r"|response body error|error reading a body|before message length reached"
    r"|HTTP status client error \((?:408|429)\b"
    # ours, of a stage that hung, and of one that was killed
    rf"|{NOT_DONE}(?: after \d+ s|: signal \d+)"
    # git's
    r"|could not resolve (?:host|proxy)|failed to connect to|remote end hung up|rpc failed"
    r"|returned error: 5\d\d",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NoEnvironment:
    """Why there is no environment: ``unavailable`` or ``infra``, in uv's own words."""

    outcome: Outcome
    reason: str


class BuildError(TorchcompatError):
    """uv can't build what every cell needs."""


def classify(words: str) -> NoEnvironment:
    """
    Return what uv's output says about a cell.

    Raises ``BuildError`` where it says that uv does not know an argument: that is about uv.
    """
    if "error: unexpected argument" in words:
        message = f"this uv is too old for the sweep; install a newer one: {trimmed(words)}"
        raise BuildError(message)
    unwrapped = " ".join(words.split())
    infra = any(fault.search(unwrapped) for fault in (DISK, MEMORY, NETWORK))
    return NoEnvironment(Outcome.INFRA if infra else Outcome.UNAVAILABLE, trimmed(words))


def no_interpreter(python: str, words: str) -> NoEnvironment:
    """Return what the lack of a Python says; a full disk and a hang are the machine's fault."""
    # Where uv could not fetch one either, the cell can't exist here, whatever kept uv from it.
    infra = DISK.search(words) or NOT_DONE in words
    outcome = Outcome.INFRA if infra else Outcome.UNAVAILABLE
    return NoEnvironment(outcome, f"no interpreter for Python {python}: {trimmed(words)}")


def trimmed(words: str) -> str:
    """Return uv's words without its greeting, and of a long build log the beginning and the end."""
    lines = [line.rstrip() for line in words.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(GREETINGS)]
    if len(lines) > WORDS_LINES:
        half = WORDS_LINES // 2
        lines = [*lines[:half], "[...]", *lines[-half:]]
    return "\n".join(lines).removeprefix("error: ") or "uv failed and said nothing"
