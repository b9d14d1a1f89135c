"""Issues by cause, kept on a GitHub of this test: none twice, none closed without evidence."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from fake_github import REPOSITORY, TOKEN, serving
from markdown_it import MarkdownIt
from test_diff import cell, check, run

from matrix import __main__ as command
from matrix import causes as of_causes
from matrix.causes import causes
from matrix.diff import diff
from matrix.notices import decisions, github, notice
from matrix.notices.notice import LIMIT, LONGEST_TITLE, REMEMBERED, Marker, notices
from matrix.store import write_json

FINE = {"outcome": "pass", "stage": "forward"}
SILENT = {"outcome": "infra", "message": "no space"}
NIGHT = "2.16.0.dev20261119"
# What a signature knows: the key of its cause is another one than that of words.
REFUSED = {
    "outcome": "fail",
    "stage": "load",
    "exception": "_pickle.UnpicklingError",
    "message": "Weights only load failed. Unsupported global: GLOBAL argparse.Namespace was not an"
    " allowed global by default. Please use `torch.serialization.add_safe_globals([argparse."
    "Namespace])` or the `torch.serialization.safe_globals([argparse.Namespace])` context manager",
    "globals": ("argparse.Namespace",),
}


def odd(words="the frob is odd", **fields):
    """Return what a check says that fails as nobody has seen it."""
    known = {"outcome": "fail", "stage": "forward", "exception": "OddError", "message": words}
    return {**known, **fields}


def said(torch="2.8.0", *values, **fields):
    """Return a cell whose checks said something."""
    checks = [check(f"a/{n}", **{**each, **_enums(each)}) for n, each in enumerate(values)]
    return cell(*checks, torch=torch, **fields)


def _enums(values):
    from pytest_torchcompat.outcome import Outcome, Stage

    found = {"outcome": Outcome(values["outcome"])}
    return {**found, "stage": Stage(values["stage"])} if "stage" in values else found


@pytest.fixture
def at(monkeypatch):
    """Serve a GitHub, and let the command ask it."""
    monkeypatch.setattr(github, "PAUSE", 0)
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    with serving() as served:
        monkeypatch.setenv("GITHUB_API_URL", served.url)
        yield served


@pytest.fixture
def keep(tmp_path, capsys):
    """Write a run, keep its issues, and return what was printed."""

    def kept(*cells, old=(), words=(), code=0, **fields):
        folder = tmp_path / "run"
        matrix = run(*cells, torch=[*dict.fromkeys(each["torch"] for each in cells)], **fields)
        matrix["causes"] = causes(matrix)
        changes = diff(run(*old), matrix).to_dict() if old else {"groups": []}
        write_json(folder / "matrix.json", matrix)
        write_json(folder / "changes.json", changes)
        assert command.main(["notices", str(folder), *words]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return kept


def test_a_cause_that_nobody_knows_is_one_issue_that_is_never_repeated(at, keep):
    cells = [said("2.8.0", odd(), odd()), said("2.9.1", odd())]
    assert keep(*cells) == "opened #1: coqui-tts: forward: OddError: the frob is odd\n"
    (issue,) = at.issues
    assert issue["labels"] == [{"name": "torchcompat"}]
    body = issue["body"]
    assert "fail: coqui-tts 0.28.0 on torch 2.8.0, 2.9.1, 2 cells with 3 checks." in body
    assert "Reproduce: `nox -s cell -- py3.12-torch2.8.0-coqui-tts0.28.0 --policy stock" in body
    assert "<summary>A report to those who can mend it, its title first</summary>" in body
    assert keep(*cells) == "Nothing to do: each issue says what the run says.\n"
    assert at.written == [f"POST /repos/{REPOSITORY}/issues"]
    assert at.tokens == {f"Bearer {TOKEN}"}


def test_an_issue_is_edited_where_it_says_another_thing_and_its_title_is_left(at, keep):
    keep(said("2.8.0", odd()))
    at.issue(1)["title"] = "what a person made of it"
    assert keep(said("2.8.0", odd()), said("2.9.1", odd())).startswith("edited #1: ")
    assert "torch 2.8.0, 2.9.1, 2 cells" in at.issue(1)["body"]
    assert at.issue(1)["title"] == "what a person made of it"
    at.issue(1)["body"] = at.issue(1)["body"].replace("\n", "\r\n")
    assert keep(said("2.8.0", odd()), said("2.9.1", odd())).startswith("Nothing to do")


def test_an_issue_is_closed_once_with_a_comment_when_its_cause_is_gone_and_opened_when_back(
    at, keep
):
    keep(said("2.8.0", odd()))
    why = "Run `2026-11-20T0100` has a verdict on the cell that met this, and does not meet it any"
    assert keep(said("2.8.0", FINE)) == f"closed #1: {why} more.\n"
    assert (at.issue(1)["state"], at.issue(1)["state_reason"]) == ("closed", "completed")
    assert at.comments == [(1, f"{why} more.")]
    assert keep(said("2.8.0", FINE)).startswith("Nothing to do")
    assert keep(said("2.8.0", odd())).startswith("reopened #1: ")
    assert (at.issue(1)["state"], len(at.issues)) == ("open", 1)


def test_what_a_person_closed_as_not_planned_stays_closed_and_is_not_repeated(at, keep):
    keep(said("2.8.0", odd()))
    at.issue(1).update(state="closed", state_reason="not_planned")
    assert keep(said("2.8.0", odd()), said("2.9.1", odd())).startswith("Nothing to do")


@pytest.mark.parametrize(
    ("cells", "fields"),
    [
        ([said("2.8.0", FINE)], {}),  # of two cells one
        ([said("2.8.0", FINE), said("2.9.1", FINE)], {"complete": False}),
        ([said("2.8.0", FINE), said("2.9.1", SILENT)], {}),
        ([said("2.8.0", FINE), said("2.9.1", FINE, {"outcome": "not-run"})], {}),
        ([said("2.8.0", FINE), said("2.9.1", {"outcome": "not-run"}, outcome="unavailable")], {}),
        ([said("2.8.0", FINE), said("2.9.1", FINE, python="3.11")], {"selection": {"cell": ["*"]}}),
    ],
    ids=["not all cells", "incomplete", "infra", "not run", "not installed", "another Python"],
)
def test_nothing_is_closed_without_a_verdict_on_all_that_it_names(at, keep, cells, fields):
    keep(said("2.8.0", odd()), said("2.9.1", odd()))
    assert keep(*cells, **fields).startswith("Nothing to do")
    assert at.issue(1)["state"] == "open"


def test_a_run_that_was_narrowed_or_had_other_files_closes_nothing(at, keep):
    keep(said("2.8.0", odd()))
    other = {"edition": "reference"}
    for fields in ({"selection": {"policy": ["stock"]}}, other):
        assert keep(said("2.8.0", FINE), **fields).startswith("Nothing to do")
    assert keep(said("2.9.1", odd()), **other).startswith("edited #1")
    marker = Marker.read(at.issue(1)["body"])
    assert sorted(each[3] for each in marker.cells) == ["2.8", "2.9"]
    assert marker.edition == "replica"
    both = [said("2.8.0", FINE), said("2.9.1", FINE)]
    assert keep(*both, **other).startswith("Nothing to do")
    assert keep(*both).startswith("closed #1")


def test_an_issue_that_is_opened_again_is_closed_by_runs_of_the_edition_that_did(at, keep):
    other = {"edition": "reference"}
    keep(said("2.8.0", odd()))
    keep(said("2.8.0", FINE))
    assert keep(said("2.8.0", odd()), **other).startswith("reopened #1")
    assert keep(said("2.8.0", FINE)).startswith("Nothing to do")
    assert keep(said("2.8.0", FINE), **other).startswith("closed #1")


def test_the_issue_of_the_rest_is_left_alone_by_a_run_that_was_narrowed(at, keep):
    keep(*many(21))
    assert at.issues[20]["title"].startswith("1 more causes")
    keep(*many(20), selection={"torch": ["2.5.0"]})
    assert at.issues[20]["state"] == "open"


def test_what_a_signature_knows_by_now_is_closed_with_its_name_and_not_as_gone(
    at, keep, monkeypatch
):
    with monkeypatch.context() as before:
        before.setattr(of_causes, "diagnose", lambda _: None)
        keep(said("2.8.0", REFUSED))
    out = keep(said("2.8.0", REFUSED))
    why = "Run `2026-11-20T0100` fails the same way, and a signature knows this by now as `"
    assert out.startswith(f"closed #1: {why}")
    assert out.endswith("`: the page of the run says what helps.\n")
    assert "does not meet it" not in out


def test_of_a_whole_sweep_a_newer_version_answers_for_one_that_is_gone_from_it(at, keep):
    keep(said("2.8.0", odd()))
    assert keep(said("2.8.0", FINE, version="0.29.0")).startswith("closed #1")


def test_a_night_is_the_same_cell_as_the_night_before(at, keep):
    keep(said(NIGHT, odd()))
    assert keep(said("2.16.0.dev20261120", odd())).startswith("edited #1: ")
    assert keep(said("2.16.0.dev20261121", FINE)).startswith("closed #1: ")


def test_cells_of_which_a_run_says_nothing_go_on_being_named(at, keep):
    keep(said("2.8.0", odd()), said("2.9.1", odd()))
    keep(said("2.8.0", odd()), said("2.9.1", SILENT))
    assert len(Marker.read(at.issue(1)["body"]).cells) == 2
    assert keep(said("2.8.0", FINE), said("2.9.1", SILENT)).startswith("Nothing to do")


def test_what_is_known_is_an_issue_where_a_check_regressed_to_it_and_then_stays_one(at, keep):
    assert keep(said("2.8.0", REFUSED)).startswith("Nothing to do")
    out = keep(said("2.8.0", REFUSED), old=[said("2.8.0", FINE)])
    assert out.startswith("opened #1: coqui-tts: ")
    assert "it came up where an earlier run worked." in at.issue(1)["body"]
    assert "What helps: " in at.issue(1)["body"]
    assert keep(said("2.8.0", REFUSED)).startswith("Nothing to do")
    assert keep(said("2.8.0", FINE)).startswith("closed #1")


def test_a_fault_of_the_machine_and_a_night_without_a_build_are_no_issue(at, keep):
    gone = said(NIGHT, {"outcome": "not-run"}, outcome="unavailable", reason="there is no wheel")
    full = said("2.8.0", SILENT, outcome="infra", reason="No space left on device")
    assert keep(gone, full).startswith("Nothing to do")
    broken = said("2.8.0", {"outcome": "not-run"}, outcome="unavailable", reason="no such package")
    assert keep(broken).startswith("opened #1")
    other = said("2.8.0", {"outcome": "not-run"}, outcome="unavailable", reason="it is circular")
    assert keep(other).splitlines()[1].startswith("closed #1")


def many(count):
    return [said(f"2.{5 + n}.0", odd(f"the {'frob' * n}x is odd")) for n in range(count)]


def test_a_run_opens_twenty_issues_and_one_that_says_how_many_more(at, keep):
    lines = keep(*many(23)).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"opened #{n}" for n in range(1, 22)]
    assert at.issues[20]["title"] == "3 more causes of failures than one run opens issues for"
    lines = keep(*many(23)).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        *(f"opened #{n}" for n in (22, 23, 24)),
        "closed #21",
    ]
    assert keep(*many(23)).startswith("Nothing to do")


def test_issues_beyond_the_first_page_are_found_and_those_of_others_are_left_alone(at, keep):
    keep(said("2.8.0", odd()))
    for number in range(150):
        at.made({"title": "mine", "body": f"no marker {number}", "labels": ["torchcompat"]})
    body = at.issue(1)["body"]
    at.made({"title": "a change", "body": body, "labels": ["torchcompat"], "pull_request": {}})
    assert keep(said("2.8.0", odd())).startswith("Nothing to do")
    assert keep(said("2.8.0", FINE)).startswith("closed #1")
    assert len(at.written) == 3


def test_a_dry_run_writes_nothing_and_needs_no_token(at, keep, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    keep(said("2.8.0", odd()), code=2)
    title = "coqui-tts: forward: OddError: the frob is odd"
    assert keep(said("2.8.0", odd()), words=["--dry-run"]) == f"would open: {title}\n"
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    keep(said("2.8.0", odd()))
    found = [
        keep(said("2.8.0", odd()), said("2.9.1", odd()), words=["--dry-run"]),
        keep(said("2.8.0", FINE), words=["--dry-run"]),
    ]
    at.issue(1)["state"] = "closed"
    found.append(keep(said("2.8.0", odd()), words=["--dry-run"]))
    assert [each.partition(":")[0] for each in found] == [
        "would edit #1",
        "would close #1",
        "would reopen #1",
    ]
    assert len(at.written) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (403, {"x-ratelimit-remaining": "0"}, {"message": "API rate limit exceeded"}),
            "GitHub was asked too often (API rate limit exceeded); what is done is kept: run it "
            "again later",
        ),
        (
            (429, {"retry-after": "60"}, {"message": "secondary rate limit"}),
            "GitHub was asked too often (secondary rate limit); what is done is kept: run it again "
            "in 60 s",
        ),
        (
            (403, {}, {"message": "Resource not accessible by integration"}),
            f"GITHUB_TOKEN may not write issues of {REPOSITORY} (Resource not accessible by "
            "integration); it needs issues: write",
        ),
        (
            (404, {}, {"message": "Not Found"}),
            f"{REPOSITORY} has no issues that this token can see (Not Found); look at its settings",
        ),
        (
            (301, {"location": "https://elsewhere.example"}, []),
            f"{REPOSITORY} has no issues that this token can see; look at its settings",
        ),
        ((502, {}, None), "GitHub answered 502; nothing that is done is done twice: run it again"),
    ],
    ids=["limit", "too often", "forbidden", "not found", "moved", "broken"],
)
def test_a_refusal_is_one_sentence_and_a_second_run_repeats_nothing(at, keep, answer, words):
    cells = [said("2.8.0", odd()), said("2.9.1", odd("another"))]
    at.refusals = [None, answer]
    assert keep(*cells, code=2).startswith(f"error: {words}")
    assert len(at.issues) == 1
    assert keep(*cells).startswith("opened #2")
    assert len({issue["title"] for issue in at.issues}) == len(at.issues) == 2


@pytest.mark.parametrize("status", [413, 422])
def test_a_notice_that_github_does_not_take_is_told_and_the_others_go_on(at, keep, status):
    cells = [said("2.8.0", odd()), said("2.9.1", odd("another")), said("2.10.0", odd("a third"))]
    at.refusals = [None, (status, {}, {"message": "odd\x1b[31m"})]
    title = "coqui-tts: forward: OddError: another"
    assert keep(*cells, code=2) == (
        f"error: could not open: {title}: GitHub answered {status} (odd\\x1b[31m); "
        "the others go on, and the next run tries this one again\n"
    )
    assert len(at.issues) == 2
    assert title not in [issue["title"] for issue in at.issues]
    assert keep(*cells) == f"opened #3: {title}\n"


def test_a_list_that_github_refuses_is_one_sentence(at, keep):
    at.always = (422, {}, {"message": "odd"})
    assert keep(code=2) == "error: GitHub answered 422 (odd); nothing more was done\n"


def test_what_is_no_list_and_what_does_not_answer_are_one_sentence(
    at, keep, free_port, monkeypatch
):
    at.always = (200, {}, {"message": "hello"})
    assert "answered with something else than a list of issues" in keep(code=2)
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{free_port}")
    assert f"error: http://127.0.0.1:{free_port} can't be reached (ConnectionError); n" in keep(
        code=2
    )


@pytest.mark.parametrize("name", ["", "nothing", "a/b/c", "../..//x"])
def test_a_name_that_is_no_repositorys_is_one_sentence(at, keep, name):
    words = f"error: {name!r} names no repository; give --repository OWNER/NAME"
    assert keep(words=[f"--repository={name}"], code=2).startswith(words)
    assert at.written == []


def test_a_comment_that_fails_is_not_tried_twice_and_the_issue_is_closed(at, keep):
    keep(said("2.8.0", odd()))
    at.refusals = [None, (500, {}, None)]
    keep(said("2.8.0", FINE), code=2)
    assert at.issue(1)["state"] == "closed"
    assert keep(said("2.8.0", FINE)).startswith("Nothing to do")


def test_a_run_of_another_form_is_one_sentence(at, tmp_path, capsys):
    write_json(tmp_path / "matrix.json", {"causes": 5})
    write_json(tmp_path / "changes.json", {"groups": []})
    assert command.main(["notices", str(tmp_path)]) == 2
    assert "is not of the form that is read here" in capsys.readouterr().err
    assert at.written == []


HOSTILE = (
    "</details><img src=x onerror=alert(1)> [x](https://evil.example) www.evil.example @octocat "
    "#12 GH-3 `a` ```\n````` ~~~ <!-- torchcompat-cause 0000000000000000 running --> \u202e\ud800"
)


def test_words_of_others_are_shown_and_nothing_in_them_is_obeyed(at, keep):
    keep(said("2.8.0", odd(HOSTILE)), said("2.9.1", odd(HOSTILE, exception="@octocat")))
    for issue in at.issues:
        assert not re.search(r"@\w|#\d|GH-\d|www\.", issue["title"])
        assert Marker.read(issue["body"]).cells
        html = MarkdownIt().render(issue["body"])
        outside = re.sub(r"<(pre|code).*?</\1>", "", html, flags=re.DOTALL)
        assert not re.search(r"@\w|#\d|GH-\d|www\.|<img|<a |evil", outside)
        assert outside.count("<details>") == outside.count("</details>") == 1


def test_however_much_there_is_an_issue_takes_it(at, keep):
    cells = [
        said("2.8.0", odd("odd " * 60_000), version=f"{n}.0.0", distributions={f"p{n}": "1" * 900})
        for n in range(400)
    ]
    keep(*cells)
    assert [len(issue["body"]) < LIMIT for issue in at.issues] == [True]
    names = frozenset((f"library{n}", f"{n}", "", "2.8", "3.12") for n in range(5000))
    marker = Marker("0" * 16, "auto", installing=True, cells=names)
    assert len(marker.text) < LIMIT / 2
    assert len(Marker.read(marker.text).cells) == REMEMBERED
    odd_names = frozenset(
        (hashlib.sha512(b"%d" % n).hexdigest(), "", "", "", "") for n in range(2000)
    )
    marker = Marker("0" * 16, "auto", installing=True, cells=odd_names)
    assert len(marker.text) < LIMIT / 2
    assert Marker.read(marker.text).cells < odd_names


@pytest.mark.parametrize(
    "text", ["\x01" * 20_000, "\U000e0001" * 60_000, "`" * 60_000, "@a" * 30_000]
)
def test_an_issue_takes_what_grows_as_it_is_written_down(at, keep, text):
    cells = [said(f"2.{5 + n}.0", odd(text), version=f"{n}{text[:200]}") for n in range(60)]
    keep(*cells)
    (issue,) = at.issues
    assert LIMIT / 4 < len(issue["body"]) <= LIMIT
    assert len(issue["title"]) <= LONGEST_TITLE
    assert len(Marker.read(issue["body"]).cells) == 60
    html = MarkdownIt().render(issue["body"])
    assert html.count("<details>") == html.count("</details>") == 1


def test_what_helps_takes_no_more_than_an_issue_does(at, keep, monkeypatch):
    many = {"says": "\U000e0001" * 9000, "code": "\U000e0001" * 9000}
    made = notice._words
    monkeypatch.setattr(
        notice, "_words", lambda cause, matrix: made({**cause, "remedies": [many] * 9}, matrix)
    )
    keep(said("2.8.0", odd("\x01" * 20_000)))
    assert len(at.issue(1)["body"]) <= LIMIT


@pytest.mark.parametrize("packed", ["", "AAAA", "####", "eNqL1VEoSswrTlWwAgAL9gL4", "eJwrAAAAAQ=="])
def test_a_marker_that_somebody_changed_closes_nothing(at, keep, packed):
    keep(said("2.8.0", odd()))
    changed = re.sub(r"running \S*", f"running {packed}", at.issue(1)["body"])
    at.issue(1)["body"] = changed
    assert keep(said("2.8.0", FINE)).startswith("Nothing to do")


def test_the_key_of_a_cause_is_the_same_whatever_version_met_it():
    found = []
    for version in ("0.28.0", "0.29.1"):
        words = f"no attribute in /tmp/{version}/x.py, coqui {version}"
        matrix = run(said("2.8.0", odd(words), version=version), torch=["2.8.0"])
        matrix["causes"] = causes(matrix)
        found += [notice.key for notice in notices(json.loads(json.dumps(matrix)), {"groups": []})]
    assert len(found) == 2
    assert len(set(found)) == 1


def test_the_limit_is_what_github_takes_of_a_night():
    assert (decisions.MOST, LIMIT) == (20, 65_536)
