"""A plugin of pytest: a library whose checkpoints do what libraries should not."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

NAMES = ("works", "segfaults", "allocates", "leaves-children")


class Faulty:
    """Loads a checkpoint by doing what its name says."""

    name = distribution = "faulty"

    def import_(self):
        """Import what every library has."""
        import torch  # noqa: F401

    def load(self, checkpoint, path):
        """Do it."""
        getattr(self, checkpoint.id.partition("/")[2].replace("-", "_"))()
        return checkpoint.id

    def forward(self, checkpoint, model, device):
        """Need no forward pass."""

    def works(self):
        """Do nothing wrong."""

    def segfaults(self):
        """Read where nothing is."""
        ctypes.string_at(0)

    def allocates(self):
        """Take more than the check may, as torch does."""
        import torch

        torch.zeros(int(os.environ["FAULTY_BYTES"]), dtype=torch.uint8)

    def leaves_children(self):
        """Start what outlives the check, in the check's session and in another."""
        for elsewhere in (False, True):
            command = [sys.executable, "-c", "import signal; signal.pause()"]
            subprocess.Popen(command, start_new_session=elsewhere)


def pytest_torchcompat_libraries(config):
    """Add the library."""
    return [Faulty()]


def pytest_torchcompat_checkpoints(config):
    """Add its checkpoints."""
    return [Checkpoint(id=f"faulty/{name}", library="faulty", why="a test") for name in NAMES]
