"""
Pages of up to a hundred thousand checks in headless Chromium, and pytest-html's of ten thousand.

Each is a night's page with all that it has: what changed since the night before, and the history.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix.page.render import render
from tests.bench.growing import grown, night
from tests.bench.processes import spend

SIZES = (1_000, 10_000, 100_000)
PEER = 10_000
# By checks: bytes, seconds, and milliseconds; what is not here has no aim and is stated.
BYTES = {1_000: 500_000, 10_000: 3_000_000}
RENDER = {10_000: 3.0}
FIRST_PAINT = {1_000: 300}
INTERACTIVE = {10_000: 1_000}
FILTER = {10_000: 100}
ROUNDS, RENDERINGS = 5, 3
WORDS = ("hubert", "yolov8n", "refused", "torchaudio 2.9", "")
FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
FILTERED = f"""async (text) => {{
  const field = document.querySelector("#filters input[type=search]");
  const frame = {FRAME};
  await frame();
  const start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input", {{bubbles: true}}));
  await frame();
  return performance.now() - start;
}}"""
PRESSED = f"""async (box) => {{
  const frame = {FRAME};
  await frame();
  const start = performance.now();
  document.querySelector(box).click();
  await frame();
  return performance.now() - start;
}}"""
OPENED = """async (id) => {
  const start = performance.now();
  location.hash = "#cell=" + encodeURIComponent(id);
  while (!document.querySelector("dialog[open] h2")) {
    await new Promise((done) => setTimeout(done));
  }
  return performance.now() - start;
}"""
PAINTED = "performance.getEntriesByType('paint').find(e => e.name === 'first-paint')?.startTime"
READY = "performance.getEntriesByName('interactive')[0].startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def figures(sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Return what pages of these sizes take; nothing where there is no browser."""
    if shutil.which("chromium") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        found = [figure for size in sizes for figure in _figures(size, Path(folder))]
        return found + list(_peer(Path(folder)))


def _figures(size: int, folder: Path) -> Iterator[dict[str, Any]]:
    matrix = grown(size)
    took, page = _rendered(matrix, *night(matrix, folder / f"before-{size}"))
    file = folder / f"{size}.html"
    file.write_text(page, encoding="utf-8")
    yield _figure(size, "rendered in Python", took, "s", RENDER)
    megabytes = {checks: most / 1e6 for checks, most in BYTES.items()}
    yield _figure(size, "page", [len(page.encode()) / 1e6], "MB", megabytes)
    cell = matrix["cells"][len(matrix["cells"]) // 2]["id"]
    seen = _each(lambda: _once(file, cell))
    yield _figure(size, "first paint", seen["painted"], "ms", FIRST_PAINT)
    yield _figure(size, "interactive", seen["ready"], "ms", INTERACTIVE)
    title = f"the slowest of {len(WORDS)} searches, to the next frame"
    yield _figure(size, title, seen["searched"], "ms", FILTER)
    yield _figure(size, "only what changed, to the next frame", seen["changed"], "ms", FILTER)
    yield _figure(size, "a panel opened", seen["opened"], "ms", {})
    yield _figure(size, "memory of the tab", seen["memory"], "MB", {})


def _rendered(matrix: Mapping[str, Any], *of_the_night: Any) -> tuple[list[float], str]:
    """Return the seconds of the processor: what else the machine does is not the page's."""
    took = []
    for _ in range(RENDERINGS):
        start = time.process_time()
        page = render(matrix, *of_the_night)
        took.append(time.process_time() - start)
    return took, page


def _figure(
    size: int, what: str, each: Sequence[float], unit: str, most: Mapping[int, float]
) -> dict[str, Any]:
    return {
        "name": f"{size:,} checks: {what}",
        "value": statistics.median(each),
        "unit": unit,
        "aim": f"<= {most[size]:g}" if size in most else "stated",
        "each": list(each),
        "load": os.getloadavg()[0],
    }


def _each(take: Callable[[], Mapping[str, float]]) -> dict[str, list[float]]:
    runs = [take() for _ in range(ROUNDS)]
    return {name: [run[name] for run in runs] for name in runs[0]}


def _once(file: Path, cell: str) -> dict[str, float]:
    with _Page(file) as page:
        page.wait_for_selector("html.ready", state="attached")
        searched = [page.evaluate(FILTERED, word) for word in WORDS]
        return {
            "painted": page.evaluate(PAINTED),
            "ready": page.evaluate(READY),
            "searched": max(searched),
            "changed": page.evaluate(PRESSED, "#filters input[name=changed]"),
            "opened": page.evaluate(OPENED, cell),
            "memory": _memory(page),
        }


def _memory(page: Any) -> float:
    """Return the megabytes of the processes that draw pages, what they share by their part."""
    session = page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    drawing = (each["id"] for each in processes if each["type"] == "renderer")
    texts = [Path(f"/proc/{number}/smaps_rollup").read_text("ascii") for number in drawing]
    return sum(int(text.partition("Pss:")[2].split()[0]) for text in texts) / 1024


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
        page.goto(self._file.as_uri())  # until it is loaded: to ask before takes its time
        return page

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()


def _peer(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what pytest-html makes of as many tests, one of seven failing."""
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
    size = [file.stat().st_size / 1e6]
    yield _figure(PEER, "page of pytest-html", size, "MB", {})
    for what, each in _each(lambda: _peer_once(file)).items():
        unit = "MB" if what.startswith("memory") else "ms"
        yield _figure(PEER, f"{what} of pytest-html", each, unit, {})


def _peer_once(file: Path) -> dict[str, float]:
    with _Page(file) as page:
        rows = page.evaluate("document.querySelectorAll('#results-table tbody').length")
        if rows < PEER:
            message = f"pytest-html shows {rows} of {PEER} rows when it has loaded; measure later"
            raise RuntimeError(message)
        return {
            "first paint": page.evaluate(PAINTED),
            "interactive": page.evaluate(LOADED),
            "filter": page.evaluate(PRESSED, "input[data-test-result=passed]"),
            "memory": _memory(page),
        }
