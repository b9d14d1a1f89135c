"""What the sheets beside the matrix say, each by itself."""

from __future__ import annotations

import copy
import itertools
import re
from urllib.parse import parse_qs, unquote

import pytest
import synthetic_matrix
from parsed_page import ParsedPage

from matrix import checkpoints
from matrix.diff import diff
from matrix.page import links, sheets
from matrix.page.loading import loading
from matrix.page.render import _environment
from matrix.page.sheets import Sheets
from matrix.page.speed import in_milliseconds
from matrix.page.text import times
from matrix.page.view import POLICIES, View
from pytest_torchcompat.checkpoints.catalogue import (
    Checkpoint,
    Edition,
    HubFile,
    LocalFile,
    UrlFile,
)
from pytest_torchcompat.outcome import Outcome

NAMES = (
    *("changes", "causes", "claims", "retire", "gpus", "checkpoints"),
    *("speed", "loading", "reading"),
)
HOSTILE = "</script><img src=x onerror=alert(1)>\u202eabc\x00"
FIRST = "py3.12-torch2.6.0-ultralytics8.1.0"


def sheet(name, matrix, changes=None):
    """Return the HTML of one sheet."""
    template = _environment().get_template(f"sheets/{name}.html.j2")
    view, own = View(matrix, changes), Sheets(matrix, changes)
    return template.render(view=view, run=matrix, sheets=own, policies=POLICIES)


def parsed(name, matrix, changes=None):
    return ParsedPage(sheet(name, matrix, changes))


def said(name, matrix, changes=None):
    """Return what a reader sees of one sheet."""
    return parsed(name, matrix, changes).text


def hrefs(name, matrix, changes=None):
    return [link["href"] for link in parsed(name, matrix, changes).attributes("a")]


def grown(count):
    """Return a run of many library versions in which all fail in their own way."""
    letters = itertools.product("kstnhmyrwb", "aeiou", "kstnhmyrwb", "aeiou")
    words = ["".join(each) for each in itertools.islice(letters, count)]
    cells = [
        synthetic_matrix.cell(
            "2.8.0",
            "ultralytics",
            f"9.{number}.0",
            [
                synthetic_matrix.works("ultralytics/yolov8n", "stock"),
                synthetic_matrix.fails("ultralytics/yolov8n", "strict", message=f"odd {word}"),
            ],
        )
        for number, word in enumerate(words)
    ]
    return synthetic_matrix.matrix(cells=cells, torch=["2.8.0"])


@pytest.fixture
def earlier():
    """Return a run of the day before, in which other things worked."""
    old = synthetic_matrix.matrix(run="2026-11-19T1031")
    for cell in old["cells"]:
        if cell["version"] == "8.1.0":
            cell["distributions"] |= {"lightning": "2.5.6"}
            for check in cell["checks"]:
                if check["outcome"] == "fail":
                    check |= {"outcome": "pass", "stage": "forward", "message": None}
    return old


@pytest.fixture
def later(matrix):
    """Return the run of today, with the dependency that moved."""
    for cell in matrix["cells"]:
        if cell["version"] == "8.1.0":
            cell["distributions"] |= {"lightning": "2.6.6"}
    return matrix


def compared(old, new):
    """Return what changed, by the made-up diagnoses of both."""
    return diff(synthetic_matrix.answered(old), new)


@pytest.mark.parametrize("name", NAMES)
def test_each_sheet_begins_with_its_title_and_closes_what_it_opens(matrix, earlier, name):
    for changes in (None, compared(earlier, matrix)):
        html = sheet(name, matrix, changes)
        ParsedPage(html)
        assert re.match(r"\s*<h2>", html)
        assert html.count("<h2") == 1


@pytest.mark.parametrize("name", NAMES)
def test_no_sheet_brings_styles_or_scripts_of_its_own(matrix, name):
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", sheet(name, matrix))


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_a_cell_has_every_sheet(name):
    empty = synthetic_matrix.matrix(cells=[], stacks=[])
    empty["claims"] = []
    assert said(name, empty)


@pytest.mark.parametrize("name", NAMES)
def test_words_from_elsewhere_are_text_and_nothing_more(matrix, earlier, name):
    hostile = _hostile(matrix)
    html = sheet(name, hostile, compared(_hostile(earlier), hostile))
    assert "<img" not in html
    assert "\u202e" not in html
    assert "\x00" not in html


