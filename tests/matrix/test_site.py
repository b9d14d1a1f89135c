"""What is published of all runs: the last complete one at the root, a newer one beside it."""

from __future__ import annotations

import dataclasses
import re

import pytest
from test_published import NAMES, contents, made  # noqa: F401 - a fixture

from matrix import __main__ as command
from matrix import history, questions, site
from matrix.plan import Selection
from matrix.published import publish
from matrix.store import RunFolder, read_json, write_json, write_text
from matrix.thinning import thin

PART = Selection(torch=("2.5.1",))


@pytest.fixture
def night(made):  # noqa: F811
    """Publish a run of two cells, as a night does."""

    def publish_it(name, *said, **fields):
        plan, folder = made(name, said=said or ("pass", "pass"))
        plan = dataclasses.replace(plan, **fields)
        write_json(folder.plan, plan.to_dict())
        history.write(folder.path.parent, publish(plan, folder))
        return folder

    return publish_it


@pytest.fixture
def make(tmp_path, capsys):
    """Make the site of the runs, and return what was printed."""

    def make(*words, code=0):
        assert (
            command.main(["site", *map(str, (tmp_path / "runs", tmp_path / "out", *words))]) == code
        )
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return make


def published(tmp_path):
    return contents(RunFolder(tmp_path / "out"))


def test_a_complete_run_is_the_site_with_its_history_and_the_documents(tmp_path, night, make):
    folder = night(NAMES[0])
    write_text(tmp_path / "docs" / "index.html", "read me")
    assert make("--docs", tmp_path / "docs") == f"{tmp_path / 'out'}: {NAMES[0]}\n"
    found = published(tmp_path)
    for name in ("index.html", "matrix.json", "matrix.schema.json", "changes.json", "summary.md"):
        assert found[name] == (folder.path / name).read_bytes()
    assert found["badges/ultralytics.svg"] == (folder.badges / "ultralytics.svg").read_bytes()
    assert found["docs/index.html"] == b"read me"
    assert found[f"history/{NAMES[0]}.jsonl"]
    assert not any("cells/" in name or "plan.json" in name for name in found)


def test_a_run_that_is_not_complete_lies_beside_the_last_that_is(tmp_path, night, make):
    whole, half = night(NAMES[0]), night(NAMES[1], "pass", None)
    said = f"{tmp_path / 'out'}: {NAMES[0]}; {NAMES[1]} is not complete, and beside it\n"
    assert make() == said
    found = published(tmp_path)
    assert found["matrix.json"] == whole.matrix.read_bytes()
    assert found["incomplete/index.html"] == half.page.read_bytes()
    assert found["incomplete/matrix.json"] == half.matrix.read_bytes()
    page = found["index.html"].decode()
    note = re.search(r"<body>\n<aside aria-label=.*</aside>\n", page)[0]
    assert f'A newer run, {NAMES[1]}, is not complete: <a href="incomplete/">' in note
    assert page.replace(note, "<body>\n") == whole.page.read_text()


