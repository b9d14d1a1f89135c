"""The tensors into a new file: safetensors, or a plain state dict of torch's."""

from __future__ import annotations

import itertools
import json
import math
import operator
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pytest_torchcompat.convert.contents import Contents
from pytest_torchcompat.convert.flatten import Flat
from pytest_torchcompat.convert.standins import ITEM_BYTES, TensorRecord
from pytest_torchcompat.errors import ConvertError

_SAFETENSORS = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "int64": "I64",
    "uint64": "U64",
    "float64": "F64",
    "complex64": "C64",
}
_ALIGNED = 8
_LONGEST_HEADER = 100_000_000  # safetensors' own bound
_CHUNK = 1 << 20


def write_safetensors(flat: Flat, contents: Contents, out: Path) -> None:
    """
    Write the tensors with the plain values as JSON in the metadata.

    The format (a JSON header after its length, then the bytes) has no shared storages: each tensor
    is written whole, and ``shared`` in the metadata names those that were one. The safetensors
    package wants every byte in memory at once; here it is one storage at a time.
    """
    text, size = _header(flat)
    free = shutil.disk_usage(out.parent).free
    if size > free:
        message = f"its tensors take {size:,} bytes, and {free:,} are free beside {out.name}"
        raise ConvertError(message)
    with _replacing(out) as path, path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for record in flat.tensors.values():
            file.writelines(_packed(record, contents))


def _header(flat: Flat) -> tuple[bytes, int]:
    """Return the header with its padding, and the size of all that follows it."""
    header: dict[str, Any] = {
        "__metadata__": {"torchcompat": json.dumps({"plain": flat.plain, "shared": flat.shared()})}
    }
    end = 0
    for name, record in flat.tensors.items():
        _check_can_be_named(name, record)
        start, end = end, end + record.elements * ITEM_BYTES[record.dtype]
        shape, dtype = list(record.shape), _SAFETENSORS[record.dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    if len(text) > _LONGEST_HEADER:
        message = "its names and plain values are more than safetensors reads; name OUT .pt"
        raise ConvertError(message)
    return text, end


def _check_can_be_named(name: str, record: TensorRecord) -> None:
    if record.dtype not in _SAFETENSORS:
        message = f"safetensors has no {record.dtype}, which {name!r} is of; name OUT .pt"
        raise ConvertError(message)
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in name)
    if surrogates or name == "__metadata__":
        message = f"safetensors cannot name a tensor {name!r}; name OUT .pt"
        raise ConvertError(message)


def _packed(record: TensorRecord, contents: Contents) -> Iterator[memoryview[int] | bytearray]:
    """Yield a tensor's elements one after the other, as a contiguous tensor has them."""
    size = ITEM_BYTES[record.dtype]
    data = memoryview(contents.storage(record.storage))
    if record.elements and _is_contiguous(record):
        yield data[record.offset * size : (record.offset + record.elements) * size]
    elif record.elements:
        whole = _elements(data[: len(data) // size * size], size)
        yield from _gathered(whole, record.offset, record.shape, record.stride)


def _elements(data: memoryview[int], size: int) -> memoryview[int]:
    # Integers of the elements' size: only their bytes matter.
    if size == 1:
        return data
    if size == 2:  # noqa: PLR2004
        return data.cast("H")
    return data.cast("I") if size == 4 else data.cast("Q")  # noqa: PLR2004


def _is_contiguous(record: TensorRecord) -> bool:
    steps = zip(record.shape, record.stride, _dense(record.shape))
    return all(size == 1 or step == expected for size, step, expected in steps)


def _dense(shape: tuple[int, ...]) -> list[int]:
    """Return the strides of a contiguous tensor."""
    steps = [1, *itertools.accumulate(reversed(shape[1:]), operator.mul)]
    return steps[: len(shape)][::-1]


def _gathered(
    data: memoryview[int], offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> Iterator[bytearray]:
    """Yield what lies at such steps, in pieces: an expanded tensor is more than its storage."""
    size, step = shape[0] if shape else 1, stride[0] if stride else 1
    sizes, steps = shape[1:], stride[1:]
    rows = _CHUNK // math.prod(sizes)
    for first in range(0, size, rows or 1):
        start = offset + first * step
        if rows:
            yield _block(data, start, (min(rows, size - first), *sizes), (step, *steps))
        else:
            yield from _gathered(data, start, sizes, steps)


def _block(
    data: memoryview[int], offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> bytearray:
    """Gather along the longest dimension at once, and so for every index into the others."""
    block = bytearray(math.prod(shape) * data.itemsize)
    filled = memoryview(block).cast(data.format)  # type: ignore[call-overload]
    dense = _dense(shape)
    longest = shape.index(max(shape))
    others = [each for each in range(len(shape)) if each != longest]
    count, step, target_step = shape[longest], stride[longest], dense[longest]
    for index in itertools.product(*(range(shape[each]) for each in others)):
        source = offset + sum(stride[each] * at for each, at in zip(others, index))
        target = sum(dense[each] * at for each, at in zip(others, index))
        end = target + (count - 1) * target_step + 1
        filled[target:end:target_step] = _line(data, source, count, step)
    return block


def _line(data: memoryview[int], start: int, count: int, step: int) -> memoryview[int]:
    if step:
        return data[start : start + (count - 1) * step + 1 : step]
    # One value for the whole length, as torch.Tensor.expand makes it.
    repeated = memoryview(data[start : start + 1].tobytes() * count)
    return repeated.cast(data.format)  # type: ignore[call-overload,no-any-return]


def write_state_dict(flat: Flat, contents: Contents, out: Path) -> None:
    """
    Write an ordered dictionary of the tensors with ``torch.save``; shared storages stay shared.

    Raises ``ConvertError`` where torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        message = "torch is not installed, which writes .pt files; name OUT .safetensors"
        raise ConvertError(message) from error
    storages: dict[str, Any] = {}
    for record in flat.tensors.values():
        if record.storage.key not in storages:
            data = bytearray(contents.storage(record.storage))
            made = torch.frombuffer(data, dtype=torch.uint8).untyped_storage() if data else None
            storages[record.storage.key] = made or torch.UntypedStorage(0)
    try:
        state = OrderedDict(_tensors(torch, flat, storages))
    except (AttributeError, OverflowError, RuntimeError, TypeError) as error:
        message = f"torch {torch.__version__} cannot make one of its tensors ({error})"
        raise ConvertError(message) from error
    with _replacing(out) as path:
        torch.save(state, path)


def _tensors(torch: Any, flat: Flat, storages: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, record in flat.tensors.items():
        empty = torch.empty(0, dtype=getattr(torch, record.dtype))
        storage = storages[record.storage.key]
        yield name, empty.set_(storage, record.offset, record.shape, record.stride)


class _replacing:  # noqa: N801 - a with statement reads it as a verb
    """Write beside a file and put it in place whole, so that no half file is left."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> Path:
        handle, name = tempfile.mkstemp(dir=self.out.parent, suffix=self.out.suffix)
        os.close(handle)
        self.path = Path(name)
        return self.path

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                umask = os.umask(0)
                os.umask(umask)
                self.path.chmod(0o666 & ~umask)
                self.path.replace(self.out)
        finally:
            self.path.unlink(missing_ok=True)
