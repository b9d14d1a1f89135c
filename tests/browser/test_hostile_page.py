"""Data that attacks its reader: it is text, and the page works as it does with any other."""

from __future__ import annotations

import copy
from urllib.parse import quote, urlencode

import hostile
import pytest
from page import synthetic_matrix

from matrix import history
from matrix.diff import diff
from matrix.page.render import render
from matrix.page.view import SHEETS

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

YOLO = "py3.12-torch2.6.0-ultralytics8.1.0"
# What an attack would have left behind: all are empty or false on a page that is only read.
TRACES = r"""() => {
  const unseen =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\p{Surrogate}]/u;
  const spoken = ["alt", "aria-label", "aria-description", "label", "placeholder", "title"];
  const all = [...document.querySelectorAll("body *")];
  const foreign = "img, iframe, object, embed, video, audio, base, meta, link, style, template";
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const read = [document.title];
  while (texts.nextNode()) {
    read.push(texts.currentNode.data);
  }
  read.push(...all.flatMap((each) => spoken.map((name) => each.getAttribute(name) ?? "")));
  return {
    hacked: "hacked" in window,
    foreign: all.filter((each) => each.matches(`${foreign}, svg:not(#plots svg)`)).length,
    scripts: all.filter((each) => each.matches("script:not([id]):not([type=module])")).length,
    handlers: all.flatMap((each) => each.getAttributeNames()).filter((name) => /^on/.test(name)),
    links: [...document.links].filter(({ protocol }) => !/^(file|https):$/.test(protocol)).length,
    unseen: read.filter((text) => unseen.test(text)),
  };
}"""
NOTHING = {"hacked": False, "foreign": 0, "scripts": 0, "handlers": [], "links": 0, "unseen": []}


def page_from(matrix, folder):
    """Return the page of a run, with what changed since another and what earlier ones said."""
    before = copy.deepcopy(matrix)
    before |= {"run": f"before {matrix['run']}", "started": "2026-11-19T10:31:04+00:00"}
    for check in (check for cell in before["cells"][5:12] for check in cell["checks"]):
        check |= {"outcome": "fail", "stage": "load", "message": hostile.EVIL}
    for run in (before, matrix):
        history.write(folder, run)
    return render(matrix, diff(before, matrix), history.trends(history.read(folder)))


def remarked(matrix):
    """Return a run whose figures are of a GPU, with remarks on them and on its loads."""
    for check in (check for cell in matrix["cells"] for check in cell["checks"]):
        if check["benchmark"]:
            check["benchmark"] |= {"dtype": "float16", "batch": 8, "remarks": ["it moves"]}
            check["loading"] |= {"mmap": None, "remarks": ["it cannot be mapped"]}
    return matrix


@pytest.fixture(scope="module")
def attacked(shared_page_of, tmp_path_factory):
    """Return the page of a run in which every string is hostile, and one has a million letters."""
    matrix = hostile.attacked(remarked(synthetic_matrix.measured(synthetic_matrix.matrix())))
    (yolo,) = [each for each in matrix["cells"] if each["id"].startswith(YOLO)]
    evil = hostile.EVIL
    yolo["checks"][0]["message"] = evil * (1_000_000 // len(evil) + 1)
    return shared_page_of(page_from(matrix, tmp_path_factory.mktemp("history")))


@pytest.fixture(scope="module")
def inherited(shared_page_of, tmp_path_factory):
    """Return the page of a run whose names are those that every object has."""
    matrix = hostile.inherited(synthetic_matrix.matrix())
    return shared_page_of(page_from(matrix, tmp_path_factory.mktemp("history")))


def go(page, at):
    page.goto(f"{page.url.partition('#')[0]}#{at}")


def open_all(page):
    """Open whatever is folded, until nothing is."""
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def slots(page):
    return page.locator("td[data-c]:visible")


def in_the_panel(page, about):
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("heading", level=2)).to_contain_text(about)
    expect(panel.get_by_text("The raw record")).to_be_visible()
    return panel


@pytest.mark.parametrize("sheet", SHEETS)
def test_nothing_in_the_data_runs_is_made_into_an_element_or_hides_on_a_sheet(attacked, sheet):
    go(attacked, sheet)
    expect(attacked.locator(f"#{sheet}")).to_be_visible()
    open_all(attacked)
    assert attacked.evaluate(TRACES) == NOTHING


