"""coqui-tts and TTS, with transformers."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature

SIGNATURES: tuple[Signature, ...] = ()
