"""The tensors into a new file: safetensors, or a plain state dict of torch's."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterable
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
    "float8_e5m2": "F8_E5M2",
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


def write_safetensors(flat: Flat, contents: Contents, out: Path) -> None:
    """
    Write the tensors with the plain values as JSON in the metadata.

    The format (a JSON header after its length, then the bytes) has no shared storages: each tensor
    is written whole, and ``shared`` in the metadata names those that were one. The safetensors
    package wants every byte in memory at once; here it is one storage at a time.
    """
    header: dict[str, Any] = {
        "__metadata__": {"torchcompat": json.dumps({"plain": flat.plain, "shared": flat.shared()})}
    }
    end = 0
    for name, record in flat.tensors.items():
        start, end = end, end + record.elements * ITEM_BYTES[record.dtype]
        shape, dtype = list(record.shape), _SAFETENSORS[record.dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with _replacing(out) as path, path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for record in flat.tensors.values():
            file.write(_packed(record, contents))


def _packed(record: TensorRecord, contents: Contents) -> bytes:
    """Return a tensor's elements one after the other, as a contiguous tensor has them."""
    size = ITEM_BYTES[record.dtype]
    data = contents.storage(record.storage)
    if not record.elements:
        return b""
    if _is_contiguous(record):
        return data[record.offset * size : (record.offset + record.elements) * size]
    whole = _elements(memoryview(data)[: len(data) // size * size], size)
    return _gathered(whole, record.offset, record.shape, record.stride)


def _elements(data: memoryview[int], size: int) -> memoryview[int]:
    # Integers of the elements' size: only their bytes matter.
    if size == 1:
        return data
    if size == 2:  # noqa: PLR2004
        return data.cast("H")
    return data.cast("I") if size == 4 else data.cast("Q")  # noqa: PLR2004


def _is_contiguous(record: TensorRecord) -> bool:
    dense = [1, *itertools.accumulate(reversed(record.shape[1:]), lambda a, b: a * b)]
    steps = zip(record.shape, record.stride, reversed(dense))
    return all(size == 1 or step == expected for size, step, expected in steps)


def _gathered(
    data: memoryview[int], offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> bytes:
    if not shape:
        return data[offset : offset + 1].tobytes()
    (size, *sizes), (step, *steps) = shape, stride
    if step == 0:  # one value for the whole length, as torch.Tensor.expand makes
        return _gathered(data, offset, tuple(sizes), tuple(steps)) * size
    if not sizes:
        return data[offset : offset + (size - 1) * step + 1 : step].tobytes()
    starts = range(offset, offset + size * step, step)
    return b"".join(_gathered(data, start, tuple(sizes), tuple(steps)) for start in starts)


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
    state = OrderedDict(_tensors(torch, flat, storages))
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
        if kind is None:
            umask = os.umask(0)
            os.umask(umask)
            self.path.chmod(0o666 & ~umask)
            self.path.replace(self.out)
        else:
            self.path.unlink(missing_ok=True)
