from __future__ import annotations

import base64
import copy
import gzip
import hashlib
import json
import re

import pytest
import synthetic_matrix
from parsed_page import ParsedPage

from matrix.causes import marked
from matrix.diff import diff
from matrix.page import view
from matrix.page.render import HERE, render, script, style
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.policies import Policy

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}\u202e\x00"
OUTSIDE = {"changes.atom", "matrix.json", "matrix.schema.json", "summary.md"}


@pytest.fixture(scope="module")
def parsed(page):
    return ParsedPage(page)


def embedded(page, name="index"):
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_tags_are_balanced_and_ids_are_unique(parsed):
    assert len(parsed.ids) == len(set(parsed.ids))


def test_every_part_of_the_page_is_there_and_named_in_its_navigation(parsed):
    points = [point for point in parsed.points if point.startswith("#")]
    assert list(view.SHEETS) == [each for each in parsed.ids if each in view.SHEETS]
    assert {f"#{name}" for name in view.SHEETS} <= set(points)
    for title in view.SHEETS.values():
        assert title in parsed.text


def test_every_reference_points_at_something_on_the_page(parsed):
    assert set(parsed.names) <= set(parsed.ids)
    # With a sign of equality it is a state of the view, which the script understands.
    bare = {p[1:] for p in parsed.points if p.startswith("#") and "=" not in p}
    assert bare <= set(parsed.ids)


def test_nothing_is_fetched_from_elsewhere(parsed):
    links = {a["href"] for a in parsed.attributes("a") if a["href"].startswith("https://")}
    outside = {point for point in parsed.points if not point.startswith(("#", "data:"))}
    assert outside - links <= OUTSIDE | {"badges/"}
    sources = [a for _, a in parsed.tags if "src" in a]
    assert all(a["src"].startswith("data:") for a in sources)
    assert not re.search(r"@import|url\(|//[a-z]", style())
    assert not re.search(r"\bfetch\(|XMLHttpRequest|import\(|innerHTML|outerHTML|eval\(", script())


