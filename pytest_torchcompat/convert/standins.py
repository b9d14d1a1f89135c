"""
An unpickler that imports nothing and calls nothing of what a file names.

Each name that a pickle looks up becomes an inert stand-in of the same name, which keeps what it is
given. The exceptions are functions of this module for the names by which torch rebuilds tensors:
they make descriptions of tensors and read no data.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pytest_torchcompat.errors import ConvertError

# Bytes of an element, by torch's name of the dtype.
ITEM_BYTES: Mapping[str, int] = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int16": 2,
    "uint16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "complex64": 8,
}
_STORAGES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "IntStorage": "int32",
    "FloatStorage": "float32",
    "LongStorage": "int64",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "UntypedStorage": "uint8",
}


@dataclass(frozen=True)
class StorageRecord:
    """A storage: the key of its bytes in the file, its dtype, and its elements."""

    key: str
    dtype: str
    elements: int
    offset: int = 0  # in elements, of a view into another storage (torch before 0.4)


@dataclass(frozen=True)
class TensorRecord:
    """A tensor: where its elements lie in a storage; ``offset`` and ``stride`` count elements."""

    storage: StorageRecord
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many values it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class Dtype:
    """A dtype named by the pickle itself."""

    name: str


# Where a stand-in keeps what is no attribute; no attribute can have such a name.
ARGUMENTS, ITEMS, VALUES = "<arguments>", "<items>", "<values>"


class StandIn:
    """Keeps what a pickle gives to an object, under the name of the object's class."""

    named = ""

    def __new__(cls, *args: Any, **_: Any) -> Any:
        """Take whatever the class of that name takes."""
        made = super().__new__(cls)
        vars(made).update({ARGUMENTS: args, ITEMS: {}, VALUES: []})
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        """Nothing more: a class of another name would do its work here."""

    def __call__(self, *args: Any, **_: Any) -> Any:
        """Stand in for the result of a call as well."""
        return StandIn(*args)

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                vars(self).update({str(name): value for name, value in part.items()})

    def __setitem__(self, key: Any, value: Any) -> None:
        vars(self)[ITEMS][key] = value

    def append(self, value: Any) -> None:
        """Keep an item of what is a list to its own class."""
        vars(self)[VALUES].append(value)

    add = append

    def extend(self, values: Any) -> None:
        """Keep several."""
        vars(self)[VALUES].extend(values)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRecord:
    return _checked(storage, getattr(storage, "dtype", ""), offset, shape, stride)


def _tensor_of_dtype(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> TensorRecord:
    return _checked(storage, getattr(dtype, "name", ""), offset, shape, stride)


def _checked(storage: Any, dtype: str, offset: Any, shape: Any, stride: Any) -> TensorRecord:
    numbers = (offset, *shape, *stride)
    sound = isinstance(storage, StorageRecord) and all(_natural(number) for number in numbers)
    if not sound or len(shape) != len(stride) or dtype not in ITEM_BYTES:
        message = f"it has a tensor of {dtype or 'a storage'} that is not described as torch does"
        raise ConvertError(message)
    record = TensorRecord(storage, dtype, storage.offset + offset, tuple(shape), tuple(stride))
    _check_bounds(record)
    return record


def _natural(number: Any) -> bool:
    return type(number) is int and number >= 0


def _check_bounds(record: TensorRecord) -> None:
    """Refuse a tensor that would reach beyond its storage, where torch finds other memory."""
    if not record.elements:
        return
    reach = sum((size - 1) * step for size, step in zip(record.shape, record.stride))
    held = record.storage.offset + record.storage.elements
    held = held * ITEM_BYTES[record.storage.dtype] // ITEM_BYTES[record.dtype]
    if record.offset + reach >= held:
        message = f"it has a tensor that reaches beyond its storage {record.storage.key!r}"
        raise ConvertError(message)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _of_type(rebuild: Any, _type: Any, args: Any, *_: Any) -> Any:
    # Only what this module itself rebuilds is called; anything else is an inert stand-in.
    return rebuild(*args)


_REBUILT: Mapping[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.Size": tuple,
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
}


class Unpickler(pickle.Unpickler):
    """Rebuilds containers and descriptions of tensors, and stand-ins of everything else."""

    def __init__(self, file: BinaryIO) -> None:
        # Text that Python 2 pickled as bytes is only shown, and must not stop the reading.
        super().__init__(file, encoding="utf-8", errors="backslashreplace")
        self.classes: dict[str, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; nothing is imported."""
        dotted = f"{module}.{name}"
        if dotted in _REBUILT:
            return _REBUILT[dotted]
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return Dtype(_STORAGES[name])
        if module == "torch" and name in ITEM_BYTES:
            return Dtype(name)
        if dotted not in self.classes:
            self.classes[dotted] = type(name, (StandIn,), {"named": dotted})
        return self.classes[dotted]

    def persistent_load(self, pid: Any) -> Any:
        """Return the description of a storage, or the class that torch before 1.6 notes so."""
        if pid[0] == "module":  # with the class comes its source, which nobody needs
            return pid[1]
        kind, dtype, key, _, elements, *view = pid
        if kind != "storage" or not isinstance(dtype, Dtype) or not _natural(elements):
            message = "it refers to something beside it that is no storage of torch's"
            raise ConvertError(message)
        if view and view[0] is not None:
            _, offset, size = view[0]
            return StorageRecord(str(key), dtype.name, size, offset)
        return StorageRecord(str(key), dtype.name, elements)
