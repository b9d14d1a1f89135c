"""Remedies that signatures of several families have."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import advice, edit, run

CONVERT = run(
    "torchcompat convert FILE OUT.safetensors",
    says="Take the tensors out of the file; nothing in it is executed, its library is not needed.",
)
SCAN = run(
    "torchcompat scan FILE", says="See what the file is and would import; nothing is executed."
)
TRUST = edit(
    'checkpoint = torch.load(path, map_location="cpu", weights_only=False)',
    says="Where you trust whoever made the file, load it unchecked: this executes what it says.",
)
AUTHOR = advice("Ask whoever made the file for a plain state dict, or for safetensors.")
