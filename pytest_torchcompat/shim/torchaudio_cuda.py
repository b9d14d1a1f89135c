"""torchaudio's guard against a torch that was built for another CUDA."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator, Mapping


class TorchaudioCuda:
    """
    Lets torchaudio 2.11, the last release, be imported beside a torch built for a later CUDA.

    torchaudio compares the CUDA version that it was built for with ``torch.version.cuda`` once, as
    it is imported, and refuses. During that import alone torch says that it has none. What runs on
    the CPU works afterwards; its CUDA kernels are not claimed to.
    """

    name = "torchaudio-cuda"
    restores = "importing torchaudio beside a torch that was built for another CUDA"
    retired_when = "torchaudio is released for the CUDA of the newest torch"
    at_import = True
    libraries = ("torchaudio", "pyannote.audio", "coqui-tts", "speechbrain")
    modules = ("torchaudio",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """
        Apply where torchaudio's stable-ABI releases meet a torch that they outlived.

        A torch that is known to have no CUDA (``cuda`` is empty) has nothing to be compared.
        """
        if versions.get("cuda", "unknown") == "":
            return False
        if "torchaudio" not in versions or "torch" not in versions:
            return False
        return (2, 11) <= _minor(versions["torchaudio"]) < _minor(versions["torch"])

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Import torchaudio while torch names no CUDA, which is when the guard compares nothing."""
        import torch

        own = torch.version.cuda
        torch.version.cuda = None
        try:
            importlib.import_module("torchaudio")
        finally:
            torch.version.cuda = own
        yield


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
