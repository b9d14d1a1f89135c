"""Names for the tensors of an object: dotted paths, and in a module the names of its state dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_torchcompat.convert.standins import ARGUMENTS, ITEMS, VALUES, StandIn, TensorRecord
from pytest_torchcompat.errors import ConvertError

DEEPEST = 200
_PLAIN = (str, int, float, bool)
_MODULE = {"_parameters", "_buffers", "_modules"}


@dataclass
class Flat:
    """
    The tensors by name, and what no tensor holds.

    ``plain`` are values that JSON can carry, ``left`` says of the others what they are;
    ``modules`` are the classes of the pickled modules that were taken apart.
    """

    tensors: dict[str, TensorRecord] = field(default_factory=dict)
    plain: dict[str, Any] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)

    def shared(self) -> list[list[str]]:
        """Return the names that share a storage, in groups."""
        groups: dict[str, list[str]] = {}
        for name, record in self.tensors.items():
            groups.setdefault(record.storage.key, []).append(name)
        return [names for names in groups.values() if len(names) > 1]


def flatten(value: Any) -> Flat:
    """Walk what ``reading`` rebuilt; raises ``ConvertError`` where two tensors get one name."""
    flat = Flat()
    _walk(value, (), flat, ())
    return flat


def _walk(value: Any, path: tuple[str, ...], flat: Flat, above: tuple[int, ...]) -> None:
    if isinstance(value, TensorRecord):
        _take(".".join(path), value, flat)
    elif id(value) in above:
        flat.left[".".join(path)] = "a reference to what it is part of"
    elif _is_module(value):
        flat.modules[".".join(path)] = value.named
        _walk_module(value, path, flat, (*above, id(value)))
    elif _holds_tensors(value, ()):
        for name, each in _children(value):
            _walk(each, (*path, name), flat, (*above, id(value)))
    elif value is not None:
        _leave(".".join(path), value, flat)


def _take(name: str, record: TensorRecord, flat: Flat) -> None:
    if name in flat.tensors:
        message = f"two of its tensors would be called {name!r}"
        raise ConvertError(message)
    flat.tensors[name] = record


def _is_module(value: Any) -> bool:
    return isinstance(value, StandIn) and vars(value).keys() >= _MODULE


def _walk_module(
    module: StandIn, path: tuple[str, ...], flat: Flat, above: tuple[int, ...]
) -> None:
    """Take what the module's state dict would hold, in its order and under its names."""
    state = vars(module)
    passing = state.get("_non_persistent_buffers_set") or ()
    for name, tensor in {**state["_parameters"], **state["_buffers"]}.items():
        if name in passing:
            flat.left[".".join((*path, name))] = "a buffer that its module does not save"
        elif tensor is not None:
            _walk(tensor, (*path, name), flat, above)
    for name, child in state["_modules"].items():
        if child is not None:
            _walk(child, (*path, name), flat, above)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(name), each) for name, each in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(number), each) for number, each in enumerate(value))
    elif isinstance(value, StandIn):
        state = dict(vars(value))
        own = [state.pop(name, None) for name in (ITEMS, VALUES, ARGUMENTS)]
        for part in (state, *own):
            yield from _children(part)


def _holds_tensors(value: Any, above: tuple[int, ...]) -> bool:
    if isinstance(value, TensorRecord) or _is_module(value):
        return True
    if id(value) in above:
        return False
    if len(above) > DEEPEST:
        message = f"it is nested deeper than {DEEPEST} levels"
        raise ConvertError(message)
    return any(_holds_tensors(each, (*above, id(value))) for _, each in _children(value))


def _leave(name: str, value: Any, flat: Flat) -> None:
    if _is_plain(value, ()):
        flat.plain[name] = value
    else:
        flat.left[name] = f"an object of {_kind(value)}"


def _is_plain(value: Any, above: tuple[int, ...]) -> bool:
    if value is None or isinstance(value, _PLAIN):
        return True
    if id(value) in above or len(above) > DEEPEST or isinstance(value, StandIn):
        return False
    if isinstance(value, dict) and not all(isinstance(name, str) for name in value):
        return False
    inside = isinstance(value, (dict, list, tuple))
    return inside and all(_is_plain(each, (*above, id(value))) for _, each in _children(value))


def _kind(value: Any) -> str:
    named = sorted(set(_named(value, ())))
    if isinstance(value, StandIn):
        return value.named or "an unknown class"
    return f"{type(value).__name__}{' with ' + ', '.join(named) if named else ''}"


def _named(value: Any, above: tuple[int, ...]) -> Iterator[str]:
    """Give the classes of the stand-ins in a value."""
    if isinstance(value, StandIn):
        yield value.named
    elif id(value) not in above and len(above) < DEEPEST:
        for _, each in _children(value):
            yield from _named(each, (*above, id(value)))