def _hostile(matrix):
    known = {*Outcome, *Edition, *POLICIES, "auto", "forward"}

    def spoilt(value, key=""):
        if isinstance(value, dict):
            return {name: spoilt(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [spoilt(item, key) for item in value]
        free = key in {"message", "globals", "cause", "says", "why", "restores", "files", "licence"}
        return (
            f"{value}{HOSTILE}" if isinstance(value, str) and free and value not in known else value
        )

    return spoilt(matrix)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "causes",
            "Why checks do not work and cells cannot exist, a line for each cause, that of the",
        ),
        ("causes", "A policy that forbids pickles doing its work, and no failure."),
        (
            "claims",
            "What guides, notes and issue threads assert, and what the checks of this run say",
        ),
        ("claims", "one check that contradicts refutes it."),
        ("retire", "What keeps old combinations alive, and whether anything still needs it."),
        ("retire", "It can retire when cells that could have needed it did not, and none is left"),
        ("retire", "What a checkpoint needs registered with torch to load under weights_only=True"),
        (
            "retire",
            "Sets of packages that a document says conflict or agree, and what the resolver",
        ),
        ("gpus", "Which torch build of this run was compiled for which architecture."),
        ("gpus", "Where no build was installed, nobody looked."),
        ("checkpoints", "Every file that the run was planned to open."),
        (
            "speed",
            "How long a forward pass takes on each torch build: the median of several rounds, of a",
        ),
        (
            "speed",
            "A time is compared with that of the lowest torch that was timed by the same method, on"
            " the same device and machine, with the same type and batch; the other packages differ"
            " as well, and Python where a torch has no build for the other's. It is called slower"
            " or faster where it is outside of the spread of both, and was so again when both were"
            " run in turn: the ratio is then that of those turns. Alike are times within a tenth of"
            " each other that do not differ so; unclear are those that vary too much for either.",
        ),
        (
            "speed",
            "Median milliseconds of a forward pass, and how many times (\u00d7) the baseline's it"
            " is: with no word both are alike, with no \u00d7 they were not compared. An empty"
            " place was not timed.",
        ),
        ("loading", "No load was timed in this run."),
        (
            "reading",
            "Each cell is an environment of its own: a Python, a torch build and a library",
        ),
        ("reading", "with packages as of 20 November 2026, 10:31 UTC."),
        ("reading", "beyond the tolerance it is degraded."),
        ("reading", "A cell counts once, under the most severe of its checks."),
        (
            "reading",
            "3/4 mixed: of the checkpoints of a library version so many are seen to work, and",
        ),
        ("reading", "no cell this pair is not in the plan"),
        ("reading", "A replica stands for its reference in how it loads and runs"),
        ("reading", "No cell of this run was carried over from an earlier one: that is done where"),
        ("reading", "No check of this run is flaky: flaky is a check whose tries disagree."),
        ("reading", "changes.atom : a feed of what changed from run to run"),
    ],
)
def test_what_is_said_of_every_run(matrix, name, sentence):
    assert sentence in said(name, matrix)


# Changes.


def test_a_run_with_nothing_before_it_says_so(matrix):
    words = "There is no earlier complete run of this selection to compare with."
    assert words in said("changes", matrix)


def test_where_nothing_changed_it_says_so(matrix):
    old = {**copy.deepcopy(matrix), "run": "2026-11-19T1031"}
    found = said("changes", matrix, compared(old, matrix))
    assert "Nothing changed from run 2026-11-19T1031 to run 2026-11-20T1031." in found
    assert "Each cause is told once" not in found


def test_a_change_says_what_it_was_what_it_is_and_what_may_have_made_it(later, earlier):
    found = said("changes", later, compared(earlier, later))
    assert "12 regressed, from run 2026-11-19T1031 to run 2026-11-20T1031." in found
    assert "Each cause is told once, the most urgent first." in found
    assert "↘ regressed ultralytics 8.1.0 · torch 2.6 · stock · ultralytics/yolov8n" in found
    assert "pass → fail at load" in found
    assert "The file holds a whole model, and torch.load refuses its classes. wo-yolo" in found
    assert "what helps Register what it names. import torch" in found
    assert "differs lightning 2.5.6 → 2.6.6" in found
    assert "where 12 checks in 6 cells" in found
    assert f"reproduce nox -s cell -- {FIRST} --policy stock" in found


def test_what_torch_always_says_is_left_out_where_the_cause_tells(later, earlier):
    found = compared(earlier, later)
    assert "Weights only load failed" not in said("changes", later, found)
    for cell in later["cells"]:
        for check in cell["checks"]:
            check["diagnosis"] = None
    assert "Weights only load failed" in said("changes", later, compared(earlier, later))


def test_a_change_leads_to_its_checks_and_to_all_of_its_cause(later, earlier):
    found = hrefs("changes", later, compared(earlier, later))
    assert (
        f"#sheet=changes&cell={FIRST}&checkpoint=ultralytics/yolov8n&use=forward&check=stock"
        in found
    )
    assert "#cause=wo-yolo&policy=all" in found


def test_a_cell_that_is_gone_is_named_and_leads_nowhere(matrix):
    old = {**copy.deepcopy(matrix), "run": "2026-11-19T1031"}
    del matrix["cells"][:7]
    changes = compared(old, matrix)
    found = said("changes", matrix, changes)
    assert "Besides: " in found
    assert "⊖ removed" in found
    assert "py3.10-torch2.5.1-fairseq0.12.2" in found
    assert not [link for link in hrefs("changes", matrix, changes) if "fairseq" in link]


