from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_recommend import NIGHTLY, NOW, YOLO, YOLO11, cell, unavailable
from test_recommend import matrix as matrix_of

from matrix.published import svg
from matrix.published.badges import AMBER, GREEN, GREY, OLIVE, RED, badges
from matrix.recommend import Question, recommend

HOSTILE = "<img onerror=alert(1)> ]]> & \"'\x00\u202e\ud800\ufffe @octocat"
SVG = "{http://www.w3.org/2000/svg}"


def every(*cells, **fields):
    """Return the badges of cells whose files were opened."""
    for each in (check for one in cells for check in one["checks"]):
        each.setdefault("sha256", "0" * 64)
    return badges(matrix_of(*cells, **fields))


def of(*cells, name="ultralytics", **fields):
    """Return the badge of a file's name, those of libraries first."""
    found = every(*cells, **fields)
    return {**found.cells, **found.libraries}[name]


def said(*cells, **fields):
    badge = of(*cells, **fields)
    return badge.message, badge.colour


def test_what_works_everywhere_by_itself_is_a_range():
    cells = [cell(torch, "PrPP") for torch in ("2.5.1", "2.6.0", "2.15.0")]
    assert said(*cells) == ("torch 2.5 to 2.15", GREEN)


def test_each_way_has_its_own_range():
    cells = [cell("2.5.1", "PrPP"), *(cell(t, "FrPP") for t in ("2.6.0", "2.8.0", "2.15.0"))]
    assert said(*cells) == ("torch 2.5 unaided · 2.6 to 2.15 allow-list", OLIVE)
    cells = [cell("2.5.1", "SrSS"), cell("2.6.0", "FPPP"), cell("2.8.0", "FrFS")]
    assert said(*cells) == ("torch 2.5 shims · 2.6 strict · 2.8 patched + shims", OLIVE)


def test_what_works_on_no_new_torch_is_not_of_the_same_colour():
    cells = [cell("2.5.1", "PrPP"), cell("2.6.0", "FrFF")]
    assert said(*cells) == ("torch 2.5", AMBER)


def test_a_nightly_is_called_so_and_is_no_newest_torch():
    cells = [cell("2.15.0", "PrPP"), cell(NIGHTLY, "FrFF")]
    assert said(*cells) == ("torch 2.15", OLIVE)
    assert said(cell("2.15.0", "PrPP"), cell(NIGHTLY, "PrPP")) == ("torch 2.15, nightly", GREEN)


def test_two_patches_of_a_minor_are_told_apart():
    cells = [cell("2.5.0", "FrFF"), cell("2.5.1", "PrPP"), cell("2.6.0", "PrPP")]
    assert said(*cells) == ("torch 2.5.1, 2.6", OLIVE)


def test_what_is_not_known_ends_a_range_and_what_was_not_swept_does_not():
    silent = cell("2.6.0", "IIII")
    cells = [cell("2.5.1", "PrPP"), silent, cell("2.8.0", "PrPP")]
    assert said(*cells) == ("torch 2.5, 2.8", OLIVE)
    cells = [cell(torch, "PrPP") for torch in ("2.5.1", "2.8.0", "2.15.0")]
    assert said(*cells, cell("2.6.0", "PrPP", library="torch")) == ("torch 2.5 to 2.15", GREEN)


def test_many_ways_are_one_range_and_the_title_has_them_all():
    words = {"2.5.1": "PrPP", "2.6.0": "FrPP", "2.8.0": "FrSS", "2.9.1": "FrFP", "2.15.0": "FrFS"}
    badge = of(*(cell(torch, word) for torch, word in words.items()))
    assert badge.message == "torch 2.5 to 2.15 partly aided"
    assert badge.title.startswith(
        "ultralytics 8.1.0: torch 2.5 unaided · 2.6 allow-list · 2.8 allow-list + shims · 2.9 "
        "patched · 2.15 patched + shims. Replica edition, run "
    )
    aided = [cell("2.5.1", "SrSS"), *(cell(t, w) for t, w in list(words.items())[1:])]
    assert of(*aided).message == "torch 2.5 to 2.15 aided"


@pytest.mark.parametrize(
    ("letters", "message"),
    [
        ("rrrr", ("refused", AMBER)),
        ("FrrF", ("fail", RED)),
        ("CCCC", ("crash", RED)),
        ("DDDD", ("degraded", AMBER)),
        ("TTTT", ("timeout", AMBER)),
        ("IIII", ("unknown", GREY)),
        ("----", ("incomplete", GREY)),
        ("F---", ("incomplete", GREY)),
    ],
)
def test_what_works_nowhere_is_a_word(letters, message):
    assert said(cell("2.5.1", letters)) == message


def test_what_cannot_be_installed_is_no_failure():
    assert said(unavailable("2.5.1")) == ("unavailable", GREY)
    assert said(unavailable("2.5.1"), cell("2.8.0", "PrPP")) == ("torch 2.8", OLIVE)


