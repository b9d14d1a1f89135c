"""One shim a file, in one registry."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import warnings
from collections.abc import Iterable, Iterator, Mapping

from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.shim.dataclass_defaults import DataclassDefaults
from pytest_torchcompat.shim.hub_auth_token import HubAuthToken
from pytest_torchcompat.shim.isin_numbers import IsinNumbers
from pytest_torchcompat.shim.numpy_aliases import NumpyAliases
from pytest_torchcompat.shim.omegaconf_integers import OmegaconfIntegers
from pytest_torchcompat.shim.pos_conv import PosConvWeightNorm
from pytest_torchcompat.shim.protocol import Shim
from pytest_torchcompat.shim.torchaudio_cuda import TorchaudioCuda
from pytest_torchcompat.shim.torchaudio_legacy import TorchaudioLegacy

__all__ = [
    "SHIMS",
    "Shim",
    "Told",
    "applied",
    "early_and_late",
    "get",
    "held",
    "installed",
    "lost",
    "that_apply",
]

# In the order in which they are applied: one may be what lets another import its library.
SHIMS: tuple[Shim, ...] = (
    DataclassDefaults(),
    NumpyAliases(),
    TorchaudioCuda(),
    TorchaudioLegacy(),
    HubAuthToken(),
    OmegaconfIntegers(),
    PosConvWeightNorm(),
    IsinNumbers(),
)


def get(name: str) -> Shim:
    """Return a shim; raises ``UnknownNameError`` with the valid names."""
    by_name = {each.name: each for each in SHIMS}
    if name not in by_name:
        raise unknown_name("shim", name, by_name)
    return by_name[name]


def that_apply(library: str, versions: Mapping[str, str], chosen: str = "auto") -> tuple[str, ...]:
    """
    Return the names of the shims that a library may need in an environment.

    ``versions`` are those of the distributions by name, and of ``python``; ``chosen`` is ``auto``,
    ``off`` or a comma-separated list of names, which then apply wherever they are named.
    """
    if chosen == "off":
        return ()
    if chosen != "auto":
        named = {get(name.strip()).name for name in chosen.split(",")}
        return tuple(each.name for each in SHIMS if each.name in named)
    fitting = (each for each in SHIMS if library in each.libraries)
    return tuple(each.name for each in fitting if each.applies(versions))


def early_and_late(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the shims that a library's import may need from those of what comes after it."""
    early = tuple(name for name in names if get(name).at_import)
    return early, tuple(name for name in names if name not in early)


@contextlib.contextmanager
def held(names: Iterable[str]) -> Iterator[None]:
    """Apply shims for a check, one after the other; what they lose they keep for its record."""
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(get(name).applied())
        yield


def lost(names: Iterable[str]) -> tuple[str, ...]:
    """Return what shims could not carry over, a sentence each."""
    return tuple(sentence for name in names for sentence in get(name).lost)


@contextlib.contextmanager
def applied(*names: str) -> Iterator[tuple[str, ...]]:
    """
    Apply shims for a ``with`` block, in the registry's order; gives their names.

    Without names these are all that apply to the running environment. The libraries that they adapt
    are imported. What a shim cannot carry over is a warning. Raises ``UnknownNameError`` before any
    is applied; an error on the way undoes those that were.
    """
    wanted = {get(name).name for name in names}
    if not names:
        versions = installed()
        wanted = {each.name for each in SHIMS if each.applies(versions)}
    chosen = [each for each in SHIMS if each.name in wanted]
    with contextlib.ExitStack() as stack:
        for each in chosen:
            stack.enter_context(_telling(each))
            stack.enter_context(each.applied())
        yield tuple(each.name for each in chosen)


@contextlib.contextmanager
def _telling(each: Shim) -> Iterator[None]:
    before, each.lost = each.lost, Told(each.name)
    try:
        yield
    finally:
        each.lost = before


class Told(list[str]):
    """What a shim lost, each sentence a warning as it comes: outside of checks nobody reads it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def append(self, sentence: str) -> None:
        """Add a sentence, and warn."""
        self.extend([sentence])

    def extend(self, sentences: Iterable[str]) -> None:
        """Add sentences, and warn of each."""
        for sentence in sentences:
            super().append(sentence)
            warnings.warn(f"shim {self.name}: {sentence}", stacklevel=3)

    def __iadd__(self, sentences: Iterable[str]) -> list[str]:  # type: ignore[misc, override]
        self.extend(sentences)
        return self


def installed() -> dict[str, str]:
    """Return the versions of the distributions of this environment, and of ``python``."""
    found = {"python": platform.python_version()}
    for each in importlib.metadata.distributions():
        if each.metadata:  # empty where an installation broke off
            found.setdefault(each.metadata["Name"], each.version)
    return found
