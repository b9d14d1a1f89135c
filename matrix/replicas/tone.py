"""A WAV file for torchaudio."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

SAMPLE_RATE = 16000


def rising_tone(path: Path) -> None:
    """Write half a second of a rising tone as 16-bit WAV."""
    samples = array("h", map(_sample, range(SAMPLE_RATE // 2)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


def _sample(number: int) -> int:
    seconds = number / SAMPLE_RATE
    return round(16000 * math.sin(2 * math.pi * (220 + 440 * seconds) * seconds))


SAVES = dict.fromkeys(
    ("torchaudio/legacy-api", "torchaudio/wav", "torchaudio/resample"), rising_tone
)
