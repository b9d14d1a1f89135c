"""Write the recorded sweep, and before it one in which a cell worked: recorded_sweeps.py RUNS."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

RECORDED = Path(__file__).parents[1] / "browser" / "real_sweep.json.xz"
EARLIER = "2026-11-20T1602"
CELL = "py3.12-torch2.15.0-coqui-tts0.24.2"


def write(folder, matrix):
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    (folder / "matrix.json").write_text(json.dumps(matrix))


def working(cell):
    """The cell as if stock had worked there as allowlisted did, with another numpy."""
    allowlisted = [each for each in cell["checks"] if each["policy"] == "allowlisted"]
    others = [each for each in cell["checks"] if each["policy"] != "stock"]
    checks = [*({**each, "policy": "stock"} for each in allowlisted), *others]
    return {**cell, "checks": checks, "distributions": {**cell["distributions"], "numpy": "1.26.0"}}


def main(runs):
    newest = json.loads(lzma.decompress(RECORDED.read_bytes()))
    write(runs / newest["run"], newest)
    cells = [working(cell) if cell["id"] == CELL else cell for cell in newest["cells"]]
    times = {name: newest[name].replace("11-21", "11-20") for name in ("started", "finished")}
    write(runs / EARLIER, {**newest, **times, "run": EARLIER, "cells": cells})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
