"""The sweep's command as it is, with this Python as every cell's environment."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import sweep_program  # noqa: E402 - after its folder is on the path

if __name__ == "__main__":
    command = sweep_program.command
    command.UvEnvironments = sweep_program.ThisEnvironment
    command.Resolver = sweep_program.NoIndex
    command.WORK = Path(sys.argv[1])
    command.CHECKS = HERE / "checks"
    sys.exit(command.main(sys.argv[2:]))