def test_where_the_environments_are_the_same_nothing_differs(matrix, earlier):
    for cell in earlier["cells"]:
        cell["distributions"].pop("lightning", None)
    found = said("changes", matrix, compared(earlier, matrix))
    assert "differs nothing in the two environments" in found


def test_a_run_that_is_unlike_the_other_says_how(later, earlier):
    earlier["edition"] = "reference"
    found = said("changes", later, compared(earlier, later))
    assert "They were asked for different editions: reference and auto." in found


def test_a_change_that_was_carried_over_says_from_where(later, earlier):
    for cell in later["cells"]:
        cell["carried"] = "2026-11-18T0100"
    found = said("changes", later, compared(earlier, later))
    assert "carried over carried over from run 2026-11-18T0100" in found


def test_more_causes_of_changes_than_anybody_reads_are_counted():
    new = grown(70)
    old = copy.deepcopy(new)
    for cell in old["cells"]:
        cell["checks"][1] |= {"outcome": "pass", "message": None, "stage": "forward"}
    found = said("changes", new, compared({**old, "run": "old"}, new))
    assert found.count("↘ regressed") == 60
    assert "10 more causes of changes: python -m matrix diff names all." in found


# Causes.


def test_unknown_failures_come_first_with_a_report_to_paste(matrix):
    found = said("causes", matrix)
    titles = [found.index(t) for t in ("Not known yet", "Known 2", "Refused by a policy")]
    assert titles == sorted(titles)
    assert "text of a report" in found
    assert "### What happens" in found


def test_each_cause_leads_to_the_matrix_with_its_checks_alone(matrix):
    found = hrefs("causes", matrix)
    assert "#cause=wo-yolo&policy=all" in found
    assert "#cause=wo-yolo&policy=all&outcome=refused" in found
    asked = [parse_qs(link[1:])["text"] for link in found if link.startswith("#text=")]
    assert ['"60 s"'] in asked, "what nobody knows is found by its words"
    assert "#sheet=causes&cell=py3.10-torch2.5.1-fairseq0.12.2&" in " ".join(found)


def test_remedies_are_told_once(matrix):
    found = said("causes", matrix)
    assert found.count("Register what it names.") == 1
    assert "What helps stands further up." in found


def test_words_of_a_failure_that_hold_quotes_are_looked_for_up_to_them(matrix):
    cause = matrix["causes"][0] | {"known": False}
    cause["example"] |= {"message": 'cannot open "a file"'}
    assert sheets._filter(cause).startswith("#text=%22cannot%20open%22&policy=all&library=")
    cause["example"] |= {"message": ""}
    assert not sheets._filter(cause)


def test_a_cause_names_a_few_cells_and_counts_the_rest(matrix):
    matrix["causes"][0]["cells"] = [f"cell-{number}" for number in range(40)]
    found = said("causes", matrix)
    assert "cell-5 and 34 more" in found
    assert "cell-6" not in found


def test_reports_have_room_up_to_a_bound(matrix, monkeypatch):
    monkeypatch.setattr(sheets, "REPORTS", 10)
    found = said("causes", matrix)
    assert "The text of a report is in matrix.json." in found
    assert "### What happens" not in found


def test_more_causes_than_anybody_reads_are_counted():
    assert "20 more causes in matrix.json." in said("causes", grown(70))


def test_a_run_in_which_all_works_has_no_causes(matrix):
    matrix |= {"causes": [], "refusals": []}
    assert "Of what ran, nothing failed and nothing was refused." in said("causes", matrix)


# Claims.


def test_claims_have_their_verdicts_and_evidence(matrix):
    found = said("claims", matrix)
    assert "1 holds, 2 refuted, 1 untested" in found
    assert "✓ holds YOLOv8 needs torch 2.5 a guide 2 of 2 parts tested" in found
    assert (
        "agrees: ultralytics/yolov8n (replica) under stock: ✓ pass in py3.12-torch2.5.1-" in found
    )
    assert "contradicts: pyannote/segmentation · mute (replica) under strict: ≈ degraded" in found
    assert "(ten times the tolerance)" in found
    assert "torch has TORCH_FORCE_WEIGHTS_ONLY_LOAD" in found


def test_evidence_leads_to_the_checks_that_are_it(matrix):
    found = [parse_qs(link[1:]) for link in hrefs("claims", matrix)]
    named = {key: value for key, (value,) in found[0].items()}
    assert named == {
        "sheet": "claims",
        "cell": "py3.12-torch2.5.1-ultralytics8.1.0",
        "checkpoint": "ultralytics/yolov8n",
        "use": "forward",
        "check": "stock",
    }
    assert {"sheet": ["claims"], "cell": ["py3.12-torch2.5.1-torchaudio2.5.1"]} in found


