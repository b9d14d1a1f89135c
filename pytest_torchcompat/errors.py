"""The errors that this package raises, and the sentence for a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable

FEW = 8


class TorchcompatError(Exception):
    """Base of every error that this package raises on purpose."""


class UnknownNameError(TorchcompatError):
    """A policy, checkpoint, library, shim or version that does not exist."""


class CatalogueError(TorchcompatError):
    """A catalogue row that contradicts itself or another row."""


class FetchError(TorchcompatError):
    """A reference file could not be downloaded or is not the file that it should be."""


class MissingFileError(TorchcompatError):
    """A checkpoint's file is not where it should be."""


class ConvertError(TorchcompatError):
    """A checkpoint whose tensors cannot be taken out of it without executing it."""


class MismatchError(TorchcompatError):
    """A checkpoint that holds something else than the library that opens it takes it for."""


class RecordError(TorchcompatError):
    """A record or a run's file does not have the form that its schema number promises."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> UnknownNameError:
    """Return an error that lists the valid names and suggests the nearest."""
    import difflib  # start-up does not pay for it

    names = list(valid)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    choice = f" Choose one of: {', '.join(names)}."
    # Behind many names nobody would find it.
    rest = hint + choice if len(names) > FEW else choice + hint
    message = f"{name!r} is not a known {kind}.{rest}"
    return UnknownNameError(message)
