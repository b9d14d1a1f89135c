"""The batch and the type of numbers of a forward pass: its input, and the model that takes it."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Iterator
from typing import Any

from pytest_torchcompat.errors import TorchcompatError, unknown_name
from pytest_torchcompat.libraries.protocol import Library

DTYPES = ("float32", "float16", "bfloat16")
FLOAT32 = DTYPES[0]


class NotOfferedError(TorchcompatError):
    """A batch or a type of numbers in which an adapter has no forward pass."""


def checked(batch: Any = 1, dtype: Any = FLOAT32) -> dict[str, Any]:
    """
    Return what of the two is not the default.

    Raises ``NotOfferedError`` for a batch of nothing, and ``UnknownNameError`` for another dtype.
    """
    batch = _counted(batch)
    if dtype not in DTYPES:
        raise unknown_name("dtype", str(dtype), DTYPES)
    given = {"batch": (batch, 1), "dtype": (dtype, FLOAT32)}
    return {name: value for name, (value, default) in given.items() if value != default}


def _counted(batch: Any) -> int:
    """Return a batch, numpy's whole numbers among them, as Python's own."""
    try:
        number = 0 if isinstance(batch, bool) else operator.index(batch)
    except TypeError:
        number = 0
    if number < 1:
        message = (
            f"a batch is a whole number from 1 on, and {batch!r} is not one; leave it out for 1"
        )
        raise NotOfferedError(message)
    return number


def require_taken(library: Library, options: dict[str, Any]) -> None:
    """Raise ``NotOfferedError`` where an adapter's forward pass does not take an option."""
    known = inspect.signature(library.forward).parameters
    every = any(each.kind is each.VAR_KEYWORD for each in known.values())
    missing = [] if every else [name for name in options if name not in known]
    if missing:
        said = " and ".join(f"{name}={options[name]!r}" for name in missing)
        who = f"the adapter of {library.name}"
        raise not_offered(who, said)


def not_offered(who: str, said: str) -> NotOfferedError:
    """Return the error over what an adapter can't do."""
    return NotOfferedError(
        f"{who} has no forward pass with {said}. Leave that out, or time a call of your own:"
        " torchcompat_forward(call=...) with the same words."
    )


def repeated(one: Any, batch: int, dtype: str = FLOAT32) -> Any:
    """Return an input so many times over; numbers that are no floats stay what they are."""
    return _as(one, dtype).repeat(batch, *[1] * (one.dim() - 1))


def placed(model: Any, device: str, dtype: str = FLOAT32) -> Any:
    """
    Return a model on a device, as it is; in another type of numbers as a copy of it.

    Cast in place and back, the caller's model would have lost half of each weight's digits.
    """
    if dtype == FLOAT32:
        return model.to(device)
    # A weight that a hook computes can't be copied by itself, and no weight needs to be twice.
    memo = {id(each): _cast(each, device, dtype) for each in _tensors(model)}
    return copy.deepcopy(model, memo).to(device)


def _tensors(model: Any) -> Iterator[Any]:
    """Yield the tensors of a model: parameters, buffers, and what its modules hold besides."""
    import torch

    for module in model.modules():
        yield from module.parameters(recurse=False)
        yield from module.buffers(recurse=False)
        yield from (each for each in vars(module).values() if isinstance(each, torch.Tensor))


def _cast(tensor: Any, device: str, dtype: str) -> Any:
    import torch

    found = _as(tensor.detach().to(device, copy=True), dtype)
    is_parameter = isinstance(tensor, torch.nn.Parameter)
    return torch.nn.Parameter(found, tensor.requires_grad) if is_parameter else found


def _as(tensor: Any, dtype: str) -> Any:
    import torch

    return tensor.to(getattr(torch, dtype)) if tensor.is_floating_point() else tensor