def test_evidence_beyond_a_bound_is_counted(matrix, monkeypatch):
    part = matrix["claims"][0]["parts"][0]
    part["evidence"] = [part["evidence"][0] | {"found": f"odd {n}"} for n in range(25)]
    monkeypatch.setattr(sheets, "WITNESSES", 1)
    found = said("claims", matrix)
    assert "odd 19" in found
    assert "odd 20" not in found
    assert "5 more in matrix.json" in found
    assert "✓ pass odd 0 in py3.12-torch2.5.1-ultralytics8.1.0" in found
    assert "torch has TORCH_FORCE_WEIGHTS_ONLY_LOAD in 3 cells" in found


def test_a_run_without_claims_says_so(matrix):
    matrix["claims"] = []
    assert "No claim was looked at in this run." in said("claims", matrix)


# What can retire.


def test_what_can_retire_comes_first(matrix):
    found = said("retire", matrix)
    assert found.index("backends") < found.index("hydra")
    assert "✓ can retire no cell needs this any more (3 cells could have)" in found
    assert "needed by: 5 cells" in found
    assert "To be retired when hydra declares it otherwise." in found


def test_allow_lists_and_stacks_stand_beside_the_shims(matrix):
    found = said("retire", matrix)
    assert "ultralytics.nn.modules.block.C2f" in found
    assert "✓ pass gradio==5.* typer Python 3.11 2 packages gradio 5.9.1 typer 0.15.1" in found
    assert "the resolver's words Because gradio==5.0 depends on typer>=0.12" in found
    assert "conflicts: they ask for different typer a guide" in found


# GPUs.


def test_each_architecture_says_which_builds_are_for_it(matrix):
    matrix["cells"][7] |= {"torch_build": "2.5.1+cu124", "gpu_archs": ["sm_50", "sm_90"]}
    found = said("gpus", matrix)
    assert "architecture 2.5.1+cu128 2.5.1+cu124 2.6.0+cu128" in found
    assert (
        "sm_120 RTX 5090, RTX 5090 D, RTX 5080 and 15 more ✓ built for ✕ not ✓ built for" in found
    )
    assert "sm_52 GTX TITAN X, GTX 980 Ti, GTX 980 and 11 more ✕ not ✓ built for ✕ not" in found


def test_what_nobody_installed_is_unknown_and_a_build_for_the_cpu_has_none(matrix):
    for cell in matrix["cells"]:
        if cell["torch"] == "2.5.1":
            cell |= {"torch_build": None, "cuda": None, "gpu_archs": []}
        if cell["torch"] == "2.6.0":
            cell |= {"torch_build": "2.6.0+cpu", "cuda": None, "gpu_archs": []}
        if cell["torch"] == "2.8.0":
            cell |= {"gpu_archs": []}
    found = said("gpus", matrix)
    assert (
        "2.5.1 not installed 2.6.0+cpu for the CPU 2.8.0+cu128 nobody looked 2.11.0+cu128" in found
    )
    assert "sm_90 H100, H200, H800 and 2 more ? unknown ✕ not ? unknown ✓ built for" in found


def test_architectures_that_have_no_card_of_their_own_are_there_too(matrix):
    matrix["cells"][0] |= {"gpu_archs": ["gfx90a", "sm_130", "compute_140"], "cuda": None}
    found = said("gpus", matrix)
    assert "sm_130 ✓ built for" in found
    assert "gfx90a ✓ built for" in found
    assert "sm_140" not in found
    assert found.index("sm_130") < found.index("sm_121") < found.index("gfx90a")


# Checkpoints.


def test_a_checkpoint_is_known_by_its_file_and_its_bytes(matrix):
    found = said("checkpoints", matrix)
    assert "rvc/ hubert-base opened by fairseq every voice starts from it hubert_base.pt" in found
    assert "189.5 MB, MIT" in found
    assert f"reference {'f54b40fd' * 8} opened, replica {'31e20dde' * 8}" in found
    assert "yolov8n.pt size unknown, licence unknown" in found


def test_its_globals_are_those_of_all_checks(matrix):
    (check,) = (
        c
        for c in matrix["cells"][7]["checks"]
        if c["checkpoint"].endswith("v8n")
        if c["policy"] == "strict"
    )
    check["globals"] = ["os.system", "posix.system"]
    found = said("checkpoints", matrix)
    assert "5 globals os.system posix.system ultralytics.nn.modules.block.C2f" in found
    for cell in matrix["cells"]:
        for each in cell["checks"]:
            each["globals"] = []
    assert "none seen" in said("checkpoints", matrix)


def test_a_checkpoint_leads_to_its_checks(matrix):
    assert "#text=%22rvc/hubert-base%22&policy=all" in hrefs("checkpoints", matrix)


def test_a_run_from_before_files_were_written_names_its_checkpoints(matrix):
    del matrix["checkpoints"]
    found = said("checkpoints", matrix)
    assert "rvc/ hubert-base opened by fairseq size unknown, licence unknown" in found
    assert "hubert_base.pt" not in found


