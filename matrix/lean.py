"""A run's matrix for a comparison: cell by cell, without what no comparison asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from matrix.store import read_json
from pytest_torchcompat.record import decoded, shared

# What is measured takes most of a matrix: of a hundred thousand cells, more than a machine has.
_OF_CHECKS = frozenset(
    {
        *("allowed_by_library", "benchmark", "device", "fingerprint", "loading", "overridden"),
        *("parity", "seconds", "speed"),
    }
)
_OF_CELLS = frozenset({"gpu_archs", "load_variables", "why"})
_CELLS = '"cells": [\n'


def read_lean(path: Path) -> dict[str, Any]:
    """
    Return a matrix whose checks and cells lack what was measured.

    Raises ``RecordError`` where the file can't be read, as reading all of it does.
    """
    try:
        with path.open(encoding="utf-8") as file:
            found = _read(file)
    except (OSError, ValueError):
        found = None
    # Another form, or none: whoever reads all of it says so.
    return found or read_json(path)


def _read(file: TextIO) -> dict[str, Any] | None:
    before: list[str] = []
    for line in file:
        if line == _CELLS:
            cells, end = _cells(file)
            rest: dict[str, Any] = decoded("".join([*before, '"cells": [', end, *file]))
            return {**rest, "cells": cells}
        before.append(line)
    return None


def _cells(file: TextIO) -> tuple[list[Any], str]:
    """Return the cells, one a line, and the line that ends them."""
    found: list[Any] = []
    for line in file:
        if line.startswith("]"):
            return found, line
        found.append(_DECODER.raw_decode(line)[0])
    return found, ""


def _lean(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    left_out = _OF_CHECKS if pairs and pairs[0][0] == "checkpoint" else _OF_CELLS
    return shared([pair for pair in pairs if pair[0] not in left_out])


_DECODER = json.JSONDecoder(object_pairs_hook=_lean)
