"""One file a family, in one registry."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature
from pytest_torchcompat.diagnosis.signatures import (
    coqui,
    environment,
    fairseq,
    files,
    installing,
    loading,
    numpy,
    pyannote,
    speechbrain,
    switches,
    torch_itself,
    torchaudio,
    ultralytics,
    weights_only,
)

FAMILIES = {
    "weights_only": weights_only.SIGNATURES,
    "switches": switches.SIGNATURES,
    "files": files.SIGNATURES,
    "loading": loading.SIGNATURES,
    "torch_itself": torch_itself.SIGNATURES,
    "installing": installing.SIGNATURES,
    "numpy": numpy.SIGNATURES,
    "fairseq": fairseq.SIGNATURES,
    "ultralytics": ultralytics.SIGNATURES,
    "torchaudio": torchaudio.SIGNATURES,
    "pyannote": pyannote.SIGNATURES,
    "coqui": coqui.SIGNATURES,
    "speechbrain": speechbrain.SIGNATURES,
    "environment": environment.SIGNATURES,
}
SIGNATURES: tuple[Signature, ...] = tuple(each for family in FAMILIES.values() for each in family)
