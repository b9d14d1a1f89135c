"""The sweep's command as it is, with this Python as every cell's environment."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import sweep_program  # noqa: E402 - after its folder is on the path

if __name__ == "__main__":
    sweep_program.stand_in(Path(sys.argv[1]), HERE / "checks")
    sys.exit(sweep_program.command.main(sys.argv[2:]))
