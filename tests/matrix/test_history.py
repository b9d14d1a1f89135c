from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix import history
from matrix.__main__ import main
from matrix.history import State, chosen, file_of, lines, read, rebuild, trends, write
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record

NIGHTLY = "2.16.0.dev202611{:02}"


def check(outcome="pass", tally=None, name="a/b", policy="stock", **fields):
    values = {"edition": "replica", "sha256": "0" * 64, **fields}
    data = Record(checkpoint=name, policy=policy, outcome=Outcome(outcome), **values).to_dict()
    return {**data, "tally": tally}


def cell(*checks, torch="2.8.0", carried=None, **fields):
    return {
        "library": "ultralytics",
        "version": "8.1.0",
        "beside": "",
        "python": "3.12",
        "torch": torch,
        "torch_build": f"{torch}+cpu",
        "outcome": checks[0]["outcome"] if checks else "not-run",
        "carried": carried,
        "finished": None,
        "checks": list(checks),
        **fields,
    }


def night(day, *cells, **fields):
    name = f"2026-11-{day:02}T0100"
    started = f"2026-11-{day:02}T01:00:00+00:00"
    whole = {"selection": {"torch": []}, "complete": True}
    return {"run": name, "started": started, **whole, "cells": list(cells), **fields}


def kept(root, *nights):
    """Write nights and return what is read of them."""
    for each in nights:
        write(root, each)
    return trends(read(root))


def one(root, *words):
    """Return the trend of a cell whose check said these words, night after night."""
    nights = []
    for number, word in enumerate(words, start=1):
        outcome, _, carried = word.partition(" of ")
        tally = {"pass": 1, "fail": 1} if outcome == "flaky" else None
        made = check("pass" if tally else outcome, tally)
        nights.append(
            night(number, cell(made, carried=f"2026-11-0{carried}T0100" if carried else None))
        )
    (found,) = kept(root, *nights)
    return found.trend


def figures(trend):
    first, last = (point and point.line.run[8:10] for point in (trend.first_bad, trend.last_good))
    return trend.state.value, last, first, len(trend.present), trend.flips


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pass", ("good", "01", None, 1, 0)),
        ("pass,fail,fail", ("bad", "01", "02", 2, 1)),
        ("fail,fail", ("bad", None, "01", 2, 0)),
        ("pass,fail,pass,shimmed", ("good", "04", None, 2, 2)),
        ("pass,crash,timeout,unavailable", ("bad", "01", "02", 3, 1)),
        # What says nothing neither ends a streak nor counts in it.
        ("pass,infra,not-run,fail,infra", ("bad", "01", "04", 1, 1)),
        ("infra", ("unknown", None, None, 0, 0)),
        # Tries that disagree are no flip.
        ("pass,flaky,pass", ("good", "03", None, 2, 0)),
        ("pass,fail,flaky", ("flaky", "01", None, 1, 1)),
        ("fail,flaky,flaky", ("flaky", None, None, 2, 0)),
        # What is carried over was seen once.
        ("fail,fail of 1,fail of 1", ("bad", None, "01", 1, 0)),
        ("pass,pass of 1,fail,fail of 3", ("bad", "01", "03", 1, 1)),
        ("pass,pass,pass of 1", ("good", "02", None, 2, 0)),
        # It is a change of the word, where another one was in between.
        ("pass,fail,pass of 1,pass of 1", ("good", "03", None, 1, 2)),
        # A run that is not known here was seen where it was first carried over.
        ("fail of 9,fail of 9,fail of 8", ("bad", None, "01", 2, 0)),
    ],
)
def test_a_streak_is_of_nights_that_saw_something(tmp_path, words, expected):
    assert figures(one(tmp_path, *words.split(","))) == expected


def test_a_cell_is_bad_where_a_check_does_not_work_and_a_refusal_is_no_such_thing(tmp_path):
    fine, refused = check(), check("refused", policy="strict")
    for checks, state in (
        ((fine, refused), State.GOOD),
        ((refused,), State.GOOD),
        ((fine, refused, check("degraded", policy="patched")), State.BAD),
        ((fine, check("infra", policy="patched")), State.GOOD),
        ((fine, check("fail", {"fail": 1, "pass": 1}, policy="patched")), State.FLAKY),
    ):
        (found,) = kept(tmp_path, night(1, cell(*checks)))
        assert found.trend.state is state
    assert found.checks["a/b", "forward", "stock"].state is State.GOOD


