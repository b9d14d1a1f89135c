"""``python -m pytest_torchcompat``: the ``torchcompat`` command."""

from __future__ import annotations

import sys

from pytest_torchcompat.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
