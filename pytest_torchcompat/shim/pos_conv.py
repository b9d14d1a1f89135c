"""The weight norm of the positional convolution in HuBERT and wav2vec 2.0."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# The keys of one weight norm, in the layouts of torch's two implementations.
PAIR = ("weight_g", "weight_v")
PARAMETRIZED = ("parametrizations.weight.original0", "parametrizations.weight.original1")


class PosConvWeightNorm:
    """
    Maps ``encoder.pos_conv.0`` of a file to the layout of fairseq's module, and keeps its weights.

    fairseq has one norm for each position of the kernel: ``weight_g`` [1, 1, K]. Files exist with
    the names of torch's parametrization, with one norm for each channel ([C, 1, 1]), and with the
    norm removed. Loaded with ``strict=False`` each leaves random weights behind, silently. Of a
    file whose shapes can't be mapped the module keeps its fresh weights, and ``lost`` says so.
    """

    name = "pos-conv-weight-norm"
    restores = "files whose positional convolution has another weight norm than fairseq's module"
    retired_when = "the files are saved again in fairseq's layout, or fairseq maps them itself"
    at_import = False
    libraries = ("fairseq",)
    modules = ("fairseq",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply with any fairseq: the layout is the file's."""
        return "fairseq" in versions

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Wrap the method by which fairseq lets an encoder upgrade old state dicts."""
        from fairseq.models.wav2vec.wav2vec2 import TransformerEncoder

        self.lost.clear()
        upgrade = vars(TransformerEncoder)["upgrade_state_dict_named"]
        with _file_read_last() as files:

            def mapping(encoder: Any, state: Any, name: str) -> Any:
                place = f"{name}.pos_conv.0." if name else "pos_conv.0."
                conv = next(encoder.pos_conv.children(), None)
                if all(hasattr(conv, each) for each in PAIR):
                    self.lost += _map(conv, state, place, files[-1] if files else "a state dict")
                return upgrade(encoder, state, name)

            TransformerEncoder.upgrade_state_dict_named = mapping
            try:
                yield
            finally:
                TransformerEncoder.upgrade_state_dict_named = upgrade


def _map(conv: Any, state: Any, place: str, file: str) -> list[str]:
    """Put a state dict's weights under the keys of the module, in place; return what is lost."""
    own = {f"{place}{name}": getattr(conv, name).detach().clone() for name in PAIR}
    stored = _stored(state, place, file)
    shapes = {key: list(tensor.shape) for key, tensor in stored.items()}
    if not stored or shapes == {key: list(tensor.shape) for key, tensor in own.items()}:
        return []
    mapped = _mapped(list(stored.values()), conv.weight_v.shape)
    for key in stored:
        del state[key]
    state.update(zip(own, mapped or own.values()))
    if mapped:
        return []
    found = " and ".join(f"{key} {shape}" for key, shape in shapes.items())
    wanted = " and ".join(f"{key} {list(tensor.shape)}" for key, tensor in own.items())
    return [f"{file}: {found} can't be mapped to {wanted}, whose fresh random weights are kept"]


def _stored(state: Any, place: str, file: str) -> dict[str, Any]:
    """Return the weights of one layout by their keys, none where there are none."""
    for layout in (PAIR, PARAMETRIZED, ("weight",)):
        keys = [f"{place}{name}" for name in layout]
        missing = [key for key in keys if key not in state]
        if missing and len(missing) < len(keys):
            found = next(key for key in keys if key in state)
            message = (
                f"{file}: has {found} and no {missing[0]}, which is half of a weight norm and gives"
                " no weights; get the file again, or the one that it was made from"
            )
            raise RuntimeError(message)
        if not missing:
            return {key: state[key] for key in keys}
    return {}


def _mapped(tensors: list[Any], shape: Any) -> tuple[Any, Any] | None:
    """Return the norms of each position and the directions that give the same weights."""
    import torch

    weight = _effective([tensor.float() for tensor in tensors])
    if weight is None or weight.shape != shape:
        return None
    norms = torch.norm_except_dim(weight, 2, weight.dim() - 1)
    # Without a length there is no direction; any, times zero, is what was stored.
    return norms, torch.where(norms == 0, torch.ones_like(weight), weight)


def _effective(tensors: list[Any]) -> Any:
    """Return the weights that the stored tensors stand for, ``None`` where the shapes disagree."""
    import torch

    if len(tensors) == 1:
        return tensors[0]
    norms, directions = tensors
    for dimension in range(-1, directions.dim()):  # -1 is one norm of all
        lengths = torch.norm_except_dim(directions, 2, dimension)
        if lengths.shape == norms.shape:
            return directions * (norms / lengths)
    return None


@contextlib.contextmanager
def _file_read_last() -> Iterator[list[str]]:
    """Give a list that holds the name of the checkpoint that fairseq read last, if any."""
    files: list[str] = []
    checkpoints: Any = sys.modules.get("fairseq.checkpoint_utils")
    if checkpoints is None:
        yield files
        return
    load = checkpoints.load_checkpoint_to_cpu

    @functools.wraps(load)
    def remembering(path: Any, *rest: Any, **named: Any) -> Any:
        files[:] = [Path(path).name]
        return load(path, *rest, **named)

    checkpoints.load_checkpoint_to_cpu = remembering
    try:
        yield files
    finally:
        checkpoints.load_checkpoint_to_cpu = load
