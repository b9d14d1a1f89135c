"""
What the published files of ultralytics look like, for the replicas to be compared with.

None has been opened here. What is known:

- The keys are those that ``save_model`` of ultralytics' trainer writes and ``strip_optimizer``
  leaves, at the version that is named with the row. 8.3.0 puts its stamp of date, version, licence
  and documents first. With which versions the published files were stripped is not known; that of
  ``yolov8n-2023`` was published with 8.0.0.
- ``strip_optimizer`` makes the weights halves. The strides on the model are no part of them and
  stay in float32; BatchNorm counts its batches in int64.
- The sizes are those of halves: 6.5 MB for the 3.2 million parameters of ``yolov8n``, 5.6 MB for
  the 2.6 million of ``yolo11n``. ``yolov8n-2023`` is 39 kB larger than a model that 8.0.0 makes
  anew: anchors that a validation leaves on the head may be it.
- The globals of ``yolov8n-2023`` and ``yolo11n`` are, name by name, those of an allow-list that a
  third party reads these two architectures with. That of ``yolov8n-seg`` has ``builtins.getattr``,
  by ultralytics' own pull request 24852.
"""

from __future__ import annotations

_TRAINED = ["epoch", "best_fitness", "model", "ema", "updates", "optimizer", "train_args"]
_RESULTS = ["train_metrics", "train_results"]
_DTYPES = {"float16", "float32", "int64"}

ORIGINALS = {
    "ultralytics/yolov8n": {
        "keys": [*_TRAINED, *_RESULTS, "date", "version"],  # 8.1.0
        "format": "zip",
        "dtypes": _DTYPES,
    },
    "ultralytics/yolov8n-2023": {
        "keys": [*_TRAINED, "date", "version"],  # 8.0.0
        "format": "zip",
        "dtypes": _DTYPES,
    },
    "ultralytics/yolov8n-seg": {
        "keys": [*_TRAINED, *_RESULTS, "date", "version"],  # 8.1.0
        "format": "zip",
        "dtypes": _DTYPES,
    },
    "ultralytics/yolo11n": {
        "keys": ["date", "version", "license", "docs", *_TRAINED, *_RESULTS],  # 8.3.0
        "format": "zip",
        "dtypes": _DTYPES,
    },
}