def test_what_only_ran_as_an_experiment_has_no_badge_of_its_own():
    assert said(cell("2.5.1", "PrPP", check={"experiment": True})) == ("no checks", GREY)


def test_what_the_end_of_a_cell_kept_from_running_has_its_word():
    died = cell("2.5.1", "----", outcome="crash", reason="SIGSEGV in stage load")
    assert said(died) == ("crash", RED)
    missing = cell("2.5.1", "----", outcome="infra", reason="No space left on device")
    assert said(missing) == ("unknown", GREY)


def test_tries_that_disagree_are_no_range():
    flaky = {"tally": {"pass": 2, "fail": 1}}
    assert said(cell("2.5.1", "PPPP", check=flaky)) == ("flaky", AMBER)
    cells = [cell("2.5.1", "PPPP", check=flaky), cell("2.6.0", "PPPP")]
    assert said(*cells) == ("torch 2.6", OLIVE)


def test_a_checkpoint_that_opens_nowhere_is_counted_and_named():
    both = [cell(torch, {YOLO: "PrPP", YOLO11: "FrFF"}) for torch in ("2.5.1", "2.6.0")]
    assert said(*both) == ("torch 2.5, 2.6 (1 of 2)", OLIVE)
    assert " Not with ultralytics/yolo11n. " in of(*both).title
    assert said(cell("2.5.1", {YOLO: "P", YOLO11: "F"})) == ("torch 2.5 (1 of 2)", OLIVE)


def test_what_works_on_no_torch_at_once_works_partly():
    cells = [cell("2.5.1", {YOLO: "P", YOLO11: "F"}), cell("2.6.0", {YOLO: "F", YOLO11: "P"})]
    assert said(*cells) == ("partly", AMBER)


def test_a_run_that_is_not_complete_says_so_and_claims_no_more():
    cells = [cell("2.5.1", "PrPP"), cell("2.6.0", "----")]
    assert said(*cells, complete=False) == ("torch 2.5, incomplete", AMBER)
    # Of what another part of the run has, this one has no cell.
    badge = of(cells[0], complete=False)
    assert badge.message == "torch 2.5, incomplete"
    assert badge.title.endswith(", which is not complete.")
    assert said(cells[0], name="ultralytics8.1.0-2.5.1-", complete=False)[0] == "unaided"


def test_a_library_is_shown_at_its_newest_version():
    cells = [cell("2.5.1", "PrPP"), cell("2.5.1", "FrFF", version="8.10.0")]
    badge = of(*cells)
    assert (badge.label, badge.message) == ("ultralytics 8.10.0", "fail")
    assert of(*cells, name="ultralytics-8.1.0").message == "torch 2.5"


def test_a_version_in_several_sets_works_where_each_does():
    cells = [
        cell("2.5.1", "PrPP", beside="lightning 2.5"),
        cell("2.6.0", "PrPP", beside="lightning 2.5"),
        cell("2.5.1", "PrPP", beside="lightning 2.6"),
        cell("2.6.0", "FrFF", beside="lightning 2.6"),
    ]
    badge = of(*cells)
    assert badge.message == "torch 2.5"
    assert " So with each of its 2 sets of packages. " in badge.title
    assert of(*cells, name="ultralytics-8.1.0-lightning2.5").message == "torch 2.5, 2.6"


def test_what_follows_torch_is_one_library():
    cells = [cell(t, "P", library="torchaudio", version=t) for t in ("2.5.1", "2.6.0", "2.8.0")]
    badge = of(*cells, name="torchaudio")
    assert (badge.label, badge.message) == ("torchaudio", "torch 2.5 to 2.8")
    assert of(*cells, name="torchaudio-2.6.0").message == "torch 2.6"


def test_a_combination_has_a_badge_that_names_it():
    badge = of(cell("2.8.0", "FrSP"), name="ultralytics8.1.0-2.8.0-")
    assert badge.label == "ultralytics 8.1.0 · torch 2.8"
    assert (badge.message, badge.colour) == ("allow-list + shims", OLIVE)
    assert badge.title.startswith("ultralytics8.1.0-2.8.0-: allow-list + shims. Replica edition")


def test_a_python_is_named_where_a_combination_has_two():
    cells = [cell("2.8.0", "PrPP", python=python) for python in ("3.9", "3.12")]
    labels = {of(*cells, name=each["id"]).label for each in cells}
    assert labels == {f"ultralytics 8.1.0 · torch 2.8 · Python {p}" for p in ("3.9", "3.12")}


def test_the_files_are_named_in_the_title_where_any_was_opened():
    reference = {"edition": "reference"}
    both = [cell("2.5.1", "P"), cell("2.6.0", "P", check=reference)]
    assert ". Reference and replica editions, run a-run." in of(*both, run="a-run").title
    unopened = cell("2.5.1", "----", check={"sha256": ""})
    assert of(unopened, run="a-run").title == "ultralytics 8.1.0: incomplete. Run a-run."


