"""What the tries of one check say together: a verdict, or that they disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_torchcompat.outcome import Outcome

# What says nothing about the combination, and so contradicts nothing.
SILENT = (Outcome.INFRA.value, Outcome.NOT_RUN.value)


def tally(outcomes: Sequence[Outcome]) -> dict[str, int] | None:
    """Return how often each verdict came; ``None`` where there was one try."""
    counted = Counter(outcome.value for outcome in outcomes)
    return dict(sorted(counted.items())) if len(outcomes) > 1 else None


def is_flaky(check: Mapping[str, Any]) -> bool:
    """Return whether the tries of a check gave more than one verdict."""
    tally = check.get("tally") or {}
    return len(tally) > 1 and len([outcome for outcome in tally if outcome not in SILENT]) > 1


def told(tally: Mapping[str, int]) -> str:
    """Return a tally in words: ``pass 2, fail 1``."""
    order = {outcome.value: number for number, outcome in enumerate(Outcome)}
    names = sorted(tally, key=lambda name: (order.get(name, len(order)), name))
    return ", ".join(f"{name} {tally[name]}" for name in names)