def test_what_was_never_opened_says_so(matrix):
    bare = synthetic_matrix.bare("2.5.1", "fairseq", "0.12.2", Outcome.NOT_RUN, None)
    bare["checks"] = [check | {"sha256": ""} for check in bare["checks"]]
    matrix = synthetic_matrix.matrix(cells=[bare])
    assert "opened none in this run" in said("checkpoints", matrix)


def test_files_are_called_as_they_are_on_disks(tmp_path):
    sources = (
        HubFile("a/b", None, "deep/model.pth"),
        UrlFile("https://example.org/x/model%20v1.pt?download=1"),
        UrlFile("https://example.org/"),
        HubFile("c/d", None, "model.pth"),
    )
    local = LocalFile(tmp_path / "mine.pt")
    row = Checkpoint("a/b", "torch", "", sources=sources, local=local)
    run = {"cells": [{"checks": [synthetic_matrix.check("a/b"), synthetic_matrix.check("c/d")]}]}
    first, second = checkpoints.opened(run, [row])
    assert first["files"] == ["model.pth", "model v1.pt", "mine.pt"]
    assert first["editions"] == [{"edition": "replica", "sha256": "31e20dde" * 8}]
    assert (second["id"], second["files"], second["bytes"]) == ("c/d", [], None)


# Speed.


def test_times_stand_in_a_row_across_the_torch_builds(matrix):
    found = said("speed", matrix)
    assert "fairseq 0.12.2 rvc/hubert-base pytest-benchmark, perf_counter, cpu" in found
    assert "torchaudio 2.5.1 … 2.11.0 torchaudio/wav pytest-benchmark" in found
    assert "pyannote.audio 3.4.0 beside lightning 2.5.6 pyannote/segmentation · read-file" in found
    assert "mute" not in found, "an experiment is no benchmark"


def test_two_ways_of_timing_are_two_rows(matrix):
    cell = matrix["cells"][7]
    cell["checks"][1]["benchmark"] = {**cell["checks"][1]["benchmark"], "device": "cuda"}
    rows = [row for row in Sheets(matrix).speed.rows if row.version == "ultralytics 8.1.0"]
    (other,) = (row for row in rows if row.way == "pytest-benchmark, perf_counter, cuda")
    assert [each and each.median for each in other.figures] == ["42.3", *[None] * 6]
    assert {row.way for row in rows} == {other.way, "pytest-benchmark, perf_counter, cpu"}


@pytest.fixture
def measured(matrix):
    """Return a run whose forward times were compared, and whose loads were timed."""
    return synthetic_matrix.measured(matrix)


NEWEST = "ultralytics 8.3.162, ultralytics/yolov8n"
COMPARED = "py3.12-torch{}-ultralytics8.3.162"


def speed_of(matrix, torch, checkpoint="ultralytics/yolov8n"):
    """Return the check of the newest version that was compared."""
    (cell,) = (cell for cell in matrix["cells"] if cell["id"] == COMPARED.format(torch))
    return next(check for check in cell["checks"] if check["checkpoint"] == checkpoint)


def only(matrix, *verdicts):
    """Return a run in which nothing has another verdict than these."""
    for check in (check for cell in matrix["cells"] for check in cell["checks"]):
        if check["speed"] and check["speed"]["verdict"] not in verdicts:
            check["speed"] = None
    return matrix


def test_what_is_confirmed_stands_on_top_the_slower_first(measured):
    found = said("speed", measured)
    slower = f"{NEWEST} : on torch 2.8.0 and 2.11.0 it takes 1.31 to 1.42 times the time of torch"
    faster = f"{NEWEST} : on torch 2.15.0 it takes 0.70 times the time of torch 2.5.1, seen again"
    assert f"▲ slower {slower} 2.5.1, seen again in 4 to 6 turns." in found
    assert f"▼ faster {faster} in 4 turns." in found
    assert "2 comparisons are unconfirmed: further apart than alike, and not run again." in found
    alike = "within a tenth of each other, and no more apart than they vary."
    assert f"2 comparisons are alike: {alike}" in found
    assert found.index("slower ultralytics") < found.index("faster ultralytics")
    assert found.index("slower ultralytics") < found.index("How long a forward pass")
    assert "No forward pass is confirmed" not in found


def test_what_is_confirmed_leads_to_the_check_that_is_furthest_off(measured):
    first = next(href for href in hrefs("speed", measured) if href)
    assert parse_qs(first.lstrip("#")) == {
        "sheet": ["speed"],
        "cell": [COMPARED.format("2.8.0")],
        "checkpoint": ["ultralytics/yolov8n"],
        "use": ["forward"],
        "check": ["stock"],
    }


def test_what_is_slower_by_most_comes_first(measured):
    speed_of(measured, "2.8.0", "ultralytics/yolo11n")["speed"]["ratio"] = 3.14159
    names = [each.name for each in Sheets(measured).speed.said]
    assert names[:2] == ["ultralytics 8.3.162, ultralytics/yolo11n", NEWEST]


