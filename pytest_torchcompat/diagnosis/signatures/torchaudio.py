"""torchaudio, torchvision and torchcodec."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature

SIGNATURES: tuple[Signature, ...] = ()
