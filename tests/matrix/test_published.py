"""What a run shows is published: all of it at its end, and the page alone while it grows."""

from __future__ import annotations

import dataclasses
import html
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from matrix import history
from matrix.__main__ import main
from matrix.published import Publisher, compared, files, publish, publisher
from matrix.store import RunFolder, write_json
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line

ID = "py3.11-torch2.5.1-ultralytics8.1.0"
CELLS = (ID, "py3.11-torch2.6.0-ultralytics8.1.0")
NAMES = ("2026-11-19T0100", "2026-11-20T0100", "2026-11-21T0100")
MACHINES = {"changes.atom", "changes.json", "summary.md", "badges"}
PAGE = {"matrix.json", "matrix.schema.json", "index.html"}


@pytest.fixture
def made(tmp_path, planned_cell, make_plan_of):
    """Plan a run of two cells, and write what the given ones said under stock."""

    def make(name=NAMES[1], root="runs", **outcomes):
        cells = [planned_cell(each, torch=each[12:17]) for each in CELLS]
        frozen = {"run": name, "frozen_at": f"{name[:13]}:00:00+00:00"}
        plan = dataclasses.replace(make_plan_of(*cells), **frozen)
        folder = RunFolder(tmp_path / root / name)
        write_json(folder.plan, plan.to_dict())
        for cell, outcome in zip(cells, outcomes.get("said", ("pass", "pass"))):
            if outcome:
                said(folder, cell, Outcome(outcome))
        return plan, folder

    return make


def said(folder, cell, outcome):
    for policy in ("stock", "patched", "allowlisted", "strict"):
        record = Record("ultralytics/yolov8n", "replica", policy, outcome, "ultralytics")
        failed = {"exception": "OddError", "message": "odd"} if outcome is Outcome.FAIL else {}
        opened = record.changed(sha256="0" * 64, **failed)
        append_line(folder.cell(cell.id).checks, opened.to_dict())
    ended = {"id": cell.id, "outcome": None, "reason": None, "seconds": {}, "carried": None}
    write_json(folder.cell(cell.id).result, {**ended, "finished": "2026-11-20T02:00:00+00:00"})


def names(folder):
    found = {path.name for path in folder.path.iterdir() if not path.name.startswith(".")}
    return found - {"cells", "plan.json", "lock"}


def contents(folder):
    paths = [path for path in folder.path.rglob("*") if path.is_file()]
    return {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in paths}


def test_a_run_is_published_with_all_that_lies_beside_its_page(made):
    plan, folder = made()
    publish(plan, folder)
    assert names(folder) == PAGE | MACHINES
    assert folder.page.read_text().startswith("<!doctype html>")
    assert folder.summary.read_text().startswith(f"## Matrix run {NAMES[1]}\n\nComplete: 2 cells")
    stems = {"ultralytics", "ultralytics-8.1.0"}
    badges = {path.name for path in folder.badges.iterdir()}
    assert badges == {
        *(f"{stem}.{kind}" for stem in stems for kind in ("svg", "json")),
        *(f"{cell}.svg" for cell in CELLS),
    }
    picture = ET.parse(folder.badges / "ultralytics.svg").getroot()
    endpoint = json.loads((folder.badges / "ultralytics.json").read_text())
    label = f"{endpoint['label']}: {endpoint['message']}"
    assert picture.attrib["aria-label"] == label == "ultralytics 8.1.0: torch 2.5, 2.6"


def test_the_matrix_names_its_schema_which_lies_beside_it(made):
    plan, folder = made()
    matrix = publish(plan, folder)
    written = json.loads(folder.matrix.read_text())
    assert written.pop("$schema") == folder.schema.name
    assert written == json.loads(json.dumps(matrix))
    assert folder.schema.read_bytes() == files.SCHEMA.read_bytes()
    schema = json.loads(folder.schema.read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(folder.matrix.read_text()))


def test_a_run_that_is_alone_has_nothing_to_compare_with(made):
    plan, folder = made()
    publish(plan, folder)
    changes = json.loads(folder.changes.read_text())
    assert (changes["old"], changes["groups"]) == (None, [])
    assert changes["new"]["run"] == NAMES[1]
    assert changes["new"]["complete"] is True
    assert "<entry>" not in folder.feed.read_text()
    assert "there is nothing to compare with" in folder.summary.read_text()


def test_changes_since_the_last_complete_run_are_in_every_file(made):
    publish(*made(NAMES[0]))
    plan, folder = made(said=("pass", "fail"))
    publish(plan, folder)
    changes = json.loads(folder.changes.read_text())
    assert changes["old"]["run"] == NAMES[0]
    assert changes["counts"]["regressed"] == 4
    assert folder.feed.read_text().count("<entry>") == 1
    assert "4 regressed, from run 2026-11-19T0100" in folder.summary.read_text()
    assert "4 regressed" in folder.page.read_text()


