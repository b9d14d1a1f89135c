"""
Check the built documents: python -m tests.docs.built FOLDER.

Each link within them has to lead somewhere, and axe-core may find nothing in light or dark.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
BROWSERS = 2  # side by side: axe-core keeps a core busy
NOT_WRITTEN_HERE = ("genindex.html", "search.html")  # Sphinx writes them, and nothing of ours
COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
# The first of each class, with what is in it.
MARK = """names => names.forEach(name =>
    document.querySelector("." + CSS.escape(name)).setAttribute("data-sample", ""))"""
REST = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}


def pages(folder: Path) -> list[Path]:
    """Return the pages, in a steady order."""
    found = sorted(folder.rglob("*.html"))
    return [page for page in found if page.name not in NOT_WRITTEN_HERE]


@functools.cache
def read(page: Path) -> BeautifulSoup:
    """Return a page as a tree."""
    return BeautifulSoup(page.read_bytes(), "html.parser")


def broken_links(folder: Path) -> Iterator[str]:
    """Yield each link that leads nowhere, to a file or to a place within one."""
    soups = {page: read(page) for page in pages(folder)}
    anchors = {page: {tag["id"] for tag in soup.find_all(id=True)} for page, soup in soups.items()}
    for page, soup in soups.items():
        for tag, name in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")):
            for link in (each.get(name) for each in soup.find_all(tag)):
                if link and not leads_somewhere(page, link, anchors):
                    yield f"{page.relative_to(folder)}: {link} leads nowhere"


def leads_somewhere(page: Path, link: str, anchors: dict[Path, set[str]]) -> bool:
    """Whether a link has an end; those to other sites are not followed."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    known = anchors.get(target)
    return target.exists() and (not parts.fragment or known is None or parts.fragment in known)


def samples(folder: Path) -> dict[Path, list[str]]:
    """Return each class of what is on any page by the smallest page that has it."""
    found: dict[Path, list[str]] = {}
    seen: set[str] = set()
    for page in sorted(pages(folder), key=lambda page: page.stat().st_size):
        names = {name for tag in read(page).body.find_all(class_=True) for name in tag["class"]}
        if names - seen:
            found[page] = sorted(names - seen)
            seen |= names
    return found


def violations(folder: Path) -> Iterator[str]:
    """Yield what axe-core finds in each page, and of colours, which are slow, in samples."""
    files = sorted(pages(folder), key=lambda page: page.stat().st_size)
    with ProcessPoolExecutor(BROWSERS) as pool:
        found = [pool.submit(ill_built, folder, files[part::BROWSERS]) for part in range(BROWSERS)]
        found += [pool.submit(ill_coloured, folder, scheme) for scheme in ("light", "dark")]
        for each in found:
            yield from each.result()


def ill_built(folder: Path, files: list[Path]) -> list[str]:
    """Return what is wrong with some pages, colours apart."""
    with a_tab("light") as page:
        found = []
        for file in files:
            page.goto(file.as_uri(), wait_until="domcontentloaded")
            found += found_in(page, str(file.relative_to(folder)), "html", REST)
        return found


def ill_coloured(folder: Path, scheme: str) -> list[str]:
    """Return the colours of samples that are hard to read for a reader who wants this scheme."""
    with a_tab(scheme) as page:
        found = []
        for file, names in samples(folder).items():
            page.goto(file.as_uri(), wait_until="domcontentloaded")
            page.evaluate(MARK, names)
            name = f"{file.relative_to(folder)} in {scheme}"
            found += found_in(page, name, "[data-sample]", COLOURS)
        return found


@contextlib.contextmanager
def a_tab(scheme: str) -> Iterator[Page]:
    """Yield a tab of a reader who wants this colour scheme, without a network."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        context = browser.new_context(offline=True, color_scheme=scheme, reduced_motion="reduce")
        yield context.new_page()
        browser.close()


def found_in(page: Page, name: str, part: str, options: dict[str, object]) -> Iterator[str]:
    """Yield a line for each rule that a part of a page breaks."""
    for each in Axe().run(page, context=part, options=options).response["violations"]:
        places = ", ".join(" ".join(node["target"]) for node in each["nodes"][:3])
        yield f"{name}: {each['id']}: {each['help']}: {places}"


def main(folder: Path) -> int:
    """Print what is wrong; 1 where anything is."""
    if not pages(folder):
        print(f"{folder} has no pages; build the documents first: nox -s docs")
        return 1
    problems = list(broken_links(folder))
    if CHROMIUM:
        problems += violations(folder)
    elif "GITHUB_ACTIONS" in os.environ:
        problems.append("chromium is not on this machine: accessibility can't be checked")
    else:
        print("chromium is not on this machine: accessibility was not checked")
    print("\n".join(problems) or f"{len(pages(folder))} pages: links and accessibility are well")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
