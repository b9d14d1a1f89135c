"""What an adapter, the file that knows a library, must offer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Protocol

from pytest_torchcompat.checkpoints.catalogue import Checkpoint


class Library(Protocol):
    """
    A library whose checkpoints are tested, behind one face.

    ``name`` is what rows, markers and options call it, ``distribution`` what has to be installed.

    One whose forward pass can be had in other sizes takes the keyword arguments ``batch``, a
    number, and ``dtype``, such as ``float16``; each is given to it only where it is not 1 or
    ``float32``. One whose checkpoints name further uses has, beside ``forward``, a method
    ``use(name, checkpoint, model, device)`` that returns a call giving one tensor.
    """

    name: str
    distribution: str

    def import_(self) -> None:
        """Import the library and all that loading needs."""

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return the model, read through the library's own loader."""

    def forward(self, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any] | None:
        """Return the forward pass on a fixed seeded input, giving one tensor; or ``None``."""


class Usable(Library, Protocol):
    """A library whose models are used in further ways."""

    def use(self, name: str, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return a use of the model on a fixed seeded input, giving one tensor."""
