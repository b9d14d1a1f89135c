"""What the performance suite says of figures and does when a suite ends early; nothing is timed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("rich")

from pytest_torchcompat.timing.loading import METHOD
from tests.bench import __main__ as bench
from tests.bench import forwarding, hands, sweep, sweep_turns
from tests.bench.figures import NotRunError, figure
from tests.bench.made_up import with_figures
from tests.bench.plot import plot
from tests.bench.promises import PROMISES, SUITES, Promise
from tests.bench.report import HEADINGS, markdown, number, rows

SVG = "{http://www.w3.org/2000/svg}"
MEDIAN = figure("forward", "median", [2.0], "ms", peer="torch", theirs=[2.0], case="speech")
STATED = figure("forward", "of no promise", [1.0], "ms")


def found(*figures, **reasons):
    suites = {each["suite"]: {"reason": "", "broken": False} for each in figures}
    suites |= {name: {"reason": reason, "broken": False} for name, reason in reasons.items()}
    return {"suites": suites, "figures": list(figures), "machine": {"cpu": "a | b", "cores": 2}}


def test_a_ratio_is_the_middle_of_the_turns_that_both_took():
    made = figure("load", "stock", [1.0, 4.0, 9.0], "ms", peer="torch", theirs=[2.0, 2.0, 3.0])
    assert made["ratio"] == 2.0
    assert (made["ours"], made["peer"]) == (4.0, {"name": "torch", "value": 2.0})
    assert made["each"] == {"ours": [1.0, 4.0, 9.0], "peer": [2.0, 2.0, 3.0]}


def test_without_turns_in_common_a_ratio_is_of_the_medians():
    assert figure("load", "stock", [3.0], "ms", peer="t", theirs=[1.0, 2.0, 9.0])["ratio"] == 1.5


@pytest.mark.parametrize("theirs", [(), (0.0,)])
def test_nothing_is_compared_with_nothing(theirs):
    assert figure("load", "stock", [3.0], "ms", peer="torch", theirs=theirs)["ratio"] is None


@pytest.mark.parametrize(("theirs", "met"), [(2.0, True), (2.05, True), (2.1, False), (1.9, False)])
def test_a_promised_ratio_is_what_the_aim_is_about(theirs, met):
    made = figure("forward", "median", [2.0], "ms", peer="torch", theirs=[theirs], case="speech")
    assert (made["value"], made["aim"], made["met"]) == (made["ratio"], "0.97 to 1.03", met)
    assert (made["promise"], made["name"]) == ("median", "median, speech")


def test_what_is_promised_in_a_unit_is_about_ours_or_about_what_is_told():
    assert figure("explain", "10,000 failures", [0.5], "s", peer="p", theirs=[9.0])["met"] is True
    name = "what the plugin adds to pytest --co"
    assert figure("start-up", name, [400.0], "ms", value=11.0)["met"] is False


def test_a_figure_of_no_promise_is_stated():
    assert (STATED["aim"], STATED["met"], STATED["value"]) == (None, None, 1.0)


@pytest.mark.parametrize(
    ("promise", "aim"),
    [
        (Promise("a", "MB", most=25), "<= 25 MB"),
        (Promise("a", "x", least=3), ">= 3"),
        (Promise("a", "x", 0.98, 1.02), "0.98 to 1.02"),
    ],
)
def test_an_aim_in_words(promise, aim):
    assert promise.aim == aim


def test_every_promise_has_bounds_and_a_name_of_its_own():
    assert tuple(PROMISES) == SUITES
    for promises in PROMISES.values():
        assert len({each.name for each in promises}) == len(promises)
        assert all(each.least is not None or each.most is not None for each in promises)


@pytest.mark.parametrize(
    ("value", "said"), [(0.0259, "0.0259"), (1276.4, "1,276"), (99.96, "100"), (0, "0")]
)
def test_a_number_has_three_figures(value, said):
    assert number(value) == said


def test_the_table_has_what_is_promised_and_what_was_not_measured_of_it():
    table = list(rows(found(MEDIAN, STATED), everything=False))
    assert table[0] == (
        "forward",
        "median, speech",
        "2 ms",
        "torch: 2 ms",
        "1",
        MEDIAN["aim"],
        "yes",
    )
    left = [row[1] for row in table if row[2] == "not measured at these sizes"]
    assert left == [each.name for each in PROMISES["forward"] if each.name != "median"]


def test_what_is_only_stated_is_in_the_table_when_asked_for():
    assert "of no promise" in [row[1] for row in rows(found(STATED), everything=True)]
    assert "of no promise" not in [row[1] for row in rows(found(STATED), everything=False)]


def test_a_suite_that_cannot_run_here_says_why_in_the_table():
    (row,) = rows(found(page="not run: chromium is missing"), everything=False)
    assert row[:2] == ("page", "not run: chromium is missing")


def test_what_the_aim_is_about_is_told_where_no_column_has_it():
    name = "what the plugin adds to pytest --co"
    made = figure("start-up", name, [400.0], "ms", peer="pytest", theirs=[390.0], value=9.5)
    (row, *_) = rows(found(made), everything=False)
    assert row[5] == "<= 10 ms (it is 9.5)"


def test_the_table_in_markdown_is_whole_whatever_the_names_hold():
    text = markdown(found(page="not run: a | b"), everything=False)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(HEADINGS) + 1}
    assert "2 cores" in text


def test_the_picture_has_a_dot_and_a_sentence_for_each_ratio():
    slower = figure("load", "<b>", [30.0], "ms", peer="t & t", theirs=[3.0])
    root = ET.fromstring(plot(found(slower, MEDIAN, STATED)))
    dots = root.findall(f".//{SVG}circle")
    assert len(dots) == 2
    assert float(dots[0].get("cx")) < float(dots[1].get("cx"))  # in the order of the suites
    said = root.find(f"{SVG}desc").text
    assert said == (
        "forward: median, speech: 1 of torch, within its aim."
        " load: <b>: 10 of t & t, stated, without an aim"
    )
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"forward: median, speech", "load: <b>", "1", "10"} <= set(texts)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text


def test_a_picture_of_nothing_is_one():
    root = ET.fromstring(plot(found(STATED)))
    assert root.find(f"{SVG}desc").text == "Nothing was compared"


@pytest.fixture
def suites(monkeypatch):
    """Stand-ins for the suites, by name; each call is noted in ``calls``."""
    todo, todo["calls"] = {}, []

    def suite(name):
        def taken():
            todo["calls"].append(name)
            return todo[name]()

        return taken

    monkeypatch.setattr(bench, "_suites", lambda _: {name: suite(name) for name in SUITES})
    return todo


def ending(error):
    def suite():
        raise error

    return suite


def test_what_ends_one_suite_ends_no_other(suites, tmp_path, capsys):
    suites["fetch"] = ending(NotRunError("huggingface_hub is missing"))
    suites["scan"] = ending(SystemExit("no figure: exit code 1 of uv"))
    suites["forward"] = lambda: [MEDIAN]
    file = tmp_path / "bench.json"
    assert bench.main(["--only", "scan", "fetch", "forward", "--json", str(file)]) == bench.BROKEN
    data = json.loads(file.read_text("utf-8"))
    assert data["schema"] == 2
    assert {name: suite["reason"] for name, suite in data["suites"].items()} == {
        "fetch": "not run: huggingface_hub is missing",
        "scan": "broke off: SystemExit: no figure: exit code 1 of uv",
        "forward": "",
    }
    assert data["figures"] == [MEDIAN]
    said = capsys.readouterr()
    assert "not run: huggingface_hub is missing" in said.out
    assert "3 of 3: forward, the timing of a forward pass" in said.err


def test_a_suite_that_cannot_run_here_is_no_failure(suites):
    suites["page"] = ending(NotRunError("chromium is missing"))
    assert bench.main(["--only", "page"]) == 0


def test_what_was_measured_before_an_interruption_is_kept_and_gone_on_from(
    suites, tmp_path, capsys
):
    file = tmp_path / "bench.json"
    words = ["--only", "forward", "load", "--turns", "3", "--json", str(file)]
    suites["forward"], suites["load"] = lambda: [MEDIAN], ending(KeyboardInterrupt())
    assert bench.main(words) == bench.INTERRUPTED
    assert "interrupted; what was measured is kept" in capsys.readouterr().err
    stock = figure("load", "stock", [1.0], "ms")
    suites["load"] = lambda: [stock]
    suites["calls"].clear()
    assert bench.main(["--only", "forward", "load", "--resume", str(file)]) == 0
    assert suites["calls"] == ["load"]
    data = json.loads(file.read_text("utf-8"))
    assert data["figures"] == [MEDIAN, stock]
    assert data["settings"]["turns"] == 3


def test_figures_of_another_machine_are_not_gone_on_from(suites, tmp_path, capsys):
    file = tmp_path / "bench.json"
    suites["forward"] = lambda: [MEDIAN]
    bench.main(["--only", "forward", "--json", str(file)])
    data = json.loads(file.read_text("utf-8"))
    data["machine"]["id"] = "another"
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(SystemExit):
        bench.main(["--resume", str(file)])
    said = " ".join(capsys.readouterr().err.split())
    assert f"{file} is of another machine or of another version of this suite: one table" in said
    assert "Measure all of it here, without --resume." in said


def test_a_missing_file_is_not_gone_on_from(tmp_path, capsys):
    with pytest.raises(SystemExit):
        bench.main(["--resume", str(tmp_path / "none.json")])
    assert "is no file to go on from; leave --resume out to begin" in capsys.readouterr().err


def test_the_quick_sizes_give_way_to_those_that_are_asked_for():
    options = bench._options(["--quick", "--checks", "1000"])
    assert (options.cells, options.checks) == ([1_000, 10_000], [1_000])


COUNTS = (
    *("cells", "checks", "downloads", "openings", "scans"),
    *("failures", "turns", "jobs", "repeat", "pairs"),
)


@pytest.mark.parametrize("flag", COUNTS)
@pytest.mark.parametrize("text", ["0", "-3", "1.5", "few"])
def test_there_is_no_table_of_none(flag, text, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main([f"--{flag}={text}"])
    assert stopped.value.code == 2
    assert f"argument --{flag}: {text!r} is no count; give 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-0.5", "nan", "inf", "a while"])
def test_a_call_is_timed_for_some_seconds(text, capsys):
    with pytest.raises(SystemExit):
        bench.main([f"--seconds={text}"])
    said = f"argument --seconds: {text!r} is no number of seconds; give more than 0"
    assert said in capsys.readouterr().err


def test_one_pair_has_no_quartiles(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--pairs", "1"])
    assert "of 1 pair there are no quartiles; give 2 or more" in capsys.readouterr().err


def test_each_option_says_of_which_suite_it_is(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--torch VERSION sweep: a version of torch to sweep" in said
    assert "--cells N [N ...] scale: how many cells the made-up runs have" in said


def test_the_flags_of_before_are_understood():
    words = "--only page --checks 1000 --cells 10 --torch 2.5.1 --torch 2.6.0 --jobs 1 --cold"
    options = bench._options(words.split())
    assert (options.only, options.checks, options.torch) == (["page"], [1000], ["2.5.1", "2.6.0"])


def test_loads_are_made_up_where_a_sweep_measures_them():
    checks = {
        policy: {
            "checkpoint": "c", "use": "forward", "policy": policy, "outcome": "pass",
            "benchmark": {"median": 1.0},
        }
        for policy in ("stock", "patched", "strict")
    }  # fmt: skip
    names = {"id": "one", "library": "l", "version": "1", "beside": None, "python": "3.12"}
    (cell,) = with_figures([{**names, "torch": "2.5.1", "checks": list(checks.values())}])
    loads = {check["policy"]: check.get("loading") for check in cell["checks"]}
    assert loads["stock"] is None
    assert loads["patched"]["method"] == loads["strict"]["method"] == METHOD
    assert loads["patched"]["plain"] == loads["strict"]["plain"]
    assert loads["patched"]["policy"] != loads["strict"]["policy"]


def test_the_sweep_is_beside_whichever_was_the_fastest_by_hand_in_each_turn():
    walls = [
        {"ours": 1, "floors": 2, "nox": 5, "tox": 4},
        {"ours": 1, "floors": 2, "nox": 3, "tox": 6},
    ]
    names = {"nox": hands.NOX, "tox": hands.TOX, "ours": sweep.OURS, "floors": sweep.FLOORS}
    turns = []
    for each in walls:
        ways = {
            names[k]: sweep.Way(wall, 0.0, set(), [], {"a": {}, "b": {}})
            for k, wall in each.items()
        }
        same = dict.fromkeys((sweep.ALONE, sweep.CARRIED), ways[sweep.OURS])
        turns.append(sweep_turns.Turn(0.0, {**ways, **same}))
    floors, hand, *_ = sweep_turns._figures(turns, 1)
    assert (floors["name"], floors["ratio"]) == ("wall x cores", 0.5)
    assert hand["each"] == {"ours": [1, 1], "peer": [4, 3]}
    assert {word.split()[0] for word in hand["peer"]["name"].split(", ")} == {"nox", "tox"}


def test_on_a_gpu_each_call_is_beside_triton_torch_and_pytest_benchmark(monkeypatch):
    pytest.importorskip("torch")
    case = "speech, fp16, batch 32"
    taken = {"ours": [2.0], "triton": [2.0], "unflushed": [1.9], "torch": [1.8]}
    monkeypatch.setattr("pytest_torchcompat.forward.device_of", lambda name: "cuda")
    monkeypatch.setattr(forwarding, "cases", lambda device: {case: list})
    monkeypatch.setattr(forwarding, "_overhead", lambda turns: STATED)
    monkeypatch.setattr(forwarding, "_taken", lambda ways, turns: {k: taken[k] for k in ways})
    monkeypatch.setattr(forwarding, "plain_medians", lambda device, seconds: {case: 1e-5})
    _, flushed, unflushed, plain = forwarding.figures(3, 0.1)
    assert (flushed["promise"], flushed["met"]) == ("median on a GPU", True)
    assert (unflushed["promise"], unflushed["met"]) == ("median, cache as it is", False)
    assert plain["name"] == f"beside plain pytest-benchmark, {case}"
    assert (plain["ours"], plain["peer"]["value"]) == (2.0, pytest.approx(0.01))


def test_without_a_gpu_what_is_promised_of_one_says_why_there_is_no_figure(monkeypatch):
    def device_of(name):
        raise RuntimeError("device cuda is not available: torch sees no GPU here")

    table = list(rows(found(*forwarding._no_gpu(device_of)), everything=False))
    said = "not measured: device cuda is not available: torch sees no GPU here"
    assert [row[1] for row in table if row[2] == said] == list(forwarding.ON_A_GPU)
