"""One adapter a library, in one registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Callable, cast

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.libraries.coqui import Coqui
from pytest_torchcompat.libraries.fairseq import Fairseq
from pytest_torchcompat.libraries.inputs import checked, require_taken
from pytest_torchcompat.libraries.plain import PlainTorch
from pytest_torchcompat.libraries.protocol import Library, Usable
from pytest_torchcompat.libraries.pyannote import Pyannote
from pytest_torchcompat.libraries.rvc import Rvc
from pytest_torchcompat.libraries.speechbrain import Speechbrain
from pytest_torchcompat.libraries.torchaudio import Torchaudio
from pytest_torchcompat.libraries.ultralytics import Ultralytics
from pytest_torchcompat.record import FORWARD

__all__ = ["Libraries", "Library", "forward_of", "run_of"]


def run_of(
    library: Library, use: str, checkpoint: Checkpoint, model: Any, device: str
) -> Callable[[], Any] | None:
    """Return what a use of a model runs; ``None`` for a forward pass that there is not."""
    if use == FORWARD:
        return library.forward(checkpoint, model, device)
    return cast("Usable", library).use(use, checkpoint, model, device)


def forward_of(
    library: Library, checkpoint: Checkpoint, model: Any, device: str, **size: Any
) -> Callable[[], Any] | None:
    """
    Return the forward pass on a ``batch`` of inputs and in a ``dtype``.

    Raises ``NotOfferedError`` where the adapter has none of that size.
    """
    options = checked(**size)
    require_taken(library, options)
    return library.forward(checkpoint, model, device, **options)


class Libraries:
    """The adapters by name: ours and those that hooks add."""

    def __init__(self, more: Iterable[Library] = ()) -> None:
        own: tuple[Library, ...] = (
            Fairseq(),
            Ultralytics(),
            Torchaudio(),
            Pyannote(),
            Coqui(),
            Rvc(),
            Speechbrain(),
            PlainTorch(),
        )
        self._by_name = {library.name: library for library in (*own, *more)}

    def __iter__(self) -> Iterator[Library]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Library:
        """Return an adapter; raises ``UnknownNameError`` with the valid names."""
        try:
            return self._by_name[name]
        except KeyError:
            raise unknown_name("library", name, self._by_name) from None
