"""The panel: everything about a cell or a check, in a sheet over the page."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlencode

import pytest
from page import synthetic_matrix

from matrix.page.render import render

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

YOLO = "py3.12-torch2.6.0-ultralytics8.1.0"
LEFT_OF_YOLO = "py3.12-torch2.5.1-ultralytics8.1.0"
HUBERT = "py3.10-torch2.15.0-fairseq0.12.2"
NIGHTLY_HUBERT = f"py3.12-torch{synthetic_matrix.NIGHTLY}-fairseq0.12.2"
YOLO_CELL = {"cell": YOLO}
FAILED = {"cell": YOLO, "checkpoint": "ultralytics/yolov8n", "use": "forward", "check": "stock"}
WORKED = {**FAILED, "check": "patched"}
BLOCK = re.compile(r'(<script type="text/plain" id="details-0">)([^<]*)')
CLIPBOARD = ["clipboard-read", "clipboard-write"]
HOSTILE = "</script><script>document.title='owned'</script>\u202egnp.exe\x00\x1b[31m"


# Keeps hold of what the page reads, so that a test can change it and put it back.
KEEP = """
const parse = JSON.parse;
JSON.parse = (text, ...rest) => {
  const found = parse(text, ...rest);
  if (found?.diagnoses) {
    Object.assign(window, { held: found, restore: () => Object.assign(found, parse(text)) });
  }
  return found;
};
"""
DOCTOR = """
([state, known, record, fields]) => {
  const { cells, ofCells, records, ofChecks, diagnoses } = window.held;
  const value = ({ values, rows }, row) => values[rows[row]];
  const put = (columns, row, changes) => {
    for (const [name, change] of Object.entries(changes)) {
      columns[name] ??= { values: [], rows: records.policy.rows.map(() => -1) };
      columns[name].rows[row] = columns[name].values.push(change) - 1;
    }
  };
  const owners = cells.id.rows.flatMap((_, row) => {
    return Array(value(ofCells.checks, row)).fill(value(cells.id, row));
  });
  const names = [state.cell, state.checkpoint, state.use, state.check].join();
  const row = owners.findIndex((cell, row) => {
    const told = ["checkpoint", "use", "policy"].map((name) => value(records[name], row));
    return [cell, ...told].join() === names;
  });
  put(ofChecks, row, { ...fields, ...(known ? { diagnosis: diagnoses.push(known) - 1 } : {}) });
  put(records, row, record);
}
"""


@pytest.fixture(scope="module")
def shared(browser, tmp_path_factory):
    """Return a page that the tests of this module share, and what went wrong in it."""
    file = tmp_path_factory.mktemp("panel") / "index.html"
    file.write_text(render(synthetic_matrix.matrix()), encoding="utf-8")
    context = browser.new_context(offline=True, reduced_motion="reduce", permissions=CLIPBOARD)
    context.add_init_script(KEEP)
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{file.as_uri()}#{urlencode({'cell': YOLO})}")
    expect(page.locator("#panel .verdict")).to_be_visible()
    yield page, faults
    context.close()


@pytest.fixture
def panel_of(shared):
    """
    Return what opens the panel that a state says.

    Keywords are what the details of its check shall have: `record` is added to its own, `known` is
    its diagnosis.
    """
    page, faults = shared
    page.set_viewport_size({"width": 1280, "height": 800})

    def open_panel(state, known=None, record=None, **fields):
        if known or record or fields:
            page.evaluate(DOCTOR, [state, known, record or {}, fields])
        page.goto(f"{page.url.partition('#')[0]}#matrix")
        expect(page.locator("#panel")).to_be_hidden()
        page.goto(f"{page.url.partition('#')[0]}#{urlencode(state)}")
        return page.locator("#panel")

    yield open_panel
    page.evaluate("() => { restore(); }")
    assert faults == []


def opened_at(page_of, source, state=YOLO_CELL):
    """Return the panel of a page of its own."""
    return page_of(source, urlencode(state)).locator("#panel")


def part(panel, title):
    """Return the part of a panel under a heading."""
    return panel.locator("section.part", has=panel.page.locator(f"h3:text-is({json.dumps(title)})"))


def fact(panel, term):
    """Return what stands beside a term."""
    return panel.locator(f"dt:text-is({json.dumps(term)}) + dd")


def state_of(page):
    """Return the state that the address holds."""
    return {key: values[0] for key, values in parse_qs(page.url.partition("#")[2]).items()}


def test_a_link_to_a_cell_opens_its_panel(panel_of):
    panel = panel_of(YOLO_CELL)
    title = "ultralytics 8.1.0, torch 2.6.0+cu128, Python 3.12"
    expect(panel.get_by_role("heading", level=2)).to_have_text(title)
    expect(panel.locator(".verdict")).to_have_text("✕ fail an exception at a stage.")
    expect(panel).to_contain_text("A cell counts once, under the most severe of its checks.")
    expect(part(panel, "Reproduce").locator("code")).to_have_text(f"nox -s cell -- {YOLO}")


def test_a_cell_shows_its_environment(panel_of):
    panel = panel_of(YOLO_CELL)
    for term, value in {
        "Python": "3.12",
        "torch": "2.6.0+cu128",
        "CUDA": "12.8",
        "GPU architectures": "sm_75 sm_90 sm_120",
        "variables of torch.load": "TORCH_FORCE_WEIGHTS_ONLY_LOAD",
        "why this version": "calls torch.load bare",
        "time by stage": "environment 14.2 s · run 21.7 s",
    }.items():
        expect(fact(panel, term)).to_have_text(value)
    panel.get_by_text("6 distributions").click()
    expect(panel.locator(".distributions li").first).to_have_text("filelock 3.29.0")


def test_a_cell_that_cannot_exist_says_why_and_what_nobody_knows(panel_of):
    panel = panel_of({"cell": NIGHTLY_HUBERT})
    expect(part(panel, "Reason")).to_contain_text("has no wheel for cp310")
    expect(part(panel, "Why")).to_contain_text("Nobody built it for this Python.")
    expect(fact(panel, "CUDA")).to_have_text("not known: nothing was installed")
    expect(fact(panel, "distributions")).to_have_text("none recorded")
    expect(panel).to_contain_text("Nothing is known to be installed in py3.12-torch2.16.0.dev")


def test_a_cell_without_a_check_says_so(page_of):
    matrix = synthetic_matrix.matrix()
    cell = next(each for each in matrix["cells"] if each["id"] == YOLO)
    cell["checks"] = []
    panel = opened_at(page_of, matrix)
    expect(part(panel, "Checks")).to_contain_text("No check of this cell was recorded.")


def test_what_was_carried_over_says_from_when(page_of):
    matrix = synthetic_matrix.matrix()
    for cell in matrix["cells"]:
        finished = None if cell["id"] == YOLO else "2026-11-18T10:31:04.123456+00:00"
        cell |= {"carried": "2026-11-17T0100", "finished": finished}
    panel = opened_at(page_of, matrix)
    expect(fact(panel, "carried over")).to_have_text("from run 2026-11-17T0100, of unknown age")
    panel.get_by_text("2.8.0 →").click()
    seen = "from 18 November 2026, 2 days old (run 2026-11-17T0100)"
    expect(fact(panel, "carried over")).to_have_text(seen)
    panel.locator(".checks a").first.click()
    expect(panel.locator(".note").first).to_have_text(f"Carried over {seen}.")


def test_what_differs_from_the_cell_to_the_left_is_told(page_of):
    matrix = synthetic_matrix.matrix()
    cells = {cell["id"]: cell for cell in matrix["cells"]}
    cells[YOLO]["distributions"] |= {"numpy": "2.5.0", "triton": "3.2.0"}
    del cells[YOLO]["distributions"]["sympy"]
    panel = opened_at(page_of, matrix)
    differs = part(panel, "What differs from torch 2.5.1")
    expect(differs.locator("li")).to_have_text(
        ["torch 2.5.1 → 2.6.0", "numpy 2.4.1 → 2.5.0", "sympy 1.14.0, gone", "triton 3.2.0, added"]
    )
    expect(differs).to_contain_text(f"Compared with the cell to its left, {LEFT_OF_YOLO}.")
    differs.get_by_role("link").click()
    assert state_of(panel.page)["cell"] == LEFT_OF_YOLO
    expect(part(panel, "What differs from torch 2.5.1")).to_have_count(0)


def test_the_same_versions_are_no_difference(page_of):
    matrix = synthetic_matrix.matrix()
    for cell in matrix["cells"]:
        cell["distributions"] = synthetic_matrix.DISTRIBUTIONS
    panel = opened_at(page_of, matrix)
    expect(panel).to_contain_text("The same versions of everything.")


def test_every_check_of_a_cell_is_a_link_to_its_own_panel(panel_of):
    panel = panel_of(YOLO_CELL)
    rows = part(panel, "Checks").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first.get_by_role("link")).to_have_text(
        [
            "✕ fail under stock",
            "✓ pass under patched",
            "✓ pass under allowlisted",
            "⊘ refused under strict",
        ]
    )
    rows.first.get_by_role("link", name="refused under strict").click()
    expect(panel.get_by_role("heading", level=2)).to_have_text("ultralytics/yolov8n under strict")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    assert state_of(panel.page) == {**FAILED, "check": "strict"}
    panel.get_by_role("link", name="ultralytics 8.1.0, torch 2.6.0").click()
    expect(rows).to_have_count(2)


def test_uses_and_experiments_are_told_apart(panel_of):
    panel = panel_of({"cell": "py3.12-torch2.8.0-pyannote.audio3.4.0-lightning2.5.6"})
    expect(part(panel, "Checks").locator("tbody th")).to_have_text(
        [
            "pyannote/segmentation",
            "pyannote/segmentation · read-file",
            "pyannote/segmentation · mute experiment, not counted",
        ]
    )
    part(panel, "Checks").locator("tbody tr").last.get_by_role("link").first.click()
    expect(panel.locator(".note").last).to_have_text(
        "An experiment: it only tests a claim, and is not counted."
    )
    expect(fact(panel, "used for")).to_have_text("mute")
    expect(fact(panel, "drift")).to_contain_text("against the forward pass on torch 2.5.1")


def test_a_failure_says_what_happened_why_and_what_helps(panel_of):
    panel = panel_of(FAILED)
    expect(panel.locator(".verdict")).to_have_text(
        "✕ fail an exception at a stage; it got as far as load."
    )
    happened = part(panel, "What happened at load")
    expect(happened.locator(".exception")).to_have_text("_pickle.UnpicklingError")
    expect(happened.locator("pre")).to_contain_text("Weights only load failed.")
    why = part(panel, "Why")
    expect(why.locator("p").first).to_have_text(
        "The file holds a whole model, and torch.load refuses its classes."
    )
    expect(why.locator("p code").first).to_have_text("torch.load")
    expect(why.locator("li").last).to_have_text("with torch>=2.6: Save it anew.")
    link = why.get_by_role("link", name="https://example.org/issues/1")
    expect(link).to_have_attribute("rel", "noreferrer")
    why.get_by_role("link", name="all that have it").click()
    expect(panel).to_be_hidden()
    assert state_of(panel.page) == {"cause": "wo-yolo"}


def test_what_led_to_an_exception_is_told(panel_of):
    chain = ["OSError: the disk is gone", "KeyError: 'module'"]
    panel = panel_of(FAILED, record={"chain": chain})
    expect(panel.get_by_role("heading", name="What led to it, the last first")).to_be_visible()
    expect(panel.locator(".chain li")).to_have_text(chain)


def test_only_an_address_of_the_web_is_a_link(panel_of):
    known = {"id": "odd", "cause": "An `unclosed one.", "remedies": []}
    odd = {**known, "link": "javascript:document.title='owned'"}
    panel = panel_of(FAILED, known=odd)
    expect(part(panel, "Why")).to_contain_text("javascript:document.title='owned'")
    expect(part(panel, "Why")).to_contain_text("An `unclosed one.")
    assert panel.locator("a[href^='javascript']").count() == 0
    expect(panel.get_by_role("heading", name="What helps")).to_have_count(0)


def test_the_allow_list_is_copied_as_it_is_seen(panel_of):
    panel = panel_of(WORKED)
    allow = part(panel, "3 globals beyond torch's own")
    expect(allow.locator(".names code")).to_have_text([*synthetic_matrix.GLOBALS])
    allow.get_by_role("button", name="Copy the allow-list").click()
    expect(allow.get_by_role("button")).to_contain_text("Copied")
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert copied == allow.locator("pre code").text_content()
    assert copied.endswith("add_safe_globals([C2f, Conv, DetectionModel])")


def test_a_remedy_and_a_command_have_their_own_copy_buttons(panel_of):
    panel = panel_of(FAILED)
    for name, end in (("this remedy", "([DetectionModel])"), ("the command", "--policy stock")):
        panel.get_by_role("button", name=f"Copy {name}").click()
        panel.page.wait_for_function(
            "async (end) => (await navigator.clipboard.readText()).endsWith(end)", arg=end
        )


def test_globals_that_a_library_allows_are_marked(panel_of):
    allowed = {"allowed_by_library": [synthetic_matrix.GLOBALS[0], "builtins.getattr"]}
    sites = {"overridden": ["ultralytics/nn/tasks.py:742"]}
    panel = panel_of(FAILED, record={**allowed, **sites}, code=-1)
    named = part(panel, "3 globals beyond torch's own")
    expect(named.locator("li").first).to_have_text(
        f"{synthetic_matrix.GLOBALS[0]} allowed by the library itself"
    )
    expect(named.locator("li").last).to_have_text(synthetic_matrix.GLOBALS[-1])
    expect(named).to_contain_text(
        "There is no allow-list to paste: one of these globals can run any code, or no import "
        "names it."
    )
    own = part(panel, "Allowed by the library itself")
    expect(own.locator("li")).to_have_text(allowed["allowed_by_library"])
    overridden = part(panel, "Call sites whose weights_only=False was overridden")
    expect(overridden.locator("li")).to_have_text(sites["overridden"])


def test_many_names_are_folded(panel_of):
    names = [f"made.up.Name{number}" for number in range(60)]
    panel = panel_of(FAILED, record={"globals": names})
    named = part(panel, "60 globals beyond torch's own")
    expect(named.locator("li")).to_have_count(24)
    named.get_by_text("and 36 more").click()
    expect(named.locator("li")).to_have_count(60)


def test_figures_are_compared_with_the_baseline_s(panel_of):
    timed = {"median": 0.0846, "iqr": 0.0021, "min": 0.05, "max": 0.1}
    record = {"benchmark": {"method": "perf_counter", "device": "cpu", "rounds": 20, **timed}}
    panel = panel_of(WORKED, record=record)
    expect(fact(panel, "forward")).to_have_text(
        "84.600 ms, median of 20 rounds; interquartile range 2.100 ms; from 50.000 ms to 100.000 ms"
    )
    expect(fact(panel, "compared")).to_have_text(
        "2.00 times the 42.300 ms of torch 2.5.1 under stock"
    )
    expect(fact(panel, "drift")).to_have_text(
        "about 1 part in 830,000: cosine 0.999999, relative error 1.2e-6, against "
        "torch 2.5.1 under stock"
    )
    expect(fact(panel, "measured by")).to_have_text("perf_counter")
    expect(fact(panel, "device")).to_have_text("cpu")
    expect(fact(panel, "time by stage")).to_have_text(
        "import 2.8 s · load 210 ms · build 40 ms · forward 900 ms"
    )
    expect(fact(panel, "output")).to_have_text("float32 1 \u00d7 84 \u00d7 8400, norm 812.5")
    fact(panel, "compared").get_by_role("link").click()
    expect(fact(panel, "drift")).to_have_text(
        "none: this is the baseline, which the others are compared with"
    )
    expect(fact(panel, "compared")).to_have_count(0)


FIGURES = {
    "method": "cuda events, cache flushed",
    "device": "cuda:0",
    "rounds": 20,
    "warm_up": 1,
    "min": 0.05,
    "median": 0.0846,
    "low": 0.084,
    "high": 0.0855,
    "iqr": 0.0021,
    "max": 0.1,
    "quartiles": [0.0837, 0.0858],
    "throughput": 378.25,
    "batch": 32,
    "dtype": "float16",
    "memory": {"allocated": 512_000_000, "reserved": 1_200_000_000, "<b>": 54_321, "resident": 12},
    "launch": 0.000045,
    "graph": 0.0801,
    "machine": {"id": "b", "cpu": "AMD EPYC 7B13", "cores": 1},
}
SPEED = {
    "cell": LEFT_OF_YOLO,
    "torch": "2.5.1",
    "policy": "stock",
    "ratio": 1.424,
    "verdict": "slower",
    "runs": 4,
}


def test_all_that_was_measured_of_a_forward_pass_is_told(panel_of):
    panel = panel_of(WORKED, record={"benchmark": FIGURES, "speed": SPEED})
    for term, value in {
        "forward": "84.600 ms, median of 20 rounds after 1 call to warm up; interquartile range "
        "2.100 ms; from 50.000 ms to 100.000 ms",
        "95 % interval": "84.000 ms to 85.500 ms",
        "quartiles": "83.700 ms to 85.800 ms",
        "throughput": "378 inputs a second",
        "memory": "512.0 MB in tensors · 1.20 GB taken from the device by torch · 54.3 kB <b> · "
        "12 bytes held by the whole process",
        "launch": "0.045 ms of the CPU to queue a call",
        "as a CUDA graph": "80.100 ms: the work without its launches",
        "measured by": "cuda events, cache flushed",
        "device": "cuda:0",
        "type": "float16",
        "batch": "32",
        "machine": "AMD EPYC 7B13, 1 core",
    }.items():
        expect(fact(part(panel, "Measured"), term)).to_have_text(value)
    expect(panel.locator(".warnings")).to_have_count(0)


def test_a_call_that_cannot_be_captured_is_said_not_to_be(panel_of):
    panel = panel_of(WORKED, record={"benchmark": {**FIGURES, "graph": None, "memory": None}})
    expect(fact(panel, "as a CUDA graph")).to_have_text("this call cannot be captured as one")
    expect(fact(panel, "memory")).to_have_count(0)


@pytest.mark.parametrize(
    ("speed", "says"),
    [
        (
            {},
            "▲ slower 1.42 times the time of torch 2.5.1 under stock: outside of the spread of "
            "both, and seen again in 4 turns",
        ),
        (
            {"verdict": "faster", "ratio": 0.7, "runs": 1},
            "▼ faster 0.70 times the time of torch 2.5.1 under stock: outside of the spread of "
            "both, and seen again in 1 turn",
        ),
        (
            {"verdict": "unconfirmed", "runs": 0, "ratio": 12.34},
            "◇ unconfirmed 12.3 times the time of torch 2.5.1 under stock: further apart than "
            "alike, and not run again",
        ),
        (
            {"verdict": "alike", "runs": 0, "ratio": 1.004},
            "● alike 1.004 times the time of torch 2.5.1 under stock: no more apart than they vary",
        ),
        (
            {"verdict": "unclear"},
            "○ unclear 1.42 times the time of torch 2.5.1 under stock: too unsteady to tell in "
            "4 turns",
        ),
    ],
    ids=["slower", "faster", "unconfirmed", "alike", "unclear"],
)
def test_how_a_time_compares_is_told_as_the_run_judged_it(panel_of, speed, says):
    panel = panel_of(WORKED, record={"speed": {**SPEED, **speed}})
    expect(fact(panel, "compared")).to_have_text(says)


def test_what_a_time_is_compared_with_is_one_press_away(panel_of):
    panel = panel_of(WORKED, record={"speed": SPEED})
    fact(panel, "compared").get_by_role("link").click()
    expect(panel.get_by_role("heading", level=2)).to_contain_text("under stock")
    assert state_of(panel.page)["cell"] == LEFT_OF_YOLO


def test_a_baseline_that_is_not_in_the_run_is_named_without_a_link(panel_of):
    panel = panel_of(WORKED, record={"speed": {**SPEED, "cell": "gone"}})
    expect(fact(panel, "compared")).to_contain_text("of torch 2.5.1 under stock: outside")
    expect(fact(panel, "compared").get_by_role("link")).to_have_count(0)


def test_what_speaks_against_a_figure_is_in_sight(panel_of):
    remarks = ["the output holds values that are not finite", HOSTILE]
    machine = {"id": "b", "cpu": HOSTILE, "cores": 2}
    figures = {**FIGURES, "remarks": remarks, "machine": machine}
    panel = panel_of(WORKED, record={"benchmark": figures})
    items = part(panel, "Measured").get_by_role("list", name="Remarks").locator("li")
    expect(items.first).to_have_text("! the output holds values that are not finite")
    expect(items.last).to_contain_text("</script><script>document.title='owned'</script>")
    expect(fact(panel, "machine")).to_contain_text(r"</script>\u202egnp.exe\u0000, 2 cores")
    assert panel.page.title() != "owned"


def loads(panel):
    """Return the cells of the table of loads, row by row."""
    rows = part(panel, "Loading").locator("tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def test_a_load_is_told_beside_a_plain_one_and_a_mapped_one(panel_of):
    panel = panel_of(WORKED, record={"loading": synthetic_matrix.loading()})
    heads = part(panel, "Loading").locator("thead th")
    expect(heads).to_have_text(["median, 95 % interval", "compared", "most memory"])
    span = ", 10.3 ms to 10.6 ms"
    assert loads(panel) == [
        ["plain torch.load", f"10.4 ms{span}", "", "13.1 MB, 2.02 \u00d7 the file"],
        ["under patched", f"15.6 ms{span}", "1.50 \u00d7 plain", "19.5 MB, 3.00 \u00d7 the file"],
        ["mapped, mmap=True", f"2.6 ms{span}", "0.25 \u00d7 plain", "0.7 MB, 0.10 \u00d7 the file"],
    ]
    told = part(panel, "Loading")
    expect(fact(told, "file")).to_have_text("6.5 MB")
    expect(fact(told, "measured by")).to_have_text("perf_counter, 1 thread, file cached")
    expect(fact(told, "machine")).to_have_text("AMD EPYC 7B13, 2 cores")


def test_why_a_load_is_missing_is_said(panel_of):
    plain = {**synthetic_matrix.loading()["plain"], "memory": None}
    remarks = ["mmap: the file is of the old format", HOSTILE]
    record = synthetic_matrix.loading(plain=plain, mmap=None, policy=None, remarks=remarks)
    panel = panel_of(WORKED, record={"loading": record})
    assert [row[1:] for row in loads(panel)] == [
        ["10.4 ms, 10.3 ms to 10.6 ms", "", "not known"],
        ["not done", "", ""],
        ["not done", "", ""],
    ]
    items = part(panel, "Loading").get_by_role("list", name="Remarks").locator("li")
    expect(items.first).to_have_text("! mmap: the file is of the old format")
    expect(items.last).to_contain_text("</script>")
    assert panel.page.title() != "owned"


def test_a_check_of_which_no_load_was_timed_has_no_such_part(panel_of):
    expect(part(panel_of(WORKED), "Measured")).to_be_visible()
    expect(part(panel_of(WORKED), "Loading")).to_have_count(0)


def test_times_of_another_method_are_not_compared(panel_of):
    baseline = {"cell": LEFT_OF_YOLO, "policy": "stock", "median": None}
    panel = panel_of(WORKED, baseline=baseline)
    expect(fact(panel, "compared")).to_have_text(
        "The baseline was not timed in the same way: torch 2.5.1 under stock."
    )


@pytest.mark.parametrize(
    ("parity", "says"),
    [
        ({"relative_error": 0, "cosine": 1}, "no difference: cosine 1.000000, relative error 0,"),
        ({"relative_error": 0.25, "cosine": None}, "about 1 part in 4: without a direction,"),
        ({"relative_error": 1.5, "cosine": -0.5}, "a different output: cosine -0.500000,"),
        ({"relative_error": None}, "not comparable, against torch 2.5.1 under stock"),
    ],
)
def test_drift_is_told_in_words_and_figures(panel_of, parity, says):
    parity = {**synthetic_matrix.PARITY, **parity}
    panel = panel_of(WORKED, record={"parity": parity})
    expect(fact(panel, "drift")).to_contain_text(says)


def test_figures_that_are_not_finite_are_said_to_be_so(panel_of):
    output = {"shape": [1], "dtype": "float32", "norm": None}
    timed = {"method": "perf_counter", "device": "cpu", "median": None}
    record = {"fingerprint": output, "benchmark": timed, "seconds": {"load": 4320, "import": 75}}
    panel = panel_of(WORKED, record=record)
    expect(fact(panel, "output")).to_have_text("float32 1, norm not finite")
    expect(fact(panel, "forward")).to_have_text("not finite, median")
    expect(fact(panel, "time by stage")).to_have_text("load 1 h 12 min · import 1 min 15 s")


def test_a_file_is_named_with_its_edition_and_sum(panel_of):
    panel = panel_of(FAILED)
    expect(panel.locator(".note")).to_have_text(
        "The file is a replica: a small stand-in for the published one."
    )
    expect(fact(panel, "checkpoint")).to_have_text("ultralytics/yolov8n")
    expect(fact(panel, "opened by")).to_have_text("ultralytics")
    expect(fact(panel, "edition")).to_have_text("replica")
    expect(fact(panel, "sha256")).to_have_text("31e20dde" * 8)


def test_shims_are_named(panel_of):
    named = {"checkpoint": "rvc/hubert-base", "use": "forward", "check": "stock"}
    panel = panel_of({"cell": HUBERT, **named})
    expect(fact(panel, "shims")).to_have_text("hydra")


def test_tries_that_disagree_and_what_changed_are_told(panel_of):
    changed = {"kind": "regressed", "was": "pass"}
    record = {"tally": {"fail": 2, "pass": 1}}
    panel = panel_of(FAILED, record=record, changed=changed)
    expect(panel.locator(".note")).to_contain_text(
        [
            "Regressed: in the last complete run it was ✓ pass.",
            "Tries: fail 2, pass 1; they disagree, and the verdict is that of the first.",
        ]
    )


def test_tries_that_agree_and_a_tally_of_before_are_told(panel_of):
    changed = {"kind": "flaky", "was": "pass 2, fail 1"}
    record = {"tally": {"fail": 2, "infra": 1}}
    panel = panel_of(FAILED, record=record, changed=changed)
    expect(panel.locator(".note")).to_contain_text(
        [
            "Flaky: in the last complete run it was pass 2, fail 1.",
            "Tries: fail 2, infra 1.",
        ]
    )


def test_history_says_since_when(panel_of):
    good = {"run": "r1", "started": "2026-11-18T01:00:00+00:00", "torch": "2.6.0.dev1"}
    bad = {"run": "r2", "started": "2026-11-19T01:00:00", "torch": None}
    points = {"state": "bad", "outcome": "fail", "last_good": good, "first_bad": bad}
    counts = {"streak": 2, "flips": 1, "flaky": 3, "seen": 9}
    panel = panel_of(FAILED, history={**points, **counts})
    for term, value in {
        "as of the last complete run": "does not work, in 2 runs in a row",
        "last good": "run r1 of 18 November 2026, torch 2.6.0.dev1",
        "first bad": "run r2 of 19 November 2026",
        "changed": "1 time between working and not",
        "tries disagreed": "in 3 runs",
        "seen in": "9 runs",
    }.items():
        expect(fact(part(panel, "History"), term)).to_have_text(value)


@pytest.mark.parametrize(
    ("state", "says"),
    [("good", "works"), ("flaky", "its tries disagree"), ("unknown", "not known")],
)
def test_a_short_history_is_short(panel_of, state, says):
    points = {"state": state, "outcome": None, "last_good": None, "first_bad": None}
    counts = {"streak": 1, "flips": 0, "flaky": 0, "seen": 1}
    panel = panel_of(FAILED, history={**points, **counts})
    expect(part(panel, "History")).to_have_text(
        f"Historyas of the last complete run{says}seen in1 run"
    )


def test_the_same_check_to_the_left_is_named(panel_of):
    panel = panel_of(FAILED)
    differs = part(panel, "What differs from torch 2.5.1")
    expect(differs.locator("p").first).to_have_text("There the same check is ✓ pass")
    differs.get_by_role("link", name="pass").click()
    assert state_of(panel.page) == {**FAILED, "cell": LEFT_OF_YOLO}


def test_the_raw_record_is_made_when_it_is_opened(panel_of):
    panel = panel_of(FAILED)
    raw = panel.locator("details", has_text="The raw record")
    assert raw.locator("pre").count() == 0
    raw.locator("summary").click()
    assert json.loads(raw.locator("pre").text_content())["policy"] == "stock"
    expect(raw).to_contain_text(
        "Figures are rounded, and those of loads fewer: matrix.json has them all."
    )


def test_output_of_a_process_that_died_is_shown(panel_of):
    named = {"checkpoint": "rvc/hubert-base", "use": "forward", "check": "stock"}
    panel = panel_of({"cell": "py3.12-torch2.13.0-fairseq0.12.2", **named})
    expect(part(panel, "Last output")).to_contain_text("loading dictionary")
    expect(part(panel, "Reason")).to_contain_text("SIGSEGV in stage load")


def test_what_ended_a_cell_is_not_told_of_a_check_that_it_did_not_end(panel_of):
    named = {"checkpoint": "rvc/hubert-base", "use": "forward", "check": "patched"}
    panel = panel_of({"cell": "py3.12-torch2.13.0-fairseq0.12.2", **named})
    expect(panel.locator(".verdict")).to_contain_text("shimmed")
    expect(part(panel, "Reason")).to_have_count(0)


def test_a_baseline_that_took_no_time_is_told_as_it_is(panel_of):
    baseline = {"cell": LEFT_OF_YOLO, "policy": "stock", "median": 0}
    panel = panel_of(WORKED, baseline=baseline)
    expect(fact(part(panel, "Measured"), "compared")).to_have_text(
        "The baseline took 0.000 ms: torch 2.5.1 under stock."
    )


def test_an_address_of_no_cell_leads_to_the_matrix(panel_of):
    panel = panel_of({"cell": "py3.12-torch1.0-nothing1.0"})
    expect(panel.get_by_role("heading")).to_have_text("No such cell")
    expect(panel).to_contain_text(
        "Run 2026-11-20T1031 has no cell of this name. The matrix has all that it has."
    )
    expect(panel.get_by_role("button", name="no cell to the")).to_have_count(2)
    panel.get_by_role("link", name="The matrix").click()
    expect(panel).to_be_hidden()


def test_an_address_of_no_check_leads_to_its_cell(panel_of):
    panel = panel_of({**FAILED, "checkpoint": "nobody/nothing"})
    expect(panel.get_by_role("heading")).to_have_text("No such check")
    expect(panel).to_contain_text("This cell has no such check. All checks of the cell.")
    panel.get_by_role("link", name="All checks of the cell").click()
    expect(panel.locator(".checks tbody tr")).to_have_count(2)


def test_a_checkpoint_without_a_policy_opens_under_the_chosen_one(panel_of):
    panel = panel_of({"cell": YOLO, "checkpoint": "ultralytics/yolo11n", "policy": "strict"})
    expect(panel.get_by_role("heading", level=2)).to_have_text("ultralytics/yolo11n under strict")


def test_records_of_older_versions_are_shown_as_far_as_they_go(panel_of):
    panel = panel_of(FAILED)
    panel.page.evaluate(
        """() => {
          const only = (columns, ...names) => Object.keys(columns)
            .filter((name) => !names.includes(name))
            .forEach((name) => delete columns[name]);
          only(held.cells, "id");
          only(held.records, "checkpoint", "policy", "outcome");
        }"""
    )
    panel = panel_of(FAILED)
    expect(panel.locator(".verdict")).to_have_text("✕ fail an exception at a stage.")
    expect(fact(panel, "sha256")).to_have_text("not known")
    panel.get_by_role("link", name="ultralytics 8.1.0, torch 2.6.0").click()
    expect(fact(panel, "CUDA")).to_have_text("none")


def test_details_that_cannot_be_read_are_named_and_where_they_are(page_of):
    broken = BLOCK.sub(r"\1broken", render(synthetic_matrix.matrix()))
    panel = opened_at(page_of, broken, FAILED)
    expect(panel.locator(".body")).to_contain_text(
        "The details can't be read here, and matrix.json beside this page may have them: "
    )


def test_a_check_without_a_record_says_so(panel_of):
    panel = panel_of(FAILED, record={"policy": "of another version"})
    expect(panel.locator(".body")).to_contain_text(
        "there is no record of ultralytics/yolov8n under stock."
    )


def test_hostile_text_is_inert_and_visible(panel_of):
    image = "<img src=x onerror=document.title='owned'>"
    record = {"message": HOSTILE, "exception": HOSTILE, "globals": [image], "chain": [HOSTILE]}
    record |= {"output": HOSTILE, "shims": [image], "stage": image, "sha256": HOSTILE}
    record |= {"seconds": {image: 1}, "tally": {image: 1}, "overridden": [HOSTILE]}
    odd = {"id": image, "cause": f"`{image}`", "link": "https://example.org/\u202e"}
    remedy = {"kind": "run", "says": HOSTILE, "code": HOSTILE, "when": image}
    known = {**odd, "remedies": [remedy]}
    panel = panel_of(FAILED, record=record, known=known)
    expect(part(panel, "1 global beyond torch's own").locator("li")).to_have_text(image)
    panel.get_by_text("The raw record").click()
    expect(panel.locator("details pre")).to_contain_text("\\u202e")
    assert panel.locator("img, script").count() == 0
    assert not re.search(r"[\u202e\x00\x1b]", panel.text_content())
    assert panel.page.title() == "torch compatibility, run 2026-11-20T1031"


def test_a_long_message_is_cut_until_it_is_asked_for(panel_of):
    message = "x" * 1_000_000
    panel = panel_of(FAILED, record={"message": message})
    happened = part(panel, "What happened at load")
    assert len(happened.text_content()) < 3000
    happened.get_by_role("button", name="Show all 1,000,000 characters").click()
    whole = happened.get_by_role("region", name="The message")
    expect(whole).to_be_focused()
    assert whole.text_content() == message
    panel.page.keyboard.press("ArrowRight")  # of the text, and not to the next cell
    assert state_of(panel.page) == FAILED


def test_a_long_message_is_cut_after_a_line_and_never_within_a_character(panel_of):
    message = "y" * 1998 + "\n" + "\U0001f600" * 9000
    panel = panel_of(FAILED, record={"message": message})
    happened = part(panel, "What happened at load")
    expect(happened.locator("pre")).to_have_text("y" * 1998 + "\n…", use_inner_text=False)
    happened.get_by_role("button", name="Show all 10,999 characters").click()
    assert happened.get_by_role("region").text_content() == message


def by_button(panel):
    panel.get_by_role("button", name="Close").click()


def by_escape(panel):
    panel.page.keyboard.press("Escape")


def by_backdrop(panel):
    panel.page.mouse.click(20, 300)


def by_back(panel):
    panel.page.go_back()


@pytest.mark.parametrize("close", [by_button, by_escape, by_backdrop, by_back])
def test_closed_in_any_way_it_returns_to_the_slot(panel_of, close):
    panel = panel_of({"policy": "strict"})
    page = panel.page
    page.locator("table.matrix [tabindex='0']").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    close(panel)
    expect(panel).to_be_hidden()
    expect(page.locator("td[data-c='1']")).to_be_focused()
    assert state_of(page) == {"policy": "strict"}


@pytest.mark.parametrize("close", [by_button, by_escape, by_backdrop])
def test_back_after_closing_leads_on_from_what_was_before_it_was_opened(panel_of, close):
    panel = panel_of({"policy": "strict"})
    page = panel.page
    page.locator("#filters").get_by_role("combobox", name="Library").select_option("ultralytics")
    page.locator("tbody[data-version='8.1.0'] td[data-c]").first.click()
    expect(panel).to_be_visible()
    page.keyboard.press("ArrowRight")
    panel.locator(".checks a").first.click()
    expect(panel.get_by_role("heading", level=2)).to_contain_text("under")
    close(panel)
    expect(panel).to_be_hidden()
    assert state_of(page) == {"policy": "strict", "library": "ultralytics"}
    page.go_back()
    expect(panel).to_be_hidden()
    assert state_of(page) == {"policy": "strict"}
    page.go_forward()
    page.go_forward()
    expect(panel).to_be_visible()
    by_escape(panel)
    expect(panel).to_be_hidden()
    assert state_of(page) == {"policy": "strict", "library": "ultralytics"}


def test_a_panel_that_a_link_of_a_sheet_opened_closes_to_that_sheet(page_of):
    page = page_of("measured", "sheet=loading&library=ultralytics")
    page.locator("#loading tbody a").first.click()
    panel = page.get_by_role("dialog")
    expect(panel).to_be_visible()
    by_escape(panel)
    expect(panel).to_be_hidden()
    assert state_of(page) == {"sheet": "loading", "library": "ultralytics"}


def test_a_panel_is_left_as_ever_after_the_page_was_read_anew(page_of):
    page = page_of("synthetic", "policy=strict")
    panel = page.get_by_role("dialog")
    page.locator("td[data-c='1']").first.click()
    page.keyboard.press("ArrowRight")
    page.reload()
    expect(panel.get_by_role("heading", level=2)).to_be_visible()
    by_escape(panel)
    expect(panel).to_be_hidden()
    assert state_of(page) == {"policy": "strict"}
    page.go_forward()
    expect(panel).to_be_visible()


def test_a_panel_that_a_link_opened_returns_to_its_slot_and_back_leaves_the_page(page_of):
    panel = opened_at(page_of, "synthetic", {"cell": HUBERT})
    page = panel.page
    panel.get_by_role("button", name="to the left").click()
    expect(panel.get_by_role("heading", level=2)).to_contain_text("2.13.0")
    by_escape(panel)
    expect(panel).to_be_hidden()
    expect(page.locator("td:focus")).to_have_count(1)
    assert state_of(page) == {}
    page.go_back()
    assert page.url == "about:blank"


def test_a_panel_that_can_t_be_left_by_the_history_closes_all_the_same(page_of):
    page = page_of("synthetic", "policy=strict")
    panel = page.get_by_role("dialog")
    page.locator("td[data-c='1']").first.click()
    page.evaluate("() => (history.go = () => undefined)")
    for _ in range(2):
        panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()
    assert state_of(page) == {"policy": "strict"}


def test_a_panel_closes_where_the_browser_keeps_no_more_steps(page_of):
    panel = opened_at(page_of, "synthetic", {"cell": HUBERT})
    page = panel.page
    page.evaluate("() => { history.pushState = history.replaceState = () => { throw 0 } }")
    panel.get_by_role("button", name="to the left").click()
    expect(panel.get_by_role("heading", level=2)).to_contain_text("2.13.0")
    by_button(panel)
    expect(panel).to_be_hidden()


def test_selecting_text_past_the_edge_does_not_close(panel_of):
    panel = panel_of(YOLO_CELL)
    box = panel.get_by_role("heading", level=2).bounding_box()
    mouse = panel.page.mouse
    mouse.move(box["x"] + 20, box["y"] + 5)
    mouse.down()
    mouse.move(20, 300)
    mouse.up()
    expect(panel).to_be_visible()


def test_arrows_go_to_the_neighbours_in_the_row(panel_of):
    panel = panel_of(FAILED)
    page = panel.page
    expect(panel.get_by_role("button", name="to the left: torch 2.5.1")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(panel.locator("header a")).to_contain_text("torch 2.8.0+cu128")
    assert state_of(page) == {**FAILED, "cell": "py3.12-torch2.8.0-ultralytics8.1.0"}
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(panel.locator("header a")).to_contain_text("torch 2.5.1+cu128")
    edge = panel.get_by_role("button", name="no cell to the left")
    expect(edge).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Alt+ArrowDown")
    assert state_of(page) == {**FAILED, "cell": LEFT_OF_YOLO}
    page.go_back()
    expect(panel.locator("header a")).to_contain_text("torch 2.6.0+cu128")


def test_policies_are_gone_through_with_the_keyboard(panel_of):
    panel = panel_of(FAILED)
    policies = panel.get_by_role("navigation", name="Policies of this check").get_by_role("link")
    expect(policies).to_have_text(
        ["stock ✕ fail", "patched ✓ pass", "allowlisted ✓ pass", "strict ⊘ refused"]
    )
    expect(policies.first).to_have_attribute("aria-current", "true")
    panel.page.keyboard.press("Tab")  # the link to the cell
    for _ in range(3):
        panel.page.keyboard.press("Tab")
    panel.page.keyboard.press("Enter")
    expect(panel.get_by_role("heading", level=2)).to_have_text(
        "ultralytics/yolov8n under allowlisted"
    )
    expect(policies.nth(2)).to_be_focused()
    expect(policies.nth(2)).to_have_attribute("aria-current", "true")


def test_the_keyboard_stays_in_the_panel(panel_of):
    panel = panel_of(YOLO_CELL)
    for _ in range(30):
        panel.page.keyboard.press("Tab")
        # Between the last stop and the first is the browser's own bar: then nothing has the focus.
        assert panel.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('#panel')"
        )
    expect(panel).to_be_visible()


def test_a_link_to_the_panel_is_copied(panel_of):
    panel = panel_of(FAILED)
    panel.get_by_role("button", name="Copy link").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert copied == panel.page.url


def test_without_a_clipboard_the_address_bar_has_the_link(panel_of):
    panel = panel_of(FAILED)
    panel.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    panel.get_by_role("button", name="Copy link").click()
    expect(panel.get_by_role("button", name="The address bar has it")).to_be_visible()


@pytest.mark.parametrize("state", [YOLO_CELL, {"cell": NIGHTLY_HUBERT}, FAILED, WORKED])
def test_a_phone_shows_it_whole(panel_of, state):
    panel = panel_of(state)
    panel.page.set_viewport_size({"width": 360, "height": 740})
    expect(panel.get_by_text("The raw record")).to_be_attached()
    assert panel.bounding_box() == {"x": 0, "y": 0, "width": 360, "height": 740}
    wide = "[...document.querySelectorAll('#panel .inside, #panel pre')]"
    assert panel.page.evaluate(f"{wide}.every((e) => e.scrollWidth <= e.clientWidth)")
    small = "[...document.querySelectorAll('#panel button, #panel .checks a, #panel .policies a')]"
    heights = panel.page.evaluate(f"{small}.map((e) => e.getBoundingClientRect().height)")
    assert min(heights) >= 24


@pytest.mark.parametrize(
    ("state", "scheme"), [(YOLO_CELL, "light"), (FAILED, "dark"), (WORKED, "light")]
)
def test_axe_finds_nothing_in_the_panel(panel_of, state, scheme):
    name = "axe_playwright_python.sync_playwright"
    axe = pytest.importorskip(name, reason="axe is not installed")
    panel = panel_of(state)
    panel.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    panel.get_by_text("The raw record").click()
    found = axe.Axe().run(panel.page, context="#panel")
    assert found.violations_count == 0, found.generate_report()


def test_a_recorded_sweep_s_panel_opens(page_of):
    panel = opened_at(page_of, "real", {"cell": "py3.10-torch2.6.0-fairseq0.12.2"})
    expect(panel.locator(".checks tbody tr")).to_have_count(9)
    panel.locator(".checks").get_by_role("link", name="refused under strict").first.click()
    expect(part(panel, "Why")).to_contain_text("The checkpoint keeps fairseq's label dictionary")
