"""Runs in an environment of ``rebuild``: ``python -m matrix.replicas.save FOLDER ID...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from matrix.replicas import (
    diarization,
    fine_tuning,
    hubert,
    rvc,
    speaker,
    tone,
    wav2vec,
    xtts,
    yolo,
)
from pytest_torchcompat.checkpoints.rows import catalogue

SAVES = {
    **diarization.SAVES,
    **fine_tuning.SAVES,
    **hubert.SAVES,
    **rvc.SAVES,
    **speaker.SAVES,
    **tone.SAVES,
    **wav2vec.SAVES,
    **xtts.SAVES,
    **yolo.SAVES,
}


def main(folder: Path, identifiers: Sequence[str]) -> None:
    """Save each replica under the file name that its row gives."""
    for identifier in identifiers:
        replica = catalogue().get(identifier).replica
        if replica is not None:
            path = folder / replica.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            SAVES[identifier](path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
