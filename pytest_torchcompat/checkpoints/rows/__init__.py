"""
The rows of the catalogue: data, one module for each group of systems that use them.

A value that nobody has established stays absent; nothing here is guessed. A file is pinned by the
sha256 of its bytes, because one name can be two files over time.
"""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.checkpoints.rows import (
    coqui,
    fairseq,
    pyannote,
    rvc,
    speechbrain,
    torchaudio,
    ultralytics,
)

__all__ = ["ROWS", "catalogue"]

ROWS: tuple[Checkpoint, ...] = (
    *rvc.ROWS,
    *fairseq.ROWS,
    *ultralytics.ROWS,
    *coqui.ROWS,
    *pyannote.ROWS,
    *speechbrain.ROWS,
    *torchaudio.ROWS,
)


def catalogue() -> Catalogue:
    """Return a fresh catalogue of the rows, to which a project may add its own."""
    return Catalogue(ROWS)
