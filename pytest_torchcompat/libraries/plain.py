"""Plain torch: a state dict or any pickle that ``torch.load`` reads without another library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.libraries.inputs import FLOAT32


class PlainTorch:
    """Loads with ``torch.load`` itself; there is no model, so no forward pass."""

    name = "torch"
    distribution = "torch"

    def import_(self) -> None:
        """Import torch."""
        import torch  # noqa: F401 - the import is the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return what the file holds, on the CPU."""
        import torch

        return torch.load(path, map_location="cpu")

    def forward(
        self,
        checkpoint: Checkpoint,
        model: Any,
        device: str,
        *,
        batch: int = 1,
        dtype: str = FLOAT32,
    ) -> Callable[[], Any] | None:
        """Return the forward pass of a pickled module that takes no input, so: nothing."""
        return None
