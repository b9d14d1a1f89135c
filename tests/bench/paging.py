"""
Pages of up to a hundred thousand checks in headless Chromium, and pytest-html's of ten thousand.

The cells are those of a recorded real sweep, again and again in other versions and Pythons.
"""

from __future__ import annotations

import copy
import itertools
import json
import lzma
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix import axes, history
from matrix.causes import marked
from matrix.compare import answered
from matrix.diff import Diff, diff
from matrix.history import CellTrend
from matrix.page.render import render
from tests.bench.processes import spend

REAL = Path(__file__).parents[1] / "browser" / "real_sweep.json.xz"
SIZES = (1_000, 10_000, 100_000)
PEER = 10_000
# By checks: bytes, and milliseconds of the first paint; what is None has no aim.
BYTES = {1_000: 500_000, 10_000: 3_000_000}
FIRST_PAINT = {1_000: 300}
INTERACTIVE = {10_000: 1_000}
FILTER = {10_000: 100}
RENDER = {10_000: 3.0}
ROUNDS, RENDERINGS = 5, 3
PYTHONS = ("3.10", "3.11", "3.12")
CHANGED = 100  # of so many checks one has another verdict than the night before
FILTERED = """async (text) => {
  const field = document.querySelector("#filters input[type=search]");
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await frame();
  const start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  await frame();
  return performance.now() - start;
}"""
OPENED = """async (id) => {
  const start = performance.now();
  location.hash = "#cell=" + encodeURIComponent(id);
  while (!document.querySelector("dialog[open] h2")) {
    await new Promise((done) => setTimeout(done));
  }
  return performance.now() - start;
}"""
PAINTED = "performance.getEntriesByType('paint').find(e => e.name === 'first-paint')?.startTime"
READY = "performance.getEntriesByName('interactive')[0]?.startTime"


