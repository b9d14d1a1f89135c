"""How we refuse a file, and how torch words a refusal."""

from __future__ import annotations

import pickle
import re

from pytest_torchcompat.errors import TorchcompatError


class PolicyRefusedError(TorchcompatError, pickle.UnpicklingError):
    """
    A policy refused a file before torch read it.

    It is an ``UnpicklingError`` as torch's own refusal is, so that code that handles the one
    handles the other.
    """


class BrokenFileError(TorchcompatError, pickle.UnpicklingError):
    """A file that no policy lets torch read because it is cut, empty or no checkpoint."""


_REFUSAL = re.compile(
    r"Weights only load failed[\s\S]*("
    r"was not an allowed global|is blocked|unsupported class|Unsupported class"
    r"|unrecognized function|types allowlisted|Can only build Tensor)"
    r"|Cannot use ``weights_only=True`` with"
    r"|Can not safely load weights when explicit pickle_module"
)


def is_refusal(message: str) -> bool:
    """Whether an error says that torch refused a global, in the wording of torch 2.5 to 2.15."""
    return bool(_REFUSAL.search(message))
