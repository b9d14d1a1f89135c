"""ultralytics."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    CASE,
    Signature,
    advice,
    allow,
    edit,
    pin,
    run,
)

_NOT_ALLOWED = r" was not an allowed global"
_WEIGHTS = "https://github.com/ultralytics/assets/issues/102"
_UNSUPPORTED = "Convert it with the program that trained it, or use a model of ultralytics itself."

_WORLD = (
    "C2fAttn|ImagePoolingAttn|MaxSigmoidAttnBlock|ContrastiveHead|BNContrastiveHead|WorldDetect"
    "|WorldModel"
)
# What each release was the first to define, by comparing the modules of PyPI's wheels.
_FIRST_IN = (
    ("8.0.235", "OBB models", "OBB|OBBModel"),
    (
        "8.1.14",
        "YOLO-World",
        _WORLD,
    ),
    ("8.1.23", "YOLOv9", "ADown|CBFuse|CBLinear|RepBottleneck|RepCSP|RepNCSPELAN4|SPPELAN"),
    ("8.2.35", "YOLOv9t and YOLOv9s", "AConv|ELAN1"),
    (
        "8.2.38",
        "YOLOv10",
        "Attention|C2fCIB|CIB|PSA|RepVGGDW|SCDown|v10Detect|YOLOv10DetectionModel",
    ),
    ("8.3.0", "YOLO11", "C2PSA|C2fPSA|C3f|C3k|C3k2|PSABlock"),
    ("8.3.78", "YOLO12", "A2C2f|AAttn|ABlock"),
    ("8.3.99", "YOLOE", "LRPCHead|YOLOEDetect|YOLOESegment|YOLOEModel|YOLOESegModel"),
    ("8.4.0", "YOLO26", "Proto26|RealNVP|OBB26|Pose26|Segment26|YOLOESegment26"),
)


def _first_in(version: str, what: str, names: str) -> Signature:
    return Signature(
        id=f"yolo-missing-block-{version}",
        exceptions=("AttributeError",),
        pattern=rf"Can't get attribute '(?P<n>{names})' on <module 'ultralytics\.nn\.",
        cause=f"The file has a {{n}}, of {what}, which ultralytics defines since {version}.",
        remedies=(pin(f"ultralytics>={version}", says="Update ultralytics."),),
        link="https://github.com/ultralytics/assets/issues/78",
        knows=CASE,
        applies=(f"ultralytics<{version}",),
    )


SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="wo-yolo",
        exceptions=("UnpicklingError",),
        pattern=rf"GLOBAL (?P<g>ultralytics\.[\w.]+){_NOT_ALLOWED}",
        cause=(
            "The file is a whole pickled model of ultralytics, whose classes torch does not import"
            " under weights_only=True."
        ),
        remedies=(
            pin(
                "ultralytics>=8.3.162",
                says=(
                    "Update ultralytics: since 8.2.64 it passes weights_only=False for its own"
                    " files, since 8.3.162 without replacing torch.load for everybody."
                ),
                when=("torch>=2.6", "ultralytics<8.2.64"),
            ),
            allow("Allow what the file names, and keep weights_only=True."),
            advice("Pass weights_only=False, where you trust whoever made the file."),
        ),
        link=_WEIGHTS,
    ),
    Signature(
        id="yolo-refused-as-corrupted",
        exceptions=("TypeError",),
        pattern=(
            r"is not a loadable checkpoint . the file is empty, truncated or corrupted"
            r" \(UnpicklingError: Weights only load failed[\s\S]*"
            rf"GLOBAL (?P<g>[\w.]+){_NOT_ALLOWED}"
        ),
        cause=(
            "The file is not corrupted, though ultralytics says so: something holds torch to"
            " weights_only=True, and torch refused {g}."
        ),
        remedies=(
            allow("Allow what the file names, and keep weights_only=True."),
            run(
                "unset TORCH_FORCE_WEIGHTS_ONLY_LOAD",
                says="Or, where you trust the file, take back what holds torch to it.",
            ),
        ),
        link=_WEIGHTS,
        knows=CASE,
    ),
    Signature(
        id="wo-yolov5",
        exceptions=("UnpicklingError",),
        pattern=rf"GLOBAL (?P<g>models\.(?:yolo|common|experimental)\.\w+){_NOT_ALLOWED}",
        cause="The file is a whole pickled model of YOLOv5 (or YOLOv7), made in its repository.",
        remedies=(
            edit(
                'torch.load(path, map_location="cpu", weights_only=False)',
                says="Load it so inside that repository, where you trust whoever made the file.",
            ),
            allow("Allow what the file names, with that repository on sys.path."),
        ),
        link="https://github.com/ultralytics/yolov5",
    ),
    *(_first_in(*each) for each in _FIRST_IN),
    Signature(
        id="yolo-missing-block",
        exceptions=("AttributeError",),
        pattern=r"Can't get attribute '(?P<n>\w+)' on <module 'ultralytics\.",
        cause=(
            "The file has a {n}, which this ultralytics does not define: a newer one does, or a"
            " fork."
        ),
        remedies=(
            run("python -m pip install -U ultralytics", says="Update ultralytics."),
            advice("If the newest lacks it too, install the fork that the model was trained with."),
        ),
        link="https://github.com/ultralytics/assets/issues/78",
    ),
    Signature(
        id="yolo-modules-not-package",
        exceptions=("ModuleNotFoundError",),
        pattern=(
            r"No module named 'ultralytics\.nn\.modules\.\w+';"
            r" 'ultralytics\.nn\.modules' is not a package"
        ),
        cause=(
            "The file was saved since ultralytics 8.0.98, and this one is older: its modules are"
            " one file."
        ),
        remedies=(pin("ultralytics>=8.0.98", says="Update ultralytics."),),
        link="https://github.com/ultralytics/ultralytics/issues/9034",
        knows=CASE,
    ),
    Signature(
        id="yolo-yolov5",
        exceptions=("TypeError",),
        pattern=r"appears to be an Ultralytics YOLOv5 model originally trained",
        cause="The file is a pickled model of the YOLOv5 repository, which ultralytics can't read.",
        remedies=(
            edit(
                'model = YOLO("yolov5nu.pt")',
                says="Use a YOLOv5 model that ultralytics trained anew: their names end in u.",
            ),
            advice(
                "Or load the file with the YOLOv5 repository, and export it to ONNX from there."
            ),
        ),
        link="https://docs.ultralytics.com/models/yolov5/",
        knows=CASE,
    ),
    Signature(
        id="yolo-safe-load",
        exceptions=("TypeError",),
        pattern=r"references types outside the supported Ultralytics checkpoint format",
        cause=(
            "ULTRALYTICS_SAFE_LOAD or safe_only=True has ultralytics load with weights_only=True,"
            " and the file names more than ultralytics allows."
        ),
        remedies=(
            run("unset ULTRALYTICS_SAFE_LOAD", says="Where you trust the file, load it as usual."),
            advice(_UNSUPPORTED),
        ),
        link="https://docs.ultralytics.com/reference/nn/tasks/",
        knows=CASE,
    ),
    Signature(
        id="yolo-upsample",
        exceptions=("AttributeError", "ModuleAttributeError"),
        pattern=r"'Upsample' object has no attribute 'recompute_scale_factor'",
        cause=(
            "The pickled model is of torch before 1.11, whose Upsample had not yet the attribute"
            " that this torch reads."
        ),
        remedies=(
            edit(
                "for module in model.modules():\n"
                "    if isinstance(module, torch.nn.Upsample):\n"
                "        module.recompute_scale_factor = None",
                says="Add it after loading.",
            ),
        ),
        link="https://github.com/ultralytics/yolov5/issues/6948",
        knows=CASE,
    ),
    Signature(
        id="ultralytics-patches-load",
        exceptions=("AssertionError", "finding"),
        pattern=r"\bultralytics\.utils\.patches\b",
        cause=(
            "Importing ultralytics 8.2.64 to 8.3.161 replaces torch.load for the whole process:"
            " every file is then loaded with weights_only=False unless its caller says otherwise."
        ),
        remedies=(
            pin("ultralytics>=8.3.162", says="Update ultralytics, which stopped doing so."),
            edit(
                "import torch\n\nload = torch.load\nimport ultralytics\n\ntorch.load = load",
                says=(
                    "Or put torch.load back; ultralytics then no longer loads its own files on"
                    " torch 2.6 and later by itself."
                ),
            ),
        ),
        link="https://github.com/ultralytics/ultralytics/releases/tag/v8.3.162",
        applies=("ultralytics>=8.2.64,<8.3.162",),
        among=("ultralytics",),
    ),
)
