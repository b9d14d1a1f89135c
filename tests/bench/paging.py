"""
Pages of up to a hundred thousand checks in headless Chromium, and pytest-html's of ten thousand.

Each is a night's page with all that it has: what changed since the night before, and the history.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix.page.render import render
from tests.bench.figures import Figure, NotRunError, figure, named
from tests.bench.growing import grown, night
from tests.bench.processes import spend

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = (1_000, 10_000, 100_000)
PEER = 10_000
SEARCH, CHANGED = "a search, to the next frame", "only what changed, to the next frame"
MEMORY = "memory of the tab"
UNITS = {"rendered in Python": "s", "page": "MB", MEMORY: "MB"}  # of the rest: milliseconds
RENDERINGS = 3
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


def figures(sizes: Sequence[int] = SIZES, openings: int = 5) -> list[Figure]:
    """Return what pages of these sizes take, each opened so many times."""
    if _browser() is None:
        message = "chromium is missing"
        raise NotRunError(message)
    with tempfile.TemporaryDirectory() as folder:
        theirs = _peer(Path(folder), openings) if PEER in sizes else {}
        taken = (_figures(size, Path(folder), theirs, openings) for size in sizes)
        return [each for figures_of_one in taken for each in figures_of_one]


def _figures(
    size: int, folder: Path, theirs: Mapping[str, Sequence[float]], openings: int
) -> Iterator[Figure]:
    matrix = grown(size)
    took, page = _rendered(matrix, *night(matrix, folder / f"before-{size}"))
    file = folder / f"{size}.html"
    file.write_text(page, encoding="utf-8")
    yield _figure(size, "rendered in Python", took, {})
    cell = matrix["cells"][len(matrix["cells"]) // 2]["id"]
    ours = {"page": [len(page.encode()) / 1e6], **_each(lambda: _once(file, cell), openings)}
    for what, each in ours.items():
        yield _figure(size, what, each, theirs if size == PEER else {})


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _rendered(matrix: Mapping[str, Any], *of_the_night: Any) -> tuple[list[float], str]:
    """Return the seconds of the processor: what else the machine does is not the page's."""
    took = []
    for _ in range(RENDERINGS):
        start = time.process_time()
        page = render(matrix, *of_the_night)
        took.append(time.process_time() - start)
    return took, page


def _figure(
    size: int, what: str, each: Sequence[float], theirs: Mapping[str, Sequence[float]]
) -> Figure:
    more = {"peer": named("pytest-html"), "theirs": theirs[what]} if what in theirs else {}
    return figure("page", f"{size:,} checks: {what}", each, UNITS.get(what, "ms"), **more)


def _each(take: Callable[[], Mapping[str, float]], openings: int) -> dict[str, list[float]]:
    runs = [take() for _ in range(openings)]
    return {name: [run[name] for run in runs] for name in runs[0]}


def _once(file: Path, cell: str) -> dict[str, float]:
    with _Page(file) as page:
        page.wait_for_selector("html.ready", state="attached")
        searched = [page.evaluate(FILTERED, word) for word in WORDS]
        return {
            "first paint": page.evaluate(PAINTED),
            "interactive": page.evaluate(READY),
            SEARCH: max(searched),
            CHANGED: page.evaluate(PRESSED, "#filters input[name=changed]"),
            "a panel opened": page.evaluate(OPENED, cell),
            MEMORY: _memory(page),
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
        self._browser = launch(executable_path=_browser(), args=["--no-sandbox"])
        page = self._browser.new_page()
        page.set_default_timeout(180_000)
        page.goto(self._file.as_uri())  # until it is loaded: to ask before takes its time
        return page

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()


def _peer(folder: Path, openings: int) -> dict[str, list[float]]:
    """Return what pytest-html makes of as many tests, one of seven failing."""
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
    return {"page": [file.stat().st_size / 1e6], **_each(lambda: _peer_once(file), openings)}


def _peer_once(file: Path) -> dict[str, float]:
    with _Page(file) as page:
        rows = page.evaluate("document.querySelectorAll('#results-table tbody').length")
        if rows < PEER:
            message = f"pytest-html shows {rows} of {PEER} rows when it has loaded; measure later"
            raise RuntimeError(message)
        return {
            "first paint": page.evaluate(PAINTED),
            "interactive": page.evaluate(LOADED),
            # It has no search: what its tick boxes do is the nearest.
            SEARCH: page.evaluate(PRESSED, "input[data-test-result=passed]"),
            MEMORY: _memory(page),
        }
