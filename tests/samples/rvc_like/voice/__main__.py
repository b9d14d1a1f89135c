"""Prints how many features half a second of silence has."""

from pathlib import Path

import torch

from voice.features import Features

print(len(Features(Path("assets")).of(torch.zeros(1, 8000))))
