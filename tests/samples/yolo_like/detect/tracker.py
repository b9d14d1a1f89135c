"""Follows what was seen; saved as the object that it is."""

import torch


class Tracker:
    """Where things were last."""

    def __init__(self, boxes):
        self.boxes = boxes


def tracker(path):
    """Return the tracker of a file."""
    try:
        return torch.load(path, weights_only=True)["tracker"]
    except Exception:
        return torch.load(path, weights_only=False)["tracker"]  # planted: TC002, TC011


def colours(path):
    """Return what pictures are normalised by."""
    return torch.load(path, map_location="cpu", weights_only=True)
