"""The page for everybody: by ear, by keyboard, on a phone, on paper, in the dark, scriptless."""

from __future__ import annotations

import pytest

from matrix.page.view import SHEETS

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
FAILED = "cell=py3.10-torch2.6.0-fairseq0.12.2&checkpoint=rvc/hubert-base&check=stock"
# All that a reader can unfold, at once. Of what repeats, the first few stand for the rest.
UNFOLDED = """
const few = [
  ...[".matrix tbody:nth-of-type(n+4)", ".matrix tr:nth-of-type(n+4)"],
  ...[".plain tbody tr:nth-of-type(n+5)", "main li:nth-of-type(n+5)"],
  "#plots figure:nth-of-type(n+4)",
];
for (const each of document.querySelectorAll(few)) each.remove();
for (const each of document.querySelectorAll(".matrix .fold")) each.click();
for (const each of document.querySelectorAll(".sheet")) each.hidden = false;
for (const each of document.querySelectorAll("details")) each.open = true;
for (const each of document.querySelectorAll("pre:not(:has(*)), pre code")) {
  each.textContent = each.textContent.slice(0, 99);
}
"""
# Of every kind of verdict in the table, how far its colour is from what is behind it.
CONTRASTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return parts(colour)[3] === 0 ? behind(element.parentElement) : colour;
  };
  const contrasts = {};
  for (const mark of document.querySelectorAll("td > b[class]")) {
    const [one, other] = [getComputedStyle(mark).color, behind(mark)].map(light);
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    contrasts[mark.className] = Math.min(contrast, contrasts[mark.className] ?? 21);
  }
  return contrasts;
}"""
PRESSED = "button, input, select, textarea, summary, [role=button], [onclick]"


@pytest.fixture(scope="module")
def shared(shared_page_of):
    """Return the page of the recorded sweep, which the tests that only look at it share."""
    return shared_page_of("real")


@pytest.fixture
def real(shared):
    """Return the same as a desk shows it, in the light and on its first sheet."""
    shared.set_viewport_size(DESK)
    shared.emulate_media(media="screen", color_scheme="light", forced_colors="none")
    return go(shared, "matrix")


def go(page, at):
    page.goto(f"{page.url.partition('#')[0]}#{at}")
    return page


def violations(page, *, colours):
    """Return what axe finds, with target sizes, which it leaves out unless it is asked."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    rules = {"target-size": {"enabled": True}, "color-contrast": {"enabled": colours}}
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
    return found.generate_report() if found.violations_count else ""


# Colours take most of the time, and a recorded sweep has none that the other page has not. The
# panel has tests of its own with axe, beside its other ones.
@pytest.mark.parametrize(
    ("source", "scheme", "viewport"),
    [("measured", "light", DESK), ("measured", "dark", PHONE), ("real", "light", PHONE)],
    ids=["measured-light-desk", "measured-dark-phone", "real-light-phone"],
)
def test_axe_finds_nothing_in_any_sheet_with_everything_unfolded(page_of, source, scheme, viewport):
    page = page_of(source, "speed", color_scheme=scheme, viewport=viewport)
    expect(page.locator("#plots figure").first).to_be_visible()
    page.evaluate(UNFOLDED)
    assert violations(page, colours=source == "measured") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["policy=all", "policy=all&outcome=refused"])
def test_every_verdict_can_be_told_from_what_is_behind_it(page_of, scheme, state):
    contrasts = page_of("synthetic", state, color_scheme=scheme).evaluate(CONTRASTS)
    assert len(contrasts) >= 10
    assert ("pass dim" in contrasts) == ("outcome" in state)
    assert {name: each for name, each in contrasts.items() if each < 4.5} == {}


@pytest.mark.parametrize("width", [360, 320])
def test_no_sheet_of_a_recorded_sweep_makes_a_phone_scroll_sideways(real, width):
    real.set_viewport_size({"width": width, "height": 740})
    for sheet in SHEETS:
        go(real, sheet)
        expect(real.locator(f"#{sheet}")).to_be_visible()
        real.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert real.evaluate("document.documentElement.scrollWidth") <= width, sheet


@pytest.fixture(scope="module")
def plain(shared_page_of):
    """Return the page of the recorded sweep in a browser that runs no script."""
    return shared_page_of("real", java_script_enabled=False)


def test_without_a_script_the_whole_matrix_is_there_in_words(plain, recorded):
    slots = "#matrix tr.version td[data-c]"
    numbers = plain.locator(slots).evaluate_all("found => found.map(each => +each.dataset.c)")
    assert sorted(numbers) == list(range(len(recorded["cells"])))
    hidden = "found => found.filter(each => !each.checkVisibility()).length"
    assert plain.locator("#matrix tbody :is(tr, td, b, i)").evaluate_all(hidden) == 0
    words = set(" ".join(plain.locator("#matrix td i").all_text_contents()).split())
    assert {cell["outcome"] for cell in recorded["cells"]} <= words
    for sheet in SHEETS:
        expect(plain.locator(f"#{sheet}")).to_be_visible()


