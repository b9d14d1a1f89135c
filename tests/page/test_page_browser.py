"""The page in a real browser, where the machine has one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import synthetic_matrix
from parsed_page import ParsedPage

from matrix.page.render import render

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
)
# What the page may not do by itself, a test does on a copy without the policy that forbids it.
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
PROBE = """
<script>
const seen = {};
const button = document.querySelector("button.mark.fail");
const sheet = document.getElementById(button.getAttribute("popovertarget"));
seen.closed = sheet.checkVisibility();
button.click();
seen.opened = sheet.checkVisibility();
sheet.querySelector(".close").click();
seen.shut = sheet.checkVisibility();
const scroll = document.querySelector(".scroll");
const at = (selector) => document.querySelector(selector).getBoundingClientRect();
scroll.scrollTo(120, 200);
seen.scrolled = scroll.scrollLeft > 0 && scroll.scrollTop > 0;
seen.head = Math.abs(at(".corner + th").top - at(".scroll").top) < 2;
seen.column = Math.abs(at(".version th").left - at(".scroll").left) < 2;
seen.fits = document.documentElement.scrollWidth <= innerWidth;
document.title = JSON.stringify(seen);
</script>
</body>
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine")


def dump(html: str, folder, width: int = 800) -> str:
    """Return the document as the browser understood it."""
    file = folder / "index.html"
    file.write_text(html, encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    command += [f"--window-size={width},600", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_the_browser_reads_the_page_as_it_was_written(page, tmp_path):
    written, read = ParsedPage(page), ParsedPage(dump(page, tmp_path))
    assert read.ids == written.ids
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in written.tags]


@pytest.mark.parametrize("width", [500, 800])
def test_details_open_and_the_heads_stay_in_sight(page, tmp_path, width):
    probed = POLICY.sub("", page).replace("</body>", PROBE)
    title = ParsedPage(dump(probed, tmp_path, width)).words[:200]
    seen = json.loads(next(word for word in title if word.startswith("{")))
    details = {"closed": False, "opened": True, "shut": False}
    assert seen == details | dict.fromkeys(("scrolled", "head", "column", "fits"), True)


def test_hostile_text_does_nothing_even_where_scripts_could_run(tmp_path):
    attack = (
        "</pre><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    )
    matrix = synthetic_matrix.matrix(notes=[attack])
    matrix["cells"][0]["checks"][3]["message"] = attack
    html = dump(POLICY.sub("", render(matrix)), tmp_path)
    assert "<title>torch compatibility, run 2026-11-20T1031</title>" in html


def test_a_script_that_did_slip_in_does_not_run(page, tmp_path):
    slipped = page.replace("</body>", "<script>document.title='owned'</script></body>")
    assert "<title>torch compatibility, run 2026-11-20T1031</title>" in dump(slipped, tmp_path)