def test_a_check_that_was_not_reached_says_what_its_cell_does(tmp_path):
    gone = cell(check("not-run"), outcome="unavailable")
    (found,) = kept(tmp_path, night(1, cell(check())), night(2, gone))
    assert figures(found.checks["a/b", "forward", "stock"]) == ("bad", "01", "02", 1, 1)


def test_an_experiment_has_no_history(tmp_path):
    made = cell(check(), check("fail", use="mute", experiment=True))
    (found,) = kept(tmp_path, night(1, made))
    assert (found.trend.state, list(found.checks)) == (State.GOOD, [("a/b", "forward", "stock")])


def test_words_on_another_edition_are_not_compared(tmp_path):
    nights = [
        night(number, cell(check(word, edition=edition)))
        for number, (word, edition) in enumerate(
            [("fail", "reference"), ("pass", "replica"), ("fail", "replica")], start=1
        )
    ]
    (found,) = kept(tmp_path, *nights)
    assert figures(found.trend) == ("bad", "02", "03", 1, 1)
    assert figures(found.checks["a/b", "forward", "stock"]) == ("bad", "02", "03", 1, 1)


def test_a_cell_is_the_same_one_over_nights_patches_and_versions_that_follow_torch(tmp_path):
    paired = {"library": "torchaudio", "version": "2.16.0.dev1"}
    nights = [
        night(n, cell(check(), torch=NIGHTLY.format(n)), cell(check(), torch=f"2.15.{n}", **paired))
        for n in (1, 2)
    ]
    names = [found.name for found in kept(tmp_path, *nights)]
    assert names == ["py3.12-torch2.15-torchaudio", "py3.12-torchnightly-ultralytics8.1.0"]


def test_of_two_patches_of_one_torch_in_a_run_the_newer_counts(tmp_path):
    both = [cell(check("fail"), torch="2.8.9"), cell(check(), torch="2.8.10")]
    for cells in (both, both[::-1]):
        (found,) = kept(tmp_path, night(1, *cells))
        assert found.trend.last_good.line.build == "2.8.10+cpu"


def test_a_cell_is_gone_where_a_later_sweep_of_everything_leaves_it_out(tmp_path):
    old, new = cell(check("fail")), cell(check(), version="8.2.0")
    (here, gone) = kept(tmp_path, night(1, old), night(2, new))
    assert [(each.newest.version, each.gone) for each in (here, gone)] == [
        ("8.2.0", False),
        ("8.1.0", True),
    ]
    text = list(lines(read(tmp_path), [here, gone]))
    assert text[0].endswith(": 1 good, 1 gone from the sweep.")
    assert text[-1].endswith("py3.12-torch2.8-ultralytics8.1.0 (gone)")


def test_a_run_that_was_narrowed_takes_no_cell_away(tmp_path):
    narrow = night(2, cell(check(), version="8.2.0"), selection={"library": ["ultralytics==8.2.0"]})
    assert [each.gone for each in kept(tmp_path, night(1, cell(check())), narrow)] == [False] * 2


def test_a_run_that_is_not_complete_is_not_kept(tmp_path):
    assert write(tmp_path, night(1, cell(check()), complete=False)) is None
    assert not (tmp_path / "history").exists()


def test_a_matrix_from_before_cells_were_carried_over_is_kept_too(tmp_path):
    made = cell(check())
    del made["carried"], made["finished"], made["checks"][0]["tally"]
    (found,) = kept(tmp_path, night(1, made))
    assert found.trend.state is State.GOOD


@pytest.mark.parametrize(
    "run",
    [
        "a b",
        "é\n..",
        "..",
        ".x",
        "",
        "-",
        "x" * 255,
        "é" * 120,
        "C:\\x",
        "up/../../x",
        "\udce9",
        "a'*[b]",
    ],
)
def test_a_run_may_be_called_anything(tmp_path, run):
    path = write(tmp_path, night(1, cell(check()), run=run))
    assert path.parent == tmp_path / "history"
    assert {file_of(tmp_path, run), file_of(tmp_path, f"{run}.")} - {path}
    history_ = read(tmp_path)
    assert [line.run for line in history_.lines] == [run]
    assert all(line.isprintable() for line in lines(history_, trends(history_)))


def test_the_file_of_a_run_has_its_name():
    assert file_of(Path("runs"), "2026-11-20T0100-2") == Path(
        "runs/history/2026-11-20T0100-2.jsonl"
    )