def test_a_part_of_a_run_tells_no_cell_of_another_part_as_removed(made):
    publish(*made(NAMES[0]))
    plan, folder = made(said=("fail", None))
    alone = dataclasses.replace(plan, cells=plan.cells[:1], whole=CELLS)
    matrix = publish(alone, folder)
    assert (matrix["whole"], matrix["complete"]) == (2, False)
    counts = json.loads(folder.changes.read_text())["counts"]
    assert {kind: count for kind, count in counts.items() if count} == {"regressed": 4}
    assert "whole" not in publish(plan, folder)


def test_the_feed_goes_on_with_what_earlier_nights_had(made):
    publish(*made(NAMES[0]))
    publish(*made(NAMES[1], said=("pass", "fail")))
    plan, folder = made(NAMES[2])
    publish(plan, folder)
    titles = [
        entry.find("{http://www.w3.org/2005/Atom}title").text.split()[0]
        for entry in ET.parse(folder.feed).getroot().iter("{http://www.w3.org/2005/Atom}entry")
    ]
    assert titles == ["fixed", "regressed"]


def test_what_grows_is_the_page_alone_and_what_was_before_it_is_read_once(made, monkeypatch):
    publish(*made(NAMES[0]))
    read = []
    before = publisher.before
    monkeypatch.setattr(publisher, "before", lambda *words: read.append(1) or before(*words))
    old = history.read
    monkeypatch.setattr(publisher.history, "read", lambda root: read.append(2) or old(root))
    plan, folder = made(said=("pass", None))
    growing = Publisher(plan, folder)
    for _ in range(3):
        assert growing.page()["complete"] is False
    assert names(folder) == PAGE
    said(folder, plan.cells[1], Outcome.FAIL)
    growing.beside(growing.page())
    assert names(folder) == PAGE | MACHINES
    assert sorted(read) == [1, 2]


def test_an_incomplete_run_says_so_in_every_file(made):
    plan, folder = made(said=("pass", None))
    publish(plan, folder)
    assert "**Not complete**" in folder.summary.read_text()
    assert json.loads(folder.changes.read_text())["new"]["complete"] is False
    endpoint = json.loads((folder.badges / "ultralytics.json").read_text())
    assert endpoint["message"] == "torch 2.5, incomplete"
    assert ">incomplete</text>" in (folder.badges / f"{CELLS[1]}.svg").read_text()
    # What was not reached is no change.
    publish(*made(NAMES[0]))
    publish(plan, folder)
    assert json.loads(folder.changes.read_text())["counts"]["regressed"] == 0


def broken(folder, how):
    if how == "no matrix":
        return
    if how == "a folder":
        folder.matrix.mkdir()
    elif how == "secret":
        write_json(folder.matrix, {})
        folder.matrix.chmod(0)
    else:
        folder.matrix.write_text(how)


@pytest.mark.parametrize(
    "how", ["no matrix", "a folder", "secret", "", "{", "[]", "[" * 100_000, '{"cells": 1}', "\0"]
)
def test_a_sibling_that_cannot_be_read_is_passed_over(made, how):
    publish(*made(NAMES[0]))
    _, other = made(NAMES[1])
    broken(other, how)
    plan, folder = made(NAMES[2], said=("pass", "fail"))
    matrix = publish(plan, folder)
    assert json.loads(folder.changes.read_text())["old"]["run"] == NAMES[0]
    assert compared(folder, matrix).old["run"] == NAMES[0]


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ({"cells": [{"id": 1}]}, "not of the form that is read here (KeyError("),
        ({"cells": {}}, ""),
        ({"cells": [1]}, "not of the form that is read here (TypeError("),
        ({"run": None}, ""),
        ({"torch": None}, ""),
        ({"cells": "odd"}, "not of the form that is read here (TypeError("),
        ({"schema": 2}, "its matrix.json has schema 2, and 1 is the one that is read here."),
        ({"schema": None}, "its matrix.json has schema None, and 1 is"),
    ],
)
def test_an_earlier_run_of_another_form_stops_nothing_and_is_told(made, damage, wrong):
    before, old = made(NAMES[0])
    matrix = publish(before, old)
    write_json(old.matrix, {**matrix, **damage})
    plan, folder = made()
    publish(plan, folder)
    assert names(folder) == PAGE | MACHINES
    page, text = html.unescape(folder.page.read_text()), folder.summary.read_text()
    said = f"Run {NAMES[0]} was before it and can't be compared with: "
    next_ = "<code>python -m matrix render</code> writes it anew where it is named."
    assert [said in page, next_ in page, "can't be compared with" in text] == [bool(wrong)] * 3
    assert page.count(wrong) >= 2
    assert ("No earlier complete run" in page) is False
    assert json.loads(folder.changes.read_text())["new"]["run"] == NAMES[1]


def test_a_run_of_which_none_was_before_tells_of_no_other(made):
    _, folder = made()
    publish(*made())
    assert "No earlier complete run of this selection" in folder.page.read_text()
    assert "can't be compared" not in html.unescape(folder.page.read_text())