def test_hostile_words_are_shown_as_they_are(attacked):
    go(attacked, "matrix")
    head = attacked.get_by_role("rowheader").first
    expect(head).to_contain_text(f"fairseq{hostile.MARKUP}")
    expect(head).to_contain_text(r"\u202egnp.exe\u2066\u200f\u061c\u0000\u0007\u009b")


@pytest.mark.parametrize("number", [0, 5, 8, 31])
def test_the_panels_of_hostile_cells_and_checks_are_as_inert(attacked, number):
    go(attacked, "policy=all")
    slots(attacked).nth(number).click()
    panel = in_the_panel(attacked, hostile.MARKUP)
    links = panel.locator(".checks a")
    for link in [*range(min(links.count(), 4)), None]:
        open_all(attacked)
        expect(attacked.locator("#panel details:not([open])")).to_have_count(0)
        assert attacked.evaluate(TRACES) == NOTHING
        if link is not None:
            links.nth(link).click()
            in_the_panel(attacked, "under")
            attacked.go_back()
            in_the_panel(attacked, "Python")
    panel.get_by_role("button", name="Close").click()


def test_a_message_of_a_million_letters_is_cut_and_then_whole(attacked):
    go(attacked, "policy=all")
    attacked.get_by_role("gridcell").filter(has_text="fail").first.click()
    panel = in_the_panel(attacked, "ultralytics")
    panel.locator(".checks a").first.click()
    panel = in_the_panel(attacked, "under stock")
    panel.get_by_role("button", name="Show all 1,0").click()
    whole = panel.get_by_role("region", name="The message")
    expect(whole).to_be_focused()
    assert len(whole.text_content()) > 1_000_000
    assert attacked.evaluate(TRACES) == NOTHING
    panel.get_by_role("button", name="Close").click()


def test_a_page_of_hostile_names_still_filters(attacked):
    go(attacked, "policy=all")
    found = attacked.get_by_role("status").filter(has_text="of 33 cells")
    expect(found).to_have_text("33 of 33 cells, 205 checks")
    library = attacked.locator("#filters").get_by_role("combobox", name="Library")
    library.select_option(index=2)
    expect(found).to_have_text("21 of 33 cells, 164 checks")
    assert attacked.evaluate("location.hash").startswith("#policy=all&library=ultralytics")
    library.select_option("any")
    search = attacked.get_by_role("searchbox")
    search.fill('"<svg onload"')
    expect(found).to_have_text("33 of 33 cells, 205 checks")
    search.fill('"</style>"')
    expect(found).to_contain_text("0 of 33 cells, 0 checks")
    assert attacked.evaluate(TRACES) == NOTHING


@pytest.mark.parametrize(
    "state",
    [
        {"text": hostile.MARKUP, "library": hostile.MARKUP, "policy": hostile.MARKUP},
        {"sheet": hostile.MARKUP, "have": f"{hostile.MARKUP}==1", "gpu": hostile.MARKUP},
        {"cell": hostile.MARKUP, "checkpoint": hostile.MARKUP, "check": "__proto__"},
        {"cell": YOLO, "checkpoint": "javascript:window.hacked=1", "policy": "\u202etxt"},
        {"sheet": "constructor", "policy": "__proto__", "have": "__proto__==toString"},
        {"__proto__": "x", "constructor": "x", "sheet": "panel"},
    ],
)
def test_a_hostile_address_is_text_as_well(attacked, state):
    go(attacked, urlencode(state))
    expect(attacked.get_by_role("heading", level=1)).to_be_attached()
    expect(attacked.locator("#matrix")).to_be_visible()
    assert attacked.evaluate(TRACES) == NOTHING
    go(attacked, quote(next(iter(state.values()))))
    assert attacked.evaluate(TRACES) == NOTHING


def test_only_addresses_of_the_web_are_links(page_of):
    matrix = synthetic_matrix.matrix()
    for known in matrix["diagnoses"].values():
        known["link"] = "javascript:window.hacked=1"
    for cause in (*matrix["causes"], *matrix["refusals"]):
        cause["link"] = "JavaScript:window.hacked=1//https://"
    page = page_of(matrix, urlencode({"cell": YOLO}))
    page.locator("#panel .checks a").first.click()
    expect(page.locator("#panel")).to_contain_text("javascript:window.hacked=1")
    assert page.evaluate(TRACES) == NOTHING
    page.keyboard.press("Escape")
    go(page, "causes")
    expect(page.locator("#causes")).to_contain_text("JavaScript:window.hacked=1//https://")
    assert page.evaluate(TRACES) == NOTHING


