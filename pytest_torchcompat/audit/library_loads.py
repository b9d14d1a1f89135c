"""Calls by which a library loads a checkpoint, choosing for itself how."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from pytest_torchcompat.audit.findings import Verdict
from pytest_torchcompat.audit.loads import UNKNOWN, Load
from pytest_torchcompat.audit.names import Names

_FUNCTIONS: Final = frozenset(
    (
        "fairseq.checkpoint_utils.load_checkpoint_to_cpu",
        "fairseq.checkpoint_utils.load_model_ensemble",
        "fairseq.checkpoint_utils.load_model_ensemble_and_task",
        "pyannote.audio.Model.from_pretrained",
        "pyannote.audio.Pipeline.from_pretrained",
        "TTS.api.TTS",
        "TTS.utils.io.load_fsspec",
        "ultralytics.YOLO",
        "ultralytics.nn.tasks.attempt_load_one_weight",
        "ultralytics.nn.tasks.attempt_load_weights",
        "ultralytics.nn.tasks.torch_safe_load",
    )
)
_MODEL: Final = {  # the arguments that name a model, of classes that do without
    "TTS.api.TTS": frozenset(("model_name", "model_path")),
    "ultralytics.YOLO": frozenset(("model",)),
}
_PICKLED: Final = frozenset(("", ".pt", ".pth"))  # YOLO adds .pt to a name without a suffix
_LIBRARIES: Final = tuple(sorted({name.partition(".")[0] for name in _FUNCTIONS}))
_NAMED: Final = re.compile(
    rf"\b(?:{'|'.join(sorted({name.rpartition('.')[2] for name in _FUNCTIONS}))})\b"
)


def names_one(text: str) -> bool:
    """Say whether a text may hold such a call; most do not, and are not parsed."""
    return any(library in text for library in _LIBRARIES) and bool(_NAMED.search(text))


def library_loads(names: Names) -> Iterator[Load]:
    """Yield the calls; they are no sites, but their failures can be swallowed as any other's."""
    for call in names.all(ast.Call):
        name = names.dotted(call.func)
        if name in _FUNCTIONS and _reads(name, call):
            yield Load(call, str(name), UNKNOWN, Verdict.NOT_KNOWN)


def _reads(name: str, call: ast.Call) -> bool:
    """Say whether a call may load a checkpoint: not TTS() alone, nor a YOLO of a .yaml or .onnx."""
    named = _MODEL.get(name, frozenset())
    given = [*call.args, *(each.value for each in call.keywords if each.arg in {None, *named})]
    if name == "TTS.api.TTS":
        return bool(given)
    first = getattr(given[0], "value", None) if given and name in _MODEL else None
    return not isinstance(first, str) or PurePosixPath(first).suffix in _PICKLED
