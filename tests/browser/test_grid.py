"""The table as a grid: the keyboard alone, rows that fold, and what is heard."""

from __future__ import annotations

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


LAST = -1


def slot(page, version, column, row="version"):
    """Find a slot of a library version; columns as the head counts them."""
    return page.locator(f'tbody[data-version="{version}"] tr.{row}').first.locator("td").nth(column)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def heard(page):
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def address(page):
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")


def test_a_slot_says_its_row_its_torch_and_what_each_policy_gave(page_of):
    page = page_of()
    slot(page, "8.1.0", 1).focus()
    assert heard(page) == (
        "ultralytics 8.1.0, torch 2.6.0, Python 3.12: "
        "stock fail, patched pass, allowlisted pass, strict refused"
    )


def test_a_slot_whose_checkpoints_disagree_says_how_many_work(page_of):
    page = page_of("real")
    slot(page, "8.1.0", 0).focus()
    assert "stock 3 of 4 work" in heard(page)


def test_a_library_that_follows_torch_says_the_version_of_each_slot(page_of):
    page = page_of("real", "library=torchaudio&policy=strict&torch=2.9.1")
    expect(page.locator("#matrix .scroll")).to_be_hidden()
    page = page_of("real", "library=torchaudio&torch=2.9.1")
    page.locator("tbody[data-library=torchaudio] tr.version td").nth(3).focus()
    assert heard(page).startswith("torchaudio 2.9.1, torch 2.9.1, Python 3.")
    assert ": stock " in heard(page)


def test_a_slot_without_a_cell_says_so(page_of):
    page = page_of()
    page.locator("td.none").first.evaluate("slot => slot.focus()")
    assert heard(page).endswith("no such cell")


def test_tab_stops_once_in_the_grid_and_arrows_go_on_from_there(page_of):
    page = page_of("synthetic", "library=ultralytics")
    page.locator("#filters .clear").focus()
    press(page, "Tab")
    expect(slot(page, "8.1.0", 0)).to_be_focused()
    press(page, "ArrowRight", "ArrowRight", "ArrowDown")
    expect(slot(page, "8.2.64", 2)).to_be_focused()
    press(page, "ArrowUp", "Home")
    expect(slot(page, "8.1.0", 0)).to_be_focused()
    press(page, "Control+End")
    expect(slot(page, "8.3.162", LAST)).to_be_focused()
    press(page, "Control+Home")
    expect(slot(page, "8.1.0", 0)).to_be_focused()
    press(page, "End", "PageDown")
    expect(slot(page, "8.3.162", LAST)).to_be_focused()
    press(page, "PageUp", "Tab")
    inside = page.evaluate("document.activeElement.closest('table')")
    assert inside is None
    press(page, "Shift+Tab")
    expect(slot(page, "8.1.0", LAST)).to_be_focused()
    expect(page.locator('table.matrix [tabindex="0"]')).to_have_count(1)


def test_arrows_stop_at_the_edges(page_of):
    page = page_of("synthetic", "library=ultralytics")
    slot(page, "8.1.0", 0).focus()
    press(page, "ArrowUp", "ArrowLeft", "ArrowLeft")
    expect(page.get_by_role("button", name="2 checkpoints of ultralytics 8.1.0")).to_be_focused()
    press(page, "Control+End", "ArrowDown", "ArrowRight")
    expect(slot(page, "8.3.162", LAST)).to_be_focused()


