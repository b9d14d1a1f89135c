"""ultralytics: detectors that are pickled as whole modules, so that every class is a global."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica, UrlFile

_ASSETS = "https://github.com/ultralytics/assets/releases/download"

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
            filename="ultralytics-yolov8n.pt",
            sha256="c8f426f6dd1fb60b44070d9372450721285f863d392ed378960ebedf1b62091b",
            saved_by=("ultralytics==8.1.0", "torch==2.5.1", "opencv-python-headless"),
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
        id="ultralytics/yolov8n-2023",
        library="ultralytics",
        why="yolov8n.pt as first published: its classes have names that newer versions moved",
        licence="AGPL-3.0",
        used_by=("ultralytics",),
        sources=(UrlFile(f"{_ASSETS}/v0.0.0/yolov8n.pt"),),
        sha256="31e20dde3def09e2cf938c7be6fe23d9150bbbe503982af13345706515f2ef95",
        bytes=6_534_387,
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
    ),
)
