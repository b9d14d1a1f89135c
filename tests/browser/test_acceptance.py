"""
Four questions of a person who has never seen the page, each along what is visible on it.

That of ultralytics 8.1.0, which torch runs it unaided, is in `test_answers.py`, both ways.
"""

from __future__ import annotations

import ast
import copy

import pytest

from matrix.causes import marked
from matrix.diff import diff
from matrix.page.render import render

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
BROKE = ("py3.12-torch2.6.0-ultralytics8.1.0", "ultralytics/yolov8n")
MENDED = ("py3.12-torch2.10.0-rvc0.3.5", "rvc/rmvpe")


@pytest.fixture(scope="module")
def plain_page(shared_page_of):
    return shared_page_of("real", **CLIPBOARD)


@pytest.fixture
def page(plain_page):
    """Return the page of the recorded sweep, as somebody finds it."""
    return afresh(plain_page)


def afresh(page):
    """Return a page that others have used in its first state."""
    page.goto(f"{page.url.partition('#')[0]}#matrix")
    expect(page.get_by_role("dialog")).to_be_hidden()
    return page


def find(page, text):
    page.get_by_role("searchbox", name="Search").fill(text)


def row(page, name):
    """Find a row of the matrix that is in sight by what is written at its left."""
    head = page.get_by_role("rowheader").filter(has_text=name)
    return page.get_by_role("grid").get_by_role("row").filter(has=head)


def names_in(code):
    """Return what Python code imports and calls, as dotted names; it has to be Python."""
    tree = ast.parse(code)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    imported = {f"{each.module}.{alias.name}" for each in imports for alias in each.names}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return imported, {ast.unparse(call) for call in calls}


def test_a_person_finds_what_to_paste_to_load_hubert_base_on_the_newest_torch(page):
    find(page, "hubert_base.pt")
    expect(page.get_by_role("columnheader").filter(visible=True).last).to_have_text("2.15.0")
    newest = row(page, "rvc/hubert-base").first.get_by_role("gridcell").last
    expect(newest).to_contain_text("fail")
    newest.click()

    panel = page.get_by_role("dialog", name="rvc/hubert-base under stock")
    expect(panel).to_contain_text("fairseq 0.12.2, torch 2.15.0")
    expect(panel.get_by_role("link", name="allowlisted shimmed")).to_be_visible()
    works = "In this environment it works under allowlisted, with the shim dataclass-defaults."
    expect(panel).to_contain_text(works)
    expect(panel).to_contain_text("torchcompat shims dataclass-defaults")
    expect(panel.get_by_role("heading", name="1 global beyond torch's own")).to_be_visible()
    panel.get_by_role("button", name="Copy the allow-list").click()
    expect(panel.get_by_role("button", name="Copied the allow-list")).to_be_visible()
    imported, called = names_in(page.evaluate("navigator.clipboard.readText()"))
    assert imported == {"fairseq.data.dictionary.Dictionary"}
    assert called == {"torch.serialization.add_safe_globals([Dictionary])"}


def test_a_person_finds_whether_pyannote_audio_3_4_0_works_with_torchaudio_2_9(page):
    find(page, "torchaudio 2.9 pyannote.audio 3.4.0")
    expect(page.get_by_role("columnheader").filter(visible=True)).to_have_text(["torch", "2.9.1"])
    verdicts = {"lightning 2.3.3": "fail", "lightning 2.5.6": "shimmed", "lightning 2.6.6": "fail"}
    expect(page.get_by_role("rowheader").filter(visible=True)).to_have_count(len(verdicts))
    for beside, verdict in verdicts.items():
        expect(row(page, f"pyannote.audio 3.4.0 beside {beside}")).to_contain_text(verdict)

    page.get_by_label("Policy").select_option("allowlisted")
    for beside in verdicts:
        expect(row(page, beside)).to_contain_text("shimmed")


def found(matrix, cell, checkpoint):
    """Return a check under stock."""
    (held,) = [each for each in matrix["cells"] if each["id"] == cell]
    return next(
        check
        for check in held["checks"]
        if (check["checkpoint"], check["policy"], check["use"]) == (checkpoint, "stock", "forward")
    )


@pytest.fixture(scope="module")
def plain_news(shared_page_of, recorded):
    """Return the page of a sweep in which one check broke and one was mended."""
    before = recorded | {"run": "2026-11-20T1602", "started": "2026-11-20T16:02:53+00:00"}
    before["cells"] = copy.deepcopy(recorded["cells"])
    works = {"outcome": "pass", "stage": "forward", "exception": None, "message": None}
    found(before, *BROKE).update(works)
    fails = {"outcome": "fail", "stage": "load", "exception": "OSError", "message": "it is gone"}
    found(before, *MENDED).update(fails)
    return shared_page_of(render(recorded, diff(marked(before), marked(recorded))))


@pytest.fixture
def page_with_news(plain_news):
    """Return the page of a run before which there was another, as somebody finds it."""
    return afresh(plain_news)


def test_a_person_finds_what_changed_since_the_previous_run(page_with_news):
    page = page_with_news
    expect(page.get_by_role("banner")).to_contain_text(
        "1 regressed, 1 fixed, from run 2026-11-20T1602 to run 2026-11-21T1602."
    )
    page.get_by_role("link", name="What changed").click()

    broke = page.get_by_role("article").filter(has_text="regressed ultralytics 8.1.0 · torch 2.6")
    expect(broke).to_contain_text("pass → fail at load")
    mended = page.get_by_role("article").filter(has_text="fixed rvc 0.3.5 · torch 2.10")
    expect(mended).to_contain_text("fail → pass")
    expect(page.get_by_role("article")).to_have_count(2)

    broke.get_by_role("link", name="py3.12-torch2.6.0-ultralytics8.1.0").click()
    panel = page.get_by_role("dialog", name="ultralytics/yolov8n under stock")
    expect(panel).to_contain_text("Regressed: in the last complete run it was ✓ pass.")


def test_a_person_sees_only_what_changed_in_the_matrix(page_with_news):
    page = page_with_news
    page.get_by_role("navigation").get_by_role("link", name="Matrix").click()
    page.get_by_label("only changes (2)").check()
    expect(page.get_by_text("2 of 162 cells, 2 checks under stock")).to_be_visible()
    expect(row(page, "rvc 0.3.5").first).to_be_visible()
    expect(row(page, "ultralytics 8.1.0").first).to_be_visible()
