"""pyannote.audio: who speaks when, and whose voice it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

SAMPLE_RATE = 16000


class Pyannote:
    """Loads through ``Model.from_pretrained``, which hands a file to lightning's own loader."""

    name = "pyannote.audio"
    distribution = "pyannote.audio"

    def import_(self) -> None:
        """Import pyannote.audio with the models that its checkpoints name."""
        import pyannote.audio
        import pyannote.audio.models.embedding
        import pyannote.audio.models.segmentation  # noqa: F401 - the import is the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return the model of a checkpoint, read from its file alone."""
        from pyannote.audio import Model

        return Model.from_pretrained(str(path)).eval()

    def forward(self, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """
        Return what the model says of two seconds of seeded noise, shaped [1, 1, 32000].

        It is a vector of the voice, or the scores of every set of speakers in each moment.
        """
        import torch

        model = model.to(device)
        generator = torch.Generator().manual_seed(0)
        wave = (torch.randn(1, 1, 2 * SAMPLE_RATE, generator=generator) * 0.1).to(device)
        return lambda: model(wave)
