"""The sheets beside the matrix, as a reader meets them: plots, links, what is there to paste."""

from __future__ import annotations

import re

import pytest
from page import synthetic_matrix

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SHEETS = (
    *("changes", "causes", "claims", "retire"),
    *("gpus", "checkpoints", "speed", "loading", "reading"),
)
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
PHONE = {"viewport": {"width": 360, "height": 740}}


def plots(page):
    return page.locator("#plots figure")


def timed(matrix, policy, median, iqr=0.0004):
    """Give each check under a policy another time."""
    for cell in matrix["cells"]:
        for check in cell["checks"]:
            if check["policy"] == policy and check["benchmark"]:
                check["benchmark"] |= {"median": median, "iqr": iqr}
    return matrix


def many(count):
    """Return a run of as many versions, each timed."""
    cells = [
        synthetic_matrix.cell(
            "2.8.0",
            "ultralytics",
            f"9.{number}.0",
            [synthetic_matrix.works("ultralytics/yolov8n", "stock")],
        )
        for number in range(count)
    ]
    return synthetic_matrix.matrix(cells=cells, torch=["2.8.0"])


def test_plots_are_drawn_when_their_sheet_is_first_seen(page_of):
    page = page_of()
    expect(plots(page)).to_have_count(0)
    page.get_by_role("navigation", name="Parts of this page").get_by_text("Speed").click()
    expect(plots(page).first).to_be_visible()
    expect(page.locator("#plots").get_by_role("status")).to_have_text(
        re.compile("^[0-9]+ plots[.]$")
    )


def test_a_plot_is_of_one_library_version_and_checkpoint_across_the_torch_builds(page_of):
    page = page_of(at="sheet=speed&library=ultralytics&version=8.2.64")
    expect(plots(page)).to_have_count(2)
    first = plots(page).first
    expect(first.locator("figcaption")).to_have_text(
        "ultralytics 8.2.64 ultralytics/yolov8n pytest-benchmark, perf_counter, cpu"
    )
    expect(first.locator("a.point")).to_have_count(7)
    expect(first.locator(".axes")).to_have_text(
        re.compile(r"^02550ms2\.5\.12\.62\.82\.112\.132\.152\.16 dev")
    )


def test_a_library_that_follows_torch_is_one_plot(page_of):
    page = page_of(at="sheet=speed&library=torchaudio")
    titles = plots(page).locator("figcaption b")
    expect(titles).to_have_text(["torchaudio 2.5.1 … 2.11.0", "torchaudio 2.5.1"])


def test_an_experiment_is_not_plotted(page_of):
    page = page_of(at="sheet=speed&library=pyannote.audio")
    expect(plots(page)).to_have_count(4)
    expect(page.locator("#plots")).not_to_contain_text("mute")


def test_a_cell_without_a_time_under_one_policy_has_that_of_the_next_that_loaded_it(page_of):
    page = page_of(at="sheet=speed&policy=strict&library=ultralytics&version=8.1.0&text=yolov8n")
    names = [
        point.get_attribute("aria-label") for point in plots(page).first.locator("a.point").all()
    ]
    assert [name.partition(":")[0] for name in names[:3]] == [
        "torch 2.5.1, loaded under stock",
        "torch 2.6.0, loaded under patched",
        "torch 2.8.0, loaded under patched",
    ]


def test_where_nothing_was_timed_it_says_so(page_of):
    page = page_of(at="sheet=speed&library=nothing")
    expect(page.locator("#plots").get_by_role("status")).to_have_text("Nothing was timed here.")


def test_a_library_is_chosen_above_the_plots(page_of):
    page = page_of(at="speed")
    page.get_by_role("navigation", name="Library of the plots").get_by_text("fairseq").click()
    expect(plots(page)).to_have_count(1)
    expect(page).to_have_url(re.compile("#sheet=speed&library=fairseq$"))
    page.go_back()
    expect(plots(page).nth(5)).to_be_visible()


def test_the_search_of_the_matrix_holds_for_the_plots(page_of):
    page = page_of(at="sheet=speed&text=yolo11n")
    expect(plots(page)).to_have_count(3)