def test_rows_of_checkpoints_unfold_with_the_keyboard_and_are_walked_through(page_of):
    page = page_of("synthetic", "library=ultralytics")
    button = page.get_by_role("button", name="2 checkpoints of ultralytics 8.1.0")
    expect(button).to_have_text("2 checkpoints")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(slot(page, "8.1.0", 0, "subject")).to_be_hidden()
    slot(page, "8.1.0", 0).focus()
    press(page, "ArrowLeft", "Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    press(page, "ArrowRight", "ArrowDown")
    expect(slot(page, "8.1.0", 0, "subject")).to_be_focused()
    assert heard(page).startswith("ultralytics/yolov8n, ultralytics 8.1.0, torch 2.5.1")
    press(page, "ArrowUp", "ArrowLeft", "Enter", "ArrowRight", "ArrowDown")
    expect(slot(page, "8.2.64", 0)).to_be_focused()


def test_a_filter_that_tells_checkpoints_apart_unfolds_them(page_of):
    page = page_of("synthetic", "library=ultralytics&version=8.1.0")
    subjects = page.locator('tbody[data-version="8.1.0"] tr.subject:visible th')
    expect(subjects).to_have_count(0)
    page.get_by_role("searchbox").fill("yolo11n")
    assert subjects.all_text_contents() == ["ultralytics/yolo11n"]
    page.get_by_role("searchbox").fill("")
    expect(subjects).to_have_count(0)


def test_enter_space_and_a_click_open_what_is_in_the_slot(page_of):
    page = page_of("synthetic", "library=ultralytics")
    opened = {"library": "ultralytics", "cell": "py3.12-torch2.6.0-ultralytics8.1.0"}
    for way in ("Enter", "Space", "click"):
        target = slot(page, "8.1.0", 1)
        target.click() if way == "click" else target.press(way)
        assert address(page) == opened
        expect(target).to_have_class("here")
        page.go_back()
        expect(target).not_to_have_class("here")


def test_a_checkpoint_s_row_opens_that_checkpoint(page_of):
    page = page_of("synthetic", "library=ultralytics&text=yolo11n")
    slot(page, "8.1.0", 1, "subject:visible").click()
    assert address(page)["checkpoint"] == "ultralytics/yolo11n"
    assert address(page)["use"] == "forward"


def test_the_only_checkpoint_of_a_version_is_opened_from_its_only_row(page_of):
    page = page_of("synthetic", "library=fairseq")
    slot(page, "0.12.2", 0).click()
    assert address(page)["checkpoint"] == "rvc/hubert-base"


def test_a_slot_without_a_cell_opens_nothing(page_of):
    page = page_of()
    page.locator("td.none").first.click()
    assert address(page) == {}


def test_what_is_focused_does_not_hide_behind_the_heads(page_of):
    page = page_of("real", viewport={"width": 700, "height": 500})
    slot(page, "8.1.0", 0).focus()
    press(page, "Control+End", "Control+Home")
    boxes = """slot => {
        const at = (each) => document.querySelector(each).getBoundingClientRect();
        const own = slot.getBoundingClientRect();
        return [own.left >= at(".corner").right - 1, own.top >= at("thead").bottom - 1];
    }"""
    assert page.locator("table :focus").evaluate(boxes) == [True, True]


def test_hidden_rows_and_columns_are_stepped_over(page_of):
    page = page_of("synthetic", "library=ultralytics&outcome=fail&torch=2.15.0")
    expect(page.locator("thead th[data-t]:visible")).to_have_text(["2.15.0"])
    page.locator("#filters .clear").focus()
    press(page, "Tab")
    assert heard(page).startswith("ultralytics 8.1.0, torch 2.15.0")
    press(page, "ArrowRight", "Control+End")
    assert "torch 2.15.0" in heard(page)


def test_without_a_script_the_table_shows_every_row_and_every_word(page_of):
    page = page_of("real", java_script_enabled=False)
    expect(page.locator("tr.subject").last).to_be_visible()
    expect(page.locator("#filters")).to_be_hidden()
    size = page.locator("td b.fail i").first.evaluate("word => getComputedStyle(word).fontSize")
    assert size != "0px"
    expect(page.locator("#claims")).to_be_visible()


def test_on_paper_all_that_matches_is_there_and_nothing_to_press(page_of):
    page = page_of("real", "library=ultralytics")
    page.emulate_media(media="print")
    expect(page.locator('tbody[data-library="fairseq"]')).to_be_hidden()
    expect(page.locator("#filters .finder")).to_be_hidden()
    expect(page.locator("#sheets")).to_be_hidden()
    fits = "box => box.scrollHeight === box.clientHeight && box.scrollWidth === box.clientWidth"
    assert page.locator("#matrix .scroll").evaluate(fits)
    row = page.locator("tr.version:visible").last
    assert row.evaluate("row => getComputedStyle(row).display") == "table-row"
    assert page.pdf().startswith(b"%PDF")
