"""Makes this application's files, from the replicas that pytest-torchcompat ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from units.quantizer import Quantizer

from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.checkpoints.rows import catalogue

ASSETS = Path(__file__).parent / "assets"


def replica(name):
    """Return the stand-in of a known checkpoint."""
    return locate(catalogue().get(name), "replica").path


def main():
    """Write what is not there yet."""
    ASSETS.mkdir(exist_ok=True)
    shutil.copy(replica("fairseq/mhubert-base-vp"), ASSETS / "mhubert.pt")
    shutil.copy(replica("torchaudio/wav"), ASSETS / "tone.wav")
    generator = torch.Generator().manual_seed(0)
    quantizer = Quantizer(torch.randn(10, 16, generator=generator))
    torch.save({"quantizer": quantizer}, ASSETS / "kmeans.pt")


if __name__ == "__main__":
    main()