def test_without_a_script_there_is_nothing_to_press_that_does_nothing(plain):
    pressed = plain.locator(PRESSED).filter(visible=True)
    names = pressed.evaluate_all("found => [...new Set(found.map(each => each.localName))]")
    assert names == ["summary"]  # which a browser opens by itself
    states = plain.locator("a[href^='#'][href*='=']")
    looks = states.evaluate_all(
        "found => found.map(each => getComputedStyle(each))"
        ".map(look => `${look.pointerEvents} ${look.textDecorationLine}`)"
    )
    assert len(looks) > 20
    assert set(looks) == {"none none"}


def test_without_a_script_the_navigation_goes_to_its_sheets(plain):
    plain.get_by_role("navigation").get_by_role("link", name="Claims").click()
    expect(plain.get_by_role("heading", name="Claims")).to_be_in_viewport()


def test_on_paper_there_is_the_matrix_and_nothing_to_press(real):
    real.emulate_media(media="print")
    expect(real.locator(f"main :is({PRESSED})").filter(visible=True)).to_have_count(0)
    expect(real.get_by_role("navigation").filter(visible=True)).to_have_count(0)
    for name in ("fairseq 0.12.2", "ultralytics 8.1.0", "pyannote.audio 3.4.0"):
        expect(real.get_by_role("rowheader").filter(has_text=name).first).to_be_visible()
    assert real.evaluate("document.documentElement.scrollWidth") <= DESK["width"]


def test_on_paper_an_open_panel_stands_alone_and_whole(real):
    go(real, FAILED)
    panel = real.get_by_role("dialog")
    expect(panel.get_by_text("The raw record")).to_be_visible()
    real.emulate_media(media="print")
    expect(panel.get_by_role("button")).to_have_count(0)
    expect(panel.get_by_role("heading", name="1 global beyond torch's own")).to_be_visible()
    expect(real.locator("main, header.top, footer").filter(visible=True)).to_have_count(0)
    inside = "each => each.scrollHeight <= each.clientHeight"
    assert panel.locator(".inside").evaluate(inside)
    real.emulate_media(media="screen")
    real.keyboard.press("Escape")


def test_the_keyboard_alone_leads_to_what_to_paste_and_back(page_of):
    page = page_of("real", permissions=["clipboard-read", "clipboard-write"])
    keys = page.keyboard

    def tab_to(place):
        for _ in range(40):
            keys.press("Tab")
            if place.evaluate("each => each === document.activeElement"):
                return
        pytest.fail("the keyboard never gets there")

    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.type("hubert_base.pt")
    slot = page.get_by_role("grid").get_by_role("row").nth(2).get_by_role("gridcell")
    tab_to(page.locator("td[tabindex='0']"))
    keys.press("ArrowDown")
    keys.press("End")
    expect(slot.last).to_be_focused()
    keys.press("Enter")
    panel = page.get_by_role("dialog", name="rvc/hubert-base under stock")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    tab_to(panel.get_by_role("button", name="Copy the allow-list"))
    keys.press("Enter")
    expect(panel.get_by_role("button", name="Copied the allow-list")).to_be_focused()
    assert "import Dictionary" in page.evaluate("navigator.clipboard.readText()")
    keys.press("Escape")
    expect(slot.last).to_be_focused()


def test_what_has_the_keyboard_shows_it(real):
    real.get_by_role("link", name="Matrix", exact=True).focus()
    for _ in range(15):
        real.keyboard.press("Tab")
        style = real.evaluate(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
            "(getComputedStyle(document.activeElement))"
        )
        assert style[0] != "none"
        assert style[1] != "0px"


def test_with_the_reader_s_own_colours_what_matches_is_framed(real):
    real.emulate_media(forced_colors="active")
    go(real, "library=ultralytics&version=8.1.0&outcome=fail")
    frame = "mark => getComputedStyle(mark).outlineStyle"
    slot = real.get_by_role("gridcell").filter(visible=True).nth(1)
    marks = slot.locator("b")
    assert [mark.evaluate(frame) for mark in marks.all()] == ["solid", "solid", "none", "none"]
    expect(slot).to_contain_text("✕ fail")


def test_what_moves_stands_still_for_those_who_ask(real):
    moves = (
        "[document.documentElement, document.getElementById('panel')].map((each) => "
        "[getComputedStyle(each).scrollBehavior, getComputedStyle(each).transitionDuration])"
    )
    assert real.evaluate(moves) == [["auto", "0s"], ["auto", "0s"]]
    real.emulate_media(reduced_motion="no-preference")
    assert real.evaluate(moves) == [["smooth", "0s"], ["auto", "0.16s"]]
    real.emulate_media(reduced_motion="reduce")
