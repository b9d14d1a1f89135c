"""
The rows of the catalogue: data, one entry a checkpoint.

A value that nobody has established stays absent; nothing here is guessed. A file is pinned by the
sha256 of its bytes, because one name can be two files over time.
"""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint, HubFile, Replica

_TONE = Replica(
    filename="torchaudio-tone.wav",
    sha256="eb55dacc71f30e82603e507d7b9099a55a2ae21de2eb7fed52e14c59c5859aa5",
    saved_by="the wave module of Python 3.10",
)

ROWS: tuple[Checkpoint, ...] = (
    Checkpoint(
        id="rvc/hubert-base",
        library="fairseq",
        why="every RVC voice conversion starts from it, and fairseq is no longer released",
        licence="MIT",
        source=HubFile(
            repo="lj1995/VoiceConversionWebUI",
            revision="88e42f0cb3662ddc0dd263a4814206ce96d53214",
            filename="hubert_base.pt",
        ),
        sha256="f54b40fd2802423a5643779c4861af1e9ee9c1564dc9d32f54f20b5ffba7db96",
        bytes=189_507_909,
        replica=Replica(
            filename="rvc-hubert-base.pt",
            sha256="b73db0cb41a103b9a0692fe8c8c3ef9e29cc31a6424a4a52557df8ca691e2241",
            saved_by="fairseq 0.12.2, torch 2.5.1",
        ),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="third parties' scans of a file with this sha256, and a small model saved"
        " in the same layout",
    ),
    Checkpoint(
        id="ultralytics/yolov8n",
        library="ultralytics",
        why="a detector that is pickled as a whole module, so that every class of it is a global",
        licence="AGPL-3.0",
        # The file of ultralytics' releases v8.3.0 and v8.4.0; an older one has the same name.
        sha256="f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
        bytes=6_549_796,
        replica=Replica(
            filename="ultralytics-yolov8n.pt",
            sha256="c8f426f6dd1fb60b44070d9372450721285f863d392ed378960ebedf1b62091b",
            saved_by="ultralytics 8.1.0, torch 2.5.1",
        ),
        globals=(
            "torch.nn.modules.activation.SiLU",
            "torch.nn.modules.batchnorm.BatchNorm2d",
            "torch.nn.modules.container.ModuleList",
            "torch.nn.modules.container.Sequential",
            "torch.nn.modules.conv.Conv2d",
            "torch.nn.modules.pooling.MaxPool2d",
            "torch.nn.modules.upsampling.Upsample",
            "ultralytics.nn.modules.block.Bottleneck",
            "ultralytics.nn.modules.block.C2f",
            "ultralytics.nn.modules.block.DFL",
            "ultralytics.nn.modules.block.SPPF",
            "ultralytics.nn.modules.conv.Concat",
            "ultralytics.nn.modules.conv.Conv",
            "ultralytics.nn.modules.head.Detect",
            "ultralytics.nn.tasks.DetectionModel",
        ),
        globals_known_by="measured on a model of the same architecture, built from yolov8n.yaml",
    ),
    Checkpoint(
        id="torchaudio/legacy-api",
        library="torchaudio",
        why="info, backends and the sox names that old code calls and new torchaudio took away",
        replica=_TONE,
        pickled=False,
    ),
    Checkpoint(
        id="torchaudio/wav",
        library="torchaudio",
        why="loading a WAV file, which newer torchaudio hands over to torchcodec",
        replica=_TONE,
        pickled=False,
    ),
)


def catalogue() -> Catalogue:
    """Return a fresh catalogue of the rows, to which a project may add its own."""
    return Catalogue(ROWS)
