from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from page import synthetic_matrix
from test_diff import FINE, ODD, cell, check, run

from matrix.diff import diff
from matrix.markdown import code, plain
from matrix.published.summary import LIMIT, NO_EARLIER, summary

HOSTILE = (
    "</td><img src=x onerror=alert(1)> | a\n| b | [x](https://evil.example) www.evil.example "
    "@octocat #12 GH-3 `code` a@b.example &lt; \x00\x1b[31m\u202e\ud800 <!-- ~~~ ```"
)
UNESCAPED = re.compile(r"(?<!\\)[<>\[\]`|]")


@pytest.fixture
def matrix():
    return synthetic_matrix.matrix()


def table(text, first):
    """Return the rows of the table whose header begins with a word."""
    lines = text.splitlines()
    start = lines.index(next(line for line in lines if line.startswith(f"| {first} |")))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([part.strip() for part in line.strip("|").split("|")])
    return rows


def test_a_summary_begins_with_what_was_run_and_whether_all_of_it_was(matrix):
    lines = summary(matrix).splitlines()
    assert lines[0] == "## Matrix run 2026-11-20T1031"
    assert lines[2].startswith("Complete: 33 cells with ")
    assert lines[2].endswith(", replica edition, packages as of 2026-11-20T10:31:00+00:00.")
    assert lines[4].startswith("PyTorch's own index could not be reached")
    matrix |= {"complete": False, "selection": {"library": ["fairseq"]}}
    assert (
        summary(matrix)
        .splitlines()[2]
        .startswith(
            "**Not complete**: what was not run is no verdict, and `nox -s matrix -- --library "
            "fairseq` goes on with it. 33 cells"
        )
    )
    said = summary({**matrix, "whole": 1040}).splitlines()[2]
    assert said.startswith("**Not complete**, a part of the 1,040 cells of its plan: 33 cells")


def test_what_is_confirmed_to_be_slower_is_one_line(matrix):
    assert "slower" not in summary(matrix)
    lines = summary(synthetic_matrix.measured(matrix)).splitlines()
    (line,) = (line for line in lines if "slower" in line)
    yolo = "on torch 2.8.0 and 2.11.0 it takes 1.31 to 1.42 times the time of torch 2.5.1"
    assert line == (
        "**Confirmed to be slower:** "
        f"ultralytics 8.3.162, ultralytics/yolov8n: {yolo}, seen again in 4 to 6 turns; "
        f"ultralytics 8.3.162, ultralytics/yolo11n: {yolo}, seen again in 4 to 6 turns."
    )


def test_of_much_that_is_slower_the_first_stand_for_the_rest(matrix):
    for one in synthetic_matrix.measured(matrix)["cells"]:
        for each in one["checks"]:
            base = {"cell": "x", "torch": HOSTILE, "policy": "stock", "ratio": 2, "runs": 4}
            each["speed"] = {**base, "verdict": "slower"}
    (line,) = (line for line in summary(matrix).splitlines() if "slower" in line)
    assert line.endswith("; and 8 more.")
    assert not UNESCAPED.search(line)


def test_each_outcome_is_counted(matrix):
    rows = {row[0]: row[1:3] for row in table(summary(matrix), "outcome")}
    cells = [cell["outcome"] for cell in matrix["cells"]]
    checks = [c["outcome"] for each in matrix["cells"] for c in each["checks"]]
    for name in ("pass", "unavailable", "infra"):
        (row,) = (row for key, row in rows.items() if key.endswith(f" {name}"))
        assert row[1] == str(cells.count(name))
        assert int(row[0]) <= checks.count(name)
    assert not any(key.endswith(" nothing") for key in rows)


def test_stock_and_allowlisted_stand_side_by_side(matrix):
    text = summary(matrix)
    rows = {row[0]: row[1:] for row in table(text, "library")}
    assert rows["library"] == [*synthetic_matrix.TORCH]
    assert rows["ultralytics 8.1.0"] == ["✓ ✓", *["✕ ✓"] * 6]
    assert rows["fairseq 0.12.2"][-1] == "∅ ∅"
    assert rows["pyannote.audio 3.4.0 beside lightning 2.5.6"][2] == "✓ -"
    assert rows["torchaudio 2.5.1, Python 3.9"] == ["✓ -", *[""] * 6]
    assert "In each column stock, then allowlisted; ◐ 1/2: one of two checks works" in text


def test_some_checks_of_several_are_counted(matrix):
    cells = [each for each in matrix["cells"] if each["version"] == "8.2.64"]
    cells[0]["checks"][0]["outcome"] = "fail"
    rows = {row[0]: row[1:] for row in table(summary(matrix), "library")}
    assert rows["ultralytics 8.2.64"][0] == "◐ 1/2 ✓"


def test_a_run_of_one_policy_shows_that(matrix):
    for each in matrix["cells"]:
        each["checks"] = [c for c in each["checks"] if c["policy"] == "strict"]
    assert "\n### strict\n" in summary(matrix)


