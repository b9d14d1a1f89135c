"""ultralytics: YOLO models, pickled whole with their classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import MissingFileError
from pytest_torchcompat.libraries.inputs import FLOAT32, placed, repeated

IMAGE = (1, 3, 64, 64)


class Ultralytics:
    """Loads through ``YOLO(path)``, as its users do."""

    name = "ultralytics"
    distribution = "ultralytics"

    def import_(self) -> None:
        """Import ultralytics; some versions replace ``torch.load`` as they do."""
        # By name: from 8.3 on the package alone imports next to nothing.
        from ultralytics import YOLO  # noqa: F401 - the import is the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """
        Return the torch module inside the ``YOLO``, in float32.

        Raises ``MissingFileError`` for a file that is not there, which ultralytics would download.
        """
        if not path.is_file():
            message = (
                f"no file at {path}, and ultralytics would download one of that name, which need"
                f" not be {checkpoint.id}; put the file there first"
            )
            raise MissingFileError(message)
        from ultralytics import YOLO

        return YOLO(str(path)).model.float().eval()

    def forward(
        self,
        checkpoint: Checkpoint,
        model: Any,
        device: str,
        *,
        batch: int = 1,
        dtype: str = FLOAT32,
    ) -> Callable[[], Any]:
        """Return the raw head's output on a seeded image, [1, 3, 64, 64]: no detections."""
        import torch

        model = placed(model, device, dtype)
        generator = torch.Generator().manual_seed(0)
        image = repeated(torch.rand(IMAGE, generator=generator).to(device), batch, dtype)
        return lambda: _first(model(image))


def _first(output: Any) -> Any:
    """Return the first tensor: a segmenter's was in a tuple, and is in one of a tuple since 8.4."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    return output
