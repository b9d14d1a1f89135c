"""Finding: the form above the table, and the count of what it leaves."""

from __future__ import annotations

import re

import pytest
from page import synthetic_matrix

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

PHONE = {"viewport": {"width": 360, "height": 740}}
NOTHING = "Nothing here matches all of it: clear the filters."


@pytest.fixture
def matrix():
    """Return the made-up matrix that the page is of."""
    return synthetic_matrix.matrix()


def found(page):
    return page.locator("#found")


def field(page, label):
    role = "searchbox" if label == "Search" else "combobox"
    return page.locator("#filters").get_by_role(role, name=label, exact=True)


def search(page, text):
    field(page, "Search").fill(text)


def choose(page, label, value):
    field(page, label).select_option(value)


def clear(page):
    page.locator("#filters").get_by_role("button", name="Clear").click()


def rows(page):
    """Return the names of the rows in sight, checkpoints after their version."""
    names = "#matrix table tbody tr:visible th :is(.library, .name, .checkpoint)"
    return [" ".join(text.split()) for text in page.locator(names).all_text_contents()]


def columns(page):
    return page.locator("#matrix thead th:visible").all_text_contents()[1:]


def number(amount, noun):
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def checks_of(cell):
    """Yield the checks of a cell; where none ran, they have the verdict of the cell."""
    ran = any(check["outcome"] != "not-run" for check in cell["checks"])
    for check in cell["checks"]:
        known = {} if ran else {name: cell[name] for name in ("outcome", "diagnosis")}
        yield {**check, **known}


def count(matrix, wanted=lambda cell, check: True, policy="stock"):
    """Return what the page should say: how many cells and checks are as wanted."""
    checks = [
        cell["id"]
        for cell in matrix["cells"]
        for check in checks_of(cell)
        if policy in (check["policy"], "all") and wanted(cell, check)
    ]
    under = "" if policy == "all" else f" under {policy}"
    cells = f"{len(set(checks))} of {number(len(matrix['cells']), 'cell')}"
    return f"{cells}, {number(len(checks), 'check')}{under}"


def test_the_page_opens_on_what_people_get_out_of_the_box(page_of, real_matrix):
    page = page_of("real")
    expect(found(page)).to_have_text(count(real_matrix))
    expect(field(page, "Policy")).to_have_value("stock")
    choose(page, "Policy", "all")
    expect(found(page)).to_have_text("162 of 162 cells, 2,928 checks")


def test_each_filter_leaves_the_rows_and_columns_where_something_matches(page_of, matrix):
    page = page_of()
    choose(page, "Library", "ultralytics")
    assert set(rows(page)) == {"ultralytics", "8.1.0", "8.2.64", "8.3.162"}
    choose(page, "torch", "2.15.0")
    assert columns(page) == ["2.15.0"]
    choose(page, "Outcome", "fail")
    assert rows(page) == ["ultralytics", "8.1.0"]

    def wanted(cell, check):
        place = (cell["library"], cell["torch"], check["outcome"])
        return place == ("ultralytics", "2.15.0", "fail")

    expect(found(page)).to_have_text(count(matrix, wanted))
    clear(page)
    expect(found(page)).to_have_text(count(matrix))


def test_a_version_is_chosen_with_its_library(page_of):
    page = page_of()
    choose(page, "Version", "ultralytics==8.2.64")
    expect(field(page, "Library")).to_have_value("ultralytics")
    assert rows(page) == ["ultralytics", "8.2.64"]
    versions = field(page, "Version").locator("option")
    assert versions.all_inner_texts() == ["any", "8.1.0", "8.2.64", "8.3.162"]
    choose(page, "Library", "fairseq")
    expect(field(page, "Version")).to_have_value("")
    assert rows(page)[:2] == ["fairseq", "0.12.2"]


def test_python_cause_and_edition_are_filters_too(page_of, matrix):
    page = page_of()
    choose(page, "Python", "3.9")
    expect(found(page)).to_have_text(count(matrix, lambda cell, _: cell["python"] == "3.9"))
    clear(page)
    choose(page, "Cause", "no-wheel")
    known = count(matrix, lambda _, check: check["diagnosis"] == "no-wheel/1")
    expect(found(page)).to_have_text(known)
    clear(page)
    choose(page, "Edition", "replica")
    replica = count(matrix, lambda _, check: check["edition"] == "replica")
    expect(found(page)).to_have_text(replica)
    # What was never opened has none.
    expect(page.get_by_label("Edition").get_by_text("auto")).to_have_count(0)


