"""The page in a real browser, without a network."""

from __future__ import annotations

import contextlib
import functools
import json
import lzma
import shutil
from pathlib import Path

import pytest
from page import synthetic_matrix

from matrix.page.render import render

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
OURS = ("file:", "data:", "blob:")


@pytest.fixture(scope="session")
def browser():
    """Return a browser that all tests of a process share."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield chromium
        chromium.close()


@functools.cache
def _recorded():
    return lzma.decompress((HERE / "real_sweep.json.xz").read_bytes())


@functools.cache
def _written(name):
    if name == "real":
        return render(json.loads(_recorded()))
    matrix = synthetic_matrix.matrix()
    return render(synthetic_matrix.measured(matrix) if name == "measured" else matrix)


@pytest.fixture
def real_matrix():
    """Return a recorded sweep of 162 cells, which a test may change."""
    return json.loads(_recorded())


@pytest.fixture(scope="module")
def recorded():
    """Return the same sweep for what the tests of a module share, which changes a copy of it."""
    return json.loads(_recorded())


@pytest.fixture
def page_of(browser, tmp_path):
    """
    Return what opens a page: `"real"`, `"synthetic"`, `"measured"`, a matrix, or HTML.

    What stands behind its `#` is `at`; other keywords are those of a browser's context. At the end
    the test fails if the page asked for anything but itself or if its console shows an error.
    """
    with _opening(browser, tmp_path) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def shared_page_of(browser, tmp_path_factory):
    """Return what opens pages, as `page_of` does, that all tests of a module share."""
    with _opening(browser, tmp_path_factory.mktemp("pages")) as open_page:
        yield open_page


@contextlib.contextmanager
def _opening(browser, folder):
    opened, faults = [], []

    def open_page(source="synthetic", at="", **options):
        file = folder / f"index{len(opened)}.html"
        file.write_text(_html(source), encoding="utf-8")
        context = browser.new_context(offline=True, reduced_motion="reduce", **options)
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        _watch(page, faults)
        page.goto(file.as_uri() + (f"#{at}" if at else ""))
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html.ready", state="attached")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert faults == []


def _html(source):
    if isinstance(source, dict):
        return render(source)
    return _written(source) if source in {"real", "synthetic", "measured"} else source


def _watch(page, faults):
    """Note what no page may do: ask for something elsewhere, or fail."""

    def asked(request):
        if not request.url.startswith(OURS):
            faults.append(f"asked for {request.url}")

    def said(message):
        if message.type == "error":
            faults.append(message.text)

    def interrupted(dialog):
        faults.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", interrupted)
    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: faults.append(str(error)))
