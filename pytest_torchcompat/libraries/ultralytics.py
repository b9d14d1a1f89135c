"""ultralytics: YOLO models, pickled whole with their classes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

IMAGE = (1, 3, 64, 64)


class Ultralytics:
    """Loads through ``YOLO(path)``, as its users do."""

    name = "ultralytics"
    distribution = "ultralytics"

    def import_(self) -> None:
        """Import ultralytics; some versions replace ``torch.load`` as they do."""
        import ultralytics  # noqa: F401 - the import is the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return the torch module inside the ``YOLO``, in float32."""
        from ultralytics import YOLO

        return YOLO(str(path)).model.float().eval()

    def forward(self, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return the raw head's output on a seeded image, [1, 3, 64, 64]: no detections."""
        import torch

        model = model.to(device)
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(IMAGE, generator=generator).to(device)
        return lambda: model(image)[0]

    def write_replica(self, checkpoint: Checkpoint, path: Path) -> None:
        """Save a narrow YOLOv8 with the keys that the trainer writes, in float16."""
        import torch
        import ultralytics

        model = _narrow_yolov8()
        state = {
            "epoch": -1,
            "best_fitness": None,
            "model": copy.deepcopy(model).half(),
            "ema": None,
            "updates": None,
            "optimizer": None,
            "train_args": {"task": "detect", "mode": "train", "data": "coco.yaml", "imgsz": 640},
            "train_metrics": None,
            "train_results": None,
            "date": "2024-01-01T00:00:00",
            "version": ultralytics.__version__,
        }
        torch.save(state, path)


def _narrow_yolov8() -> Any:
    import torch
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    torch.manual_seed(0)
    cfg = yaml_model_load("yolov8n.yaml")
    # The depth of yolov8n with a quarter of its width, and ten classes: under a megabyte.
    cfg["scales"] = {"n": [0.33, 0.0625, 1024]}
    model = DetectionModel(cfg, ch=3, nc=10, verbose=False)
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # as in the published file
    return model.eval()
