"""One adapter a library, in one registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.libraries.coqui import Coqui
from pytest_torchcompat.libraries.fairseq import Fairseq
from pytest_torchcompat.libraries.plain import PlainTorch
from pytest_torchcompat.libraries.protocol import Library
from pytest_torchcompat.libraries.pyannote import Pyannote
from pytest_torchcompat.libraries.torchaudio import Torchaudio
from pytest_torchcompat.libraries.ultralytics import Ultralytics

__all__ = ["Libraries", "Library"]


class Libraries:
    """The adapters by name: ours and those that hooks add."""

    def __init__(self, more: Iterable[Library] = ()) -> None:
        own: tuple[Library, ...] = (
            Fairseq(),
            Ultralytics(),
            Torchaudio(),
            Pyannote(),
            Coqui(),
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
