"""Run in a cell's environment: each named shim, on and off the real library, as JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import sys
from types import ModuleType

from pytest_torchcompat import shim

ROOTS = ("dataclasses", "fairseq", "hydra", "numpy", "omegaconf", "torch", "torchaudio")
INTERNAL = ("__warningregistry__",)


def snapshot():
    """The names of every loaded module and class of the libraries, with what they stand for."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ROOTS and isinstance(module, ModuleType):
            found[name] = dict(vars(module))
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__.partition(".")[0] in ROOTS:
                    found[f"class {value.__module__}.{value.__qualname__}"] = dict(vars(value))
    return found


def differences(before, after):
    """What is other than before; a counter of torch or a module loaded meanwhile is not."""
    for name in sorted(before.keys() & after.keys()):
        for key in sorted(before[name].keys() | after[name].keys()):
            old, new = before[name].get(key), after[name].get(key)
            counted = isinstance(old, int) and isinstance(new, int)
            if old is not new and not (counted or isinstance(new, ModuleType) or key in INTERNAL):
                yield f"{name}.{key}"
    yield from sorted(name for name in after.keys() - before.keys() if ".backend" in name)


def whole_float():
    from omegaconf import OmegaConf

    kind = dataclasses.make_dataclass("Task", [("sample_rate", int, 1)])
    return OmegaConf.merge(OmegaConf.structured(kind), {"sample_rate": 16000.0}).sample_rate


def old_default():
    @dataclasses.dataclass
    class Common:
        seed: int = 1

    @dataclasses.dataclass
    class Config:
        common: Common = Common()  # noqa: RUF009 - what fairseq writes

    return Config().common.seed


def channel_norms():
    """A file's norm of each channel, as fairseq's own encoder maps it before it is loaded."""
    import torch
    from fairseq.models.wav2vec.wav2vec2 import TransformerEncoder

    conv = torch.nn.Conv1d(4, 4, 3)
    torch.nn.utils.weight_norm(conv, name="weight", dim=2)
    encoder = TransformerEncoder.__new__(TransformerEncoder)
    torch.nn.Module.__init__(encoder)
    encoder.pos_conv, encoder.layers = torch.nn.Sequential(conv), torch.nn.ModuleList()
    direction, norms = torch.rand(4, 4, 3), torch.rand(4, 1, 1)
    state = {"pos_conv.0.weight_g": norms, "pos_conv.0.weight_v": direction}
    encoder.upgrade_state_dict_named(state, "")
    found = torch._weight_norm(state["pos_conv.0.weight_v"], state["pos_conv.0.weight_g"], 2)
    assert torch.allclose(found, torch._weight_norm(direction, norms, 0), atol=1e-6)


def plain_number():
    import torch

    return torch.isin(elements=torch.tensor([1, 2]), test_elements=2).tolist()


PROBES = {
    "dataclass-defaults": old_default,
    "numpy-aliases": lambda: importlib.import_module("numpy").int(3.0),
    "omegaconf-integers": whole_float,
    "pos-conv-weight-norm": channel_norms,
    "torchaudio-cuda": lambda: importlib.import_module("torchaudio").functional.resample,
    "torchaudio-legacy": lambda: importlib.import_module("torchaudio").AudioMetaData,
    "isin-numbers": plain_number,
}


def works(name):
    try:
        PROBES[name]()
    except Exception as error:  # noqa: BLE001 - whatever it is, it does not work
        return f"{type(error).__name__}: {error}"
    return True


def main(names, failing):
    """Try each without its shim, within it, and after an error in it."""
    found = {}
    with shim.applied(*names):
        pass  # what it imports is loaded, so that the snapshots differ by nothing else
    for name in names:
        without = works(name) if name in failing else None
        before = snapshot()
        with shim.applied(name):
            within = works(name)
        left = list(differences(before, snapshot()))
        with contextlib.suppress(KeyError), shim.applied(name):
            {}[name]
        left += differences(before, snapshot())
        applies = shim.get(name).applies(shim.installed())
        found[name] = {"applies": applies, "without": without, "within": within, "left": left}
    print(json.dumps(found))


if __name__ == "__main__":
    names = sys.argv[1].split(",")
    # Once imported, torchaudio is there: what the guard does without its shim a new process tells.
    main(names, [name for name in names if name != "torchaudio-cuda"])
