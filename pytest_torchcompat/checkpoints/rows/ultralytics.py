"""ultralytics: detectors that are pickled as whole modules, so that every class is a global."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica, UrlFile

_ASSETS = "https://github.com/ultralytics/assets/releases/download"
# opencv-python needs libGL, which a bare machine lacks.
_OPENCV = "opencv-python-headless"

_OF_TORCH = (
    "torch.nn.modules.activation.SiLU",
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.container.ModuleList",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.conv.Conv2d",
    "torch.nn.modules.pooling.MaxPool2d",
    "torch.nn.modules.upsampling.Upsample",
)


def _and_of_torch(*names: str) -> tuple[str, ...]:
    return tuple(sorted((*_OF_TORCH, *names)))


ROWS = (
    Checkpoint(
        id="ultralytics/yolov8n",
        library="ultralytics",
        why="a detector that is pickled as a whole module, so that every class of it is a global",
        licence="AGPL-3.0",
        used_by=("ultralytics",),
        # Both releases hold the same bytes; v0.0.0 has another file of this name.
        sources=(
            UrlFile(f"{_ASSETS}/v8.3.0/yolov8n.pt"),
            UrlFile(f"{_ASSETS}/v8.4.0/yolov8n.pt"),
        ),
        sha256="f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
        bytes=6_549_796,
        replica=Replica(
            filename="ultralytics/yolov8n.pt",
            sha256="614a1f19052bf04aa730dfcb40887104f5d6265ef23f8b0b60387592d86e61b7",
            saved_by=("ultralytics==8.1.0", "torch==2.5.1", _OPENCV),
        ),
        globals=_and_of_torch(
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
        id="ultralytics/yolov8n-2023",
        library="ultralytics",
        why="yolov8n.pt as first published: its classes have names that newer versions moved",
        licence="AGPL-3.0",
        used_by=("ultralytics",),
        sources=(UrlFile(f"{_ASSETS}/v0.0.0/yolov8n.pt"),),
        sha256="31e20dde3def09e2cf938c7be6fe23d9150bbbe503982af13345706515f2ef95",
        bytes=6_534_387,
        replica=Replica(
            filename="ultralytics/yolov8n-2023.pt",
            sha256="807e60f0d39adc6087835ccc479dc5a2ba12358c73a142d0255956bac262cb30",
            saved_by=("ultralytics==8.0.0", "torch==2.5.1", _OPENCV, "setuptools<81", "numpy<2"),
        ),
        globals=_and_of_torch(
            "ultralytics.nn.modules.Bottleneck",
            "ultralytics.nn.modules.C2f",
            "ultralytics.nn.modules.Concat",
            "ultralytics.nn.modules.Conv",
            "ultralytics.nn.modules.DFL",
            "ultralytics.nn.modules.Detect",
            "ultralytics.nn.modules.SPPF",
            "ultralytics.nn.tasks.DetectionModel",
        ),
        globals_known_by="measured on a model of the same architecture that 8.0.0 saved; a third"
        " party's allow-list for yolov8n.pt has the same names; not seen in the real file",
    ),
    Checkpoint(
        id="ultralytics/yolov8n-seg",
        library="ultralytics",
        why="a segmenter whose pickle calls getattr, which no allow-list should hold as it is",
        licence="AGPL-3.0",
        used_by=("ultralytics",),
        # The release that ultralytics 8.1.0 downloads its models from.
        sources=(UrlFile(f"{_ASSETS}/v8.1.0/yolov8n-seg.pt"),),
        replica=Replica(
            filename="ultralytics/yolov8n-seg.pt",
            sha256="6e5371899cb331e56fc12d107676dda3e6ec90c9b50fd9c14cdf5f9dc89e332b",
            saved_by=("ultralytics==8.1.0", "torch==2.5.1", _OPENCV),
        ),
        globals=_and_of_torch(
            "builtins.getattr",
            "torch.nn.modules.conv.ConvTranspose2d",
            "ultralytics.nn.modules.block.Bottleneck",
            "ultralytics.nn.modules.block.C2f",
            "ultralytics.nn.modules.block.DFL",
            "ultralytics.nn.modules.block.Proto",
            "ultralytics.nn.modules.block.SPPF",
            "ultralytics.nn.modules.conv.Concat",
            "ultralytics.nn.modules.conv.Conv",
            "ultralytics.nn.modules.head.Detect",
            "ultralytics.nn.modules.head.Segment",
            "ultralytics.nn.tasks.SegmentationModel",
            "ultralytics.utils.IterableSimpleNamespace",
        ),
        globals_known_by="measured on a model of the same architecture that 8.1.0's own"
        " strip_optimizer saved; its maintainers say that the published one has getattr; not seen"
        " in the real file",
    ),
    Checkpoint(
        id="ultralytics/yolo11n",
        library="ultralytics",
        why="the detector after YOLOv8, with attention; ultralytics reads it from 8.3.0 on",
        licence="AGPL-3.0",
        used_by=("ultralytics",),
        sources=(UrlFile(f"{_ASSETS}/v8.3.0/yolo11n.pt"),),
        sha256="0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
        bytes=5_613_764,
        replica=Replica(
            filename="ultralytics/yolo11n.pt",
            sha256="f0ec02ab44193799a14b369d4b6116c3b7c2a07c5f1d9b4b84a53ad87482fa7c",
            saved_by=("ultralytics==8.3.0", "torch==2.5.1", _OPENCV),
        ),
        globals=_and_of_torch(
            "torch.nn.modules.linear.Identity",
            "ultralytics.nn.modules.block.Attention",
            "ultralytics.nn.modules.block.Bottleneck",
            "ultralytics.nn.modules.block.C2PSA",
            "ultralytics.nn.modules.block.C3k",
            "ultralytics.nn.modules.block.C3k2",
            "ultralytics.nn.modules.block.DFL",
            "ultralytics.nn.modules.block.PSABlock",
            "ultralytics.nn.modules.block.SPPF",
            "ultralytics.nn.modules.conv.Concat",
            "ultralytics.nn.modules.conv.Conv",
            "ultralytics.nn.modules.conv.DWConv",
            "ultralytics.nn.modules.head.Detect",
            "ultralytics.nn.tasks.DetectionModel",
        ),
        globals_known_by="measured on a model of the same architecture that 8.3.0 saved; a third"
        " party's allow-list for YOLO11 has the same names; not seen in the real file",
    ),
)
