"""fairseq: speech models such as HuBERT and wav2vec 2.0."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

SAMPLE_RATE = 16000


class Fairseq:
    """Loads through ``checkpoint_utils.load_model_ensemble_and_task``, as voice conversion does."""

    name = "fairseq"
    distribution = "fairseq"

    def import_(self) -> None:
        """Import fairseq with its models and tasks registered."""
        logging.getLogger("fairseq").setLevel(logging.ERROR)
        import fairseq.checkpoint_utils
        import fairseq.models.hubert  # noqa: F401 - registers the model and its task

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return the model of a checkpoint, in float32."""
        from fairseq import checkpoint_utils

        models, _, _ = checkpoint_utils.load_model_ensemble_and_task([str(path)])
        return models[0].float().eval()

    def forward(self, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return the last layer's features of one second of seeded noise, shaped [1, 16000]."""
        import torch

        model = model.to(device)
        generator = torch.Generator().manual_seed(0)
        wave = (torch.randn(1, SAMPLE_RATE, generator=generator) * 0.1).to(device)
        return lambda: _features(model, wave)


def _features(model: Any, wave: Any) -> Any:
    found = model.extract_features(source=wave, padding_mask=None, mask=False)
    # HuBERT gives a pair, wav2vec 2.0 a dictionary.
    return found["x"] if isinstance(found, dict) else found[0]
