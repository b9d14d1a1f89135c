"""torchaudio: the API that its callers were written for, and reading a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

LEGACY_API = "torchaudio/legacy-api"
# Names that voice and diarisation code calls, removed in 2.9 (pytorch/audio#3902).
LEGACY_NAMES = (
    "AudioMetaData",
    "info",
    "load",
    "save",
    "list_audio_backends",
    "get_audio_backend",
    "set_audio_backend",
)


class Torchaudio:
    """Not a pickle in sight: its subjects are checked under ``stock`` alone."""

    name = "torchaudio"
    distribution = "torchaudio"

    def import_(self) -> None:
        """Import torchaudio with what the checks call."""
        import torchaudio
        import torchaudio.functional
        import torchaudio.transforms  # noqa: F401 - imported for its names

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return a waveform [channel, time] and its rate, or what the legacy names stand for."""
        import torchaudio

        if checkpoint.id == LEGACY_API:
            return _legacy_names(torchaudio)
        return torchaudio.load(str(path))

    def forward(self, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any] | None:
        """Return a resampling of the waveform to half its rate; the API has no forward pass."""
        import torchaudio

        if checkpoint.id == LEGACY_API:
            return None
        waveform, rate = model
        waveform = waveform.to(device)
        return lambda: torchaudio.functional.resample(waveform, rate, rate // 2)


def _legacy_names(torchaudio: Any) -> dict[str, Any]:
    missing = [name for name in LEGACY_NAMES if not hasattr(torchaudio, name)]
    if missing:
        message = f"module 'torchaudio' has no attribute {', '.join(map(repr, missing))}"
        raise AttributeError(message)
    return {name: getattr(torchaudio, name) for name in LEGACY_NAMES}
