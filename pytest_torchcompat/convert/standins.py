"""
An unpickler that imports nothing and calls nothing of what a file names.

Each name that a pickle looks up becomes an inert stand-in of the same name, which keeps what it is
given. The exceptions are functions of this module for the names by which torch rebuilds tensors:
they make descriptions of tensors and read no data.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NoReturn

from pytest_torchcompat.errors import ConvertError

# Bytes of an element, by torch's name of the dtype.
ITEM_BYTES: Mapping[str, int] = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "float8_e4m3fn": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
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
    "complex32": 4,
    "complex64": 8,
    "complex128": 16,
}
# Of storages whose tensors are not carried, and which lie before others in a file.
_QUANTIZED: Mapping[str, int] = {
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
    "quint4x2": 1,
    "quint2x4": 1,
}
STORED_BYTES: Mapping[str, int] = {**ITEM_BYTES, **_QUANTIZED}
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
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
}


_MOST_DIMENSIONS = 64  # of torch's own limit
_MOST_COPIED = 2_000_000
_HIGHEST = 2**63


class Fixed:
    """What a pickle may hold and not change: what it would set was checked when it was made."""

    __slots__ = ()

    def __setstate__(self, _: Any) -> NoReturn:
        """Refuse what pickle's BUILD would set."""
        message = "it sets attributes of what torch gives none"
        raise ConvertError(message)


@dataclass(frozen=True)
class StorageRecord(Fixed):
    """A storage: the key of its bytes in the file, its dtype, and its elements."""

    key: str
    dtype: str
    elements: int
    offset: int = 0  # in elements, of a view into another storage (torch before 0.4)


# Two tensors can lie in one place: each is itself alone, also as the key of a dictionary.
@dataclass(frozen=True, eq=False)
class TensorRecord(Fixed):
    """
    A tensor: where its elements lie in a storage; ``offset`` and ``stride`` count elements.

    ``kind`` names its class and ``state`` has its attributes, where it is more than a tensor.
    """

    storage: StorageRecord
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    kind: str = ""
    state: Any = None

    @property
    def elements(self) -> int:
        """How many values it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class Dtype(Fixed):
    """A dtype named by the pickle itself."""

    name: str


class Ordered(dict[Any, Any]):
    """An ``OrderedDict`` with the attributes that it was saved with, as a state dict's."""

    __slots__ = ("state",)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Budget:
    """How much a pickle may have copied: a few bytes can ask for one copy after another."""

    def __init__(self) -> None:
        self.left = _MOST_COPIED

    def take(self, *parts: Any) -> None:
        """Count the items of what is copied; raises ``ConvertError`` where they are too many."""
        self.left -= sum(map(len, parts))
        if self.left < 0:
            message = f"it copies more than {_MOST_COPIED:,} items, as no checkpoint does"
            raise ConvertError(message)


# Where a stand-in keeps what is no attribute; no attribute can have such a name.
ARGUMENTS, ITEMS, VALUES, STATE = "<arguments>", "<items>", "<values>", "<state>"
OWN = (ARGUMENTS, ITEMS, VALUES, STATE)


class StandIn:
    """Keeps what a pickle gives to an object, under the name of the object's class."""

    named = "an unknown class"
    budget = Budget()

    def __new__(cls, *args: Any, **named: Any) -> Any:
        """Take whatever the class of that name takes."""
        made = super().__new__(cls)
        vars(made).update({ARGUMENTS: (*args, named) if named else args})
        vars(made).update({ITEMS: {}, VALUES: [], STATE: []})
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        """Nothing more: a class of another name would do its work here."""

    def __call__(self, *args: Any, **_: Any) -> Any:
        """Stand in for the result of a call as well."""
        return type(self)(self, *args)

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict) and all(_is_attribute(name) for name in part):
                type(self).budget.take(part)
                vars(self).update(part)
            elif part is not None:
                vars(self)[STATE].append(part)

    def __setitem__(self, key: Any, value: Any) -> None:
        vars(self)[ITEMS][key] = value

    def append(self, value: Any) -> None:
        """Keep an item of what is a list to its own class."""
        vars(self)[VALUES].append(value)

    add = append

    def extend(self, values: Any) -> None:
        """Keep several."""
        vars(self)[VALUES].extend(values)


def _is_attribute(name: Any) -> bool:
    return type(name) is str and name not in OWN


def name_of(value: Any) -> str:
    """Return the name of a stand-in's class; an attribute of its own could be called so too."""
    return str(type(value).named)


# After the layout come requires_grad and hooks, then the bits; the third version has its dtype
# before them.
def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Any:
    record = _checked(storage, getattr(storage, "dtype", ""), (offset, shape, stride))
    bits = rest[2] if len(rest) > 2 else None  # noqa: PLR2004
    return _lazy(bits) if bits else record