def figures(sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Return what pages of these sizes take; nothing where there is no browser."""
    if shutil.which("chromium") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        found = [figure for size in sizes for figure in _figures(size, Path(folder))]
        return found + list(_peer(Path(folder)))


def grown(checks: int) -> dict[str, Any]:
    """
    Return the recorded sweep, grown as one grows: the same libraries in more versions and Pythons.

    What the cells answer (causes, claims, who needs what) is worked out anew. A smaller one is of
    the first torch versions alone.
    """
    real: dict[str, Any] = json.loads(lzma.decompress(REAL.read_bytes()))
    cells: list[dict[str, Any]] = []
    held = 0
    for again in _again(real["cells"]):
        if held >= checks:
            break
        cells.append(again)
        held += len(again["checks"])
    there = {cell["torch"] for cell in cells}
    torch = [version for version in real["torch"] if version in there]
    return answered({**real, "torch": torch, "cells": cells})


def _again(cells: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for turn in itertools.count():
        patch, shift = divmod(turn, len(PYTHONS))
        for cell in cells:
            # A library that follows torch has no version of its own.
            if not (patch and axes.is_paired(cell["library"])):
                python = PYTHONS[PYTHONS.index(cell["python"]) - shift]
                yield _slower(_moved(cell, patch, python), 1 + turn / 97)


def _moved(cell: Mapping[str, Any], patch: int, python: str) -> dict[str, Any]:
    """Return a cell of another Python and version; its paths are in what it says as well."""
    library, version = cell["library"], f"{cell['version']}.{patch}" if patch else cell["version"]
    name = f"{library}{cell['version']}"
    rest = cell["id"].removeprefix(f"py{cell['python']}").replace(name, f"{library}{version}")
    moved = json.loads(json.dumps(cell).replace(cell["id"], f"py{python}{rest}"))
    held = {k: version if k == library else v for k, v in cell["distributions"].items()}
    return {**moved, "python": python, "version": version, "distributions": held}


def _slower(cell: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return a cell whose times are its own, as no two of a run are alike."""
    for item in (cell, *cell["checks"]):
        for name in {"seconds", "benchmark"} & item.keys():
            item[name] = item[name] and {
                key: round(value * factor, 18 if name == "benchmark" else 6)
                if isinstance(value, float)
                else value
                for key, value in item[name].items()
            }
    return cell


def night(matrix: Mapping[str, Any], folder: Path) -> tuple[Diff, Sequence[CellTrend]]:
    """Return what changed since a night before, one verdict of a hundred, and the history."""
    old = {**copy.deepcopy(dict(matrix)), "run": "before", "started": "2026-11-01T00:00:00+00:00"}
    checks = [check for cell in old["cells"] for check in cell["checks"]]
    for check in checks[::CHANGED]:
        check["outcome"] = "fail" if check["outcome"] == "pass" else "pass"
    history.write(folder, old)
    kept = history.as_of(history.read(folder), matrix)
    return diff(marked(old), matrix), history.trends(kept)


def _figures(size: int, folder: Path) -> Iterator[dict[str, Any]]:
    matrix = grown(size)
    changes, trends = night(matrix, folder / f"before-{size}")
    took, page = _rendered(matrix, changes, trends)
    file = folder / f"{size}.html"
    file.write_text(page, encoding="utf-8")
    yield _figure(size, "rendered in Python", took, "s", RENDER.get(size))
    yield _figure(size, "page", len(page.encode()) / 1e6, "MB", BYTES.get(size, 0) / 1e6 or None)
    seen = _seen(file, matrix["cells"][len(matrix["cells"]) // 2]["id"])
    yield _figure(size, "first paint", seen["painted"], "ms", FIRST_PAINT.get(size))
    yield _figure(size, "interactive", seen["ready"], "ms", INTERACTIVE.get(size))
    yield _figure(size, "filter, to the next frame", seen["filtered"], "ms", FILTER.get(size))
    yield _figure(size, "panel opened", seen["opened"], "ms", None)


def _rendered(matrix: Mapping[str, Any], *of_the_night: Any) -> tuple[float, str]:
    took = []
    for _ in range(RENDERINGS):
        start = time.perf_counter()
        page = render(matrix, *of_the_night)
        took.append(time.perf_counter() - start)
    return statistics.median(took), page


def _figure(size: int, what: str, value: float, unit: str, most: float | None) -> dict[str, Any]:
    aim = "stated" if most is None else f"<= {most:g}"
    return {"name": f"{size:,} checks: {what}", "value": value, "unit": unit, "aim": aim}


def _seen(file: Path, cell: str) -> dict[str, float]:
    runs = [_once(file, cell) for _ in range(ROUNDS)]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _once(file: Path, cell: str) -> dict[str, float]:
    with _Page(file) as page:
        page.wait_for_selector("html.ready", state="attached")
        words = ("hubert", "yolov8n", "refused", "torchaudio 2.9", "")
        filtered = [page.evaluate(FILTERED, word) for word in words]
        return {
            "painted": page.evaluate(PAINTED),
            "ready": page.evaluate(READY),
            "filtered": statistics.median(filtered),
            "opened": page.evaluate(OPENED, cell),
        }


class _Page:
    """A page in a browser of its own: the next must not find it warm."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Any:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        launch = self._playwright.chromium.launch
        self._browser = launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = self._browser.new_page()
        page.set_default_timeout(180_000)
        page.goto(self._file.as_uri())
        return page

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()


def _peer(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what pytest-html makes of as many tests."""
    tests = folder / "test_many.py"
    tests.write_text(
        "import pytest\n\n\n"
        f"@pytest.mark.parametrize('number', range({PEER}))\n"
        "def test_check(number):\n    assert number % 7, 'Weights only load failed. ' * 40\n",
        encoding="utf-8",
    )
    file = folder / "peer.html"
    words = ("-q", "-p", "no:cacheprovider", "--no-header", "--tb=line", "-p", "no:torchcompat")
    page = (f"--html={file}", "--self-contained-html")
    spend([sys.executable, "-m", "pytest", *words, *page, str(tests)], cwd=folder)
    yield _figure(PEER, "page of pytest-html", file.stat().st_size / 1e6, "MB", None)
    runs = [_peer_once(file) for _ in range(ROUNDS)]
    for what in runs[0]:
        middle = statistics.median(run[what] for run in runs)
        yield _figure(PEER, f"{what} of pytest-html", middle, "ms", None)


def _peer_once(file: Path) -> dict[str, float]:
    with _Page(file) as page:
        page.wait_for_function("document.querySelectorAll('#results-table tbody').length > 9999")
        ready = page.evaluate("performance.now()")
        filtered = page.evaluate("""async () => {
          const frame = () => new Promise((d) => requestAnimationFrame(() => setTimeout(d)));
          await frame();
          const start = performance.now();
          document.querySelector("input[data-test-result=passed]").click();
          await frame();
          return performance.now() - start;
        }""")
        return {"first paint": page.evaluate(PAINTED), "interactive": ready, "filter": filtered}
