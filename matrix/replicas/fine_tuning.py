"""
What fine-tuning XTTS reads: the discrete autoencoder, and the mean of each of 80 mel bands.

The hub's scan of both pickles lists FloatStorage alone of all storages, so the counters of the
autoencoder's loss, which are integers, are not in its file; nor has its size room for the loss's
long history. Of the published 210,514,388 bytes these keys leave about 30 kB unexplained. The form
of the means follows from their size, 1,067 bytes: a bare tensor as torch 1 writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matrix.replicas.weights import make_small

BANDS = 80
TOKENS = 1024  # coqui's own fine-tuning sets 1026 for this model, with those of start and stop


def autoencoder(path: Path) -> None:
    """Save a state dict of the autoencoder, built as the trainer builds it."""
    import torch
    from TTS.tts.layers.xtts.dvae import DiscreteVAE

    model = DiscreteVAE(
        channels=BANDS,
        positional_dims=1,
        num_tokens=TOKENS,
        codebook_dim=512,
        hidden_dim=512,
        num_resnet_blocks=3,
        kernel_size=3,
        num_layers=2,
        use_transposed_convs=False,
    )
    weights = model.state_dict()
    for name in [name for name in weights if name.startswith("discrete_loss.")]:
        del weights[name]
    make_small(weights, torch.float32, seed=0)
    _save(weights, path)


def means(path: Path) -> None:
    """Save one positive number a band."""
    import torch

    _save(torch.rand(BANDS, generator=torch.Generator().manual_seed(0)) + 0.5, path)


def _save(content: Any, path: Path) -> None:
    import torch

    # Into an open file, which names the zip's folder "archive": so the means' size wants it.
    with path.open("wb") as file:
        torch.save(content, file)


SAVES = {"coqui/xtts-v2-dvae": autoencoder, "coqui/xtts-v2-mel-stats": means}
