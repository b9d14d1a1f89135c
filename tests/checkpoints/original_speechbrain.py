"""
What the files of speechbrain's speaker embedding look like, for the replica to be compared with.

None has been opened here. What is known: speechbrain saves a module by ``torch.save`` of its state
dict (``speechbrain.utils.checkpoints.torch_save``), and the keys are those of the model that the
published YAML file describes. The published 83,316,686 bytes are more than the 83,224,056 of its
tensors and less than 10 kB more than today's zip of them; the older container would be smaller.
"""

from __future__ import annotations

ORIGINALS = {
    "speechbrain/spkrec-ecapa-voxceleb": {
        "keys": (231, "blocks.0.conv.conv.weight"),
        "format": "zip",
        # BatchNorm counts its batches in int64.
        "dtypes": {"float32", "int64"},
    },
}
