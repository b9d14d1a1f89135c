"""torch's list of globals that ``weights_only`` may load: registering, and taking back exactly."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pickle
import threading
from collections.abc import Iterable, Iterator
from typing import Any

# Some checkpoints call it for a method of a class. Registered as it is, it would let a pickle reach
# whatever an allowed object leads to; torch before 2.6 cannot be given another in its place.
GETATTR = "builtins.getattr"

_registering = threading.RLock()


@contextlib.contextmanager
def registered(names: Iterable[str]) -> Iterator[None]:
    """
    Register globals with torch, and take back just those on exit.

    torch keeps one set for the process, and leaving its own ``safe_globals`` removes what others
    had added before; so what was there, or is added meanwhile by a library, is put back.
    """
    with _registering:
        from torch import serialization

        # Resolving imports, and a library may register its own as it is imported: that stays.
        wanted = [item for item in map(_resolved, names) if item]
        before = list(serialization.get_safe_globals())  # torch 2.5 hands out its own list
        ours = [item for item in wanted if item not in before]
        serialization.add_safe_globals(ours)
        try:
            yield
        finally:
            kept = [item for item in serialization.get_safe_globals() if item not in ours]
            serialization.clear_safe_globals()
            serialization.add_safe_globals(kept)


def _resolved(name: str) -> Any:
    """
    Return what a pickled name stands for, in the form that torch registers it, or ``None``.

    Importing executes the module; the names come from the catalogue or the user, never a file.
    """
    if name == GETATTR:
        return (_method_of_module, GETATTR) if _knows_renamed_globals() else None
    target = _import_name(name)
    if target is None:
        return None
    own = f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', '')}"
    if own == name or not _knows_renamed_globals():
        return target
    return (target, name)


def _method_of_module(owner: Any, name: Any) -> Any:
    """Stand in for getattr: a public method of a class of torch modules, and nothing else."""
    from torch.nn import Module

    if isinstance(owner, type) and issubclass(owner, Module) and not str(name).startswith("_"):
        found = inspect.getattr_static(owner, name, None)
        if inspect.isfunction(found):
            return found
    message = f"{GETATTR} of {name!r} was not an allowed global: only methods of modules are"
    raise pickle.UnpicklingError(message)


def _import_name(name: str) -> Any:
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            target: Any = importlib.import_module(".".join(parts[:cut]))
            for part in parts[cut:]:
                target = getattr(target, part)
        except (ImportError, AttributeError):
            continue
        return target
    return None


def _knows_renamed_globals() -> bool:
    """Whether torch takes (object, "pickled name"); it came with this function, in 2.6."""
    from torch import serialization

    return hasattr(serialization, "get_unsafe_globals_in_checkpoint")


def allowed_by_library() -> tuple[str, ...]:
    """Return what libraries registered with torch in this process, torch's own left out."""
    from torch import serialization

    names = {_registered_name(item) for item in serialization.get_safe_globals()}
    return tuple(sorted(name for name in names if not name.startswith("torch.")))


def _registered_name(item: Any) -> str:
    if isinstance(item, tuple):
        return str(item[1])
    if isinstance(item, str):  # which allows nothing, and makes the next load fail
        return item
    return f"{getattr(item, '__module__', '')}.{getattr(item, '__qualname__', item)}"
