from __future__ import annotations

import copy
import json
import uuid
import xml.etree.ElementTree as ET
from datetime import datetime

import feedparser
import pytest
from test_diff import FINE, ODD, REFUSED, cell, check, run

from matrix.diff import diff
from matrix.published.comparison import lineage, read_back, told
from matrix.published.feed import ENTRIES, feed
from matrix.store import RunFolder, write_json

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = (
    "</content><script>alert(1)</script> ]]> &amp; <!-- \x00\x1b[31m \u202e \ud800 \ufffe @octocat"
)
OLD, NEW = "2026-11-19T0100", "2026-11-20T0100"


def of(old, new, name=NEW, **fields):
    """Return what changes.json has of two lists of checks."""
    started = f"{name[:13]}:00:00+00:00"
    both = [cell(*(check(f"a/{n}", **each) for n, each in enumerate(some))) for some in (old, new)]
    before = run(both[0], name=OLD, started="2026-11-19T01:00:00+00:00")
    now = run(both[1], name=name, started=started, **fields)
    return told(diff(before, now), now)


def parsed(*comparisons):
    text = feed(comparisons)
    assert feed(copy.deepcopy(comparisons)) == text
    return ET.fromstring(text.encode())


def entries(*comparisons):
    return parsed(*comparisons).findall(f"{ATOM}entry")


def said(element, name):
    return element.find(f"{ATOM}{name}").text


@pytest.fixture
def changed():
    return of([FINE, ODD], [REFUSED, FINE])


def test_a_feed_has_what_its_standard_asks_for(changed):
    root = parsed(changed)
    assert root.tag == f"{ATOM}feed"
    for element in (root, *root.findall(f"{ATOM}entry")):
        assert uuid.UUID(said(element, "id").removeprefix("urn:uuid:")).version == 5
        assert said(element, "title")
        assert datetime.fromisoformat(said(element, "updated")).tzinfo
    assert root.find(f"{ATOM}author/{ATOM}name").text == "pytest-torchcompat"
    links = {link.attrib["rel"]: link.attrib["href"] for link in root.findall(f"{ATOM}link")}
    assert links == {"self": "changes.atom", "alternate": "index.html"}


def test_a_reader_of_feeds_takes_it(changed):
    found = feedparser.parse(feed([changed]))
    assert (found.bozo, found.version) == (False, "atom10")
    assert [entry.content[0].type for entry in found.entries] == ["text/html"] * 2


def test_a_title_says_what_happened_to_what(changed):
    regressed, fixed = entries(changed)
    assert said(regressed, "title") == "regressed coqui-tts 0.28.0 · torch 2.8 · stock · a/0"
    assert said(fixed, "title") == "fixed coqui-tts 0.28.0 · torch 2.8 · stock · a/1"
    assert regressed.find(f"{ATOM}category").attrib["term"] == "regressed"
    assert regressed.find(f"{ATOM}link").attrib["href"] == "index.html#changes"
    several = entries(of([FINE, FINE, FINE], [ODD, ODD, ODD]))
    assert said(several[0], "title").endswith(" · a/0 and 2 more")


def test_an_entry_has_cause_remedy_suspects_and_the_command():
    old = run(cell(check(**FINE)), name=OLD)
    worse = cell(check(**REFUSED), distributions={"torch": "2.8.0", "numpy": "2.4.1"})
    new = run(worse, name=NEW, started="2026-11-20T01:00:00+00:00")
    (entry,) = entries(told(diff(old, new), new))
    content = entry.find(f"{ATOM}content")
    assert content.attrib["type"] == "html"
    html = ET.fromstring(f"<div>{content.text}</div>")
    words = ["".join(each.itertext()) for each in html]
    assert words[0] == "pass → fail at load"
    assert words[1].startswith("Known as wo-argparse-namespace: ")
    assert words[2].startswith("Remedy: ")
    assert "add_safe_globals" in words[3]
    assert "\n" in words[3]
    assert words[4] == "Differs: lightning 2.5.6 → absent, numpy 2.4.0 → 2.4.1"
    assert words[5].startswith("Reproduce: nox -s cell -- py3.12-torch2.8.0-coqui-tts0.28.0 ")
    assert words[6] == f"From run {OLD} to run {NEW}."


def test_a_few_of_many_checks_are_named():
    (entry,) = entries(of([FINE] * 20, [ODD] * 20))
    html = ET.fromstring(f"<div>{said(entry, 'content')}</div>")
    assert [item.text[-3:] for item in html.iter("li")] == [f"a/{n}"[-3:] for n in range(1, 11)]


def test_what_is_no_news_is_no_entry():
    silent = {"outcome": ODD["outcome"].__class__.INFRA, "message": "no space"}
    assert entries(of([FINE, FINE], [FINE, silent])) == []
    assert entries(of([FINE], [FINE, FINE])) == []


def test_without_an_earlier_run_there_is_a_feed_without_entries():
    alone = run(cell(check(**FINE)), started="2026-11-20T01:00:00+00:00")
    data = told(None, alone)
    assert data["old"] is None
    assert set(data["counts"].values()) == {0}
    assert data["groups"] == []
    assert entries(data) == []


