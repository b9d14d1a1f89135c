"""pyannote.audio: a narrow segmentation model, and a speaker embedding of few distinct values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPEAKERS = 3
AT_ONCE = 2


def segmentation(path: Path) -> None:
    """Save a narrow PyanNet as lightning's trainer saves the weights of a model."""
    import pytorch_lightning as pl
    import torch
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(0)
    # The four layers of the published model, with 8 units for 128.
    lstm = {"hidden_size": 8, "num_layers": 4, "dropout": 0.5}
    model = PyanNet(lstm=lstm, linear={"hidden_size": 8})
    model.specifications = _speakers_of_each_moment()
    model.setup()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", enable_progress_bar=False, **quiet)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path, weights_only=True)


def _speakers_of_each_moment() -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    return Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=[f"speaker#{number + 1}" for number in range(SPEAKERS)],
        powerset_max_classes=AT_ONCE,
        permutation_invariant=True,
    )


def embedding(path: Path) -> None:
    """Save the ResNet with the keys that pyannote's converter from WeSpeaker writes."""
    import pytorch_lightning as pl
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    torch.manual_seed(0)
    model = WeSpeakerResNet34()
    whole, vector = Resolution.CHUNK, Problem.REPRESENTATION
    model.specifications = Specifications(problem=vector, resolution=whole, duration=5.0)
    state = model.state_dict()
    for name, tensor in state.items():
        state[name] = _thin(tensor)
    checkpoint = {"state_dict": state}
    model.on_save_checkpoint(checkpoint)
    checkpoint["pytorch-lightning_version"] = pl.__version__
    with path.open("wb") as file:
        torch.save(checkpoint, file)


def _thin(tensor: Any) -> Any:
    """
    Return a tensor of the same shape and type whose rows overlap in memory.

    Each row starts one value after the one before it, in every dimension, so that a few values
    fill the whole, no two rows are equal, and the file is a hundredth of the size.
    """
    size = sum(tensor.shape) - tensor.dim() + 1
    return tensor.flatten()[:size].clone().as_strided(tensor.shape, (1,) * tensor.dim())


SAVES = {
    "pyannote/segmentation-3.0": segmentation,
    "pyannote/wespeaker-voxceleb-resnet34-lm": embedding,
}