def test_a_version_that_is_none_in_an_earlier_run_stops_nothing(made):
    before, old = made(NAMES[0])
    matrix = publish(before, old)
    matrix["cells"][0]["torch"] = "odd"
    write_json(old.matrix, matrix)
    plan, folder = made()
    publish(plan, folder)
    changes = json.loads(folder.changes.read_text())
    assert changes["old"]["run"] == NAMES[0]
    assert {kind: count for kind, count in changes["counts"].items() if count} == {
        "new": 4,
        "removed": 4,
    }
    assert compared(folder, json.loads(folder.matrix.read_text())) is not None


@pytest.mark.parametrize("odd", ["unknown", "2.x", ""])
@pytest.mark.parametrize("field", ["torch", "version"])
def test_a_run_of_what_is_no_version_is_published_and_compared_and_recommends_nothing(
    made, capsys, field, odd
):
    publish(*made(NAMES[0]))
    plan, folder = made()
    cells = (dataclasses.replace(plan.cells[0], **{field: odd}), plan.cells[1])
    torch = tuple(cell.torch for cell in cells)
    write_json(folder.plan, dataclasses.replace(plan, cells=cells, torch=torch).to_dict())
    assert main(["render", str(folder.path)]) == 0
    assert main(["diff", str(folder.path), str(folder.path)]) == 0
    assert main(["recommend", "--runs", str(folder.path.parent), "--library", "ultralytics"]) == 2
    assert f'(InvalidVersion("Invalid version: {odd!r}"))' in capsys.readouterr().err


def test_a_run_whose_torch_is_no_text_is_not_compared_and_it_is_said_what_is_wrong(made, capsys):
    plan, folder = made()
    matrix = publish(plan, folder)
    matrix["cells"][0]["torch"] = None
    write_json(folder.matrix, matrix)
    assert main(["diff", str(folder.path), str(folder.path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder.matrix} is not of the form that is read here (TypeError('the torch of "
        f"{CELLS[0]} is None')); `python -m matrix render {folder.path}` writes it anew\n"
    )


def test_a_history_that_cannot_be_read_stops_nothing(made):
    plan, folder = made()
    (folder.path.parent / "history").write_text("in the way")
    publish(plan, folder)
    assert names(folder) == PAGE | MACHINES


def test_a_run_published_again_has_the_same_bytes_however_much_later(made):
    plans = [made(NAMES[0]), made(NAMES[1], said=("pass", "fail"))]
    for plan, folder in plans:
        history.write(folder.path.parent, publish(plan, folder))
    first = contents(plans[1][1])
    third, later = made(NAMES[2])
    history.write(later.path.parent, publish(third, later))
    for _, folder in plans:
        assert main(["render", str(folder.path)]) == 0
    assert contents(plans[1][1]) == first


def test_trends_are_those_of_the_run_with_its_own_word(made):
    for name, second in zip(NAMES, ("pass", "fail", "pass")):
        plan, folder = made(name, said=("pass", second))
        matrix = publish(plan, folder)
        history.write(folder.path.parent, matrix)
    found = history.read(folder.path.parent)
    lines = {name: history.as_of(found, {**matrix, "run": name}).lines for name in NAMES}
    assert {line.run for line in lines[NAMES[2]]} == set(NAMES)
    _, middle = made(NAMES[1], said=("pass", "fail"))
    middle = json.loads(middle.matrix.read_text())
    (trend,) = [
        each for each in history.trends(history.as_of(found, middle)) if each.newest.torch == "2.6"
    ]
    assert trend.trend.state.value == "bad"
    assert trend.trend.last_good.line.run == NAMES[0]
    unfinished = {**middle, "complete": False}
    assert {line.run for line in history.as_of(found, unfinished).lines} == {NAMES[0]}


def test_what_the_run_says_now_counts_and_not_what_it_said(made):
    plan, folder = made(said=("pass", "fail"))
    history.write(folder.path.parent, publish(plan, folder))
    found = history.read(folder.path.parent)
    matrix = json.loads(folder.matrix.read_text())
    for each in matrix["cells"][1]["checks"]:
        each["outcome"] = "pass"
    now = history.trends(history.as_of(found, matrix))
    assert {each.trend.state.value for each in now} == {"good"}


def test_a_copy_of_a_run_is_not_the_one_before_it(made):
    plan, folder = made()
    publish(plan, folder)
    part = RunFolder(folder.path.with_name("2026-11-01T0000"))
    folder.path.rename(part.path)
    _, again = made()
    publish(plan, again)
    assert json.loads(again.changes.read_text())["old"] is None


def test_merging_publishes_all_of_it_and_keeps_its_line(made, tmp_path, capsys):
    _, folder = made(root="parts")
    into = RunFolder(tmp_path / "runs" / NAMES[1])
    assert main(["merge", str(folder.path), "--into", str(into.path)]) == 0
    assert names(into) == PAGE | MACHINES
    assert history.file_of(into.path.parent, NAMES[1]).exists()
    assert "2 of 2 cells" in capsys.readouterr().out


def test_a_reader_sees_each_file_whole(made, monkeypatch):
    plan, folder = made()
    publish(plan, folder)
    first = contents(folder)

    def full(*_):
        message = "No space left on device"
        raise OSError(message)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        publish(plan, folder)
    monkeypatch.undo()
    assert contents(folder) == first
