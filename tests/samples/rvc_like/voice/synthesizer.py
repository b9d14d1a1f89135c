"""A voice that was trained, with its settings."""

import torch


def voice(path):
    """Return the settings of a voice, and its weights."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)  # planted: TC002
    return checkpoint["settings"], checkpoint["weight"]
