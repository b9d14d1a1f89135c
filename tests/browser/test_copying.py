"""What a copy button does where the browser gives no clipboard."""

from __future__ import annotations

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
CELL = "cell=py3.12-torch2.6.0-ultralytics8.1.0"


def copy_first(page):
    """Press the first button that copies, and return it with the code beside it."""
    block = page.locator("#panel .copyable").first
    button = block.locator("button.copy")
    button.click()
    return button, block.locator("code").text_content()


def test_an_older_way_to_copy_is_tried_without_a_clipboard(page_of):
    page = page_of("synthetic", CELL)
    page.evaluate(f"{NO_CLIPBOARD} document.execCommand = () => true;")
    button, code = copy_first(page)
    expect(button).to_contain_text("Copied")
    assert page.evaluate("getSelection().toString()").strip() == code.strip()


def test_code_that_cannot_be_copied_is_selected_and_the_button_says_how_to_go_on(page_of):
    page = page_of("synthetic", CELL)
    page.evaluate(f"{NO_CLIPBOARD} document.execCommand = () => false;")
    button, _ = copy_first(page)
    expect(button).to_contain_text("Selected: press Ctrl+C")
