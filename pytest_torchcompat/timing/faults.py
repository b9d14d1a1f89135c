"""An error of a call that is timed says in which call it was raised, and what helps if we know."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Union

from pytest_torchcompat.timing.device import Events
from pytest_torchcompat.timing.sampling import ClockError
from pytest_torchcompat.timing.wall_clock import WallClock

Measuring = Union[WallClock, Events]

# What autograd says of a tensor that was made where no gradients are recorded.
_GRADIENTS = re.compile(
    r"does not require grad and does not have a grad_fn"
    r"|Inference tensors? (cannot|can not|do not)|on inference tensor"
)
_HINT = (
    "a benchmark records no gradients: what needs them goes into a block of"
    " torch.inference_mode(False)"
)


@contextlib.contextmanager
def told(timer: Measuring) -> Iterator[None]:
    """Let an error of the calls in a block say more; it stays what it is."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, ClockError):
            words = [*_place(timer), *([_HINT] if _GRADIENTS.search(_said(error)) else [])]
            _add(error, "; ".join(words))
        timer.let_go()  # a report keeps the error, and the error what its frames hold
        raise


def _place(timer: Measuring) -> Iterator[str]:
    if timer.calls:
        # A GPU's work is behind the CPU's: what fails may have been queued earlier.
        earlier = " or an earlier one" if isinstance(timer, Events) else ""
        yield f"in call {timer.calls + 1} of the benchmark{earlier}"


def _add(error: BaseException, words: str) -> None:
    """Put words behind the first line of an error's message, which is what a summary shows."""
    if words and error.args and isinstance(error.args[0], str):
        first, *rest = error.args[0].split("\n")
        error.args = ("\n".join([f"{first} ({words})", *rest]), *error.args[1:])


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - __str__ is anybody's code
        return ""
