"""Works for me: what runs with the version and the card that somebody has."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlencode

import pytest
from page import synthetic_matrix

from matrix.page.gpus import fits
from matrix.recommend import Question, recommend
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.gpus import ARCHITECTURES, architecture

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
SCRIPT = Path(__file__).parents[2] / "matrix" / "page" / "script"


def asked(page_of, have, gpu="", source="real"):
    return page_of(source, at=urlencode({"have": have, "gpu": gpu}))


def mine(page):
    return page.locator("#mine")


def only(matrix, *libraries):
    """Return a matrix of some libraries: a page that is written in no time."""
    cells = [cell for cell in matrix["cells"] if cell["library"] in libraries]
    return matrix | {"cells": cells}


def runs(page, place="#mine-answer > .runs"):
    """Return the torch versions that are listed, each once, the newest first."""
    rows = page.locator(f"{place} > li[data-works=all]")
    found = rows.evaluate_all("rows => rows.map(row => row.dataset.torch)")
    return list(dict.fromkeys(found))


QUESTIONS = [
    *[("ultralytics", v, gpu) for v in ("8.1.0", "8.2.64", "8.4.190", "") for gpu in ("", "T4")],
    ("ultralytics", "8.1.0", "RTX 5080"),
    ("fairseq", "0.12.2", "GTX 1080"),
    ("pyannote.audio", "3.4.0", "RTX 5080"),
    ("pyannote.audio", "4.0.2", ""),
    ("pyannote.audio", "4.0.7", "V100"),
    ("TTS", "0.22.0", "H100"),
    ("coqui-tts", "0.24.2", "K80"),
    ("torchaudio", "", "sm_120"),
    ("torchaudio", "2.11.0", ""),
    ("torch", "", "P100"),
    ("rvc", "0.3.5", "DGX Spark"),
]


def test_the_torch_that_it_lists_is_what_recommend_says(page_of, real_matrix):
    page = page_of("real")
    for library, version, gpu in QUESTIONS:
        have = f"{library}=={version}" if version else library
        page.evaluate("address => (location.hash = address)", urlencode({"have": have, "gpu": gpu}))
        expect(page.locator("#mine-library")).to_have_value(library)
        expect(page.locator("#mine-gpu")).to_have_value(gpu)
        answer = recommend(real_matrix, Question(library, version, gpu), NOW)
        torch = {each for advice in answer.sets for way in advice.ways for each in way.torch}
        assert set(runs(page)) == torch, (library, version, gpu)


def test_each_set_of_a_version_is_listed_apart_as_recommend_has_it(page_of, real_matrix):
    page = asked(page_of, "pyannote.audio==4.0.2", "RTX 5080")
    answer = recommend(real_matrix, Question("pyannote.audio", "4.0.2", "RTX 5080"), NOW)
    assert len(answer.sets) == 2
    lists = page.locator("#mine-answer > .runs")
    for number, advice in enumerate(answer.sets):
        expect(mine(page).get_by_role("heading", name=advice.name)).to_be_visible()
        torch = [each for way in advice.ways for each in way.torch]
        rows = lists.nth(number).locator("li")
        assert rows.evaluate_all("rows => rows.map(row => row.dataset.torch)") == torch


def test_the_leading_sentence_names_the_version_the_card_and_the_torch(page_of):
    page = asked(page_of, "ultralytics==8.1.0", "RTX 5080")
    expect(mine(page).locator(".leading")).to_have_text(
        "ultralytics 8.1.0 on RTX 5080 (sm_120): torch 2.8.0 to 2.15.0, with its allow-list, "
        "but not yolo11n."
    )
    expect(mine(page)).to_contain_text(
        "Of your GPU, this page knows for which torch is built; the checks ran where the run did."
    )


def test_combinations_are_listed_from_the_newest_torch_on_with_what_they_need(page_of):
    page = asked(page_of, "fairseq==0.12.2", "sm_90")
    assert runs(page) == ["2.15.0", "2.10.0", "2.9.1", "2.8.0", "2.6.0", "2.5.1"]
    newest, oldest = (mine(page).locator(".runs li").nth(number) for number in (0, 5))
    expect(newest).to_contain_text("torch 2.15.0+cu132")
    expect(newest).to_contain_text("Python 3.11")
    expect(newest).to_contain_text(
        "with its allow-list and shims dataclass-defaults, numpy-aliases, omegaconf-integers and "
        "pos-conv-weight-norm, also patched"
    )
    expect(newest).to_contain_text("built for sm_90")
    expect(oldest).to_contain_text("with shims numpy-aliases")
    expect(oldest).to_contain_text("also with its allow-list and patched")


def test_what_runs_on_other_cards_alone_is_told_apart(page_of):
    page = asked(page_of, "ultralytics==8.4.190", "RTX 5080")
    assert runs(page) == ["2.15.0", "2.10.0", "2.9.1", "2.8.0"]
    mine(page).get_by_text("Runs, but is not built for your GPU: 2").click()
    row = mine(page).locator("details li").first
    expect(row).to_contain_text("torch 2.6.0+cu124")
    expect(row).to_contain_text("built for sm_50 … sm_90, not sm_120")


def test_a_card_that_no_torch_is_built_for_is_told_so(page_of):
    page = asked(page_of, "ultralytics==8.4.190", "K80")
    expect(mine(page).locator(".leading")).to_have_text(
        "ultralytics 8.4.190 on K80 (sm_37): no torch that runs it here is built for that GPU."
    )


def test_where_no_cell_says_for_which_cards_it_is_built_nothing_is_promised(page_of, real_matrix):
    for cell in real_matrix["cells"]:
        cell["gpu_archs"] = []
    page = asked(page_of, "rvc==0.3.5", "T4", only(real_matrix, "rvc"))
    expect(mine(page).locator(".leading")).to_have_text(
        "rvc 0.3.5 on T4 (sm_75): of no torch that runs it here is known for which GPUs it is "
        "built."
    )
    mine(page).get_by_text("Runs, and nothing says for which GPUs it is built: 6").click()
    expect(mine(page).locator("details li").first).to_contain_text(
        "no cell says for which GPUs it is built"
    )


def test_a_build_for_cpus_is_said_to_be_one(page_of, real_matrix):
    for cell in real_matrix["cells"]:
        cell |= {"gpu_archs": [], "cuda": None, "torch_build": f"{cell['torch']}+cpu"}
    page = asked(page_of, "rvc==0.3.5", "T4", only(real_matrix, "rvc"))
    expect(mine(page).locator(".leading")).to_contain_text("no torch that runs it here is built")
    mine(page).get_by_text("Runs, but is not built for your GPU: 6").click()
    expect(mine(page).locator("details li").first).to_contain_text("built for CPUs alone")


def test_without_a_card_none_is_asked_for(page_of):
    page = asked(page_of, "rvc==0.3.5")
    for gpu, says in (("", ""), ("any", ""), ("CPU", " on a CPU")):
        mine(page).get_by_label("GPU").fill(gpu)
        expect(mine(page).locator(".leading")).to_have_text(
            f"rvc 0.3.5{says}: torch 2.5.1 to 2.15.0, unaided."
        )
        expect(mine(page).locator(".fit")).to_have_count(0)


def test_before_anything_is_asked_there_is_a_hint(page_of):
    expect(mine(page_of("real"))).to_contain_text("Choose a library to see which torch runs it.")


def test_what_is_entered_stands_in_the_address_and_back_undoes_it(page_of):
    page = page_of("real")
    mine(page).get_by_label("Library").select_option("ultralytics")
    expect(mine(page).locator(".leading")).to_contain_text("ultralytics 8.4.190: torch 2.5.1 to")
    mine(page).get_by_label("Version").press_sequentially("8.1.0")
    mine(page).get_by_label("GPU").press_sequentially("rtx 5080")
    expect(page).to_have_url(re.compile(r"#have=ultralytics%3D%3D8\.1\.0&gpu=rtx\+5080$"))
    page.go_back()
    expect(mine(page).get_by_label("GPU")).to_have_value("")
    page.go_back()
    expect(mine(page).get_by_label("Version")).to_have_value("")
    expect(mine(page).get_by_label("Library")).to_have_value("ultralytics")


def test_what_is_typed_stays_as_it_is_typed(page_of):
    page = page_of("real")
    mine(page).get_by_label("Library").select_option("ultralytics")
    mine(page).get_by_label("Version").press_sequentially("8.1.0 ")
    expect(mine(page).get_by_label("Version")).to_have_value("8.1.0 ")


def test_the_swept_versions_and_the_known_cards_are_offered(page_of):
    page = asked(page_of, "ultralytics==8.1.0")
    versions = page.locator("#mine-versions option").evaluate_all("all => all.map(o => o.value)")
    assert versions == ["8.4.190", "8.4.67", "8.3.162", "8.3.161", "8.2.64", "8.2.63", "8.1.0"]
    cards = page.locator("#mine-gpus option").evaluate_all("all => all.map(o => o.value)")
    assert cards == ["CPU", *fits([])["names"]]


def test_a_version_that_was_not_swept_is_said_not_to_be_and_its_neighbours_are_offered(page_of):
    page = asked(page_of, "ultralytics==8.2.0")
    expect(mine(page).locator(".leading")).to_have_text(
        "ultralytics 8.2.0 was not tested. ultralytics 8.1.0 is the nearest older, "
        "ultralytics 8.2.63 is the nearest newer version that was."
    )
    mine(page).get_by_role("link", name="ultralytics 8.2.63").click()
    expect(mine(page).locator(".leading")).to_contain_text("ultralytics 8.2.63: torch 2.5.1, unaid")


NEIGHBOURS = {
    "9.0": "not tested. ultralytics 8.4.190 is the nearest older version that was.",
    "1": "not tested. ultralytics 8.1.0 is the nearest newer version that was.",
    "new": "new is no version. Tested of ultralytics: 8.1.0, 8.2.63, 8.2.64, 8.3.161, 8.3.162, "
    "8.4.67 and 8.4.190.",
}


def test_a_version_that_has_one_neighbour_or_is_none_is_answered(page_of):
    page = asked(page_of, "ultralytics==9.0")
    for version, says in NEIGHBOURS.items():
        mine(page).get_by_label("Version").fill(version)
        expect(mine(page).locator(".leading")).to_contain_text(says)


def test_a_library_that_is_not_in_the_run_is_said_not_to_be(page_of):
    page = asked(page_of, "<img src=x>==1")
    expect(mine(page).locator(".leading")).to_have_text(
        "<img src=x> is not in this run. It has fairseq, ultralytics, pyannote.audio, coqui-tts, "
        "TTS, rvc, torch and torchaudio."
    )
    expect(page.locator("#mine img")).to_have_count(0)


def test_names_are_found_as_package_indexes_compare_them(page_of):
    page = asked(page_of, "Pyannote_Audio==4.0.7.0")
    expect(mine(page).get_by_label("Library")).to_have_value("pyannote.audio")
    expect(mine(page).locator(".leading")).to_contain_text("pyannote.audio 4.0.7: torch 2.8.0 to")


def test_a_card_that_is_not_known_is_said_not_to_be_and_close_names_are_offered(page_of):
    page = asked(page_of, "ultralytics==8.1.0", "RTX 5085")
    expect(mine(page)).to_contain_text(
        "RTX 5085 is no GPU that is known here, and what follows leaves it out. Did you mean one "
        "of these?"
    )
    expect(mine(page)).to_contain_text("ultralytics 8.1.0: torch 2.5.1, unaided")
    mine(page).get_by_role("button", name="RTX 5080", exact=True).click()
    expect(mine(page).get_by_label("GPU")).to_have_value("RTX 5080")
    expect(mine(page).locator(".leading")).to_contain_text("on RTX 5080 (sm_120): torch 2.8.0 to")


def test_a_card_like_no_other_is_answered_with_how_to_name_one(page_of):
    page = asked(page_of, "ultralytics==8.1.0", "zzz")
    expect(mine(page)).to_contain_text(
        "zzz is no GPU that is known here, and what follows leaves it out. Name it as its maker "
        "does, such as RTX 5080, or by its architecture, such as sm_120."
    )


def test_a_combination_leads_to_its_cell_and_keeps_the_rest_of_the_view(page_of):
    page = asked(page_of, "ultralytics==8.1.0", "RTX 5080")
    mine(page).get_by_role("link", name=re.compile(r"torch 2\.15\.0")).click()
    expect(page).to_have_url(re.compile("cell=py3.12-torch2.15.0-ultralytics8.1.0"))
    expect(page).to_have_url(re.compile("have=ultralytics.*gpu=RTX"))


def flaky_of(matrix, version, torch, policy, outcome="pass"):
    """Let the tries of a version on a torch disagree under a policy."""
    for cell in matrix["cells"]:
        if (cell["version"], cell["torch"]) == (version, torch):
            (one, *_) = [c for c in cell["checks"] if c["policy"] == policy]
            one |= {"tally": {"fail": 1, "pass": 2}, "outcome": outcome}


def test_what_works_at_some_tries_is_said_to_be_flaky_as_recommend_does(page_of, real_matrix):
    flaky_of(real_matrix, "8.1.0", "2.5.1", "stock")
    flaky_of(real_matrix, "8.1.0", "2.5.1", "patched")
    alone = only(real_matrix, "ultralytics")
    page = asked(page_of, "ultralytics==8.1.0", source=alone)
    (advice,) = recommend(alone, Question("ultralytics", "8.1.0"), NOW).sets
    assert len(advice.flaky) == 2
    hint = mine(page).get_by_text("Not stable: the tries disagree on torch 2.5.1 under stock, ")
    expect(hint).to_contain_text(": pass 2, fail 1; torch 2.5.1 under patched, ")
    expect(mine(page).locator(".leading")).to_contain_text("torch 2.5.1, unaided (flaky)")
    row = mine(page).locator(".runs li[data-torch='2.5.1']")
    expect(row.locator(".how")).to_have_text(re.compile(r"^unaided \(flaky\).*patched \(flaky\)"))
    expect(row.locator(".sign")).to_have_text("◐")
    expect(mine(page).locator(".runs li[data-torch='2.15.0'] .sign")).not_to_have_text("◐")


def test_of_many_flaky_checks_the_first_stand_for_the_rest(page_of, real_matrix):
    for torch in {cell["torch"] for cell in real_matrix["cells"]}:
        flaky_of(real_matrix, "8.1.0", torch, "patched")
    page = asked(page_of, "ultralytics==8.1.0", source=only(real_matrix, "ultralytics"))
    expect(mine(page).get_by_text("Not stable: ")).to_have_text(re.compile(r"; and \d+ more\.$"))


def test_a_flaky_part_of_what_works_is_said_to_be_one(page_of, real_matrix):
    for cell in real_matrix["cells"]:
        if (cell["version"], cell["torch"]) == ("8.4.190", "2.15.0"):
            for check in cell["checks"]:
                name = check["checkpoint"].rpartition("/")[2]
                if name == "yolov8n" and check["policy"] == "patched":
                    check["tally"] = {"fail": 2, "pass": 1}
                elif name in {"yolov8n", "yolo11n"} or check["policy"] != "stock":
                    check["outcome"] = "fail"
    page = asked(page_of, "ultralytics==8.4.190", source=only(real_matrix, "ultralytics"))
    row = mine(page).locator(".runs li").first
    expect(row).to_contain_text("yolov8n patched (flaky)")


def test_checkpoints_that_disagree_are_named_with_how_each_works(page_of, real_matrix):
    for cell in real_matrix["cells"]:
        if (cell["version"], cell["torch"]) == ("8.4.190", "2.15.0"):
            for check in cell["checks"]:
                name = check["checkpoint"].rpartition("/")[2]
                kept = {"yolov8n": "patched", "yolov8n-seg": "stock"}.get(name, check["policy"])
                if name == "yolo11n" or check["policy"] != kept:
                    check["outcome"] = "fail"
    page = asked(page_of, "ultralytics==8.4.190", source=only(real_matrix, "ultralytics"))
    assert runs(page) == ["2.10.0", "2.9.1", "2.8.0", "2.6.0", "2.5.1"]
    row = mine(page).locator(".runs li").first
    expect(row).to_contain_text("torch 2.15.0+cu132")
    expect(row).to_contain_text(
        "yolov8n-2023 and yolov8n-seg unaided; yolov8n patched; not yolo11n"
    )
    expect(row.locator(".sign")).to_have_text("◐")


def test_what_does_not_run_is_folded_away_with_its_outcome(page_of):
    page = asked(page_of, "pyannote.audio==4.0.7")
    mine(page).get_by_text("Does not run: 2").click()
    rows = mine(page).locator("details li")
    expect(rows.first).to_contain_text("torch 2.6.0")
    expect(rows.first).to_contain_text("unavailable")


def test_where_nothing_runs_the_sentence_says_so(page_of, real_matrix):
    for cell in real_matrix["cells"]:
        for check in cell["checks"]:
            if cell["library"] == "rvc":
                check["outcome"] = "fail"
            if cell["library"] == "TTS" and check["use"] == "stream":
                check["outcome"] = "fail" if cell["torch"] != "2.5.1" else "not-run"
    page = asked(page_of, "rvc==0.3.5", source=only(real_matrix, "rvc", "TTS"))
    expect(mine(page).locator(".leading")).to_have_text(
        "rvc 0.3.5: nothing in this run makes it work."
    )
    page.evaluate("location.hash = 'have=TTS==0.22.0'")
    expect(mine(page).locator(".leading").first).to_have_text(
        "TTS 0.22.0: nothing in this run makes all of its checkpoints work."
    )


def test_a_library_that_follows_torch_is_asked_for_without_a_version(page_of):
    page = asked(page_of, "torchaudio")
    assert runs(page) == ["2.15.0", "2.10.0", "2.9.1", "2.8.0", "2.6.0", "2.5.1"]
    expect(mine(page).locator(".runs li").first).to_contain_text(
        "torch 2.15.0+cu132, torchaudio 2.11.0"
    )


def test_the_keyboard_alone_does(page_of):
    page = page_of("real")
    mine(page).get_by_label("Library").focus()
    page.keyboard.type("ultra")
    page.keyboard.press("Tab")
    page.keyboard.type("8.1.0")
    page.keyboard.press("Tab")
    page.keyboard.type("T4")
    page.keyboard.press("Tab")
    expect(mine(page).locator(".runs a").first).to_be_focused()
    expect(mine(page).locator(".leading")).to_contain_text("ultralytics 8.1.0 on T4 (sm_75): torch")


# The parts that need no page, held against what they were written after.


def called(browser, module, expression, value):
    page = browser.new_page()
    code = re.sub(
        r"^export ", "", (SCRIPT / module).read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    found = page.evaluate(f"value => {{ {code}\n return {expression}; }}", value)
    page.close()
    return found


SPELLED = (
    "{}",
    "NVIDIA GeForce {}",
    "NVIDIA {} Laptop GPU",
    "{} 80GB PCIe",
    "Tesla {}-SXM2-16GB",
    "NVIDIA_{}",
    "nvidia(tm) {}(R)",
)


def test_cards_are_known_by_the_names_that_the_doctor_knows_them_by(browser):
    bare = [name.removeprefix("RTX ").removeprefix("GTX ") for name in ARCHITECTURES]
    names = [spelled.format(name) for name in ARCHITECTURES for spelled in SPELLED]
    names += [*bare, "sm_120", "SM120", "compute_90", "sm_90a", "12.0", "7.5", "sm_999", "zzz", ""]
    expected = {name: known(name) for name in names}
    gpus = {"names": fits([])["names"], "names_": names}
    listed = "value.names_.map(name => architectureOf({names: value.names}, name))"
    assert dict(zip(names, called(browser, "cards.js", listed, gpus))) == expected


def known(name):
    """Return what the doctor says, but for an architecture that no card has."""
    try:
        found = architecture(name)
    except UnknownNameError:
        return ""
    return found if found in ARCHITECTURES.values() else ""


VERSIONS = json.loads(
    '["0.9", "1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+cu118", "1.0+g12",'
    ' "1.0.post1", "1.1", "1.2", "1.10", "2.16.0.dev20261119", "2.16.0", "1!0.1"]'
)


def test_versions_are_in_the_order_of_pep_440(browser):
    backwards = VERSIONS[::-1]
    assert called(browser, "versions.js", "value.sort(compareVersions)", backwards) == VERSIONS
    same = called(browser, "versions.js", "compareVersions(...value)", ["8.1", "v8.1.0"])
    assert same == 0


@pytest.mark.parametrize(("text", "is_one"), [("8.1.0", True), ("8.", False), ("new", False)])
def test_what_is_a_version_is_told_from_what_is_none(browser, text, is_one):
    assert called(browser, "versions.js", "isOneVersion(value)", text) is is_one


def test_where_pythons_disagree_it_says_on_which_one_it_works(page_of):
    matrix = synthetic_matrix.matrix()
    for cell in matrix["cells"]:
        if cell["library"] == "torchaudio" and cell["python"] == "3.9":
            cell |= {"outcome": "fail"}
            cell["checks"][0] |= {"outcome": "fail"}
    page = asked(page_of, "torchaudio", source=matrix)
    expect(mine(page).locator(".leading")).to_have_text(
        "torchaudio: torch 2.5.1, unaided, on Python 3.12; torch 2.15.0, unaided."
    )


def test_a_cell_that_is_built_for_less_than_its_torch_is_judged_by_its_own_build(page_of):
    matrix = synthetic_matrix.matrix()
    for cell in matrix["cells"]:
        if (cell["library"], cell["version"], cell["torch"]) == ("ultralytics", "8.1.0", "2.8.0"):
            cell |= {"torch_build": "2.8.0+cpu", "cuda": None, "gpu_archs": []}
    page = page_of(matrix, "have=ultralytics==8.1.0&gpu=RTX+5080")
    said = "torch 2.6.0 and 2.11.0 to 2.16.0.dev20261119, with its allow-list."
    expect(page.locator("#mine")).to_contain_text(said)
    expect(page.locator("#mine")).to_contain_text("Runs, but is not built for your GPU: 1")
