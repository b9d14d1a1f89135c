"""What lies beside a run's page, each file written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matrix.diff import Diff
from matrix.published.badges import badges
from matrix.published.comparison import lineage, told
from matrix.published.feed import feed
from matrix.published.summary import summary
from matrix.store import RunFolder, write_json, write_text

SCHEMA = Path(__file__).parents[1] / "matrix.schema.json"


def write_matrix(folder: RunFolder, matrix: Mapping[str, Any]) -> None:
    """Write a matrix, and the schema that it names."""
    write_text(folder.schema, SCHEMA.read_text(encoding="utf-8"))
    write_json(folder.matrix, {"$schema": folder.schema.name, **matrix})


def write_beside(
    folder: RunFolder, matrix: Mapping[str, Any], changes: Diff | None, why_not: str = ""
) -> None:
    """Write what machines and other pages read: changes, their feed, badges and a summary."""
    own = told(changes, matrix)
    write_json(folder.changes, own)
    write_text(folder.feed, feed(lineage(folder, own)))
    write_text(folder.summary, summary(matrix, changes, why_not))
    _write_badges(folder.badges, matrix)


def _write_badges(folder: Path, matrix: Mapping[str, Any]) -> None:
    found = badges(matrix)
    for stem, badge in {**found.libraries, **found.cells}.items():
        write_text(folder / f"{stem}.svg", badge.svg)
    for stem, badge in found.libraries.items():
        write_json(folder / f"{stem}.json", badge.endpoint)
