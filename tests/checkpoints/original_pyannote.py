"""
What the files that pyannote published look like, for the replicas to be compared with.

Neither file has been opened here. What is known:

- ``wespeaker-voxceleb-resnet34-lm``: pyannote.audio's wheels hold the script that converts from
  WeSpeaker (``pyannote/audio/models/embedding/wespeaker/convert.py``). It saves with ``torch.save``
  itself, so that none of what lightning's trainer adds is in the file, no hyper-parameters either.
- ``segmentation-3.0``: the keys are those that pytorch-lightning 2.0 dumps (``dump_checkpoint``)
  for the weights of a model alone, with the one that pyannote.audio 3 adds in
  ``Model.on_save_checkpoint``. The size of the published file leaves no room for an optimiser's
  state; whether it has ``loops`` is not known.
"""

from __future__ import annotations

ORIGINALS = {
    "pyannote/wespeaker-voxceleb-resnet34-lm": {
        "keys": ["state_dict", "pyannote.audio", "pytorch-lightning_version"],
        "format": "zip",
        # BatchNorm counts its batches in int64.
        "dtypes": {"float32", "int64"},
    },
    "pyannote/segmentation-3.0": {
        "keys": [
            "epoch",
            "global_step",
            "pytorch-lightning_version",
            "state_dict",
            "loops",
            "hparams_name",
            "hyper_parameters",
            "pyannote.audio",
        ],
        "format": "zip",
        "dtypes": {"float32"},
    },
}