TORCHES = ("2.5.1", "2.6.0", "2.8.0", "2.9.1")
WORDS = st.text("PSrFCDI", min_size=4, max_size=4)


def expanded(message, tried):
    """Return the torch versions that a message names."""
    names = [".".join(torch.split(".")[:2]) for torch in tried]
    found = set()
    for first, last in re.findall(r"(\d+\.\d+)(?: to (\d+\.\d+))?", message):
        found.update(tried[names.index(first) : names.index(last or first) + 1])
    return found


@given(words=st.lists(WORDS, min_size=4, max_size=4), swept=st.sets(st.sampled_from(TORCHES)))
def test_a_badge_names_the_torch_versions_that_a_recommendation_does(words, swept):
    tried = [torch for torch in TORCHES if torch in swept or torch == "2.5.1"]
    cells = [cell(torch, word) for torch, word in zip(tried, words)]
    message = of(*cells).message
    question = Question("ultralytics", "8.1.0")
    (advice,) = recommend(matrix_of(*cells), question, NOW).sets
    worked = {torch for way in advice.ways for torch in way.torch}
    assert expanded(message, tried) == worked


def test_a_picture_says_all_that_it_shows_to_those_who_do_not_see_it():
    badge = of(cell("2.5.1", "PrPP"))
    root = ET.fromstring(badge.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "ultralytics 8.1.0: torch 2.5"
    assert root.find(f"{SVG}title").text == badge.title
    assert [text.text for text in root.iter(f"{SVG}text")] == ["ultralytics 8.1.0", "torch 2.5"]
    assert badge.svg == of(cell("2.5.1", "PrPP")).svg


def test_a_text_is_set_to_its_width_and_the_picture_holds_it():
    root = ET.fromstring(of(cell("2.5.1", "PrPP")).svg)
    label, message = root.iter(f"{SVG}text")
    end = int(message.attrib["x"]) + int(message.attrib["textLength"])
    assert int(label.attrib["x"]) + int(label.attrib["textLength"]) < int(message.attrib["x"])
    assert 0 < int(root.attrib["width"]) * 10 - end < 100
    assert svg.width("WWW") > 3 * svg.width("i")
    assert svg.width("e\u0301") == svg.width("e")
    assert svg.width("日") > svg.width("n")


@pytest.mark.parametrize("colour", [GREEN, OLIVE, AMBER, RED, GREY, svg.LABEL])
def test_white_can_be_read_on_every_colour(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_the_endpoint_says_what_the_picture_does():
    badge = of(cell("2.5.1", "PrPP"))
    assert json.loads(json.dumps(badge.endpoint)) == {
        "schemaVersion": 1,
        "label": "ultralytics 8.1.0",
        "message": "torch 2.5",
        "color": GREEN,
        "labelColor": svg.LABEL,
    }


def hostile():
    fields = {"library": HOSTILE, "version": HOSTILE, "beside": HOSTILE, "id": HOSTILE}
    return [cell(torch, {HOSTILE: "PFPP"}, **fields) for torch in ("2.5.1", HOSTILE)]


def test_hostile_names_are_text():
    cells = hostile()
    cells[1]["id"] = f"{HOSTILE}2"
    for each in (check for one in cells for check in one["checks"]):
        each["edition"] = HOSTILE
    found = every(*cells, run=HOSTILE)
    for badge in [*found.libraries.values(), *found.cells.values()]:
        root = ET.fromstring(badge.svg)
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags == {"svg", "title", "path", "g", "text"}
        assert badge.svg.removesuffix("\n").isprintable()


def test_a_text_of_a_million_characters_is_cut():
    badge = of(cell("2.5.1", "PrPP", version="v" * 1_000_000), name="ultralytics")
    assert len(badge.svg) < 3000
    assert badge.label.endswith("…")


def test_files_have_names_that_any_system_takes_and_no_two_the_same():
    names = ["../../etc/passwd", "CON/x", "a" * 400, "tts-1", "TTS-1", ".hidden", "naïve", ""]
    cells = [cell("2.5.1", "PrPP", id=name, library=f"{name}x") for name in names]
    found = every(*cells)
    stems = [*found.libraries, *found.cells]
    assert all(re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,149}", stem) for stem in stems)
    assert len({stem.casefold() for stem in stems}) == len(stems) == 3 * len(names)
    assert "tts-1" in stems


@pytest.mark.parametrize(
    ("letters", "message", "colour"),
    [
        ("Tr--", "incomplete", GREY),
        ("TrTT", "timeout", AMBER),
        ("FrII", "unknown", GREY),
        ("IrII", "unknown", GREY),
        ("DrDD", "degraded", AMBER),
        ("FrFF", "fail", RED),
    ],
)
def test_what_may_work_yet_or_runs_otherwise_is_not_called_failed(letters, message, colour):
    assert said(cell("2.5.1", letters)) == (message, colour)