def _tensor_of_dtype(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Any:
    _, _, dtype, *bits = rest
    record = _checked(storage, getattr(dtype, "name", ""), (offset, shape, stride))
    return _lazy(bits[0]) if bits and bits[0] else record


def _lazy(bits: Any) -> Any:
    # Its values are not those of its storage, and only torch knows how they follow from them.
    named = f"{LAZY}, which is noted as {', '.join(map(str, bits))}"
    return type("Lazy", (StandIn,), {"named": named})()


LAZY = "a tensor whose values torch computes"


def _checked(storage: Any, dtype: str, layout: tuple[Any, Any, Any]) -> TensorRecord:
    offset, shape, stride = layout
    if not _is_described(storage, dtype, layout):
        message = f"it has a tensor of {dtype or 'a storage'} that is not described as torch does"
        raise ConvertError(message)
    record = TensorRecord(storage, dtype, storage.offset + offset, tuple(shape), tuple(stride))
    _check_bounds(record)
    return record


def _is_described(storage: Any, dtype: str, layout: tuple[Any, Any, Any]) -> bool:
    offset, shape, stride = layout
    if not isinstance(storage, StorageRecord) or dtype not in ITEM_BYTES:
        return False
    if len(shape) != len(stride) or len(shape) > _MOST_DIMENSIONS:
        return False
    return all(_natural(number) for number in (offset, *shape, *stride))


def _natural(number: Any) -> bool:
    return type(number) is int and 0 <= number < _HIGHEST


def _check_bounds(record: TensorRecord) -> None:
    """Refuse a tensor that would reach beyond its storage, where torch finds other memory."""
    if not record.elements:
        return
    reach = sum((size - 1) * step for size, step in zip(record.shape, record.stride))
    held = record.storage.offset + record.storage.elements
    held = held * STORED_BYTES[record.storage.dtype] // ITEM_BYTES[record.dtype]
    if record.offset + reach >= held:
        message = f"it has a tensor that reaches beyond its storage {record.storage.key!r}"
        raise ConvertError(message)


def _parameter(data: Any, _grad: Any = None, _hooks: Any = None, state: Any = None) -> Any:
    return replace(data, state=state) if state and isinstance(data, TensorRecord) else data


def _of_type(rebuild: Any, kind: Any, args: Any, state: Any = None, *_: Any) -> Any:
    # Only what this module itself rebuilds is called; anything else is an inert stand-in.
    made = rebuild(*args)
    if not isinstance(made, TensorRecord):
        return made
    named = getattr(kind, "named", "")
    return replace(made, kind="" if named in _PLAIN_KINDS else named, state=state or made.state)


_PLAIN_KINDS = {
    *("torch.Tensor", "torch._tensor.Tensor", "torch.tensor.Tensor"),
    *("torch.nn.Parameter", "torch.nn.parameter.Parameter"),
}
_REBUILT: Mapping[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type": _of_type,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.tensor._rebuild_from_type": _of_type,
}
_COPYING: Mapping[str, Callable[..., Any]] = {
    "torch.Size": tuple,
    "collections.OrderedDict": Ordered,
    "builtins.set": set,
    "__builtin__.set": set,
}


class _Rebuild(Fixed):
    """Calls a function for a pickle, which gets hold of this object and not of the function."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any], budget: Budget | None = None) -> None:
        def copy(*args: Any) -> Any:
            if budget:
                budget.take(*args)
            return function(*args)

        self._function = copy

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


class Unpickler(pickle.Unpickler):
    """Rebuilds containers and descriptions of tensors, and stand-ins of everything else."""

    def __init__(self, file: BinaryIO) -> None:
        # Text that Python 2 pickled as bytes is only shown, and must not stop the reading.
        super().__init__(file, encoding="utf-8", errors="backslashreplace")
        self.classes: dict[str, Any] = {}
        self._budget = Budget()
        self._storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; nothing is imported."""
        dotted = f"{module}.{name}"
        if dotted in _REBUILT:
            return _Rebuild(_REBUILT[dotted])
        if dotted in _COPYING:
            return _Rebuild(_COPYING[dotted], self._budget)
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return Dtype(_STORAGES[name])
        if module == "torch" and name in STORED_BYTES:
            return Dtype(name)
        if dotted not in self.classes:
            own = {"named": dotted, "budget": self._budget}
            self.classes[dotted] = type(name, (StandIn,), own)
        return self.classes[dotted]

    def persistent_load(self, pid: Any) -> Any:
        """Return the description of a storage, or the class that torch before 1.6 notes so."""
        if pid[0] == "module":  # with the class comes its source, which nobody needs
            return pid[1]
        kind, dtype, key, _, elements, *view = pid
        if kind != "storage" or not isinstance(dtype, Dtype) or not _natural(elements):
            message = "it refers to something beside it that is no storage of torch's"
            raise ConvertError(message)
        return self._storage(str(key), dtype.name, elements, view[0] if view else None)

    def _storage(self, key: str, dtype: str, elements: int, view: Any) -> StorageRecord:
        if self._storages.setdefault(key, (dtype, elements)) != (dtype, elements):
            message = f"its storage {key!r} is described in two ways"
            raise ConvertError(message)
        if view is None:
            return StorageRecord(key, dtype, elements)
        _, offset, size = view
        if not (_natural(offset) and _natural(size) and offset + size <= elements):
            message = f"it has a view that reaches beyond its storage {key!r}"
            raise ConvertError(message)
        return StorageRecord(key, dtype, size, offset)
