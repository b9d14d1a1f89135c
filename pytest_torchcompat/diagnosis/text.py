"""A diagnosis in lines, for a terminal and for a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_torchcompat.display import escaped

INDENT = "    "


def lines(diagnosis: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a diagnosis says: its cause, each remedy with its code, and where to read on."""
    yield f"known: {diagnosis['id']}"
    yield escaped(diagnosis["cause"])
    for remedy in diagnosis["remedies"]:
        sentence, *code = helping(remedy)
        yield from (f"- {sentence}", *code)
    yield diagnosis["link"]


def helping(remedy: Mapping[str, Any]) -> Iterator[str]:
    """Yield a remedy: its sentence with the condition, then its code, indented."""
    when = f"with {remedy['when']}: " if remedy["when"] else ""
    yield escaped(f"{when}{remedy['says']}")
    for line in remedy["code"].splitlines():
        yield (INDENT + escaped(line)).rstrip()


def short(diagnosis: Mapping[str, Any]) -> str:
    """Return a diagnosis in one line: its id, its cause and the first remedy."""
    first = next((remedy["says"] for remedy in diagnosis["remedies"]), "")
    return escaped(f"{diagnosis['id']}: {diagnosis['cause']} {first}".rstrip())