def test_what_could_not_be_seen_in_a_message_is_found_by_its_link(page_of):
    matrix = synthetic_matrix.matrix()
    for check in matrix["cells"][7]["checks"]:
        check |= {"outcome": "fail", "message": f"{hostile.UNSEEN}{hostile.LONE} broke"}
        check["diagnosis"] = None
    page = page_of(synthetic_matrix.answered(matrix), "causes")
    row = page.locator("#causes tr").filter(has_text=r"\ud800 broke")
    row.get_by_role("link", name="in the matrix").first.click()
    expect(page.get_by_role("status").filter(has_text="of 33 cells")).to_have_text(
        "1 of 33 cells, 8 checks"
    )


def test_what_slipped_in_all_the_same_would_not_run(browser, tmp_path):
    slipped = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><main>"
    file = tmp_path / "index.html"
    file.write_text(render(synthetic_matrix.matrix()).replace("<main>", slipped), encoding="utf-8")
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    page.wait_for_selector("html.ready", state="attached")
    assert not page.evaluate("'hacked' in window")
    assert sum("Content Security Policy" in each for each in said) >= 3
    page.close()


def test_letters_that_run_to_the_left_move_nothing_beside_them(page_of):
    matrix = synthetic_matrix.matrix()
    for cell in matrix["cells"]:
        cell["library"] = f"{cell['library']} \u05e9\u05dc\u05d5\u05dd"
    page = page_of(matrix)
    head = page.get_by_role("rowheader").first
    library, version = (head.locator(f".{name}").bounding_box() for name in ("library", "name"))
    assert library["x"] + library["width"] <= version["x"]


@pytest.mark.parametrize("sheet", SHEETS)
def test_names_that_every_object_has_are_names_on_every_sheet(inherited, sheet):
    go(inherited, sheet)
    expect(inherited.locator(f"#{sheet} h2").first).to_be_attached()
    open_all(inherited)
    assert inherited.evaluate(TRACES) == NOTHING


def test_names_that_every_object_has_are_found_and_chosen(inherited):
    go(inherited, "policy=all")
    found = inherited.get_by_role("status").filter(has_text="of 33 cells")
    fields = inherited.locator("#filters")
    for label, name, says in [
        ("Library", "__proto__", "7 of 33 cells, 26 checks"),
        ("Library", "constructor", "21 of 33 cells, 164 checks"),
        ("Version", "constructor==__proto__", "7 of 33 cells, 56 checks"),
        ("Policy", "__proto__", "7 of 33 cells, 14 checks under __proto__"),
        ("Policy", "toString", "7 of 33 cells, 14 checks under toString"),
    ]:
        fields.get_by_role("combobox", name=label, exact=True).select_option(name)
        expect(found).to_have_text(says)
    inherited.get_by_role("button", name="Clear").click()
    inherited.get_by_role("searchbox").fill("__proto__==2.4")
    expect(found).to_contain_text(" of 33 cells")


def test_names_that_every_object_has_open_their_panels(inherited):
    go(inherited, "library=constructor&version=valueOf")
    slots(inherited).first.click()
    panel = in_the_panel(inherited, "constructor valueOf, torch 2.5.1")
    expect(panel.get_by_role("columnheader")).to_have_text(
        ["checkpoint", "__proto__", "constructor", "toString", "__defineGetter__"]
    )
    panel.get_by_role("link", name="refused under __defineGetter__").first.click()
    panel = in_the_panel(inherited, "constructor · __proto__ under __defineGetter__")
    expect(panel).to_contain_text("__proto__ 20 ms")
    panel.get_by_text("The raw record").click()
    expect(panel.locator("details pre")).to_contain_text('"__proto__": 0.02')
    panel.get_by_role("button", name="Close").click()


def test_what_works_for_names_that_every_object_has_is_answered(inherited):
    go(inherited, "matrix")
    mine = inherited.get_by_role("region", name="Works for me")
    mine.get_by_label("Library").select_option("__proto__")
    expect(mine.get_by_role("status")).to_contain_text("__proto__ constructor")
    mine.get_by_label("GPU").fill("__proto__")
    expect(mine.get_by_role("status")).to_contain_text("__proto__")
    assert inherited.evaluate(TRACES) == NOTHING