def test_changes_are_told_as_for_an_issue():
    old, new = (cell(check(**each)) for each in (FINE, ODD))
    asked = {"notes": [], "torch": ["2.8.0"], "frozen_at": "2026-11-20", "causes": []}
    runs = [run(old, name="2026-11-19T0100", **asked), run(new, **asked)]
    text = summary(runs[1], diff(*runs))
    assert "### 1 regressed, from run 2026-11-19T0100 to run 2026-11-20T0100." in text
    assert "- **regressed** coqui-tts 0.28.0 · torch 2.8 · stock · a/b: pass" in text
    assert f"### Changes\n\n{NO_EARLIER}\n" in summary(runs[1])


def test_failures_that_nobody_knows_are_listed_with_their_command(matrix):
    text = summary(matrix)
    assert "### Failures that are not known yet" in text
    part = text.partition("### Failures that are not known yet")[2]
    unknown = [cause for cause in matrix["causes"] if not cause["known"]]
    assert part.count("\n  - reproduce: `nox -s cell -- py") == len(unknown) > 1
    known = [{**cause, "known": True} for cause in matrix["causes"]]
    assert "not known yet" not in summary({**matrix, "causes": known})


def hostile(matrix):
    for number, each in enumerate(matrix["cells"]):
        each |= {"id": f"{HOSTILE}{number}", "library": HOSTILE, "version": HOSTILE}
        each |= {"reason": HOSTILE, "beside": HOSTILE, "distributions": {HOSTILE: HOSTILE}}
        for check_ in each["checks"]:
            check_ |= {"message": HOSTILE, "exception": HOSTILE, "checkpoint": HOSTILE}
    return synthetic_matrix.answered(
        matrix | {"run": HOSTILE, "notes": [HOSTILE], "frozen_at": HOSTILE}
    )


def test_hostile_words_are_text(matrix):
    matrix = hostile(matrix)
    text = summary(matrix, diff({**matrix, "run": f"{HOSTILE}1"}, matrix))
    assert text.replace("\n", "").isprintable()
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert not set(re.findall(r"<(\w+)", html)) & {"a", "img", "script"}
    assert "&lt;/td&gt;&lt;img src=x onerror=alert(1)&gt; | a\\n| b | [x](https:" in html
    # What GitHub itself would link in text, though never in code.
    words = re.sub(r"<code>.*?</code>", "", html)
    assert not re.search(r"@\w|(?<!&)#\d|GH-\d|www\.|://", words)


def test_a_table_keeps_its_columns_whatever_a_name_holds(matrix):
    for each in matrix["cells"]:
        each["library"] = f"a|b\n|c`{each['library']}"
    rows = re.findall(r"^\| .*\|$", summary(matrix), re.MULTILINE)
    columns = {len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows}
    assert columns == {4, 1 + len(synthetic_matrix.TORCH)}


def many(matrix, count):
    """Return a matrix with many versions, each failing in a way of its own."""
    (like,) = [c for c in matrix["cells"] if c["id"] == "py3.12-torch2.6.0-ultralytics8.1.0"]
    cells = []
    for number in range(count):
        words = f"{'odd ' * 40}{'abcdefghij'[number % 10] * (1 + number // 10)}"
        checks = [{**c, "message": words, "outcome": "fail"} for c in like["checks"]]
        version = f"1.{number}+{'local' * 30}"
        cells.append({**like, "id": f"cell-{number}", "version": version, "checks": checks})
    return synthetic_matrix.answered({**matrix, "cells": cells})


def test_it_fits_an_issue_and_says_what_it_leaves_out(matrix):
    new = many(matrix, 250)
    old = {**new, "cells": [{**c, "checks": works(c["checks"])} for c in new["cells"]]}
    text = summary(new, diff(old, new))
    assert LIMIT // 2 < len(text) <= LIMIT
    assert re.search(r"\n\d+ more rows do not fit here\.\n", text)
    assert re.search(r"\n\d+ more causes do not fit here\.\n$", text)


def works(checks):
    return [{**each, "outcome": "pass", "message": None} for each in checks]


def test_very_long_words_fit_too(matrix):
    text = "<@#" * 40_000
    for each in matrix["cells"]:
        each |= {"library": text, "reason": text, "torch": text}
        for check_ in each["checks"]:
            check_ |= {"message": text, "checkpoint": text, "library": text}
    matrix |= {"notes": [text] * 100, "run": text, "torch": [text]}
    assert len(summary(synthetic_matrix.answered(matrix))) <= LIMIT


@given(st.text())
def test_plain_text_has_no_syntax_left_and_code_says_what_it_was(text):
    shown = plain(text)
    assert not UNESCAPED.search(shown)
    assert "\n" not in shown
    written = code(text)
    fence = re.match("`+", written)[0]
    assert written.endswith(fence)
    assert f"`{fence}" not in written[len(fence) : -len(fence)]
    assert "\n" not in written