def test_a_line_that_cannot_be_read_is_named_and_costs_nothing_else(tmp_path):
    path = write(tmp_path, night(1, cell(check()), cell(check(), version="8.2.0")))
    good = path.read_bytes().splitlines()
    odd = [b'{"schema": 1}', b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"schema": 2}']
    for key, value in (("started", "never"), ("checks", {"a/b": []}), ("run", 3), ("editions", 1)):
        odd.append(json.dumps({**json.loads(good[0]), key: value}).encode())
    path.write_bytes(b"\n".join([*odd, *good, good[0][:40]]))
    found = read(tmp_path)
    assert len(found.lines) == 2
    numbers = [*range(1, len(odd) + 1), len(odd) + 3]
    assert [str(each).partition(" ")[0] for each in found.unreadable] == [
        f"{path}:{number}" for number in numbers
    ]
    (tmp_path / "history" / "folder.jsonl").mkdir()
    assert "folder.jsonl can't be read (Is a directory) and is left out" in str(
        read(tmp_path).unreadable[-1]
    )


def matrix_in(root, night_):
    folder = root / night_["run"]
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    (folder / "matrix.json").write_text(json.dumps(night_))
    return folder


def test_it_is_rebuilt_from_the_runs_that_are_there_and_keeps_what_is_of_others(tmp_path):
    write(tmp_path, night(1, cell(check())))
    for number in (2, 3):
        matrix_in(tmp_path, night(number, cell(check("fail")), complete=number == 2))
    (matrix_in(tmp_path, night(4)) / "matrix.json").write_text('{"complete": true}')
    (matrix_in(tmp_path, night(5)) / "matrix.json").write_text("{")
    matrix_in(tmp_path, night(6)).joinpath("matrix.json").unlink()
    *errors, path = [str(each) for each in rebuild(tmp_path)]
    assert path == str(file_of(tmp_path, "2026-11-02T0100"))
    assert "matrix.json is not JSON" in errors[0]
    assert "2026-11-04T0100/matrix.json is not of the form that is read here" in errors[1]
    assert figures(trends(read(tmp_path))[0].trend) == ("bad", "01", "02", 1, 1)


def test_the_same_run_twice_is_the_same_file_whatever_the_order_of_its_cells(tmp_path):
    cells = [cell(check(), version=f"8.{n}.0") for n in range(4)]
    first = write(tmp_path, night(1, *cells)).read_bytes()
    assert write(tmp_path, night(1, *reversed(cells))).read_bytes() == first


def test_of_two_words_on_one_run_that_of_the_later_end_counts_whichever_file_has_it(tmp_path):
    ends = [("pass", "2026-11-01T02:00:00+00:00"), ("fail", "2026-11-01T03:00:00+00:00")]
    for number, words in enumerate((ends, ends[::-1])):
        root = tmp_path / str(number)
        for name, (word, finished) in zip(("first", "second"), words):
            path = write(root, night(1, cell(check(word), finished=finished)))
            path.rename(path.with_name(f"{name}.jsonl"))
        (found,) = trends(read(root))
        assert found.trend.state is State.BAD


def test_the_worst_comes_first(tmp_path):
    by_version = {
        "1": "fail,fail",
        "2": "pass,pass",
        "3": "pass,fail",
        "4": "pass,flaky",
        "5": "infra,infra",
    }
    nights = [[], []]
    for version, words in by_version.items():
        for cells, word in zip(nights, words.split(",")):
            tally = {"pass": 1, "fail": 1} if word == "flaky" else None
            cells.append(cell(check("pass" if tally else word, tally), version=version))
    found = kept(tmp_path, *(night(n, *cells) for n, cells in enumerate(nights, start=1)))
    assert [each.newest.version for each in found] == ["3", "4", "1", "5", "2"]


BROKEN = "py3.12-torchnightly-ultralytics8.1.0"


@pytest.fixture
def nights(tmp_path):
    """Return the folder of two nights' runs; the nightly broke in the second."""
    for number, word in ((1, "pass"), (2, "fail")):
        nightly = cell(check(word), check("refused", policy="strict"), torch=NIGHTLY.format(number))
        matrix_in(tmp_path, night(number, nightly, cell(check())))
    return tmp_path


