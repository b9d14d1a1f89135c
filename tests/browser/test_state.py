"""The address: every view is a link, and Back goes back."""

from __future__ import annotations

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def address(page):
    return page.evaluate("location.hash")


def found(page):
    return page.locator("#found")


def field(page, label):
    role = "searchbox" if label == "Search" else "combobox"
    return page.locator("#filters").get_by_role(role, name=label, exact=True)


def test_a_link_brings_back_the_whole_view(page_of):
    view = (
        "policy=strict&library=ultralytics&version=8.1.0&torch=2.6.0&outcome=refused&text=yolo11n"
    )
    page = page_of("synthetic", view)
    assert address(page) == f"#{view}"
    expect(found(page)).to_contain_text("cells, 1 check under strict")
    values = {"Policy": "strict", "Library": "ultralytics", "Version": "ultralytics==8.1.0"}
    for label, value in {**values, "torch": "2.6.0", "Outcome": "refused"}.items():
        expect(field(page, label)).to_have_value(value)
    expect(field(page, "Search")).to_have_value("yolo11n")


def test_what_is_chosen_is_written_into_the_address_and_what_is_not_is_left_out(page_of):
    page = page_of()
    field(page, "Library").select_option("ultralytics")
    assert address(page) == "#library=ultralytics"
    field(page, "Library").select_option("")
    assert address(page) == "#matrix"


def test_back_undoes_a_step_and_the_letters_of_a_search_are_one(page_of):
    page = page_of()
    field(page, "Library").select_option("ultralytics")
    field(page, "Search").press_sequentially("8.1.0")
    expect(found(page)).to_contain_text("7 of ")
    page.go_back()
    expect(field(page, "Search")).to_have_value("")
    assert address(page) == "#library=ultralytics"
    page.go_back()
    expect(field(page, "Library")).to_have_value("")
    page.go_forward()
    expect(field(page, "Library")).to_have_value("ultralytics")


def test_one_sheet_is_shown_at_a_time_and_keeps_the_filters(page_of):
    page = page_of("synthetic", "library=ultralytics")
    sheets = page.get_by_role("navigation", name="Parts of this page")
    shown = page.locator("section.sheet:visible")
    expect(shown).to_have_count(1)
    sheets.get_by_role("link", name="Claims").click()
    expect(page.locator("#claims")).to_be_visible()
    expect(shown).to_have_count(1)
    expect(sheets.locator("[aria-current=page]")).to_have_text("Claims")
    assert address(page) == "#sheet=claims&library=ultralytics"
    sheets.get_by_role("link", name="Matrix").click()
    assert address(page) == "#library=ultralytics"
    expect(found(page)).to_contain_text("21 of ")


def test_a_bare_name_is_a_sheet_and_so_is_the_name_of_something_in_one(page_of):
    page = page_of("synthetic", "claims")
    expect(page.locator("#claims")).to_be_visible()
    expect(page.locator("#matrix")).to_be_hidden()
    inside = page.locator("#claims [id]").first.get_attribute("id")
    page.evaluate("name => (location.hash = name)", "matrix")
    expect(page.locator("#matrix")).to_be_visible()
    page.evaluate("name => (location.hash = name)", inside)
    expect(page.locator("#claims")).to_be_visible()


@pytest.mark.parametrize(
    "address",
    ["nobody", "sheet=nobody", "policy=nobody", "%", "=", "&&", "library=%00%F0", "__proto__=1"],
)
def test_an_address_that_makes_no_sense_shows_the_matrix(page_of, address):
    page = page_of("synthetic", address)
    expect(page.locator("#matrix")).to_be_visible()
    expect(found(page)).to_contain_text(" cells, ")


def test_an_address_that_runs_nothing(page_of):
    attack = "library=<img src=x onerror=document.title='owned'>&text=%22><script>1</script>"
    page = page_of("synthetic", attack)
    expect(field(page, "Library").locator("option:checked")).to_contain_text("<img src=x")
    assert "owned" not in page.title()
    expect(page.locator("#filters img, #filters script")).to_have_count(0)


@pytest.mark.parametrize(
    ("view", "place"),
    [
        ("library=ultralytics", "#found"),
        ("policy=strict", "#found"),
        ("matrix", "#found"),
        ("causes", "#sheets"),
        ("have=ultralytics", "#mine-answer"),
        ("have=ultralytics&text=yolo", "#found"),
    ],
)
def test_a_link_leads_to_what_it_is_about(page_of, view, place):
    page = page_of("real", view)
    expect(page.locator(place)).to_be_in_viewport()


def test_a_link_to_a_sheet_begins_with_the_sheets_names(page_of):
    page = page_of("real", "causes")
    assert abs(page.locator("#sheets").evaluate("each => each.getBoundingClientRect().top")) < 1


def test_reading_the_page_again_stays_at_the_readers_place(page_of):
    page = page_of("real", "causes")
    page.evaluate("scrollTo({top: 10, behavior: 'instant'})")
    page.reload()
    page.wait_for_selector("html.ready")
    assert page.evaluate("scrollY") == 10


@pytest.mark.parametrize(
    ("name", "place"), [("Go to the matrix", "#matrix"), ("Find what works for me", "#mine")]
)
def test_the_first_screen_leads_on_and_keeps_what_is_chosen(page_of, name, place):
    page = page_of("real", "library=ultralytics")
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    link = page.get_by_role("link", name=name)
    expect(link).to_be_in_viewport()
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator(place)).to_be_focused()
    expect(page.locator(place)).to_be_in_viewport()
    assert address(page) == "#library=ultralytics"