def test_times_of_two_methods_or_devices_are_never_in_one_plot(page_of):
    matrix = synthetic_matrix.matrix()
    check = next(c for c in matrix["cells"][14]["checks"] if c["benchmark"])
    check["benchmark"] = {**check["benchmark"], "device": "cuda"}
    page = page_of(matrix, "sheet=speed&library=ultralytics&version=8.2.64")
    expect(plots(page)).to_have_count(3)
    expect(plots(page).filter(has_text="cuda").locator("a.point")).to_have_count(1)


def test_a_point_tells_its_figures_and_leads_to_its_check(page_of):
    page = page_of(at="sheet=speed&library=fairseq")
    point = plots(page).first.locator("a.point").first
    time = "42.3 ms, interquartile range 1.1 ms"
    says = f"torch 2.5.1, loaded under stock: {time}; fairseq 0.12.2, Python 3.10"
    expect(point).to_have_accessible_name(says)
    expect(point.locator("title")).to_have_text(says)
    point.hover()
    expect(plots(page).first.locator(".says")).to_have_text(says)
    point.click()
    expect(page.locator("#panel")).to_be_visible()
    expect(page.locator("#panel")).to_contain_text("rvc/hubert-base")


def test_a_compared_point_has_a_shape_of_its_own_and_tells_ratio_verdict_and_interval(page_of):
    page = page_of("measured", "sheet=speed&library=ultralytics&version=8.3.162&text=yolov8n")
    expect(plots(page)).to_have_count(1)
    points = plots(page).locator("a.point")
    shapes = [point.locator(".dot").get_attribute("d") for point in points.all()]
    assert shapes[0] == shapes[1], "the baseline, and what is alike"
    assert shapes[2] == shapes[3], "slower"
    assert len(set(shapes)) == 4
    points.nth(2).focus()
    expect(plots(page).locator(".says")).to_have_text(
        "torch 2.8.0, loaded under stock: 42.3 ms (95 % interval 42.1 to 42.7), interquartile "
        "range 1.1 ms; slower: 1.42 times torch 2.5.1; ultralytics 8.3.162, Python 3.12"
    )
    page.keyboard.press("ArrowRight")
    expect(plots(page).locator(".says")).to_contain_text("slower: 1.31 times torch 2.5.1;")
    expect(page.locator("#plots .legend")).to_have_text(
        "Points: ▲ slower▼ faster◇ unconfirmed● alike or not compared"
    )


def test_where_nothing_was_compared_there_is_no_legend(page_of):
    page = page_of(at="speed")
    expect(plots(page).first).to_be_visible()
    expect(page.locator("#plots .legend")).to_have_count(0)


def test_times_of_two_machines_are_never_in_one_plot(page_of):
    matrix = synthetic_matrix.measured(synthetic_matrix.matrix())
    for cell in matrix["cells"]:
        for check in cell["checks"]:
            if check["benchmark"] and cell["torch"] == "2.8.0":
                check["benchmark"]["machine"] = {"id": "b", "cpu": "another", "cores": 4}
    page = page_of(matrix, "sheet=speed&library=ultralytics&version=8.2.64&text=yolov8n")
    ways = plots(page).locator("figcaption .quiet")
    way = "pytest-benchmark, perf_counter, cpu, machine"
    expect(ways).to_have_text([f"{way} 1", f"{way} 2"])
    expect(plots(page).nth(1).locator("a.point")).to_have_count(1)


def test_what_is_slower_is_seen_at_once_and_leads_to_its_check(page_of):
    page = page_of("measured", "speed")
    first = page.locator("#speed .said li").first
    expect(first).to_be_in_viewport()
    expect(first).to_contain_text("▲ slower ultralytics 8.3.162, ultralytics/yolov8n: on torch")
    first.get_by_role("link").click()
    expect(page.get_by_role("dialog")).to_contain_text("1.42 times the time of torch 2.5.1")
    expect(page.locator("#speed")).to_be_visible()


def test_a_load_leads_to_its_check(page_of):
    page = page_of("measured", "loading")
    page.get_by_role("link", name="ultralytics/yolov8n").click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("heading", name="Loading")).to_be_visible()