def test_a_file_on_a_disk_finds_its_checkpoint_and_nothing_else_of_its_library(page_of):
    page = page_of("synthetic", "library=ultralytics&version=8.1.0")
    search(page, "yolov8n.pt")
    assert rows(page) == ["ultralytics", "8.1.0", "ultralytics/yolov8n"]
    choose(page, "Library", "")
    search(page, "Hubert_Base.pt")
    assert rows(page) == ["fairseq", "0.12.2", "rvc/hubert-base"]


@pytest.mark.parametrize("text", ["torchaudio==2.9", "torchaudio 2.9", "Torchaudio==2.9.*"])
def test_a_distribution_with_its_version_finds_the_cells_that_have_it(page_of, real_matrix, text):
    def wanted(cell, _):
        own = cell["version"] if cell["library"] == "torchaudio" else ""
        return cell["distributions"].get("torchaudio", own).startswith("2.9.")

    page = page_of("real", "policy=all")
    search(page, text)
    expect(found(page)).to_have_text(count(real_matrix, wanted, "all"))
    assert columns(page) == ["2.9.1"]


def test_each_word_must_match_something(page_of, matrix):
    def wanted(cell, check):
        about = (cell["version"], check["checkpoint"], check["outcome"])
        return about == ("8.1.0", "ultralytics/yolo11n", "refused")

    page = page_of("synthetic", "policy=all")
    for text in ("YOLO11n refused 8.1.0", "8.1 refused yolo11n", '"yolo11n" REFUSED 8'):
        search(page, f"{text} ultralytics 8.1")
        expect(found(page)).to_have_text(count(matrix, wanted, "all"))
    search(page, "yolo11n refused 8.10")
    expect(found(page)).to_contain_text(NOTHING)


def test_words_in_quotes_stand_as_they_were_said(page_of, matrix):
    page = page_of("synthetic", "policy=all")
    search(page, '"no space left"')
    full = count(matrix, lambda cell, _: "No space left" in (cell["reason"] or ""), "all")
    expect(found(page)).to_have_text(full)
    search(page, '"left no space"')
    expect(found(page)).to_contain_text(NOTHING)


def test_a_use_finds_its_checks(page_of, matrix):
    page = page_of("synthetic", "policy=all")
    search(page, "mute")
    expect(found(page)).to_have_text(count(matrix, lambda _, c: c["use"] == "mute", "all"))


def test_what_is_typed_while_a_version_is_not_complete_is_no_mistake(page_of):
    page = page_of("synthetic", "policy=all")
    for text in ("ultralytics==", "ultralytics==8", "ultralytics==8.", "ultralytics==8.1"):
        search(page, text)
        expect(found(page)).not_to_contain_text(NOTHING)


def test_only_changes_leaves_nothing_where_nothing_changed(page_of, matrix):
    page = page_of()
    expect(page.get_by_label("only changes (0)")).not_to_be_checked()
    page.get_by_label("only changes (0)").check()
    expect(found(page)).to_have_text(f"{count(matrix, lambda *_: False)}. {NOTHING}")
    found(page).get_by_role("link", name="clear the filters").click()
    expect(found(page)).to_have_text(count(matrix))


def test_another_policy_is_offered_where_the_chosen_one_has_nothing(page_of, matrix):
    def refused(_, check):
        return check["outcome"] == "refused"

    page = page_of("synthetic", "outcome=refused")
    other = count(matrix, refused, "strict").split(", ")[1]
    nothing = count(matrix, refused)
    assert nothing.startswith("0 of")
    expect(found(page)).to_have_text(f"{nothing}. It matches {other}.")
    expect(page.locator("#matrix .scroll")).to_be_hidden()
    found(page).get_by_role("link", name=other).click()
    expect(field(page, "Policy")).to_have_value("strict")
    expect(page.locator("#matrix .scroll")).to_be_visible()


def test_marks_that_do_not_match_lose_their_colour_and_keep_their_word(page_of):
    page = page_of("synthetic", "policy=all&library=ultralytics&outcome=fail")
    slot = page.locator('tbody[data-version="8.1.0"] tr.version td').nth(1)
    assert slot.locator("b.dim").all_text_contents() == ["✓ pass", "✓ pass", "⊘ refused"]
    assert slot.locator("b:not(.dim)").all_text_contents() == ["✕ fail"]
    choose(page, "Outcome", "")
    expect(slot.locator("b.dim")).to_have_count(0)


