"""
One checkpoint under one policy, as a maintainer checks it.

``python check.py CELL CHECKPOINT LIBRARY FILE POLICY SHIMS GLOBALS``; the last two are lists with
commas. A shim is taken from the package; pasted in, it would take the same time.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import traceback
from typing import Any

_KEPT = contextlib.ExitStack()  # what is entered stays so until the process ends


def main(library: str, file: str, policy: str, shims: list[str], names: list[str]) -> None:
    """Import, load and run once."""
    _apply(shims)
    load = {"fairseq": _load_fairseq, "ultralytics": _load_ultralytics}[library]
    model = load(file, policy, names)
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        if library == "fairseq":
            model.extract_features(source=torch.randn(1, 16000), padding_mask=None, mask=False)
        else:
            model(torch.rand(1, 3, 64, 64))


def _apply(names: list[str]) -> None:
    if names:
        from pytest_torchcompat import shim

        for name in names:
            _KEPT.enter_context(shim.get(name).applied())


def _hold(policy: str, names: list[str]) -> None:
    import torch

    if policy == "allowlisted":
        torch.serialization.add_safe_globals([_found(name) for name in names])
    if policy != "stock":
        chosen = policy == "patched"
        torch.load = functools.partial(_load, torch.load, weights_only=not chosen)


def _load(load: Any, *args: Any, weights_only: bool, **options: Any) -> Any:
    return load(*args, **{**options, "weights_only": weights_only})


def _found(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _load_fairseq(file: str, policy: str, names: list[str]) -> Any:
    import fairseq.models.hubert  # noqa: F401 - registers the model
    from fairseq import checkpoint_utils

    _hold(policy, names)
    models, _, _ = checkpoint_utils.load_model_ensemble_and_task([file])
    return models[0].float().eval()


def _load_ultralytics(file: str, policy: str, names: list[str]) -> Any:
    from ultralytics import YOLO

    _hold(policy, names)
    return YOLO(file).model.float().eval()


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


if __name__ == "__main__":
    cell, checkpoint, library, file, policy, shims, allowed = sys.argv[1:]
    try:
        main(library, file, policy, _words(shims), _words(allowed))
    except Exception:  # noqa: BLE001 - whatever it is, the check failed
        traceback.print_exc()
        print("check", cell, checkpoint, policy, "fails")
        sys.exit(1)
    print("check", cell, checkpoint, policy, "works")