def test_many_builds_are_counted_and_one_turn_is_one(measured):
    for torch in ("2.6.0", "2.8.0", "2.11.0"):
        speed = speed_of(measured, torch)["speed"]
        speed |= {"verdict": "slower", "ratio": 1.5, "runs": 1}
    says = (
        f"{NEWEST} : on 3 torch builds from 2.6.0 to 2.11.0 it takes 1.50 times the time of torch"
    )
    assert f"{says} 2.5.1, seen again in 1 turn." in said("speed", measured)


def test_a_run_in_which_nothing_is_slower_says_so_plainly(measured):
    found = said("speed", only(measured, "alike", "unconfirmed"))
    assert "No forward pass is confirmed to be slower on a newer torch." in found
    assert "slower ultralytics" not in found


def test_what_varies_too_much_is_called_unclear(measured):
    speed_of(measured, "2.6.0")["speed"] |= {"verdict": "unclear", "ratio": 2.1, "runs": 4}
    found = said("speed", measured)
    assert "1 comparison is unclear: run again, and too unsteady to tell." in found


def test_where_nothing_was_compared_nothing_is_claimed(matrix):
    found = said("speed", matrix)
    assert "No two times of this run were compared: none is called slower or faster." in found
    assert "\u00d71" not in found
    assert "is confirmed" not in found


def test_older_runs_without_the_new_keys_are_shown_as_they_are(matrix):
    for check in (check for cell in matrix["cells"] for check in cell["checks"]):
        del check["speed"], check["loading"]
    assert "fairseq 0.12.2 rvc/hubert-base pytest-benchmark" in said("speed", matrix)
    assert "No load was timed in this run." in said("loading", matrix)


def test_more_that_is_slower_than_anybody_reads_is_counted():
    matrix = synthetic_matrix.measured(grown(14))
    for cell in matrix["cells"]:
        base = {"cell": "x", "torch": "2.5.1", "policy": "stock", "ratio": 2, "runs": 4}
        cell["checks"][0]["speed"] = {**base, "verdict": "slower"}
    found = Sheets(matrix).speed
    assert len(found.said) == 12
    assert found.rest == ("2 more are slower: see the table.",)


def test_an_experiment_is_never_called_slower(measured):
    for check in (check for cell in measured["cells"] for check in cell["checks"]):
        check["experiment"] = bool(check["speed"])
    assert Sheets(measured).speed.said == ()


def test_beside_each_time_stands_what_it_is_of_the_baseline(measured):
    found = said("speed", measured)
    name = NEWEST.replace(",", "")
    row = found[found.index(f"{name} pytest-benchmark") :].replace("\u00d7", "x")
    assert row.startswith(
        f"{name} pytest-benchmark, perf_counter, cpu 42.3 baseline 42.3 x1.004 42.3 x1.42 ▲ slower"
        " 42.3 x1.31 ▲ slower 42.3 x1.20 ◇ unconfirmed 42.3 x0.70 ▼ faster"
    )


def test_what_was_timed_on_has_its_name_and_several_have_numbers(measured):
    assert "Machine: AMD EPYC 7B13, 2 cores." in said("speed", measured)
    other = {"id": "b", "cpu": "AMD EPYC 7B13", "cores": 2}
    nameless = {"id": "c", "cpu": "", "cores": 1}
    for torch, machine in {"2.8.0": other, "2.13.0": nameless, "2.15.0": None}.items():
        benchmark = speed_of(measured, torch)["benchmark"]
        benchmark["machine"] = machine
    found = said("speed", measured)
    kinds = (
        "Machines 1 and 2: AMD EPYC 7B13, 2 cores; Machine 3: a processor without a name, 1 core"
    )
    assert f"{kinds}." in found
    rows = [
        row
        for row in Sheets(measured).speed.rows
        if (row.version, row.about) == ("ultralytics 8.3.162", "ultralytics/yolov8n")
    ]
    ways = [row.way.removeprefix("pytest-benchmark, perf_counter, cpu, ") for row in rows]
    assert ways == ["machine 1", "machine 2", "machine 3", "an unknown machine"]


def test_more_kinds_of_machines_than_anybody_reads_are_counted(measured):
    timed = [check for cell in measured["cells"] for check in cell["checks"] if check["benchmark"]]
    for number, check in enumerate(timed[:14]):
        check["benchmark"]["machine"] = {"id": f"m{number}", "cpu": f"cpu {number}", "cores": 2}
    assert "; and 3 more kinds of machine." in said("speed", measured)


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({"dtype": "float16"}, "float16"),
        ({"dtype": "float32", "batch": 1}, ""),
        ({"batch": 8, "dtype": "bfloat16"}, "bfloat16, batch 8"),
    ],
)
def test_types_and_batches_are_rows_of_their_own(measured, fields, way):
    speed_of(measured, "2.8.0")["benchmark"] |= fields
    rows = [row for row in Sheets(measured).speed.rows if row.about == "ultralytics/yolov8n"]
    ways = [row.way for row in rows if row.version == "ultralytics 8.3.162"]
    assert ways == [
        ", ".join(("pytest-benchmark, perf_counter, cpu", *[way] * bool(each)))
        for each in ((), way)[: 1 + bool(way)]
    ]


