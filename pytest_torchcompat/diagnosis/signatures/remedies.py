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
# Of files that are not what ``torch.load`` reads under weights_only=True.
JIT = edit(
    'model = torch.jit.load(path, map_location="cpu")',
    says="Where you trust it, open it as what it is: this runs the program in it.",
)
TAR = edit(
    "import torch\n\n"
    "checkpoint = torch.load(path, weights_only=False)  # executes the file\n"
    "torch.save(checkpoint, new_path)",
    says="Where it is torch's and you trust it, save it anew once.",
)
