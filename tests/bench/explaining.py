"""Explaining recorded failures: many, each with words of its own, as a large sweep has them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import normalised
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from tests.bench.figures import Figure, figure

SAMPLES = Path(__file__).parents[1] / "diagnosis" / "samples"
LONG = 1500  # characters of a message of torch, which says what it advises each time
TORCHES = ("2.5.1", "2.6.0", "2.7.1", "2.8.0", "2.9.1", "2.10.0", "2.13.0", "2.15.0")
PYTHONS = ("3.9.18", "3.10.13", "3.11.7", "3.12.1", "3.13.0")
BUILDS = ("cpu", "cu118", "cu121", "cu124", "cu126", "cu128", "cu130", "cu132")
ADVICE = (
    " Re-running torch.load with weights_only set to False will likely succeed, but it can result"
    " in arbitrary code execution; do it only if you got the file from a trusted source. While"
    " reading {path} of torch {torch} the stack was {words}."
)


def failures(count: int) -> list[Failure]:
    """Return failures made of the samples, no two with the same words, a tenth of them unknown."""
    chance = random.Random(0)  # the same words in each run
    samples = [each for path in sorted(SAMPLES.glob("*.json")) for each in _read(path)]
    return [_failure(samples[number % len(samples)], number, chance) for number in range(count)]


def _read(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def _failure(sample: dict[str, Any], number: int, chance: random.Random) -> Failure:
    torch = f"{chance.choice(TORCHES)}+{chance.choice(BUILDS)}"
    message = "Nothing that anybody has met: " if number % 10 == 9 else sample["message"]
    words = " ".join(f"{chance.getrandbits(32):x}" for _ in range(LONG // 9))
    said = message + ADVICE.format(path=f"/runs/{number}/model.pt", torch=torch, words=words)
    errors = [Error(sample["exception"], said[: max(LONG, len(message) + 300)])]
    errors += map(Error.from_line, sample.get("causes", ()))
    versions = {**sample.get("versions", {}), "torch": torch, "python": chance.choice(PYTHONS)}
    names = tuple(sample.get("globals", ()))
    return Failure(tuple(errors), sample.get("stage", ""), normalised(versions), names)


def _plain(failure: Failure) -> list[str]:
    """Search every pattern in every message, as a list of rules without an order would."""
    return [
        signature.id
        for error in failure.errors
        for signature in SIGNATURES
        if signature.regex.search(error.message)
    ]


def _seconds(todo: Callable[[Failure], object], each: Sequence[Failure]) -> float:
    started = time.perf_counter()
    for failure in each:
        todo(failure)
    return time.perf_counter() - started


def figures(count: int) -> list[Figure]:
    """Measure diagnoses of that many failures, and the plain way over a tenth of them."""
    each = failures(count)
    _seconds(diagnose, each[: len(SIGNATURES)])  # compiles the patterns
    _seconds(_plain, each[:1])
    known = sum(diagnose(failure) is not None for failure in each)
    own = _seconds(diagnose, each)
    some = each[:: max(1, len(each) // 1000)]
    plain = _seconds(_plain, some) * len(each) / len(some)
    more = {"known": known, "signatures": len(SIGNATURES)}
    peer = "every pattern on every message"
    return [figure("explain", f"{count:,} failures", [own], "s", peer=peer, theirs=[plain], **more)]