def test_the_chosen_policy_is_the_one_with_its_word(page_of):
    page = page_of("synthetic", "library=ultralytics&version=8.1.0")
    sizes = (
        "marks => marks.map((mark) => getComputedStyle(mark.querySelector('i')).fontSize != '0px')"
    )
    marks = page.locator('tbody[data-version="8.1.0"] tr.version td').nth(1).locator("b")
    order = page.locator("#matrix .order")
    assert marks.evaluate_all(sizes) == [True, False, False, False]
    expect(order).to_contain_text(
        "In each cell, first what stock gives, then small: patched, allowlisted, strict."
    )
    choose(page, "Policy", "strict")
    assert marks.evaluate_all(sizes) == [False, False, False, True]
    choose(page, "Policy", "all")
    assert marks.evaluate_all(sizes) == [True, True, True, True]
    expect(order).to_contain_text(
        "In each cell, from top to bottom: stock, patched, allowlisted, strict."
    )


def test_what_the_run_does_not_have_says_so(page_of):
    page = page_of("synthetic", "library=nobody&version=1.0")
    chosen = field(page, "Library").locator("option:checked")
    expect(chosen).to_have_text("nobody: not in this run")
    expect(field(page, "Version").locator("option:checked")).to_have_text("1.0: not in this run")
    expect(found(page)).to_contain_text(NOTHING)


def test_a_slash_leads_to_the_search_from_anywhere_but_a_field(page_of):
    page = page_of("synthetic", "claims")
    expect(page.locator("#matrix")).to_be_hidden()
    page.keyboard.press("/")
    box = field(page, "Search")
    expect(box).to_be_focused()
    page.keyboard.type("a/b")
    expect(box).to_have_value("a/b")
    expect(box).to_have_accessible_description(
        "A checkpoint or its file, a library, words of an error: each word must match. "
        'torchaudio==2.9 finds that version installed, "in quotes" words as they stand. '
        "Press / to come here."
    )


def test_the_key_of_the_search_is_turned_off_and_stays_off(page_of):
    page = page_of()
    box = field(page, "Search")
    finder = page.get_by_role("search")
    finder.get_by_role("button", name="Turn this key off", exact=True).click()
    page.keyboard.press("/")
    expect(box).not_to_be_focused()
    page.reload()
    page.locator("body").press("/")
    expect(box).not_to_be_focused()
    expect(box).to_have_accessible_description(re.compile('"in quotes" words as they stand\\.$'))
    finder.get_by_role("button", name="Turn the key / on", exact=True).click()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    expect(box).to_have_accessible_description(re.compile(r"Press / to come here\.$"))


def test_where_a_browser_keeps_nothing_the_key_is_off_until_the_page_is_left(page_of):
    page = page_of()
    page.evaluate("() => Object.defineProperty(window, 'localStorage', { get() { throw 0 } })")
    page.get_by_role("button", name="Turn this key off").click()
    page.keyboard.press("/")
    expect(field(page, "Search")).not_to_be_focused()


def test_a_narrow_window_with_a_keyboard_can_turn_the_key_off_and_a_phone_is_told_of_none(page_of):
    narrow = page_of(viewport={"width": 360, "height": 740})
    expect(narrow.get_by_role("button", name="Turn this key off")).to_be_visible()
    phone = page_of(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    expect(phone.get_by_role("button", name="Turn this key off")).to_be_hidden()


def test_a_phone_folds_the_rarer_filters_away_and_says_which_are_in_use(page_of):
    page = page_of("synthetic", "outcome=fail&torch=2.15.0", **PHONE)
    expect(field(page, "Library")).to_be_visible()
    expect(field(page, "Outcome")).to_be_hidden()
    more = page.get_by_text("More filters (2 in use)")
    more.click()
    choose(page, "Outcome", "")
    expect(page.get_by_text("More filters (1 in use)")).to_be_visible()
    clear(page)
    expect(page.get_by_text("More filters", exact=True)).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["viewport"]["width"]


def test_wide_screens_have_all_filters_side_by_side(page_of):
    page = page_of()
    expect(field(page, "Outcome")).to_be_visible()
    expect(page.get_by_text("More filters")).to_be_hidden()
    page.set_viewport_size(PHONE["viewport"])
    expect(field(page, "Outcome")).to_be_hidden()


def test_words_that_look_like_a_pattern_or_like_markup_are_only_words(page_of):
    page = page_of()
    for text in ("(", "[a-", "\\", '"', "==", "<img src=x onerror=alert(1)>", "a" * 5000):
        search(page, text)
        expect(found(page)).to_contain_text(" cells, ")


def test_an_edition_that_the_run_has_not_matches_nothing(page_of):
    page = page_of("synthetic", "edition=nobody&policy=all")
    expect(found(page)).to_contain_text(NOTHING)


def test_clear_leaves_what_works_for_me_as_it_is(page_of):
    page = page_of("synthetic", "have=ultralytics&library=fairseq&policy=strict")
    clear(page)
    assert page.evaluate("location.hash") == "#have=ultralytics"