def test_names_of_entries_stay_the_same_and_differ_by_run_and_cause(changed):
    first = [said(entry, "id") for entry in entries(changed)]
    assert len(set(first)) == 2
    # The run went on: more checks have the same cause.
    later = of([FINE, ODD, FINE], [REFUSED, FINE, REFUSED])
    assert [said(entry, "id") for entry in entries(later)] == first
    other = of([FINE, ODD], [REFUSED, FINE], name="2026-11-21T0100")
    assert not {said(entry, "id") for entry in entries(other)} & set(first)
    feeds = {said(parsed(each), "id") for each in (changed, later, other)}
    assert len(feeds) == 1
    narrowed = of([FINE], [REFUSED], selection={"library": ["TTS"]})
    assert said(parsed(narrowed), "id") not in feeds
    assert said(parsed(narrowed), "title") == "Changes in the matrix of library TTS"


def test_it_was_updated_when_its_last_cell_ended():
    ended = cell(check(**REFUSED), finished="2026-11-20T03:00:00+02:00")
    new = run(ended, cell(check("c/d", **FINE)), name=NEW, started="2026-11-19T23:00:00+00:00")
    data = told(diff(run(cell(check(**FINE)), name=OLD), new), new)
    assert said(parsed(data), "updated") == "2026-11-20T01:00:00Z"


def test_the_newest_entries_of_the_last_runs_are_there_and_no_more():
    words = [f"frob{chr(97 + n)} is odd" for n in range(20)]
    new = [{**ODD, "message": each} for each in words]
    nights = [of([FINE] * 20, new, name=f"2026-11-{day}T0100") for day in range(24, 20, -1)]
    found = entries(*nights)
    assert len(found) == ENTRIES
    days = [said(entry, "updated")[:10] for entry in found]
    assert days == ["2026-11-24"] * 20 + ["2026-11-23"] * 20 + ["2026-11-22"] * 10
    # Where the page is that of the newest run, those of the others lead nowhere.
    assert [entry.find(f"{ATOM}link") is None for entry in found] == [False] * 20 + [True] * 30


@pytest.mark.parametrize(
    "damage",
    [
        {"groups": [{}]},
        {"groups": None},
        {"updated": "yesterday"},
        {"updated": None},
        {"old": []},
        {"old": {}},
    ],
)
def test_an_older_comparison_of_another_form_is_left_out(changed, damage):
    other = {**of([FINE], [ODD], name="2026-11-18T0100"), **damage}
    assert len(entries(changed, other)) == 2


def test_hostile_words_are_text():
    worse = {**ODD, "message": HOSTILE, "exception": HOSTILE}
    old = run(cell(check(HOSTILE, **FINE), id=HOSTILE, version=HOSTILE), name=OLD)
    now = cell(check(HOSTILE, **worse), id=HOSTILE, version=HOSTILE)
    new = run(now, name=NEW, started="2026-11-20T01:00:00+00:00", selection={"library": [HOSTILE]})
    (entry,) = entries(told(diff(old, new), new))
    html = ET.fromstring(f"<div>{said(entry, 'content')}</div>")
    assert {element.tag for element in html.iter()} <= {"div", "p", "strong", "code"}
    assert "</content><script>alert(1)</script> ]]>" in "".join(html.itertext())
    assert feed([told(diff(old, new), new)]).replace("\n", "").isprintable()


def test_a_message_of_a_million_characters_is_cut():
    worse = {**ODD, "message": "x" * 1_000_000}
    assert len(feed([of([FINE], [worse])])) < 20_000


def test_what_was_written_is_read_back_in_the_same_words(changed):
    again = read_back(json.loads(json.dumps(changed)))
    assert [group.kind.value for group in again.groups] == ["regressed", "fixed"]
    assert again.command(again.groups[0].changes[0]).startswith("nox -s cell -- py3.12-torch2.8.0")


@pytest.fixture
def kept(tmp_path):
    """Write the comparison of a run into its folder."""

    def write(name, data, plan=True):
        folder = RunFolder(tmp_path / "runs" / name)
        if plan:
            write_json(folder.plan, {})
        write_json(folder.changes, data)
        return folder

    return write


def test_earlier_runs_of_the_selection_are_found_the_newest_first(kept):
    nights = {f"2026-11-{day}T0100": [FINE] for day in (17, 18, 19, 20, 21)}
    for name in nights:
        kept(name, of([FINE], [ODD], name=name))
    own = of([FINE], [ODD], name=NEW)
    found = list(lineage(kept(NEW, own), own))
    assert [each["new"]["run"] for each in found] == [
        "2026-11-20T0100",
        "2026-11-19T0100",
        "2026-11-18T0100",
        "2026-11-17T0100",
    ]


def test_what_is_of_another_selection_or_not_complete_is_not_of_the_feed(kept):
    kept("2026-11-16T0100", of([FINE], [ODD], name="2026-11-16T0100", complete=False))
    kept("2026-11-17T0100", of([FINE], [ODD], name="2026-11-17T0100", edition="auto"))
    narrowed = {"torch": ["2.8.0"]}
    kept("2026-11-18T0100", of([FINE], [ODD], name="2026-11-18T0100", selection=narrowed))
    own = of([FINE], [ODD], name=NEW, complete=False)
    kept("2026-11-19T0100", own)  # a part of the run that was united here
    assert list(lineage(kept(NEW, own), own)) == [own]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"new": 1}', "[" * 100_000, "\0"])
def test_a_comparison_that_cannot_be_read_is_left_out(kept, text):
    kept("2026-11-18T0100", {}).changes.write_text(text)
    own = of([FINE], [ODD], name=NEW)
    assert list(lineage(kept(NEW, own), own)) == [own]


def test_a_comparison_that_is_a_folder_is_left_out(kept):
    folder = kept("2026-11-18T0100", {})
    folder.changes.unlink()
    folder.changes.mkdir()
    own = of([FINE], [ODD], name=NEW)
    assert list(lineage(kept(NEW, own), own)) == [own]