def test_a_terminal_shows_a_line_a_cell(nights, capsys):
    assert main(["history", "--runs", str(nights), "--rebuild"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 cells in 2 runs, 2026-11-01T0100 to 2026-11-02T0100: 1 broken, 1 good.",
        "",
        "now     streak  flips  last good        first bad        cell",
        f"bad          1      1  2026-11-01T0100  2026-11-02T0100  {BROKEN}",
        "good         2      0  2026-11-02T0100  -                py3.12-torch2.8-ultralytics8.1.0",
    ]


def test_the_cells_that_are_asked_for_have_their_checks_and_the_builds_of_torch(nights, capsys):
    list(rebuild(nights))
    assert main(["history", "*nightly*", "--runs", str(nights)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert max(map(len, out)) <= 100
    assert out[0].endswith(": 1 broken.")
    assert out[3:] == [
        f"bad          1      1  2026-11-01T0100  2026-11-02T0100  {BROKEN}",
        "bad          1      1  2026-11-01T0100  2026-11-02T0100    stock · a/b",
        "bad          2      0  -                2026-11-01T0100    strict · a/b",
        "        torch 2.16.0.dev20261101+cpu when it was good last, 2.16.0.dev20261102+cpu when it"
        " broke",
    ]


def test_a_program_gets_the_trend_of_each_check(nights, capsys):
    list(rebuild(nights))
    (nights / "history" / "odd.jsonl").write_text("{")
    assert main(["history", "--json", "--runs", str(nights)]) == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert [run["run"] for run in data["runs"]] == ["2026-11-01T0100", "2026-11-02T0100"]
    assert data["counts"]["broken"] == 1
    first = data["cells"][0]
    assert (first["torch"], first["state"], first["streak"]) == ("nightly", "bad", 1)
    assert first["last_good"]["torch"] == "2.16.0.dev20261101+cpu"
    assert first["checks"][0]["first_bad"]["run"] == "2026-11-02T0100"
    assert data["unreadable"][0]["line"] == 1
    assert "odd.jsonl:1 can't be read (JSONDecodeError" in captured.err


def test_where_nothing_is_kept_it_says_so(tmp_path, capsys):
    assert main(["history", "--runs", str(tmp_path)]) == 2
    assert "has no history yet; a complete `nox -s matrix` writes it" in capsys.readouterr().err


def test_a_glob_that_matches_nothing_says_so(tmp_path):
    found = kept(tmp_path, night(1, cell(check())))
    with pytest.raises(
        UnknownNameError, match=r"no cell of the history matches '\*x'.* the 1 that"
    ):
        chosen(found, "*x")


_WORDS = st.sampled_from(["pass", "fail", "refused", "infra", "flaky", "unavailable"])
_NIGHTS = st.lists(
    st.tuples(
        st.integers(1, 6),  # two may have begun at one moment
        st.dictionaries(st.sampled_from(["8.1.0", "8.2.0"]), _WORDS, min_size=1),
        st.none() | st.integers(1, 6),
    ),
    max_size=6,
)


def made(number, day, words, carried):
    cells = []
    for version, word in words.items():
        tally = {"pass": 1, "fail": 2} if word == "flaky" else None
        ran = f"run {carried}" if carried else None
        cells.append(cell(check("pass" if tally else word, tally), version=version, carried=ran))
    return night(day, *cells, run=f"run {number}")


def said(root):
    found = read(root)
    assert found.unreadable == ()
    return history.to_dict(found, trends(found))


@given(_NIGHTS, st.randoms(use_true_random=False))
def test_histories_are_united_by_copying_in_any_order_and_however_often(nights, mixed):
    with tempfile.TemporaryDirectory() as name:
        here, there, both = (Path(name) / part for part in ("here", "there", "both"))
        for number, each in enumerate(nights):
            write(here, made(number, *each))
        for number, each in mixed.sample(list(enumerate(nights)), len(nights)):
            write(mixed.choice([there, both]), made(number, *each))
        expected = said(here)
        for again in ("", "again-"):
            for path in (there / "history").glob("*.jsonl"):
                (both / "history").mkdir(parents=True, exist_ok=True)
                shutil.copy(path, both / "history" / f"{again}{path.name}")
            assert said(both) == expected


@given(_NIGHTS)
def test_the_figures_of_a_trend_agree_with_each_other(nights):
    with tempfile.TemporaryDirectory() as name:
        for number, each in enumerate(nights):
            write(Path(name), made(number, *each))
        for found in trends(read(Path(name))):
            for trend in (found.trend, *found.checks.values()):
                assert trend.flips <= max(len(trend.points) - 1, 0)
                assert bool(trend.first_bad) == (trend.state is State.BAD)
                assert len(trend.present) + trend.flips <= max(len(trend.points), 1)
                assert bool(trend.present) == bool(trend.points)
