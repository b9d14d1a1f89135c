"""Makes this application's checkpoints, from the replicas that pytest-torchcompat ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from detect.tracker import Tracker

from pytest_torchcompat.checkpoints.fetch import locate
from pytest_torchcompat.checkpoints.rows import catalogue

ASSETS = Path(__file__).parent / "assets"


def main():
    """Write what is not there yet."""
    ASSETS.mkdir(exist_ok=True)
    detector = locate(catalogue().get("ultralytics/yolov8n"), "replica")
    shutil.copy(detector.path, ASSETS / "yolov8n.pt")
    torch.save({"tracker": Tracker(torch.zeros(3, 4))}, ASSETS / "tracker.pt")
    torch.save({"mean": torch.zeros(3), "std": torch.ones(3)}, ASSETS / "colours.pt")


if __name__ == "__main__":
    main()