def test_the_policy_lets_our_own_script_and_style_run_and_no_other(parsed, page):
    (policy,) = [a["content"] for t, a in parsed.tags if t == "meta" and "http-equiv" in a]
    (inline,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    (styled,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    for name, content in (("script-src", inline), ("style-src", styled)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not [a for _, attributes in parsed.tags for a in attributes if a.startswith("on")]
    assert not [1 for _, attributes in parsed.tags if "style" in attributes]


def test_the_script_is_one_module_without_imports_between_its_files():
    assert not re.search(r"^(import|export)\b", script(), re.MULTILINE)


def test_no_name_is_at_the_top_of_two_files():
    """They are one module on the page."""
    files = "".join(file.read_text() for file in (HERE / "script").glob("*.js"))
    declared = r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)"
    named = re.findall(declared, files, re.MULTILINE)
    assert "main" in named
    assert sorted(named) == sorted(set(named))


def test_what_is_written_for_those_who_write_it_is_left_out_and_no_more():
    files = [file.read_text() for file in (HERE / "script").glob("*.js")]
    inlined = script()
    assert not re.search(r"^\s*//|^\s*/\*\*|@type|^\s|^\n", inlined, re.MULTILINE)
    assert not re.search(r"^\s*/\*|^\s|^\n", style(), re.MULTILINE)
    # Indentation would be part of a text in backticks that goes on in the next line.
    lines = "".join(files).replace('"`"', "").replace("\\`", "").splitlines()
    assert not [line for line in lines if line.count("`") % 2]
    code = [line.strip() for file in files for line in file.splitlines()]
    code = [line for line in code if line and not line.startswith(("/", "*", "import ", "export "))]
    assert [line for line in code if "@type" not in line and line not in inlined] == []


def test_the_same_matrix_makes_the_same_page(matrix, page):
    assert render(matrix) == page


def test_the_matrix_that_is_given_is_left_as_it_was(matrix):
    render(matrix)
    assert matrix == synthetic_matrix.matrix()


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_word_glyph_colour_and_meaning(parsed, page, outcome):
    assert f"{view.GLYPHS[outcome.value]} {outcome.value} {outcome.meaning}" in parsed.text
    assert parsed.named("b", outcome.value), "it is nowhere in the table"
    assert re.search(rf"\.{outcome.value}\b[^{{}}]*{{ --tone", page)


def test_the_policies_are_the_packages_in_its_order(parsed):
    assert list(view.POLICIES) == [policy.value for policy in Policy]
    for policy, meaning in view.POLICIES.items():
        assert f"{policy} {meaning}" in parsed.text


def test_without_a_script_every_verdict_stands_in_the_table_in_words(parsed):
    assert "In each cell, from top to bottom: stock, patched, allowlisted, strict." in parsed.text
    assert "✕ fail ✓ pass ✓ pass ⊘ refused" in parsed.text


def test_versions_that_differ_by_column_are_named_in_their_cells(page):
    assert '<small>2.11.0</small><b class="pass">' in page


def test_what_was_carried_over_says_its_age_in_the_table(matrix):
    matrix["cells"][0] |= {"carried": "2026-11-18T0100", "finished": "2026-11-18T10:31:04+00:00"}
    assert '<small class="age">2 days old</small>' in render(matrix)


def test_a_nightly_is_written_in_two_lines(page):
    assert '>2.16.0<span class="dev">.dev20261119</span></th>' in page


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


@pytest.mark.parametrize("odd", ["unknown", "2.x", ""])
def test_what_is_no_version_comes_last_and_is_shown_as_it_is(odd):
    matrix = synthetic_matrix.measured(synthetic_matrix.matrix())
    first, other = matrix["cells"][0], matrix["cells"][20]
    first["torch"] = odd
    other["version"] = odd
    matrix["torch"] = [each for each in matrix["torch"] if each != odd] + [odd]
    page = render(matrix, diff(marked(synthetic_matrix.matrix(run="before")), marked(matrix)))
    index = embedded(page)
    assert index["torch"][index["cells"][0]["torch"]] == odd == index["torch"][-1]
    names = re.findall(rf'data-library="{other["library"]}" data-version="([^"]*)"', page)
    assert names[-1] == odd
    assert f"{odd}." in ParsedPage(page).text.partition("Every torch: ")[2]


def test_a_part_of_a_run_says_of_how_many_cells_and_what_unites_it():
    values = {"complete": False, "finished": None, "whole": 40}
    text_ = ParsedPage(render(synthetic_matrix.matrix(**values))).text
    assert "Incomplete run. 32 of 40 cells have a result." in text_
    assert (
        "these are a part of the plan, and python -m matrix merge unites it with the others."
        in text_
    )
    assert "goes on with the rest" not in text_


def test_a_first_run_says_that_there_is_none_before(parsed):
    assert "No earlier complete run of this selection to compare with." in parsed.text


def test_the_top_says_what_changed_since_the_last_complete_run(matrix):
    before = marked(synthetic_matrix.matrix(run="2026-11-19T1031"))
    before["cells"][7]["checks"][1] |= {"outcome": "fail", "stage": "load", "message": "no"}
    found = diff(before, marked(matrix))
    shown = ParsedPage(render(matrix, found)).text
    assert "1 fixed, from run 2026-11-19T1031 to run 2026-11-20T1031. What changed" in shown


def test_a_narrowed_run_says_to_what():
    chosen = {"torch": ["2.5.1", "2.6.0"], "library": []}
    shown = ParsedPage(render(synthetic_matrix.matrix(selection=chosen))).text
    assert "Only torch 2.5.1, 2.6.0" in shown
    assert "Only library" not in shown


def test_the_top_says_in_a_line_when_it_ran_and_whether_it_is_whole(parsed):
    line = "Complete run of 20 November 2026, 11:12 UTC : 32 of 33 cells, on the replica edition"
    assert line in parsed.text


def test_the_top_says_how_much_was_carried_over(matrix):
    for cell in matrix["cells"][:3]:
        cell |= {"carried": "2026-11-18T0100", "finished": "2026-11-18T01:09:00+00:00"}
    shown = ParsedPage(render(matrix)).text
    assert (
        "32 of 33 cells, 3 of them carried over, on the replica edition of each checkpoint."
        in shown
    )


def test_the_top_never_says_that_each_checkpoint_was_opened_in_two_editions(matrix):
    for check in matrix["cells"][0]["checks"]:
        check["edition"] = "reference"
    shown = ParsedPage(render(matrix)).text
    assert "32 of 33 cells, on reference and replica editions of the checkpoints." in shown


def test_news_of_an_incomplete_run_is_of_what_ran_so_far(matrix):
    old = {**copy.deepcopy(matrix), "run": "2026-11-19T1031"}
    matrix["complete"] = False
    shown = ParsedPage(render(matrix, diff(old, matrix))).text
    assert "So far: nothing changed from run 2026-11-19T1031 to run 2026-11-20T1031." in shown


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


def test_hostile_text_is_text_wherever_it_stands(matrix):
    for cell in matrix["cells"]:
        cell["why"] = cell["reason"] = HOSTILE
        cell["distributions"] = {HOSTILE: HOSTILE}
        for check in cell["checks"]:
            check |= {"message": HOSTILE, "globals": [HOSTILE], "output": HOSTILE}
    hostile = dict.fromkeys(("run", "frozen_at", "started", "finished"), HOSTILE)
    page = render({**matrix, **hostile, "notes": [HOSTILE], "selection": {HOSTILE: [HOSTILE]}})
    tags = [tag for tag, _ in ParsedPage(page).tags]
    assert "img" not in tags
    assert len([tag for tag in tags if tag == "script"]) == 3
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "{{7*7}}" in ParsedPage(page).text


def test_what_is_embedded_cannot_end_its_element(matrix):
    matrix["cells"][7]["checks"][0]["message"] = HOSTILE
    page = render(matrix)
    (text,) = [t for t in embedded(page)["texts"] if t.startswith("</script>")]
    assert "\\u202e" in text
    assert HOSTILE in embedded(page, "details-0")["records"]["message"]["values"]