@pytest.mark.parametrize("sheet", ["speed", "loading"])
def test_a_phone_scrolls_nothing_that_was_measured_sideways(page_of, sheet):
    page = page_of("measured", sheet, **PHONE)
    for summary in page.locator(f"#{sheet} summary:visible").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(f"#{sheet} a[href*='cell=']:visible").first.click()
    inside = page.get_by_role("dialog").locator(".inside")
    expect(inside).to_be_visible()
    assert inside.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_arrows_go_from_point_to_point(page_of):
    page = page_of(at="sheet=speed&library=fairseq")
    points = plots(page).first.locator("a.point")
    points.first.focus()
    page.keyboard.press("ArrowRight")
    expect(points.nth(1)).to_be_focused()
    expect(plots(page).first.locator(".says")).to_contain_text("torch 2.6.0, loaded under stock")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(points.first).to_be_focused()
    expect(points.nth(1)).to_have_attribute("tabindex", "-1")


def test_the_bar_of_a_point_is_as_long_as_its_spread(page_of):
    matrix = timed(synthetic_matrix.matrix(), "stock", 0.05, iqr=0.02)
    page = page_of(matrix, "sheet=speed&library=fairseq")
    bar = plots(page).first.locator(".spread").first.get_attribute("d")
    low, high = map(float, re.fullmatch(r"M[\d.]+ ([\d.]+)V([\d.]+)", bar).groups())
    whole = 136 - 10  # of a plot that goes up to 60 ms
    assert low - high == pytest.approx(whole * 20 / 60)


def test_plots_beyond_sixty_are_drawn_when_asked_for(page_of):
    page = page_of(many(70), "speed")
    expect(plots(page)).to_have_count(60)
    page.get_by_role("button", name="Show 10 more").click()
    expect(plots(page)).to_have_count(70)
    expect(plots(page).nth(60).locator("a.point")).to_be_focused()
    expect(page.get_by_role("button", name=re.compile("more$"))).to_have_count(0)


def test_a_run_in_which_nothing_was_timed_has_no_plots(page_of):
    matrix = synthetic_matrix.matrix()
    for cell in matrix["cells"]:
        for check in cell["checks"]:
            check["benchmark"] = None
    page = page_of(matrix, "speed")
    expect(page.get_by_text("No forward pass was timed in this run.")).to_be_visible()


def test_a_cause_leads_to_the_matrix_with_its_checks_alone(page_of):
    page = page_of(at="causes")
    row = page.locator("#causes tr").filter(has_text="wo-yolo").first
    row.get_by_role("link", name="in the matrix").click()
    expect(page.locator("#matrix")).to_be_visible()
    expect(page.locator("tbody.set:visible")).to_have_count(3)


def test_what_nobody_knows_is_found_by_its_words(page_of):
    page = page_of(at="causes")
    row = page.locator("#causes tr").filter(has_text="Segmentation fault").first
    row.get_by_role("link", name="in the matrix").click()
    expect(page.locator("tbody.set:visible")).to_have_count(1)
    expect(page.locator("tbody.set:visible")).to_contain_text("fairseq")


def test_evidence_opens_its_check_over_the_claims(page_of):
    page = page_of(at="claims")
    page.get_by_text("2 of 2 parts tested").first.click()

    page.locator("#claims .evidence a").first.click()
    expect(page.locator("#panel")).to_be_visible()
    expect(page.locator("#claims")).to_be_visible()


def test_a_remedy_is_copied_whole(page_of):
    page = page_of(at="causes", **CLIPBOARD)
    row = page.locator("#causes tr").filter(has_text="wo-yolo").first
    row.get_by_text("what helps").click()
    row.get_by_role("button", name="Copy the remedy").click()
    expect(row.get_by_role("button").first).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "import torch\ntorch.serialization.add_safe_globals([DetectionModel])"


def test_a_report_is_there_to_copy(page_of):
    page = page_of(at="causes")
    page.get_by_text("text of a report", exact=True).first.click()
    expect(page.get_by_role("button", name="Copy the report").first).to_be_visible()


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_phone_scrolls_no_sheet_sideways(page_of, sheet):
    page = page_of(at=sheet, **PHONE)
    expect(page.locator(f"#{sheet}")).to_be_visible()
    for summary in page.locator(f"#{sheet} summary:visible").all()[:5]:
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_a_script_all_sheets_stand_below_the_matrix(page_of):
    page = page_of(java_script_enabled=False)
    for sheet in SHEETS:
        expect(page.locator(f"#{sheet} h2")).to_be_visible()
    expect(page.locator("#plots")).to_be_hidden()
    page.get_by_text("The same as a table").click()
    expect(page.locator("table.speed")).to_contain_text("42.3")
