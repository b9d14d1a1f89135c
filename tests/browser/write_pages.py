"""Write pages as files, for programs that read HTML: `python -m tests.browser.write_pages DIR`."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

from matrix.causes import marked
from matrix.diff import diff
from matrix.page.render import render
from tests.page import synthetic_matrix

REAL = Path(__file__).parent / "real_sweep.json.xz"


def pages():
    """Yield the name of each page and its HTML."""
    real = json.loads(lzma.decompress(REAL.read_bytes()))
    now = synthetic_matrix.matrix()
    before = synthetic_matrix.matrix(run="2026-11-19T1031", cells=now["cells"][:-1])
    for check in (check for cell in before["cells"][:12] for check in cell["checks"]):
        check |= {"outcome": "fail", "stage": "load", "message": "no"}
    yield "real", render(real)
    yield "synthetic", render(now)
    yield "changed", render(now, diff(marked(before), marked(now)))
    yield "incomplete", render({**now, "complete": False, "finished": None})
    yield "empty", render(synthetic_matrix.matrix(cells=[], torch=[]))


def main(folder: Path) -> None:
    """Write every page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