def test_of_several_ways_a_sentence_names_its_own(measured):
    speed_of(measured, "2.8.0")["benchmark"] |= {"dtype": "float16"}
    assert f"{NEWEST} (pytest-benchmark, perf_counter, cpu, float16) : on torch 2.8.0 it" in said(
        "speed", measured
    )


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.424, "1.42"),
        (1.004, "1.004"),
        (1, "1.00"),
        (0.0123, "0.012"),
        (12.34, "12.3"),
        (250.4, "250"),
    ],
)
def test_a_ratio_has_as_many_digits_as_tell_something(ratio, words):
    assert times(ratio) == words


# Loading.


def test_a_load_is_told_beside_a_plain_one_of_the_newest_torch(measured):
    found = said("loading", measured)
    for sentence in (
        "What torch.load alone takes for a file, to the CPU and with the file in the page cache, on"
        " the newest torch where that was timed.",
        "Plain is torch.load with nothing of ours around it and weights_only=False , mapped the"
        " same with mmap=True .",
        "The details of a check have its intervals, and why one is missing.",
        "Median milliseconds of a plain load, and how many times (\u00d7) as long each other took."
        " Below, how much more memory than before the first of them held at its most. By"
        " perf_counter, 1 thread, file cached. Machine: AMD EPYC 7B13, 2 cores.",
        "ultralytics/yolov8n torch 2.16.0.dev20261119, ultralytics 8.2.64 6.5 MB 10.4 13.1 MB"
        " \u00d71.50 19.5 MB \u00d71.50 19.5 MB \u00d71.50 19.5 MB ⊘ refused \u00d70.25 0.7 MB",
        "rvc/hubert-base torch 2.15.0, fairseq 0.12.2 6.5 MB",
    ):
        assert sentence in found


def test_the_loads_of_a_checkpoint_lead_to_one_of_its_checks(measured):
    first = next(href for href in hrefs("loading", measured) if href)
    assert parse_qs(first.lstrip("#"))["cell"] == ["py3.10-torch2.15.0-fairseq0.12.2"]
    assert parse_qs(first.lstrip("#"))["sheet"] == ["loading"]


def test_stock_whose_loads_are_not_timed_has_no_column_and_it_is_said_why(measured):
    for check in (check for cell in measured["cells"] for check in cell["checks"]):
        if check["policy"] == "stock":
            check["loading"] = None
    found = said("loading", measured)
    assert (
        "Stock has no column: its load is not timed, as our watching would be timed with it; "
        "whether it loads is in the matrix." in found
    )
    assert "plain, ms patched allowlisted strict mapped" in found
    assert (Sheets(measured).loading.untimed, "refused" in found) == ("stock", True)


def test_stock_that_was_timed_for_some_says_of_the_others_that_they_were_not(measured):
    stock = [
        check
        for cell in measured["cells"]
        for check in cell["checks"]
        if check["policy"] == "stock" and check["loading"]
    ]
    for check in stock[1:]:
        check["loading"] = None
    kept = next(c["id"] for c in measured["cells"] if stock[0] in c["checks"])
    measured["cells"] = [
        cell
        for cell in measured["cells"]
        if cell["id"] == kept or cell["library"] not in {"rvc", stock[0]["library"]}
    ]
    found = Sheets(measured).loading
    assert found.policies[0] == "stock"
    assert {row.costs[0].note for row in found.rows} <= {"", "not timed", "not planned"}
    assert "not timed" in {row.costs[0].note for row in found.rows}
    assert "pass not timed" in said("loading", measured)


def test_what_was_not_planned_and_not_done_says_so_and_is_never_an_empty_place(measured):
    shown = said("loading", measured)
    wav = shown.partition("torchaudio/wav")[2].partition("pyannote/")[0]
    assert wav.count("not planned") == 3
    for check in (check for cell in measured["cells"] for check in cell["checks"]):
        if check["loading"]:
            check["loading"] |= {"plain": None, "mmap": None}
            check["loading"]["policy"] |= {"memory": None}
    without = said("loading", measured)
    assert "6.5 MB not done no figure" in without
    assert "not planned not done pyannote/" in without


