"""The pitch's estimator: a plain state dict."""

import torch


def estimator(path):
    """Return its weights, as the program has read them since torch 1.13."""
    return torch.load(path, map_location="cpu")  # planted: TC001


def names(path):
    """Return the names of its weights, in order."""
    try:
        return sorted(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise SystemExit(f"{path} is missing; run make_checkpoints.py") from error
