"""Finds things in pictures and follows them."""

import torch

_load = torch.load
torch.load = lambda *a, **k: _load(*a, **{**k, "weights_only": False})  # planted: TC002, TC020
