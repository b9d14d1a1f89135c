"""How the documents are built: nox -s docs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pytest-torchcompat"
copyright = "The pytest-torchcompat developers"  # noqa: A001 - Sphinx names it so
extensions = ["myst_parser", "reference"]
exclude_patterns = ["_ext"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# A console block shows Python, TOML and output as well as commands.
highlight_language = "text"
myst_heading_anchors = 3
myst_links_external_new_tab = False
linkcheck_timeout = 20

# What the theme leaves out for who has no mouse, or does not see: each block of code scrolls with
# the keyboard, and the two sidebars have names.
MENDED = {
    "<pre>": '<pre tabindex="0">',
    '<aside class="sidebar-drawer"': '<aside aria-label="All pages" class="sidebar-drawer"',
    '<aside class="toc-drawer': '<aside aria-label="This page" class="toc-drawer',
}


def mend(app: Any, _error: Exception | None) -> None:
    """Mend the pages that were written."""
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for old, new in MENDED.items():
            text = text.replace(old, new)
        page.write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """Let Sphinx call it."""
    app.connect("build-finished", mend)
