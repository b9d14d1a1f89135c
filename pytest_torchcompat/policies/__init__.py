"""The four policies; start-up imports these names alone."""

from __future__ import annotations

from enum import Enum

from pytest_torchcompat.errors import unknown_name

# torch's own switches, which reach references taken before us and child processes.
FORCE, FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class Policy(str, Enum):
    """
    How ``torch.load`` treats pickles.

    ``stock``: nothing is touched; what a user gets out of the box.

    ``patched``: a load that does not choose gets ``weights_only=False``, and so executes the
    pickle; an explicit choice stands. Only files that are verified or named trusted are executed.

    ``allowlisted``: every load gets ``weights_only=True``, an explicit ``False`` included; the
    globals of the file's own row, and those that the user allowed, are registered for that load.

    ``strict``: every load gets ``weights_only=True``, an explicit ``False`` included; nothing is
    registered but what a library registers by itself.
    """

    STOCK = "stock"
    PATCHED = "patched"
    ALLOWLISTED = "allowlisted"
    STRICT = "strict"

    @property
    def enforces(self) -> bool:
        """Whether ``weights_only=True`` holds for every load, an explicit ``False`` included."""
        return self in (Policy.ALLOWLISTED, Policy.STRICT)


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Read a comma-separated list; raises ``UnknownNameError`` for an unknown name or none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    valid = [policy.value for policy in Policy]
    for name in names or [text]:
        if name not in valid:
            raise unknown_name("torchcompat policy", name, valid)
    return tuple(dict.fromkeys(Policy(name) for name in names))
