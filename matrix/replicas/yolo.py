"""YOLO of ultralytics: narrow models with the depth of the published ones, pickled whole."""

from __future__ import annotations

import copy
import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

# With so few, a replica has a twentieth of the published bytes; no layer can have fewer channels.
CLASSES = 4
CHANNELS = 8
# The attention of YOLO11 has heads of 64 channels and works on half of its own.
ATTENTION_CHANNELS = 128
DATE = "2024-01-01T00:00:00"


def yolov8n(path: Path) -> None:
    """Save a narrow YOLOv8; of the published one nobody names arguments on the model itself."""
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load
    from ultralytics.utils import DEFAULT_CFG_DICT
    from ultralytics.utils.metrics import DetMetrics

    model = _narrow(_scaled(yaml_model_load("yolov8n.yaml")), DetectionModel)
    results = _results(DetMetrics().keys)
    state = {**_trained(model, DEFAULT_CFG_DICT), **results, **_stamp()}
    _strip(state, "ultralytics.utils.torch_utils", path)


def yolov8n_2023(path: Path) -> None:
    """Save a narrow YOLOv8 as ultralytics 8.0.0 does, where all modules lie in one file."""
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.yolo.utils import DEFAULT_CONFIG_DICT, yaml_load
    from ultralytics.yolo.utils.checks import check_yaml

    cfg = {**yaml_load(check_yaml("yolov8n.yaml")), "yaml_file": "yolov8n.yaml"}
    cfg["width_multiple"] = 1.0
    # Nothing is known of arguments on the published model itself; 8.0.0 adds them as it loads.
    model = _narrow(cfg, DetectionModel)
    state = {**_trained(model, DEFAULT_CONFIG_DICT), **_stamp()}
    _strip(state, "ultralytics.yolo.utils.torch_utils", path)


def yolov8n_seg(path: Path) -> None:
    """Save a narrow segmenter, whose head has ``Detect.forward`` as an attribute."""
    from ultralytics.nn.tasks import SegmentationModel, yaml_model_load
    from ultralytics.utils import DEFAULT_CFG_DICT
    from ultralytics.utils.metrics import SegmentMetrics

    model = _narrow(_scaled(yaml_model_load("yolov8n-seg.yaml")), SegmentationModel)
    results = _results(SegmentMetrics().keys)
    state = {**_trained(_with_arguments(model), DEFAULT_CFG_DICT), **results, **_stamp()}
    _strip(state, "ultralytics.utils.torch_utils", path)


def yolo11n(path: Path) -> None:
    """Save a narrow YOLO11 as the first ultralytics that has it does."""
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load
    from ultralytics.utils import DEFAULT_CFG_DICT
    from ultralytics.utils.metrics import DetMetrics

    cfg = _scaled(yaml_model_load("yolo11n.yaml"))
    model = _narrow(cfg, DetectionModel, attending=("SPPF", "C2PSA"))
    results = _results(DetMetrics().keys)
    state = {**_trained(_with_arguments(model), DEFAULT_CFG_DICT), **results, **_stamp()}
    _strip({**state, "model": None}, "ultralytics.utils.torch_utils", path)


def _scaled(cfg: dict[str, Any]) -> dict[str, Any]:
    depth, _, most = cfg["scales"]["n"]
    # The path of the file would be this machine's.
    return {**cfg, "scales": {"n": [depth, 1.0, most]}, "yaml_file": Path(cfg["yaml_file"]).name}


def _narrow(cfg: dict[str, Any], kind: Any, attending: Sequence[str] = ()) -> Any:
    """Build a model of few channels; ``attending`` names the kinds of layer that need more."""
    import torch

    for *_, name, arguments in (*cfg["backbone"], *cfg["head"]):
        if name == "Segment":
            arguments[1:] = [CHANNELS, CHANNELS]  # the masks, and the channels that make them
        elif isinstance(arguments[0], int) and name != "Concat":
            arguments[0] = ATTENTION_CHANNELS if name in attending else CHANNELS
    torch.manual_seed(0)
    model = kind(cfg, ch=3, nc=CLASSES, verbose=False)
    model.nc = CLASSES
    return model.eval()


def _with_arguments(model: Any) -> Any:
    """Give the model the trainer's arguments, as the trainer does."""
    from ultralytics.utils import DEFAULT_CFG

    model.args = copy.copy(DEFAULT_CFG)
    return model


def _trained(model: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the trainer saves; what is stripped before it is published is not made."""
    averaged = copy.deepcopy(model).half()
    _share_storages(averaged)
    return {
        "epoch": 0,
        "best_fitness": 0.0,
        "model": model,
        "ema": averaged,
        "updates": 0,
        "optimizer": None,
        "train_args": dict(arguments),
    }


def _share_storages(model: Any) -> None:
    """Let equal tensors, and the largest of the head's levels, share their bytes in the file."""
    first, *others = model.model[-1].cv2
    for level in others:
        level[1].conv.weight.data = first[1].conv.weight.data
    kept: dict[Any, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        content = (tensor.dtype, tensor.shape, tensor.detach().numpy().tobytes())
        tensor.data = kept.setdefault(content, tensor.data)


def _results(names: Sequence[str]) -> dict[str, Any]:
    return {
        "train_metrics": {**dict.fromkeys(names, 0.0), "fitness": 0.0},
        "train_results": {"epoch": [0], **{name: [0.0] for name in names}},
    }


def _stamp() -> dict[str, str]:
    import ultralytics

    return {"date": DATE, "version": ultralytics.__version__}


def _strip(state: dict[str, Any], module: str, path: Path) -> None:
    """Let ultralytics make of a trainer's file what it publishes, at a fixed time."""
    import torch

    utils = importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder, "best.pt")
        torch.save(state, trained)
        with mock.patch.object(utils, "datetime", create=True) as clock:
            clock.now.return_value.isoformat.return_value = DATE
            utils.strip_optimizer(str(trained), str(path))


SAVES = {
    "ultralytics/yolov8n": yolov8n,
    "ultralytics/yolov8n-2023": yolov8n_2023,
    "ultralytics/yolov8n-seg": yolov8n_seg,
    "ultralytics/yolo11n": yolo11n,
}
