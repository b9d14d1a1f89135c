from __future__ import annotations

import html
import re

import pytest
import synthetic_matrix
from parsed_page import ParsedPage

from matrix.page import text, view
from matrix.page.render import render
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.policies import Policy

REMEDY = ("kind", "says", "code", "when")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}\u202e\x00"


@pytest.fixture(scope="module")
def parsed(page):
    return ParsedPage(page)


def details(page: str) -> list[str]:
    """Return the text of each verdict's details."""
    parts = page.split("</body>", maxsplit=1)[0].split('<div popover="auto"')[1:]
    return [ParsedPage("<div" + part).text for part in parts]


def one(matrix, *starts: str) -> str:
    """Return the details that begin with the first words and hold the others."""
    found = [d for d in details(render(matrix)) if all(start in d for start in starts)]
    assert found, f"no details with {starts}"
    return found[0]


def test_tags_are_balanced_and_ids_are_unique(parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    assert len(parsed.ids) > 100


def test_every_reference_points_at_something_on_the_page(parsed):
    assert set(parsed.names) <= set(parsed.ids)
    assert {point[1:] for point in parsed.points if point.startswith("#")} <= set(parsed.ids)


def test_nothing_is_fetched_from_elsewhere(parsed, page):
    links = {a["href"] for a in parsed.attributes("a") if a["href"].startswith("https://")}
    outside = {point for point in parsed.points if not point.startswith(("#", "data:"))}
    assert outside - links == {"matrix.json"}
    fetched = [a for tag, a in parsed.tags if tag != "a" for name in a if name in ("href", "src")]
    assert all(a.get("href", "").startswith("data:") for a in fetched)
    assert not re.search(r"@import|url\(|//[a-z]", page.split("<style>")[1].split("</style>")[0])


def test_there_is_no_script_and_a_policy_that_allows_none(parsed):
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on")]
    (policy,) = [a["content"] for t, a in parsed.tags if t == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_the_same_matrix_makes_the_same_page(matrix, page):
    assert render(matrix) == page


def test_the_matrix_that_is_given_is_left_as_it_was(matrix):
    render(matrix)
    assert matrix == synthetic_matrix.matrix()


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_word_glyph_colour_and_meaning(parsed, page, outcome):
    assert f"{view.GLYPHS[outcome]} {outcome.value} {outcome.meaning}" in parsed.text
    assert parsed.named("button", outcome.value), "it is nowhere in the table"
    assert (
        f".{outcome.value} {{ --tone" in page
        or f".{outcome.value}," in page
        or (f", .{outcome.value} {{" in page)
    )


def test_no_two_outcomes_share_a_glyph():
    assert len(set(view.GLYPHS.values())) == len(Outcome) == len(view.GLYPHS)


def test_the_policies_are_the_packages_in_its_order(parsed):
    assert list(view.POLICIES) == [policy.value for policy in Policy]
    for policy, meaning in view.POLICIES.items():
        assert f"{policy} {meaning}" in parsed.text


def test_columns_are_the_torch_versions_in_the_given_order(matrix):
    matrix["torch"].reverse()
    columns = view.View(matrix).torch
    assert columns == list(reversed(synthetic_matrix.TORCH))


def test_rows_are_versions_in_their_order_and_checkpoints_where_there_are_several(matrix):
    matrix["cells"].reverse()
    sections = {section.library: section for section in view.View(matrix).sections}
    rows = [(row.versions, row.checkpoint) for row in sections["ultralytics"].rows]
    both = ("ultralytics/yolov8n", "ultralytics/yolo11n")
    assert rows == [((v,), c) for v in ("8.1.0", "8.2.64", "8.3.162") for c in both]
    assert sections["fairseq"].checkpoint == "rvc/hubert-base"


def test_a_version_that_is_no_version_comes_last(matrix):
    matrix["cells"].append(synthetic_matrix.cell("2.5.1", "fairseq", "main", []))
    (section,) = (s for s in view.View(matrix).sections if s.library == "fairseq")
    assert [row.versions for row in section.rows] == [("0.12.2",), ("main",)]


def test_a_library_that_is_paired_with_torch_is_one_row(matrix, parsed):
    (section,) = (s for s in view.View(matrix).sections if s.library == "torchaudio")
    assert [row.versions for row in section.rows] == [("2.5.1", "2.11.0")]
    assert "2.5.1 … 2.11.0" in parsed.text
    assert "2.11.0 py3.12" in parsed.text


def test_a_row_has_the_policies_that_its_checks_ran_under(matrix):
    rows = {s.library: s.rows[0].policies for s in view.View(matrix).sections}
    assert rows["torchaudio"] == ("stock",)
    assert rows["fairseq"] == ("stock", "patched", "allowlisted", "strict")


def test_a_pair_that_is_not_in_the_plan_is_empty_and_not_a_verdict(matrix, page):
    columns = {cell["torch"] for cell in matrix["cells"] if cell["library"] == "torchaudio"}
    empty = ParsedPage(page).named("td", "none")
    assert len(matrix["torch"]) - len(columns) == 5
    beside_lightning = 6 * 2 * 3  # columns without a cell, sets, uses
    assert len(empty) == 5 + beside_lightning
    assert not ParsedPage(render(matrix | {"cells": matrix["cells"][:7]})).named("td", "none")


def test_a_cell_without_checks_is_shown_once_over_its_policies(parsed):
    whole = parsed.named("td", "whole")
    assert [attrs["rowspan"] for attrs in whole] == ["4"] * 4


def test_a_check_that_its_cell_never_reached_is_not_run(matrix):
    shown = one(matrix, "not-run under strict", "torch 2.13.0")
    assert "SIGSEGV in stage load" in shown


def test_two_pythons_in_one_slot_are_told_apart(page):
    row = page.split('"py3.9-torch2.5.1-torchaudio2.5.1"')
    assert ">py3.9</a>" in page
    assert len(row) == 1, "the id must not be used as an HTML name"
    assert "<small>3.9</small>" in page
    assert "<small>3.12</small>" in page


def test_details_say_what_happened_and_how_to_see_it_again(matrix):
    shown = one(matrix, "✕ fail under stock", "torch 2.6.0")
    for part in (
        "ultralytics 8.1.0 on torch 2.6.0, Python 3.12",
        "What happened at load _pickle.UnpicklingError Weights only load failed.",
        "checkpoint ultralytics/yolov8n",
        "edition replica",
        f"sha256 {'31e20dde' * 8}",
        "seconds import 2.8 s · load 20 ms",
        "Globals beyond torch's own 3 ultralytics.nn.modules.block.C2f",
        "Reproduce nox -s cell -- py3.12-torch2.6.0-ultralytics8.1.0",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("starts", "part"),
    [
        (("⊕ shimmed",), "shims hydra"),
        (("≈ degraded",), f"What happened at parity {synthetic_matrix.DRIFT}"),
        (("✓ pass",), "forward 42.300 ms, median of 20 on cpu"),
        (("✓ pass",), "measured by pytest-benchmark, perf_counter"),
        (("✓ pass",), "output float32 1 \u00d7 84 \u00d7 8400, norm 812.5"),
        (("↯ crash",), "Reason SIGSEGV in stage load"),
        (("↯ crash",), "Last output loading dictionary"),
        (("∅ unavailable",), "Reason Because torch==2.16.0.dev20261119 has no wheel for cp310"),
        (("? infra",), "Reason No space left on device"),
        (("○ not-run", "8.3.162"), "No check of this cell was recorded."),
        (
            ("✓ pass under allowlisted", "8.3.162"),
            "Allowed by the library itself 1 builtins.getattr",
        ),
        (("⊘ refused", "8.2.64"), "was overridden 1 ultralytics/nn/tasks.py:742"),
    ],
)
def test_details_hold_the_evidence_of_their_outcome(matrix, starts, part):
    assert part in one(matrix, *starts)


def test_a_diagnosis_is_shown_with_its_remedies_and_link(matrix):
    assert (
        "Known as wo-yolo The file holds a whole model, and torch.load refuses its classes. "
        "What helps Register what it names. import torch torch.serialization.add_safe_globals"
        "([DetectionModel]) with torch>=2.6: Save it anew. https://example.org/issues/1"
    ) in one(matrix, "✕ fail under stock", "ultralytics")


def test_the_diagnosis_of_a_cell_is_shown_with_its_reason(matrix):
    shown = one(matrix, "∅ unavailable", "fairseq")
    assert (
        "it cannot be installed. Known as no-wheel Nobody built it for this Python. "
        "torch/serialization.py"
    ) in shown


def test_the_diagnosis_of_a_cell_is_shown_with_its_environment(page):
    environments = page.split('<section id="environments">')[1].split("</section>")[0]
    shown = ParsedPage("<section>" + environments + "</section>").text
    assert "it cannot be installed. Known as no-wheel Nobody built it for this Python." in shown


def test_what_nobody_knows_has_no_diagnosis(matrix):
    assert "Known as" not in one(matrix, "↯ crash")


def causes_of(page):
    """Return the text under each heading of the causes."""
    section = page.split('<section id="causes">')[1].split("</section>")[0]
    parts = section.split("<h3>")[1:]
    return [ParsedPage("<h3>" + part).text for part in parts]


def test_the_causes_that_nobody_knows_come_first_with_a_report(page):
    unknown, _, refused = causes_of(page)
    assert unknown.startswith("Not known yet 4 No signature matches")
    assert "load: Segmentation fault loading dictionary text of a report fairseq" in unknown
    assert "↯ crash 1 check in 1 cell" in unknown
    assert refused.startswith("Refused by a policy 2")
    assert "text of a report" not in refused


def test_a_known_cause_has_its_remedies_its_link_and_its_cells(page):
    known = causes_of(page)[1]
    assert known.startswith("Known 2 Others have met these before.")
    assert (
        "and torch.load refuses its classes. wo-yolo what helps Register what it names. import "
        "torch torch.serialization.add_safe_globals([DetectionModel]) with torch>=2.6: Save it "
        "anew. https://example.org/issues/1 ✕ fail 12 checks in 6 cells"
    ) in known
    assert "ultralytics 8.1.0 on torch 2.6.0 to 2.16.0.dev20261119" in known
    assert "∅ unavailable 1 cell" in known


def test_the_causes_lead_to_the_details_of_their_checks(matrix, page):
    section = page.split('<section id="causes">')[1].split("</section>")[0]
    parsed = ParsedPage("<section>" + section + "</section>")
    marks = {mark.id: mark for mark in view.View(matrix).marks}
    found = [marks[button["popovertarget"]] for button in parsed.named("button", "link")]
    assert {mark.outcome for mark in found} == {
        *("fail", "refused", "crash", "timeout", "unavailable")
    }


def test_the_top_says_how_many_causes_there_are(parsed):
    assert "Causes 4 not known yet, 2 known, 2 refused by a policy" in parsed.text


def test_a_link_that_is_none_is_text(matrix):
    matrix["diagnoses"]["wo-yolo/1"]["link"] = "javascript:alert(1)"
    for cause in [*matrix["causes"], *matrix["refusals"]]:
        cause["link"] = "javascript:alert(1)"
    parsed = ParsedPage(render(matrix))
    assert not [point for point in parsed.points if point.startswith("javascript:")]
    assert "javascript:alert(1)" in parsed.text


def test_a_key_without_its_diagnosis_is_passed_over(matrix):
    assert "Known as" not in " ".join(details(render(matrix | {"diagnoses": {}})))


def test_the_command_survives_a_shell(matrix):
    matrix["cells"][0]["id"] = "py3.10; rm -rf ."
    assert "nox -s cell -- 'py3.10; rm -rf .'" in one(matrix, "fairseq", "torch 2.5.1")


def test_the_top_says_which_run_this_is(parsed):
    for part in (
        "Run 2026-11-20T1031",
        "Started 20 November 2026, 10:31 UTC",
        "Finished 20 November 2026, 11:12 UTC after 41 min 36 s",
        "Packages as of 20 November 2026, 10:31 UTC",
        "Checkpoint edition replica asked for auto",
        "PyTorch's own index could not be reached",
    ):
        assert part in parsed.text
    assert "Incomplete" not in parsed.text


def test_an_incomplete_run_says_so_in_its_title_and_first():
    page = render(synthetic_matrix.matrix(complete=False, finished=None))
    text_ = ParsedPage(page).text
    assert "(incomplete)</title>" in page
    assert "Incomplete run. 32 of 33 cells have a result." in text_
    assert text_.index("Incomplete run.") < text_.index("Finished not yet")


def test_a_narrowed_run_says_to_what():
    chosen = {"torch": ["2.5.1", "2.6.0"], "library": []}
    shown = ParsedPage(render(synthetic_matrix.matrix(selection=chosen))).text
    assert "Only torch 2.5.1, 2.6.0" in shown
    assert "Only library" not in shown


def test_a_run_without_cells_is_a_page_that_says_so():
    shown = ParsedPage(render(synthetic_matrix.matrix(cells=[], torch=[]))).text
    assert "There is no cell in this run yet." in shown


def test_an_unavailable_cell_is_not_counted_again_as_checks_not_run(matrix):
    tallies = {t.outcome: t for t in view.View({**matrix, "cells": matrix["cells"][6:7]}).tallies}
    assert (tallies["unavailable"].cells, tallies["not-run"].checks) == (1, 0)


def test_counts_are_of_checks_and_of_cells(matrix):
    tallies = {tally.outcome: tally for tally in view.View(matrix).tallies}
    assert sum(tally.cells for tally in tallies.values()) == len(matrix["cells"])
    apart = ("unavailable", "infra", "not-run")
    ran = [c for c in matrix["cells"] if c["outcome"] not in apart]
    checks = sum(not check["experiment"] for c in ran for check in c["checks"])
    assert sum(tally.checks for tally in tallies.values()) == checks
    assert (tallies["crash"].checks, tallies["crash"].cells) == (1, 1)
    assert (tallies["unavailable"].checks, tallies["unavailable"].cells) == (0, 1)


def test_each_environment_lists_its_distributions(parsed):
    folded = [a for tag, a in parsed.tags if tag == "details" and "class" not in a]
    assert len(folded) == 33
    assert "torch 2.5.1+cu128 CUDA 12.8 GPU architectures sm_75 sm_90 sm_120" in parsed.text
    assert "filelock 3.29.0" in parsed.text


def test_hostile_text_is_inert_everywhere(matrix):
    harmless = ParsedPage(render(_fill(matrix, "harmless")))
    hostile = ParsedPage(render(_fill(matrix, HOSTILE)))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in harmless.tags]
    assert not [name for _, attrs in hostile.tags for name in attrs if name.startswith("on")]
    assert "script" not in {tag for tag, _ in hostile.tags}
    assert "<img src=x onerror=alert(1)>\"'`{{7*7}}\\u202e\\u0000" in hostile.text


def test_what_reorders_or_hides_text_never_reaches_the_page(matrix):
    assert not set(render(_fill(matrix, HOSTILE))) & set("\u202e\x00")


def test_a_very_long_message_is_cut(matrix):
    matrix["cells"][0]["checks"][3]["message"] = "x" * 1_000_000
    page = render(matrix)
    assert len(page) < len(render(synthetic_matrix.matrix())) + text.LIMIT + 100
    assert "994,000 more characters in matrix.json" in page


def _fill(matrix, words):
    """Put the words wherever a library, a file or a package could put its own."""
    matrix["notes"] = [words]
    for cell in matrix["cells"]:
        cell["reason"] = cell["why"] = words
        cell["distributions"] = dict.fromkeys(cell["distributions"], words)
        for check in cell["checks"]:
            check.update(dict.fromkeys(("exception", "message", "output"), words))
            check.update(globals=[words], overridden=[words, words], library=words)
    for known in [*matrix["diagnoses"].values(), *matrix["causes"], *matrix["refusals"]]:
        known.update(cause=words, link=words, remedies=[dict.fromkeys(REMEDY, words)])
    for cause in [*matrix["causes"], *matrix["refusals"]]:
        cause.update(name=words, libraries={words: words}, torch=words)
        cause["report"] = words if cause["report"] else None
    for stack in matrix["stacks"]:
        # Of these a user may add some.
        stack.update(why=words, said_by=words, requirements=[words])
        stack.update({"reason": words} if stack["reason"] else {"resolved": {words: words}})
    evidence = [e for c in matrix["claims"] for p in c["parts"] for e in p["evidence"]]
    for each in evidence:
        each["found"] = words
    return matrix


def test_an_incomplete_run_says_the_command_that_goes_on_with_it():
    selection = {"torch": ["2.5.1"], "cell": ["*a b*"]}
    page = render(synthetic_matrix.matrix(complete=False, selection=selection, edition="replica"))
    command = "nox -s matrix -- --torch 2.5.1 --cell '*a b*' --edition replica"
    assert f"<code>{command}</code>" in html.unescape(page)


def test_a_verdict_is_reproduced_with_its_policy_and_edition():
    page = render(synthetic_matrix.matrix(edition="replica"))
    words = "py3.12-torch2.5.1-ultralytics8.1.0 --policy strict --edition replica"
    assert f"nox -s cell -- {words}</pre>" in page


def test_a_use_and_a_set_beside_another_have_rows_of_their_own(matrix, parsed):
    (section,) = (s for s in view.View(matrix).sections if s.library == "pyannote.audio")
    rows = [(row.versions, row.beside, row.use, row.experiment) for row in section.rows]
    uses = [("", False), ("read-file", False), ("mute", True)]
    sets = ("lightning 2.5.6", "lightning 2.6.6")
    assert rows == [(("3.4.0",), beside, *use) for beside in sets for use in uses]
    assert "3.4.0 beside lightning 2.6.6 mute experiment, not counted" in parsed.text


def test_a_use_is_named_with_its_checkpoint_where_the_library_has_several(matrix):
    cells = [cell for cell in matrix["cells"] if cell["library"] == "pyannote.audio"]
    cells[0]["checks"][0]["checkpoint"] = "pyannote/another"
    assert "pyannote/ segmentation · read-file" in ParsedPage(render(matrix)).text


def test_an_experiment_is_not_counted(matrix):
    cells = [cell for cell in matrix["cells"] if cell["beside"] == "lightning 2.5.6"]
    tallies = {t.outcome: t.checks for t in view.View(matrix | {"cells": cells}).tallies}
    assert (tallies["pass"], tallies["degraded"]) == (4, 0)


@pytest.mark.parametrize(
    ("starts", "part"),
    [
        (
            ("≈ degraded under strict", "lightning 2.5.6"),
            "used for mute, an experiment that only tests a claim",
        ),
        (
            ("≈ degraded under strict", "lightning 2.5.6"),
            "drift cosine 0.200000, relative error 1, against the forward pass on torch 2.5.1",
        ),
        (("✓ pass", "ultralytics"), "drift cosine 0.999999, relative error 1.2e-06, against"),
        (("✓ pass", "read-file"), "pyannote.audio 3.4.0 beside lightning 2.5.6 on torch 2.8.0"),
    ],
)
def test_details_say_what_was_done_and_how_far_the_output_is(matrix, starts, part):
    assert part in one(matrix, *starts)


@pytest.mark.parametrize(
    "words",
    [
        "✓ holds YOLOv8 needs torch 2.5 a guide 2 of 2 parts tested ✓ holds it works there agrees: "
        "ultralytics/yolov8n (replica) under stock: ✓ pass 1 cell py3.12-torch2.5.1-ultralytics",
        "✕ refuted without sound nothing changes an issue 1 of 2 parts tested ✕ refuted the output "
        "stays within 1% (ten times the tolerance) contradicts: pyannote/segmentation · mute "
        "(replica) under strict: ≈ degraded relative error 1 2 cells",
        "○ untested and the model was trained (no sweep sees that)",
        "○ untested torch 2.3 works a guide 0 of 1 part tested",
        "✕ refuted torch names it contradicts: torch has TORCH_FORCE_WEIGHTS_ONLY_LOAD 3 cells",
        "Claims 1 holds, 2 refuted, 1 untested",
    ],
)
def test_a_claim_is_shown_with_its_verdict_and_evidence(parsed, words):
    assert words in parsed.text


def test_evidence_opens_the_details_of_its_check(matrix, page):
    part = page.split('id="claim-mute"')[1].split("</tr>")[0]
    named = ParsedPage(f"<table><tr{part}</tr></table>").named("button", "link")
    marks = {mark.id: mark for mark in view.View(matrix).marks}
    found = [marks[button["popovertarget"]] for button in named]
    assert {mark.check["use"] for mark in found} == {"mute"}
    assert [mark.policy for mark in found] == ["strict", "strict", "stock", "stock"]


@pytest.mark.parametrize(
    "words",
    [
        "hydra what hydra 1.0 declares To be retired when hydra declares it otherwise. 5 cells "
        "need this; 1 cell yet to say needed by 5 cells py3.10-torch2.5.1-fairseq0.12.2",
        "backends what hydra 1.0 declares To be retired when hydra declares it otherwise. "
        "no cell needs this any more (3 cells could have)",
    ],
)
def test_a_shim_is_shown_with_the_cells_that_need_it(parsed, words):
    assert words in parsed.text


def test_an_allow_list_is_shown_with_the_cells_that_need_it(parsed):
    assert "20 cells need this; 1 cell yet to say needed by 20 cells" in parsed.text


@pytest.mark.parametrize(
    "words",
    [
        "✓ pass gradio==5.* typer Python 3.11 2 packages gradio 5.9.1 typer 0.15.1 conflicts: they"
        " ask for different typer a guide",
        "∅ unavailable gradio==5.* typer Python 3.11 the resolver's words Because gradio==5.0",
    ],
)
def test_a_stack_is_shown_with_the_resolvers_words(parsed, words):
    assert words in parsed.text


def test_what_a_run_has_none_of_has_no_section(matrix):
    none = {key: [] for key in ("causes", "refusals", "claims", "shims", "allowlists", "stacks")}
    ids = ParsedPage(render(matrix | none)).ids
    assert not {"causes", "claims", "shims", "allow-lists", "stacks"} & set(ids)


CARRIED = {"carried": "2026-11-18T0100", "finished": "2026-11-18T10:31:04+00:00"}


def test_a_cell_that_was_carried_over_says_how_old_it_is(matrix):
    matrix["cells"][0] |= CARRIED
    matrix["cells"][1] |= {"carried": None, "finished": "2026-11-20T10:40:00+00:00"}
    parsed = ParsedPage(render(matrix))
    assert "carried over from 18 November 2026, 2 days old (run 2026-11-18T0100)" in parsed.text
    assert parsed.text.count("2 days old") == 1 + len(matrix["cells"][0]["checks"])
    name = f"Environment of {matrix['cells'][0]['id']}, 2 days old"
    assert name in [link.get("aria-label") for link in parsed.attributes("a")]
    assert "py3.10 2 days" in parsed.text
    assert "on torch 2.5.1, Python 3.10, 2 days old" in one(matrix, "⊕ shimmed under stock")


def test_a_carried_cell_of_which_nobody_knows_when_it_ran_says_so(matrix):
    matrix["cells"][0] |= {"carried": "2026-11-18T0100", "finished": None}
    shown = ParsedPage(render(matrix)).text
    assert "carried over from run 2026-11-18T0100, of unknown age" in shown


def test_the_top_says_how_many_cells_were_carried_over_and_how_many_ran(matrix, parsed):
    assert "carried over" not in parsed.text
    for each in matrix["cells"][:3]:
        each.update(CARRIED)
    shown = ParsedPage(render(matrix)).text
    assert "32 of 33 have a result; 3 carried over, 29 ran" in shown
    assert "An age beside a Python: the cell was carried over" in shown


def test_an_age_adds_little_to_a_page(matrix, page):
    for each in matrix["cells"]:
        each.update(CARRIED)
    assert len(render(matrix)) < 1.05 * len(page)


def test_a_flaky_check_shows_its_tally(matrix, parsed):
    assert "flaky" not in parsed.text
    checks = matrix["cells"][0]["checks"]
    checks[0]["tally"] = {"fail": 1, "shimmed": 2}
    checks[1]["tally"] = {"shimmed": 3}
    checks[2]["tally"] = {"infra": 1, "shimmed": 2}
    shown = ParsedPage(render(matrix))
    assert "⊕ shimmed shimmed 2, fail 1" in shown.text
    assert "1 flaky check" in shown.text
    assert "Flaky: the tries of a check disagree" in shown.text
    found = details(render(matrix))
    assert "tries shimmed 2, fail 1; they disagree" in found[0]
    assert "tries shimmed 3 got" in found[1]
    assert "tries shimmed 2, infra 1 got" in found[2]
