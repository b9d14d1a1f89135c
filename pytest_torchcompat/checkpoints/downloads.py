"""What is about to be downloaded, in a line for whoever waits for it."""

from __future__ import annotations

from pathlib import Path

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile
from pytest_torchcompat.checkpoints.fetch import needs_download


def announcement(row: Checkpoint, edition: str, cache: Path | None = None) -> str | None:
    """Say what ``locate`` is about to download, or nothing where the file is here."""
    if not needs_download(row, edition, cache):
        return None
    source = row.sources[0]
    origin = source.repo if isinstance(source, HubFile) else source.url
    size = "size unknown" if row.size == "unknown" else row.size
    return f"fetching {row.id} ({size}) from {origin}"
