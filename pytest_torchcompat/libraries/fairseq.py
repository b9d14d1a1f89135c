"""fairseq: speech models such as HuBERT and wav2vec 2.0."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.libraries.inputs import FLOAT32, placed, repeated

SAMPLE_RATE = 16000
# What no file fills is the same in each run. No replica was saved with this seed: there fairseq
# would draw the very weights that the replica held.
SEED = 20261121


class Fairseq:
    """Loads through ``checkpoint_utils.load_model_ensemble_and_task``, as voice conversion does."""

    name = "fairseq"
    distribution = "fairseq"

    def import_(self) -> None:
        """Import fairseq with its models and tasks registered."""
        logging.getLogger("fairseq").setLevel(logging.ERROR)
        import fairseq.checkpoint_utils
        import fairseq.models.hubert  # noqa: F401 - registers the model and its task
        import torch

        if hasattr(torch.nn.functional, "_check_key_padding_mask"):
            # Attention imports it in its first call, which would take seconds of every check.
            import torch.fx.experimental.symbolic_shapes

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return the model of a checkpoint, in float32."""
        import torch
        from fairseq import checkpoint_utils

        torch.manual_seed(SEED)
        models, _, _ = checkpoint_utils.load_model_ensemble_and_task([str(path)])
        return models[0].float().eval()

    def forward(
        self,
        checkpoint: Checkpoint,
        model: Any,
        device: str,
        *,
        batch: int = 1,
        dtype: str = FLOAT32,
    ) -> Callable[[], Any]:
        """Return the last layer's features of one second of seeded noise, shaped [1, 16000]."""
        wave = repeated(_wave(device), batch, dtype)
        model = placed(model, device, dtype)
        return lambda: _features(model, wave)

    def use(self, name: str, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return what a use runs: ``masking``, or ``random-pos-conv``."""
        uses = {"masking": _masking, "random-pos-conv": _random_pos_conv}
        if name not in uses:
            raise unknown_name("use", name, uses)
        return uses[name](model, device)


def _wave(device: str) -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    return (torch.randn(1, SAMPLE_RATE, generator=generator) * 0.1).to(device)


def _features(model: Any, wave: Any, mask: bool = False) -> Any:
    found = model.extract_features(source=wave, padding_mask=None, mask=mask)
    # HuBERT gives a pair, wav2vec 2.0 a dictionary.
    return found["x"] if isinstance(found, dict) else found[0]


def _masking(model: Any, device: str) -> Callable[[], Any]:
    """Return the features with spans masked as in training, none over another."""
    import numpy as np

    wave = _wave(device)
    model = model.to(device)
    model.no_mask_overlap = True  # an option of the training; with overlaps no np.int is used

    def run() -> Any:
        np.random.seed(0)  # noqa: NPY002 - fairseq draws its masks from this generator
        return _features(model, wave, mask=True)

    return run


def _random_pos_conv(model: Any, device: str) -> Callable[[], Any]:
    """Return the features with the positional convolution as fairseq initialises it."""
    import torch
    from fairseq.models.wav2vec.wav2vec2 import make_conv_pos

    convolution = model.encoder.pos_conv[0]
    torch.manual_seed(SEED)
    fresh = make_conv_pos(convolution.in_channels, convolution.kernel_size[0], convolution.groups)[
        0
    ]
    with torch.no_grad():
        for name in ("weight_g", "weight_v"):  # the bias has a key in every layout
            getattr(convolution, name).copy_(getattr(fresh, name))
    wave = _wave(device)
    model = model.to(device)
    return lambda: _features(model, wave)
