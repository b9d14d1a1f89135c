"""Names for the tensors of an object: dotted paths, and in a module the names of its state dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_torchcompat.convert.facts import (
    Facts,
    attributes,
    check_depth,
    children,
    is_module,
    kind_of,
)
from pytest_torchcompat.convert.standins import (
    LAZY,
    StandIn,
    TensorRecord,
    name_of,
)
from pytest_torchcompat.errors import ConvertError

_MOST_PARTS = 2_000_000
_MOST_PLAIN = 10_000_000  # characters as JSON
_REBUILDS = ("torch._utils._rebuild_", "torch._tensor._rebuild_")


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
    walk = _Walk()
    walk.into(value, (), ())
    return walk.flat


class _Walk:
    """One walk over all parts that hold tensors, and what it found so far."""

    def __init__(self) -> None:
        self.flat = Flat()
        self._facts = Facts()
        self._room, self._parts = _MOST_PLAIN, _MOST_PARTS

    def into(self, value: Any, path: tuple[str, ...], above: tuple[int, ...]) -> None:
        self._count(len(above))
        if isinstance(value, TensorRecord):
            self._take(value, path, above)
        elif id(value) in above:
            self._leave(path, "a reference to what it is part of")
        elif is_module(value):
            self._module(value, path, (*above, id(value)))
        elif _is_other_tensor(value):
            self._leave(path, _told(value))
        elif self._facts.holds_tensors(value):
            self._all(value, path, (*above, id(value)))
        elif value is not None:
            self._plain(path, value)

    def _count(self, depth: int) -> None:
        check_depth(depth)
        self._parts -= 1
        if self._parts < 0:
            message = f"it has more than {_MOST_PARTS:,} parts, as no checkpoint does"
            raise ConvertError(message)

    def _all(self, value: Any, path: tuple[str, ...], above: tuple[int, ...]) -> None:
        for name, each in children(value):
            self.into(each, (*path, name), above)

    def _take(self, record: TensorRecord, path: tuple[str, ...], above: tuple[int, ...]) -> None:
        name = ".".join(path)
        if name in self.flat.tensors:
            message = f"two of its tensors would be called {name!r}"
            raise ConvertError(message)
        self.flat.tensors[name] = record
        if record.kind:
            self._leave(path, f"its class {record.kind}: it becomes a plain tensor")
        states = record.state if isinstance(record.state, tuple) else (record.state,)
        for part in states if id(record) not in above else ():
            for attribute, each in children(part):
                self.into(each, (*path, attribute), (*above, id(record)))

    def _module(self, module: StandIn, path: tuple[str, ...], above: tuple[int, ...]) -> None:
        """Take what the module's state dict would hold, in its order and under its names."""
        self.flat.modules[".".join(path)] = name_of(module)
        state = attributes(module)
        parts, passing = _saved(state)
        for name, each in parts.items():
            if name in passing:
                self._leave((*path, name), "a buffer that its module does not save")
            elif each is not None:
                self.into(each, (*path, name), above)
        for name, child in state.pop("_modules").items():
            if child is not None:
                self.into(child, (*path, name), above)
        self._others(state, path)

    def _others(self, state: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for name, each in state.items():
            kept = name in {"_parameters", "_buffers"}
            if not kept and self._facts.holds_tensors(each):
                self._leave((*path, name), "an attribute that its module does not save")

    def _plain(self, path: tuple[str, ...], value: Any) -> None:
        size = self._facts.size(value)
        if 0 < size <= self._room:
            self._room -= size
            self.flat.plain[self._free(path)] = value
        else:
            kind = kind_of(value)
            self._leave(path, kind if kind.startswith("a ") else f"an object of {kind}")

    def _leave(self, path: tuple[str, ...], what: str) -> None:
        self.flat.left[self._free(path)] = what

    def _free(self, path: tuple[str, ...]) -> str:
        """Return a name that tells no other value: paths are joined, and keys are written."""
        name, flat = ".".join(path), self.flat
        taken = name in flat.plain or name in flat.left
        return f"{name} (number {len(flat.plain) + len(flat.left) + 1})" if taken else name


def _saved(state: Mapping[str, Any]) -> tuple[dict[str, Any], set[Any]]:
    """Return a module's parameters and buffers, and the names of the buffers it does not save."""
    passing = state.get("_non_persistent_buffers_set")
    parts = {**state["_parameters"], **state["_buffers"]}
    return parts, passing if isinstance(passing, set) else set()


def _is_other_tensor(value: Any) -> bool:
    """Say whether a value is a tensor that is more than elements in a storage, as a sparse one."""
    return isinstance(value, StandIn) and name_of(value).startswith((*_REBUILDS, LAZY))


def _told(value: StandIn) -> str:
    name = name_of(value)
    if name.startswith(LAZY):
        return name
    return f"a tensor that is no part of a storage ({name})"
