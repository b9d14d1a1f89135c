"""
What is known of the parts of an object, each looked at once.

A few bytes of pickle can say a list of two lists of two lists, and so on, which are the same ones:
who looks at every path through them is never done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pytest_torchcompat.convert.standins import (
    ARGUMENTS,
    ITEMS,
    OWN,
    STATE,
    VALUES,
    Ordered,
    StandIn,
    StorageRecord,
    TensorRecord,
    name_of,
)
from pytest_torchcompat.errors import ConvertError

DEEPEST: Final = 200
_MOST_NAMED_OF = 10_000
_WIDEST_INTEGER = 1024  # in bits; Python writes no number of more than 4300 digits
_NAMES: Final = (str, int, float, bool, type(None))
_MODULE: Final = ("_parameters", "_buffers", "_modules")


class Facts:
    """What holds tensors, and what JSON can carry, each answer kept for as long as this is."""

    def __init__(self) -> None:
        self._holds: dict[int, bool] = {}
        self._sizes: dict[int, int] = {}

    def holds_tensors(self, value: Any, depth: int = 0) -> bool:
        """Say whether there is a tensor anywhere in a value."""
        if isinstance(value, TensorRecord) or is_module(value):
            return True
        if not is_container(value):
            return False
        if id(value) not in self._holds:
            check_depth(depth)
            self._holds[id(value)] = False  # as a part of itself it adds nothing
            inside = (self.holds_tensors(each, depth + 1) for _, each in children(value))
            self._holds[id(value)] = any(inside)
        return self._holds[id(value)]

    def size(self, value: Any, depth: int = 0) -> int:
        """Return about how many characters a value takes as JSON, 0 where JSON cannot carry it."""
        if isinstance(value, str):
            return len(value) + 1
        if value is None or isinstance(value, (int, float)):
            return int(not isinstance(value, int) or value.bit_length() <= _WIDEST_INTEGER)
        if depth > DEEPEST or not _is_json(value):
            return 0
        if id(value) not in self._sizes:
            self._sizes[id(value)] = 0  # what is part of itself is not carried
            sizes = [self.size(each, depth + 1) for _, each in children(value)]
            names = sum(map(len, value)) if isinstance(value, dict) else 0
            self._sizes[id(value)] = 1 + names + sum(sizes) if all(sizes) else 0
        return self._sizes[id(value)]


def check_depth(depth: int) -> None:
    """Raise ``ConvertError`` for what lies too deep to be walked."""
    if depth > DEEPEST:
        message = f"it is nested deeper than {DEEPEST} levels"
        raise ConvertError(message)


def is_container(value: Any) -> bool:
    """Say whether a value may have parts."""
    return isinstance(value, (Mapping, list, tuple, set, frozenset, StandIn))


def is_module(value: Any) -> bool:
    """Say whether a value is a module of torch's, by what every one of them keeps."""
    if not isinstance(value, StandIn):
        return False
    return all(_is_named(vars(value).get(each)) for each in _MODULE)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_json(value: Any) -> bool:
    return _is_named(value) or isinstance(value, (list, tuple))


def children(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value, by the names that they have in it."""
    if isinstance(value, Mapping):
        yield from _items(value)
        yield from children(getattr(value, "state", None)) if isinstance(value, Ordered) else ()
    elif isinstance(value, (list, tuple)):
        yield from ((str(number), each) for number, each in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from ((f"item {number}", each) for number, each in enumerate(value))
    elif isinstance(value, StandIn):
        yield from attributes(value).items()
        for part in (ITEMS, VALUES, ARGUMENTS, STATE):
            yield from children(vars(value)[part])


def _items(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for number, (key, each) in enumerate(value.items()):
        if _is_name(key):
            yield str(key), each
        else:
            yield f"item {number}", each
            yield f"key {number}", key


def _is_name(key: Any) -> bool:
    if isinstance(key, tuple):
        return bool(key) and all(isinstance(each, str) or type(each) is int for each in key)
    wide = isinstance(key, int) and key.bit_length() > _WIDEST_INTEGER
    return isinstance(key, _NAMES) and not wide


def attributes(value: StandIn) -> dict[str, Any]:
    """Return what the object has as attributes."""
    return {name: each for name, each in vars(value).items() if name not in OWN}


def kind_of(value: Any) -> str:
    """Say of what class a value is, and of what classes its parts are."""
    if isinstance(value, StandIn):
        return name_of(value)
    if isinstance(value, type):
        return f"a reference to {getattr(value, 'named', value.__name__)}"
    if isinstance(value, StorageRecord):
        return "a storage without a tensor"
    named = sorted(set(_named(value)))
    return f"{type(value).__name__}{' with ' + ', '.join(named) if named else ''}"


def _named(value: Any) -> Iterator[str]:
    """Give the classes of the stand-ins in a value, of the first of them in a large one."""
    stack, seen = [value], {id(value)}
    while stack and len(seen) < _MOST_NAMED_OF:
        each = stack.pop()
        if isinstance(each, StandIn):
            yield name_of(each)
        elif is_container(each):
            parts = {id(part): part for _, part in children(each)}
            stack += [part for key, part in parts.items() if key not in seen]
            seen.update(parts)
