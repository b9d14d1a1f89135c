"""pyannote.audio: who speaks when, and whose voice it is."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import REPLICAS, Checkpoint
from pytest_torchcompat.errors import MismatchError, MissingFileError, unknown_name
from pytest_torchcompat.libraries.inputs import FLOAT32, placed, repeated

SAMPLE_RATE = 16000
WAV = REPLICAS / "torchaudio-tone.wav"
READ_FILE = "read-file"
WINDOW = 0.25  # seconds: half of the file, so that it slides
# The key under which pyannote.audio writes which class a checkpoint's model is.
KEY = "pyannote.audio"


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
        """
        Return the model of a checkpoint, read from its file alone.

        Raises ``MissingFileError`` where there is none, and ``MismatchError`` where it describes no
        model that can be built, or holds the weights of another.
        """
        from pyannote.audio import Model

        if not path.is_file():
            raise MissingFileError(_not_there(path))
        with _naming(path):
            return Model.from_pretrained(str(path)).eval()

    def forward(
        self,
        checkpoint: Checkpoint,
        model: Any,
        device: str,
        *,
        batch: int = 1,
        dtype: str = FLOAT32,
    ) -> Callable[[], Any]:
        """
        Return what the model says of two seconds of seeded noise, shaped [1, 1, 32000].

        It is a vector of the voice, or the scores of every set of speakers in each moment.
        """
        import torch

        model = placed(model, device, dtype)
        generator = torch.Generator().manual_seed(0)
        wave = (torch.randn(1, 1, 2 * SAMPLE_RATE, generator=generator) * 0.1).to(device)
        waves = repeated(wave, batch, dtype)
        return lambda: model(waves)

    def use(self, name: str, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return what ``Inference`` says of a WAV file, which ``read-file`` opens and reads."""
        if name != READ_FILE:
            raise unknown_name("use", name, [READ_FILE])
        import torch

        inference = _inference(model, torch.device(device))
        return lambda: torch.as_tensor(_scores(inference(str(WAV))))


def _inference(model: Any, device: Any) -> Any:
    """Slide over the file in a model of moments, and read it as one in a model of a whole voice."""
    from pyannote.audio import Inference
    from pyannote.audio.core.task import Resolution

    of_moments = model.specifications.resolution == Resolution.FRAME
    window = "sliding" if of_moments else "whole"
    # Converted, the scores of a model of moments are ones and zeros, which tell no drift.
    return Inference(model, window, duration=WINDOW, skip_conversion=True, device=device)


def _scores(found: Any) -> Any:
    """Return the array of what is an array, or one with the times that its rows stand for."""
    return getattr(found, "data", found) if hasattr(found, "sliding_window") else found


def _not_there(path: Path) -> str:
    return (
        f"{path} is no file, and pyannote.audio would take the path for a model's name on the hub. "
        "Give the path of a file."
    )


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file and the key where what the file holds is no model that is there."""
    try:
        yield
    except (KeyError, AttributeError, ImportError) as error:
        if not _is_of_the_key(error):
            raise
        raise MismatchError(_no_model(path, error)) from error
    except RuntimeError as error:
        if "loading state_dict for" not in str(error):
            raise
        raise MismatchError(_other_weights(path, error)) from error


def _is_of_the_key(error: Exception) -> bool:
    """Whether the lines failed that read the key, or the import of the module that it names."""
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    imports = ("from_pretrained", "import_module") in zip(frames, frames[1:])
    return imports or frames[-1] in {"from_pretrained", "on_load_checkpoint"}


def _no_model(path: Path, error: Exception) -> str:
    said = f"{type(error).__name__}: {error}"
    return (
        f"{path} describes under its key {KEY!r} no model that the installed pyannote.audio can "
        f"build ({said}). Give a file that pyannote.audio saved, or install its model's class."
    )


def _other_weights(path: Path, error: Exception) -> str:
    return (
        f"{path} holds under its key 'state_dict' other weights than those of the class that its "
        f"key {KEY!r} names. Give a file whose weights and class belong together. {error}"
    )
