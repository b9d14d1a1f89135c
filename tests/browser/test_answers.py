"""What a person reads first: a sentence for each library version that differs."""

from __future__ import annotations

import copy
import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

UNAIDED = "unaided on torch 2.5.1; with its allow-list on 2.6.0 to 2.15.0"


def sentence(page, library, version):
    """Find a sentence as a reader does: the library's name, then the version in bold."""
    expect(page.get_by_role("heading", name="What works with what")).to_be_visible()
    row = page.locator("#answers .answers > div", has=page.locator("dt", has_text=library))
    return row.get_by_role("listitem").filter(has=page.locator("strong", has_text=version))


def test_a_person_finds_which_torch_runs_ultralytics_8_1_0_unaided_in_the_sentences(page_of):
    line = sentence(page_of("real"), "ultralytics", "8.1.0")
    expect(line).to_contain_text(UNAIDED)
    expect(line).to_be_visible()


def test_a_person_finds_which_torch_runs_ultralytics_8_1_0_unaided_by_asking(page_of):
    page = page_of("real")
    page.get_by_label("Library").first.select_option("ultralytics")
    page.locator("#mine").get_by_label("Version").fill("8.1.0")
    expect(page.locator("#mine .leading")).to_have_text(
        "ultralytics 8.1.0: torch 2.5.1, unaided; torch 2.6.0 to 2.15.0, with its allow-list, "
        "but not yolo11n."
    )


def test_without_a_script_the_sentences_are_there_and_the_form_is_not(page_of):
    page = page_of("real", java_script_enabled=False)
    expect(sentence(page, "ultralytics", "8.1.0")).to_contain_text(UNAIDED)
    expect(page.locator("#mine")).to_be_hidden()


def test_on_a_phone_the_sentences_wrap_and_nothing_reaches_beyond_the_screen(page_of):
    page = page_of("real", viewport={"width": 360, "height": 740})
    assert page.locator("#answers").bounding_box()["width"] <= 360
    wide = "[...document.querySelectorAll('#answers *, #mine *')]"
    beyond = f"{wide}.filter(e => e.getBoundingClientRect().right > innerWidth).length"
    assert page.evaluate(beyond) == 0


def test_every_word_of_the_sentences_is_explained_and_every_torch_named(page_of):
    about = page_of("real").locator("#answers .about")
    expect(about).to_have_text(
        "Every torch: 2.5.1, 2.6.0, 2.8.0, 2.9.1, 2.10.0, 2.15.0. “1.0 to 2.0” is about the "
        "versions between that were tested. Unaided: as it is installed. Allow-list: the classes "
        "that the file names are registered, and loading stays safe. Patched: loaded with "
        "weights_only=False, which runs what the file says. Shim: a small repair, which "
        "torchcompat shims NAME prints."
    )


def test_a_sign_says_at_a_glance_what_a_sentence_says(page_of):
    page = page_of("real")
    signs = {
        ("ultralytics", "8.3.161"): ("✓", "pass"),
        ("ultralytics", "8.1.0"): ("◐", "mixed"),
        ("coqui-tts", "0.24.2"): ("⊕", "shimmed"),
    }
    for (library, version), (glyph, name) in signs.items():
        sign = sentence(page, library, version).locator(".sign")
        expect(sign).to_have_text(glyph)
        expect(sign).to_have_class(f"sign {name}")


def test_the_name_of_a_library_leads_to_its_rows(page_of):
    page = page_of("real")
    page.locator("#answers").get_by_role("link", name="pyannote.audio").click()
    expect(page).to_have_url(re.compile(r"#.*library=pyannote\.audio"))
    expect(page.locator("#matrix")).to_be_in_viewport()


def test_the_link_of_a_library_keeps_the_rest_of_the_view(page_of):
    page = page_of("real", at="policy=strict")
    page.locator("#answers").get_by_role("link", name="fairseq").click()
    expect(page).to_have_url(re.compile("policy=strict.*library=fairseq|library=.*policy=strict"))


@pytest.fixture
def many_versions(real_matrix):
    """Return a matrix in which eight versions of rvc each need another shim."""
    cells = [cell for cell in real_matrix["cells"] if cell["library"] == "rvc"]
    newest = copy.deepcopy(cells)
    for number in range(7):
        for cell in copy.deepcopy(newest):
            cell["id"] += f"-{number}"
            cell["version"] = f"0.2.{number}"
            for check in cell["checks"]:
                check |= {"outcome": "shimmed", "shims": [f"shim-{number}"]}
            cells.append(cell)
    return real_matrix | {"cells": cells}


def test_older_versions_are_folded_where_there_are_many(page_of, many_versions):
    page = page_of(many_versions)
    row = page.locator("#answers [data-library=rvc]")
    expect(row.get_by_role("listitem").filter(visible=True)).to_have_count(4)
    row.get_by_text("4 more, of older versions").click()
    expect(row.get_by_role("listitem").filter(visible=True)).to_have_count(8)
    expect(row.get_by_role("listitem").last).to_have_text(re.compile("0.2.0 with shim shim-0 on"))


def test_before_anything_has_run_the_sentences_say_so(page_of, real_matrix):
    page = page_of(real_matrix | {"cells": []})
    expect(page.locator("#answers")).to_contain_text("Nothing has run yet.")


def test_hostile_words_are_text_in_a_sentence(page_of, real_matrix):
    evil = "<img src=x onerror=alert(1)> \u202e `code`"
    cells = [cell for cell in real_matrix["cells"] if cell["library"] == "rvc"]
    for check in (check for cell in cells for check in cell["checks"]):
        check |= {"outcome": "fail", "exception": None, "message": evil, "diagnosis": None}
    page = page_of(real_matrix | {"cells": cells})
    line = page.locator("#answers [data-library=rvc] li")
    expect(line).to_contain_text(r"on no torch: <img src=x onerror=alert(1)> \u202e code")
    expect(line.locator("img")).to_have_count(0)
