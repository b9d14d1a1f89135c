"""
What the file that coqui published looks like, for the replica to be compared with.

It has not been opened here. What is known of ``coqui/xtts-v2``:

- Its configuration is an object, by the globals that a third party's test found in the file of this
  sha256. The trainer (``trainer/io.py``, ``save_model``) writes a dictionary, so that the published
  file was converted; ``config`` and ``model`` are what coqui-tts 0.28 reads of it.
- Its size fits the weights of ``Xtts`` with 30 layers of width 1024, 1026 audio and 6681 text
  tokens, in float32 and BatchNorm's counts in int64: 963 tensors of 1,867,602,540 bytes, which
  torch 2.5.1 saves as a file some 6 to 11 kB short of the published one. One text token more would
  be 8 kB; an optimizer's state or fine-tuning's DVAE has no room.
- The other keys are what the trainer writes beside the two, and ``model_loss`` what it adds for the
  best model so far. Whether they are in the published file is not known, and neither is whether the
  names of its weights begin with ``xtts.``.
"""

from __future__ import annotations

ORIGINALS = {
    "coqui/xtts-v2": {
        "keys": [
            "config",
            "model",
            "optimizer",
            "scaler",
            "step",
            "epoch",
            "date",
            "model_loss",
        ],
        "format": "zip",
        "dtypes": {"float32", "int64"},
    },
}