def test_the_next_complete_run_takes_the_place_of_both(tmp_path, night, make):
    night(NAMES[0])
    night(NAMES[1], "pass", None)
    make()
    night(NAMES[2])
    assert make() == f"{tmp_path / 'out'}: {NAMES[2]}\n"
    assert not any(name.startswith("incomplete/") for name in published(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"out", "runs"}


def test_where_no_run_is_complete_the_newest_is_shown_and_says_so(tmp_path, night, make):
    half = night(NAMES[0], "pass", None)
    assert make() == f"{tmp_path / 'out'}: {NAMES[0]}\n"
    assert published(tmp_path)["index.html"] == half.page.read_bytes()


def test_a_site_that_fails_on_the_way_leaves_the_one_before_it(tmp_path, night, make, monkeypatch):
    night(NAMES[0])
    make()
    before = published(tmp_path)
    night(NAMES[1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.shutil, "copytree", full)
    assert "No space left on device" in make(code=2)
    assert published(tmp_path) == before


def test_what_is_no_site_is_left_alone_and_what_is_missing_is_said(tmp_path, night, make):
    assert "holds no run with a matrix.json; `nox -s matrix` makes one" in make(code=2)
    folder = night(NAMES[0])
    words = f"{tmp_path / 'docs'} has no index.html; build the documentation first: nox -s docs"
    assert words in make("--docs", tmp_path / "docs", code=2)
    write_text(tmp_path / "out" / "letter.txt", "dear")
    words = f"{tmp_path / 'out'} holds something else than a site; name a new folder, or empty"
    assert words in make(code=2)
    folder.page.unlink()
    assert f"{folder.path} has no page; `python -m matrix render {folder.path}`" in make(code=2)


def test_of_runs_before_the_last_two_complete_ones_only_what_is_told_is_kept(tmp_path, night, make):
    old = [night(NAMES[0]), night(NAMES[1], "pass", None)]
    whole = [
        night(NAMES[2], "pass", "fail"),
        night("2026-11-22T0100", "pass", None),
        night("2026-11-23T0100"),
        night("2026-11-24T0100", "pass", None),
    ]
    kept = [contents(each) for each in whole]
    for _ in range(2):
        make("--thin")
        assert [set(contents(each)) for each in old] == [{"plan.json", "changes.json"}] * 2
        assert [contents(each) for each in whole] == kept
    command.main(["render", str(whole[2].path)])
    assert contents(whole[2]) == kept[2]
    complete = {NAMES[0], NAMES[2], "2026-11-23T0100"}
    assert {line.run for line in history.read(tmp_path / "runs").lines} == complete


def test_runs_of_a_part_take_nothing_from_those_of_all(tmp_path, night, make):
    whole = [night(NAMES[0], edition="auto"), night(NAMES[1], edition="auto")]
    kept = [contents(each) for each in whole]
    parts = [night(f"2026-11-2{day}T0100", selection=PART) for day in (2, 3, 4)]
    other = night("2026-11-25T0100", edition="reference")
    left = f"{other.path.name} is of another selection or edition, and left out"
    assert make("--thin") == f"{tmp_path / 'out'}: {NAMES[1]}; {left}\n"
    assert [contents(each) for each in whole] == kept
    assert published(tmp_path)["matrix.json"] == kept[1]["matrix.json"]
    assert [each.matrix.exists() for each in (*parts, other)] == [False, True, True, True]


def test_a_part_is_the_site_where_it_is_all_there_is_and_where_all_is_swept_no_more(
    tmp_path, night, make, monkeypatch
):
    monkeypatch.setattr(site, "RECENT", 5)
    first = night(NAMES[0], selection=PART)
    assert make() == f"{tmp_path / 'out'}: {first.path.name}\n"
    whole = night(NAMES[1])
    for hour in range(site.RECENT):
        assert make("--thin").startswith(f"{tmp_path / 'out'}: {whole.path.name}")
        last = night(f"2026-11-22T{hour:02}00", selection=PART)
    assert make("--thin") == f"{tmp_path / 'out'}: {last.path.name}\n"


def test_of_runs_that_are_not_complete_the_newest_two_stay_whole(night, make):
    whole = night(NAMES[0])
    stopped = [night(f"2026-11-21T{hour:02}00", "pass", None) for hour in range(4)]
    stopped[1].changes.unlink()  # stopped before its end
    make("--thin")
    assert [each.matrix.exists() for each in (whole, *stopped)] == [True, False, False, True, True]


def test_a_run_whose_plan_cannot_be_read_is_left_as_it_is(night, make):
    odd = night(NAMES[0])
    odd.plan.write_text("[]")
    kept = contents(odd)
    for day in (1, 2, 3):
        night(f"2026-11-2{day}T0100")
    make("--thin")
    assert contents(odd) == kept


def test_a_run_that_cannot_be_read_is_none_of_the_two(night, make):
    found = [night(name) for name in NAMES]
    found[1].changes.write_text("{")
    kept = [contents(each) for each in found]
    make("--thin")
    assert [contents(each) for each in found] == kept


def test_runs_of_another_project_in_the_same_folder_take_nothing_and_are_not_compared_with(
    night, tmp_path
):
    theirs = {"name": "theirs", "folder": "../theirs", "checkpoints": {}}
    mine = [night(f"2026-11-2{day}T0100") for day in (1, 3)]
    others = [night(f"2026-11-2{day}T0100", project=theirs) for day in (2, 4)]
    assert thin(tmp_path / "runs") == 0
    assert questions.before(mine[1].path, read_json(mine[1].matrix))[0] == mine[0].path
    assert questions.before(others[1].path, read_json(others[1].matrix))[0] == others[0].path


def test_how_many_runs_were_made_small_is_told_once(night, tmp_path):
    for day in (1, 2, 3, 4):
        night(f"2026-11-2{day}T0100")
    assert [thin(tmp_path / "runs") for _ in range(2)] == [2, 0]
