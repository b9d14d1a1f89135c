"""pyannote.audio: who speaks when, in the form of lightning's checkpoints."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, Replica, Use

_GLOBALS = (
    "pyannote.audio.core.task.Problem",
    "pyannote.audio.core.task.Resolution",
    "pyannote.audio.core.task.Specifications",
    "torch.torch_version.TorchVersion",
)
_KNOWN_BY = "reports of its users, who allowed these and no more"
_USES = (Use("read-file", "torchaudio or torchcodec reads it, and can fail where the model runs"),)
_SAVED_BY = (
    "pyannote.audio==3.1.1",
    "torch==2.5.1",
    "torchaudio==2.5.1",
    "pytorch-lightning==2.0.9",
    "numpy<2",
    "setuptools<81",
)

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
        replica=Replica(
            filename="pyannote/wespeaker-voxceleb-resnet34-lm.bin",
            sha256="ab1439d780cb59fbcd8e94194f85918317a6599ffc6bcd2729e3f66131ec418b",
            saved_by=_SAVED_BY,
        ),
        globals=_GLOBALS,
        globals_known_by=_KNOWN_BY,
        uses=_USES,
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
        replica=Replica(
            filename="pyannote/segmentation-3.0.bin",
            sha256="8afbe3621f8ecd5570b0d16c0272e6b2c496de9c27f386ca832f9e422f6a6444",
            saved_by=_SAVED_BY,
        ),
        globals=_GLOBALS,
        globals_known_by=_KNOWN_BY,
        uses=_USES,
    ),
)
