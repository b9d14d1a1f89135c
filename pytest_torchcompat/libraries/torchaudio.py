"""torchaudio: the API that its callers were written for, and reading a file."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

LEGACY_API = "torchaudio/legacy-api"
SAMPLE_RATE = 16000
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

    def write_replica(self, checkpoint: Checkpoint, path: Path) -> None:
        """Write half a second of a rising tone as 16-bit WAV."""
        samples = array("h", (_rising_tone(i) for i in range(SAMPLE_RATE // 2)))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(samples.tobytes())


def _rising_tone(i: int) -> int:
    seconds = i / SAMPLE_RATE
    return round(16000 * math.sin(2 * math.pi * (220 + 440 * seconds) * seconds))


def _legacy_names(torchaudio: Any) -> dict[str, Any]:
    missing = [name for name in LEGACY_NAMES if not hasattr(torchaudio, name)]
    if missing:
        message = f"module 'torchaudio' has no attribute {', '.join(map(repr, missing))}"
        raise AttributeError(message)
    return {name: getattr(torchaudio, name) for name in LEGACY_NAMES}
