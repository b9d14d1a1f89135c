"""Makes this application's checkpoints, from the replicas that pytest-torchcompat ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from voice.settings import Settings

from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.checkpoints.rows import catalogue

ASSETS = Path(__file__).parent / "assets"


def replica(name):
    """Return the stand-in of a known checkpoint."""
    return locate(catalogue().get(name), "replica").path


def main():
    """Write what is not there yet."""
    ASSETS.mkdir(exist_ok=True)
    shutil.copy(replica("rvc/hubert-base"), ASSETS / "hubert_base.pt")
    shutil.copy(replica("rvc/rmvpe"), ASSETS / "rmvpe.pt")
    weights = torch.load(replica("rvc/f0g40k-v2"), map_location="cpu", weights_only=True)["model"]
    torch.save({"weight": weights, "settings": Settings(40_000, 768)}, ASSETS / "voice.pth")


if __name__ == "__main__":
    main()
