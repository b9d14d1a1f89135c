"""pyannote.audio: who speaks when, saved through lightning."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile

_GLOBALS = (
    "pyannote.audio.core.task.Problem",
    "pyannote.audio.core.task.Resolution",
    "pyannote.audio.core.task.Specifications",
    "torch.torch_version.TorchVersion",
)
_KNOWN_BY = "reports of its users, who allowed these and no more"

ROWS = (
    Checkpoint(
        id="pyannote/wespeaker-voxceleb-resnet34-lm",
        library="pyannote.audio",
        why="the voice of a speaker as a vector; its task's description is pickled beside it",
        licence="CC-BY-4.0",
        used_by=("Style-BERT-VITS2",),
        sources=(
            HubFile(
                "pyannote/wespeaker-voxceleb-resnet34-LM",
                "837717ddb9ff5507820346191109dc79c958d614",
                "pytorch_model.bin",
            ),
        ),
        sha256="366edf44f4c80889a3eb7a9d7bdf02c4aede3127f7dd15e274dcdb826b143c56",
        bytes=26_645_418,
        globals=_GLOBALS,
        globals_known_by=_KNOWN_BY,
    ),
    Checkpoint(
        id="pyannote/segmentation-3.0",
        library="pyannote.audio",
        why="who speaks in each moment; behind terms that an account has to accept",
        licence="MIT",
        used_by=("Style-BERT-VITS2",),
        sources=(
            HubFile(
                "pyannote/segmentation-3.0",
                "e66f3d3b9eb0873085418a7b813d3b369bf160bb",
                "pytorch_model.bin",
                gated=True,
            ),
            # The same bytes, and no account is asked for; nobody has established the commit.
            HubFile("tensorlake/segmentation-3.0", None, "pytorch_model.bin"),
        ),
        sha256="da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
        bytes=5_905_440,
        globals=_GLOBALS,
        globals_known_by=_KNOWN_BY,
    ),
)