def test_a_load_that_was_not_done_has_no_figure(measured):
    for check in (check for cell in measured["cells"] for check in cell["checks"]):
        if check["loading"]:
            short = {"plain": None, "mmap": None, "remarks": ["nobody trusts it"]}
            check["loading"] |= short
            check["loading"]["policy"] |= {"memory": None}
    (row,) = (r for r in Sheets(measured).loading.rows if r.checkpoint == "ultralytics/yolov8n")
    assert (row.plain, row.memory) == ("", "")
    assert [(cost.ratio, cost.memory, cost.outcome) for cost in row.costs] == [
        *[("", "", "")] * 3,
        ("", "", "refused"),
        ("", "", ""),
    ]


def test_loads_of_several_machines_name_theirs(measured):
    for check in measured["cells"][19]["checks"]:
        if check["loading"]:
            check["loading"] |= {"machine": {"id": "b", "cpu": "another", "cores": 4}}
    found = Sheets(measured).loading
    assert found.machines == "Machine 1: AMD EPYC 7B13, 2 cores; Machine 2: another, 4 cores."
    assert all(", machine 1" in row.where or ", machine 2" in row.where for row in found.rows)


def test_more_checkpoints_than_anybody_reads_are_counted(measured, monkeypatch):
    monkeypatch.setattr(sheets, "loading", lambda table: loading(table, 2))
    assert "3 more rows: the rest is in matrix.json." in said("loading", measured)


# Speed, where there is a script, and its bounds.


def test_there_is_a_place_for_plots_where_there_is_a_script(matrix):
    (plots,) = (a for a in parsed("speed", matrix).attributes("div") if a.get("id") == "plots")
    assert plots["class"] == "needs-script"
    assert "The same as a table" in said("speed", matrix)


def test_more_rows_than_anybody_reads_are_counted():
    matrix = grown(310)
    assert len(Sheets(matrix).speed.rows) == 300
    assert "10 more rows: the rest is in matrix.json." in said("speed", matrix)


def test_a_run_in_which_nothing_was_timed_says_so(matrix):
    for cell in matrix["cells"]:
        for check in cell["checks"]:
            check["benchmark"] = None
    assert "No forward pass was timed in this run." in said("speed", matrix)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0423, "42.3"),
        (1.2345, "1,234"),
        (0.9996, "1,000"),
        (1.2e-7, "0.00012"),
        (None, "not finite"),
    ],
)
def test_a_time_has_three_figures(seconds, words):
    assert in_milliseconds(seconds) == words


# How to read this.


def test_the_legend_has_every_outcome_policy_and_edition(matrix):
    found = said("reading", matrix)
    for outcome in Outcome:
        assert f"{outcome.value} {outcome.meaning}" in found
    for policy, meaning in POLICIES.items():
        assert f"{policy} {meaning}" in found
    for edition in Edition:
        assert f"{edition.value} {sheets.EDITIONS[edition.value]}" in found


def test_what_was_carried_over_and_what_is_flaky_is_counted(matrix):
    matrix["cells"][0] |= {"carried": "2026-11-18T0100", "finished": "2026-11-18T01:00:00+00:00"}
    matrix["cells"][0]["checks"][0]["tally"] = {"pass": 1, "fail": 1}
    found = said("reading", matrix)
    assert "1 cell of this run was carried over from an earlier one: that is done where" in found
    assert "1 check of this run is flaky: flaky is a check whose tries disagree." in found


def test_the_files_for_programs_are_linked(matrix):
    files = ["matrix.json", "matrix.schema.json", "changes.atom", "summary.md"]
    assert hrefs("reading", matrix) == files
    assert "badges/ : a picture for each library, each of its versions and each" in said(
        "reading", matrix
    )


# All of them.


def test_links_survive_what_names_hold():
    link = links.to(text='a&b #"c" + ü', policy="", cause="x")
    assert link == "#text=a%26b%20%23%22c%22%20%2B%20%C3%BC&cause=x"
    assert unquote(link).endswith("ü&cause=x")


def test_the_sheets_of_a_large_run_stay_small():
    matrix = grown(2500)
    old = copy.deepcopy(matrix)
    for cell in old["cells"]:
        cell["checks"][1] |= {"outcome": "pass", "message": None, "stage": "forward"}
    changes = compared({**old, "run": "old"}, matrix)
    assert sum(len(sheet(name, matrix, changes)) for name in NAMES) < 700_000


def test_a_build_that_died_before_it_said_what_it_has_is_not_called_not_installed(matrix):
    for cell in matrix["cells"]:
        cell |= {"gpu_archs": []}
    found = said("gpus", matrix)
    assert "2.5.1+cu128 nobody looked" in found
    assert "not installed" not in found


def test_what_has_not_run_yet_is_no_infra_in_the_changes(matrix):
    old = {**copy.deepcopy(matrix), "run": "2026-11-19T1031"}
    matrix["complete"] = False
    for check in matrix["cells"][0]["checks"]:
        check["outcome"] = "not-run"
    matrix["cells"][0]["outcome"] = "not-run"
    found = said("changes", matrix, compared(old, matrix))
    assert "4 without a verdict in one of the two." in found
    assert "? no verdict refused → not-run: 1 check" in found
