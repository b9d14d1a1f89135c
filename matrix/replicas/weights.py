"""State dicts that keep every key, shape and dtype, and hold few values."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any


def make_small(weights: MutableMapping[str, Any], dtype: Any, seed: int) -> None:
    """
    Put views of one storage of seeded values in place of the weights.

    An element lies as many values behind the view's first as its indices sum up to, so that a
    weight varies along each of its dimensions.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    count = max(_reach(weight.shape) for weight in weights.values())
    # Small and above zero, as the variances and norms among them have to be.
    values = (torch.rand(count, generator=generator) / 10 + 1e-3).to(dtype)
    for name, weight in weights.items():
        places = count - _reach(weight.shape) + 1
        first = int(torch.randint(places, (), generator=generator))
        weights[name] = values.as_strided(weight.shape, [1] * weight.dim(), first)


def _reach(shape: Sequence[int]) -> int:
    return 1 + sum(size - 1 for size in shape)
