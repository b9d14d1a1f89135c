"""The checkpoints of a run: which file each is, and which bytes of it the checks opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile

Check = Mapping[str, Any]


def opened(matrix: Mapping[str, Any], rows: Iterable[Checkpoint]) -> list[dict[str, Any]]:
    """Return each checkpoint that was planned, in the order of the run, with what its row knows."""
    known = {row.id: row for row in rows}
    found: dict[str, dict[tuple[str, str], None]] = {}
    libraries: dict[str, str] = {}
    for check in (check for cell in matrix["cells"] for check in cell["checks"]):
        libraries.setdefault(check["checkpoint"], check["library"])
        editions = found.setdefault(check["checkpoint"], {})
        if check["sha256"]:
            editions[check["edition"], check["sha256"]] = None
    return [
        {
            **_row(known.get(name) or Checkpoint(name, libraries[name], "")),
            "editions": [{"edition": edition, "sha256": sha256} for edition, sha256 in editions],
        }
        for name, editions in found.items()
    ]


def _row(row: Checkpoint) -> dict[str, Any]:
    return {
        "id": row.id,
        "library": row.library,
        "files": list(dict.fromkeys(filter(None, _files(row)))),
        "sha256": row.sha256,
        "bytes": row.bytes,
        "licence": row.licence,
        "why": row.why,
    }


def _files(row: Checkpoint) -> Iterator[str]:
    """Yield what the file is called on the disks of those who have it."""
    for source in row.sources:
        if isinstance(source, HubFile):
            yield PurePosixPath(source.filename).name
        else:
            yield PurePosixPath(unquote(urlsplit(source.url).path)).name
    if row.local:
        yield row.local.path.name
