from __future__ import annotations

import fnmatch

import pytest

from matrix import axes
from matrix.claims import RUNS, WORKS, Claim, Finding, Of, Part, judged, within
from matrix.claims_data import CLAIMS, NEGLIGIBLE
from pytest_torchcompat import shim
from pytest_torchcompat.checkpoints.rows import ROWS
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import FORWARD, Record

DICTIONARY = "fairseq.data.dictionary.Dictionary"
REFUSAL = "Weights only load failed. Unsupported global: GLOBAL x"


def check(checkpoint="ultralytics/yolov8n", policy="stock", outcome=Outcome.PASS, **fields):
    fields = {"stage": Stage.FORWARD, **fields}
    record = Record(checkpoint, "replica", policy, outcome, **fields)
    return record.to_dict()


def refused(checkpoint, policy="strict", outcome=Outcome.REFUSED, **fields):
    return check(checkpoint, policy, outcome, stage=Stage.LOAD, message=REFUSAL, **fields)


def cell(*checks, torch="2.6.0", library="ultralytics", version="8.1.0", **fields):
    return {
        "id": f"torch{torch}-{library}{version}",
        "torch": torch,
        "library": library,
        "version": version,
        "beside": "",
        "distributions": {},
        "gpu_archs": [],
        "load_variables": [],
        "checks": list(checks),
        **fields,
    }


def of_part(part, *cells):
    (found,) = judged([Claim("a-claim", "so", "a guide", (part,))], cells)
    return found["parts"][0]


def verdict(part, *cells):
    return of_part(part, *cells)["verdict"]


def of_claim(identifier, *cells):
    """Return a claim of the data as cells judge it, and its parts' verdicts."""
    (claim,) = (each for each in CLAIMS if each.id == identifier)
    (found,) = judged([claim], cells)
    return found["verdict"], [part["verdict"] for part in found["parts"]]


YOLO = Of(("ultralytics/yolov8n",))


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ("hh", "holds"),
        ("hr", "refuted"),
        ("ur", "refuted"),
        ("hu", "untested"),
        ("u", "untested"),
        ("", "untested"),
    ],
)
def test_a_claim_holds_where_every_part_was_tested_and_agrees(verdicts, whole):
    parts = {
        "h": Part("holds", YOLO, (Finding(WORKS),)),
        "r": Part("refuted", YOLO, (Finding(("fail",)),)),
        "u": Part("untested", Of(("another",)), (Finding(WORKS),)),
    }
    claim = Claim("a-claim", "so", "a guide", tuple(parts[each] for each in verdicts))
    (found,) = judged([claim], [cell(check())])
    assert found["verdict"] == whole


def test_a_part_of_nothing_is_untested_whatever_a_run_has():
    assert verdict(Part("a fact of the hardware"), cell(check())) == "untested"


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ({}, True),
        ({"library": "ultra*"}, True),
        ({"library": "fairseq"}, False),
        ({"version": "==8.1.*"}, True),
        ({"version": ">8.1"}, False),
        ({"torch": "<2.7"}, True),
        ({"torch": "==2.5.*"}, False),
        ({"beside": ""}, True),
        ({"beside": "lightning 2.5.6"}, False),
        ({"policies": ("stock", "strict")}, True),
        ({"policies": ("strict",)}, False),
        ({"use": "stream"}, False),
        ({"reached": Stage.LOAD}, True),
        ({"reached": Stage.PARITY}, False),
        ({"distributions": {"omegaconf": "<2.1"}}, True),
        ({"distributions": {"omegaconf": ">=2.1"}}, False),
        ({"distributions": {"hydra-core": ">=0"}}, False),
    ],
)
def test_a_part_is_about_the_checks_that_it_names(asked, same):
    part = Part("works", Of(("ultralytics/*",), **asked), (Finding(WORKS),))
    found = verdict(part, cell(check(), distributions={"omegaconf": "2.0.6"}))
    assert found == ("holds" if same else "untested")


def test_a_nightly_is_in_a_span_of_versions_and_is_no_release():
    nightly = cell(check(), torch="2.16.0.dev20261119")
    for released, found in ((False, "holds"), (True, "untested")):
        of = Of(("*",), torch=">=2.6", released=released)
        assert verdict(Part("works", of, (Finding(WORKS),)), nightly) == found


def test_a_version_that_is_no_version_is_in_no_span():
    part = Part("works", Of(("*",), version=">=0"), (Finding(WORKS),))
    assert verdict(part, cell(check(), version="main")) == "untested"


@pytest.mark.parametrize("outcome", ["timeout", "unavailable", "infra", "not-run"])
def test_what_says_nothing_of_the_cell_says_nothing_of_a_claim(outcome):
    for expected in (WORKS, (outcome,)):
        part = Part("so", YOLO, (Finding(expected),))
        assert verdict(part, cell(check(outcome=Outcome(outcome)))) == "untested"


@pytest.mark.parametrize(
    ("finding", "fields", "found"),
    [
        ({"outcomes": ("pass",)}, {}, "holds"),
        ({"outcomes": ("fail",)}, {}, "refuted"),
        ({"message": "Unsupported global"}, {"message": REFUSAL}, "holds"),
        ({"message": "^TypeError: isin"}, {"exception": "TypeError", "message": "isin()"}, "holds"),
        ({"message": "Unsupported global"}, {}, "refuted"),
        ({"globals": (DICTIONARY,)}, {"globals": (DICTIONARY,)}, "holds"),
        ({"globals": (DICTIONARY,)}, {"globals": (DICTIONARY, "os.system")}, "refuted"),
        ({"globals": (DICTIONARY,)}, {"globals": ()}, "refuted"),
        ({"globals_within": (DICTIONARY,)}, {"globals": ()}, "holds"),
        ({"globals_within": (DICTIONARY,)}, {"globals": ("os.system",)}, "refuted"),
        ({"shims": ("hydra",)}, {"shims": ("hydra", "numpy")}, "holds"),
        ({"shims": ("hydra",)}, {}, "refuted"),
        ({"without": ("hydra",)}, {"shims": ("numpy",)}, "holds"),
        ({"without": ("hydra",)}, {"shims": ("hydra",)}, "refuted"),
        ({"error_at_most": 0.01}, {"parity": {"relative_error": 0.01}}, "holds"),
        ({"error_at_most": 0.01}, {"parity": {"relative_error": 0.02}}, "refuted"),
        ({"error_at_most": 0.01}, {"parity": {"relative_error": None}}, "untested"),
        ({"error_at_most": 0.01}, {}, "untested"),
    ],
)
def test_what_a_check_shows_agrees_or_contradicts(finding, fields, found):
    assert verdict(Part("so", YOLO, (Finding(**finding),)), cell(check(**fields))) == found


def test_globals_of_a_file_that_was_not_read_are_not_known():
    failed = check(outcome=Outcome.FAIL, stage=Stage.LOAD)
    for finding in (Finding(globals=()), Finding(globals_within=(DICTIONARY,))):
        assert verdict(Part("so", YOLO, (finding,)), cell(failed)) == "untested"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"gpu_archs": ["sm_90"]}, "holds"),
        ({"gpu_archs": ["sm_90", "sm_120"]}, "refuted"),
        ({}, "untested"),
    ],
)
def test_an_environment_says_what_torch_was_compiled_for(fields, found):
    part = Part("so", Of(library="torch"), (Finding(not_built_for="sm_120"),))
    assert verdict(part, cell(library="torch", **fields)) == found


def test_only_what_contradicts_a_part_refutes_it_where_that_is_said():
    part = Part("refused", YOLO, (Finding(("refused",)),), (Finding(RUNS),))
    assert verdict(part, cell(check(outcome=Outcome.CRASH))) == "untested"
    assert verdict(part, cell(check())) == "refuted"


def test_evidence_names_each_check_once_with_its_cells_and_what_contradicts_first():
    part = Part("works", YOLO, (Finding(WORKS),))
    cells = [
        cell(check(), torch="2.5.1"),
        cell(check(outcome=Outcome.FAIL), torch="2.6.0"),
        cell(check(), torch="2.8.0"),
    ]
    named = {"checkpoint": YOLO.checkpoints[0], "use": FORWARD, "policy": "stock", "found": ""}
    named["edition"] = "replica"
    names = [f"torch{torch}-ultralytics8.1.0" for torch in ("2.5.1", "2.6.0", "2.8.0")]
    assert of_part(part, *cells)["evidence"] == [
        {**named, "agrees": False, "outcome": "fail", "cells": [names[1]]},
        {**named, "agrees": True, "outcome": "pass", "cells": [names[0], names[2]]},
    ]


@pytest.mark.parametrize(
    ("finding", "fields", "found"),
    [
        ({"globals_within": (DICTIONARY,)}, {"globals": (DICTIONARY,)}, "1 global"),
        ({"globals": (DICTIONARY, "a.B")}, {"globals": (DICTIONARY, "a.B")}, "2 globals"),
        ({"globals": ()}, {"globals": (DICTIONARY,)}, "1 global"),
        ({"outcomes": WORKS}, {"shims": ("hydra",)}, ""),
        ({"without": ("numpy",)}, {"shims": ("hydra",)}, "with hydra"),
        ({"error_at_most": 1}, {"parity": {"relative_error": 0.0312}}, "relative error 0.031"),
    ],
)
def test_evidence_says_what_was_found_beside_the_outcome(finding, fields, found):
    part = of_part(Part("so", YOLO, (Finding(**finding),)), cell(check(**fields)))
    assert part["evidence"][0]["found"] == found


def test_evidence_says_the_versions_that_a_part_is_about():
    of = Of(YOLO.checkpoints, distributions={"numpy": "<3"})
    part = of_part(Part("so", of, (Finding(WORKS),)), cell(check(), distributions={"numpy": "2.4"}))
    assert part["evidence"][0]["found"] == "numpy 2.4"


def _parts():
    return [(claim.id, part) for claim in CLAIMS for part in claim.parts if part.of]


@pytest.mark.parametrize(
    "part", [p for _, p in _parts()], ids=[f"{i}-{p.says}" for i, p in _parts()]
)
def test_every_claim_is_tied_to_checks_that_a_sweep_has(part):
    rows = [row for row in ROWS if any(fnmatch.fnmatchcase(row.id, g) for g in part.of.checkpoints)]
    uses = {FORWARD, *(use.name for row in rows for use in row.uses)}
    named = [g for g in part.of.checkpoints if not any(fnmatch.fnmatchcase(r.id, g) for r in rows)]
    assert not named, "a checkpoint that is in no row"
    assert part.of.use in uses
    libraries = [x for x in axes.LIBRARIES if fnmatch.fnmatchcase(x.name, part.of.library)]
    swept = [each.version for library in libraries for each in library.versions]
    assert libraries
    assert not part.of.version or any(within(each, part.of.version) for each in swept)
    shims = {name for f in (*part.expects, *part.contradicted_by) for name in f.shims + f.without}
    assert shims <= {each.name for each in shim.SHIMS}


def test_the_ids_of_claims_are_unique():
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


def test_nothing_is_said_before_anything_ran():
    assert {found["verdict"] for found in judged(CLAIMS, [])} == {"untested"}


def test_the_table_of_yolo_is_confirmed_as_far_as_a_sweep_goes():
    later = refused("ultralytics/yolov8n", "stock", Outcome.FAIL)
    cells = [cell(check(), torch="2.5.1"), cell(later, torch="2.6.0"), cell(later, torch="2.9.1")]
    assert of_claim("yolo-torch-table", *cells) == ("untested", ["untested"] + ["holds"] * 3)
    cells[1] = cell(check(), torch="2.6.0")
    assert of_claim("yolo-torch-table", *cells)[0] == "refuted"


def test_of_two_claims_that_exclude_each_other_one_holds():
    hubert = check("rvc/hubert-base", "allowlisted", globals=(DICTIONARY,))
    assert of_claim("fairseq-no-allow-list", cell(hubert))[0] == "refuted"
    assert of_claim("fairseq-small-allow-list", cell(hubert))[0] == "holds"
    hubert = refused("rvc/hubert-base", "allowlisted", globals=(DICTIONARY,))
    assert of_claim("fairseq-no-allow-list", cell(hubert))[0] == "holds"
    assert of_claim("fairseq-small-allow-list", cell(hubert))[0] == "refuted"


def test_one_checkpoint_of_rvc_that_loads_strictly_refutes_that_all_have_classes():
    hubert, plain = refused("rvc/hubert-base"), check("rvc/rmvpe", "strict")
    assert of_claim("rvc-custom-classes", cell(hubert))[0] == "holds"
    assert of_claim("rvc-custom-classes", cell(hubert), cell(plain))[0] == "refuted"


@pytest.mark.parametrize(("error", "found"), [(0.5, "refuted"), (NEGLIGIBLE, "holds")])
def test_how_much_random_weights_change_is_a_figure(error, found):
    parity = {"relative_error": error}
    outcome = Outcome.DEGRADED
    fields = {"use": "random-pos-conv", "experiment": True, "parity": parity}
    asked = check("rvc/hubert-base", "stock", outcome, **fields)
    assert of_claim("random-pos-conv", cell(asked))[0] == found


def test_a_variable_is_looked_for_in_what_torch_names():
    names = ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
    torch = {"library": "torch", "version": "2.6.0"}
    assert of_claim("load-variable", cell(**torch, load_variables=names))[0] == "refuted"
    names.append("TORCH_LOAD_WEIGHTS_ONLY")
    assert of_claim("load-variable", cell(**torch, load_variables=names))[0] == "holds"


@pytest.mark.parametrize(
    ("identifier", "checkpoints"),
    [
        ("xtts-four-classes", ["coqui/xtts-v2"]),
        (
            "pyannote-four-globals",
            ["pyannote/wespeaker-voxceleb-resnet34-lm", "pyannote/segmentation-3.0"],
        ),
    ],
)
def test_exactly_four_is_neither_three_nor_five(identifier, checkpoints):
    four = next(row for row in ROWS if row.id == checkpoints[0]).globals
    assert len(four) == 4
    for names, found in ((four, "holds"), (four[1:], "refuted"), ((*four, "os.x"), "refuted")):
        checks = [refused(each, globals=names) for each in checkpoints]
        checks += [check(each, "allowlisted", globals=names) for each in checkpoints]
        assert of_claim(identifier, cell(*checks))[0] == found


def test_a_released_build_for_the_card_refutes_that_it_needs_a_nightly():
    old = cell(library="torch", torch="2.6.0", gpu_archs=["sm_90"])
    nightly = cell(library="torch", torch="2.16.0.dev20261119", gpu_archs=["sm_120"])
    new = cell(library="torch", torch="2.8.0", gpu_archs=["sm_120"])
    assert of_claim("rtx-5080", old, nightly) == ("untested", ["untested", "holds"])
    assert of_claim("rtx-5080", old, nightly, new) == ("refuted", ["untested", "refuted"])


def streamed(
    transformers, outcome=Outcome.PASS, stage=Stage.FORWARD, library="coqui-tts", **fields
):
    asked = check("coqui/xtts-v2", "patched", outcome, use="stream", stage=stage, **fields)
    return cell(asked, library=library, distributions={"transformers": transformers})


def test_streaming_with_another_transformers_refutes_that_it_needs_one():
    named, other = streamed("4.42.4"), streamed("4.57.1")
    old = streamed("4.42.4", library="TTS")
    words = "isin() received an invalid combination of arguments"
    fails = streamed("4.57.1", Outcome.FAIL, message=words)
    assert of_claim("xtts-stream-transformers", named, old, fails)[0] == "holds"
    assert of_claim("xtts-stream-transformers", named, old, other)[0] == "refuted"
    helped = streamed("4.36.2", Outcome.SHIMMED, shims=("isin-numbers",))
    assert of_claim("xtts-stream-transformers", named, old, helped)[0] == "holds"
    # The old TTS streams with it by a shim alone.
    old = streamed("4.42.4", Outcome.SHIMMED, library="TTS", shims=("isin-numbers",))
    assert of_claim("xtts-stream-transformers", named, old, fails)[0] == "refuted"
    # A failure of another cause is no evidence.
    elsewhere = streamed("4.57.1", Outcome.FAIL, message="no FFmpeg")
    assert of_claim("xtts-stream-transformers", named, elsewhere)[0] == "untested"
    # It never came to streaming.
    unloaded = streamed("4.57.1", Outcome.FAIL, stage=Stage.LOAD)
    assert of_claim("xtts-stream-transformers", named, unloaded)[0] == "untested"


def test_a_float_refused_by_an_older_omegaconf_refutes_that_the_newer_is_the_cause():
    def config(outcome, omegaconf="2.0.6", **fields):
        asked = check("fairseq/hubert-float-config", outcome=outcome, **fields)
        versions = {"omegaconf": omegaconf}
        return cell(asked, torch="2.5.1", library="fairseq", distributions=versions)

    shimmed = config(Outcome.SHIMMED, shims=("omegaconf-integers",))
    assert of_claim("omegaconf-floats", shimmed) == ("refuted", ["refuted", "untested"])
    words = "Value '16000.0' could not be converted to Integer"
    assert of_claim("omegaconf-floats", config(Outcome.FAIL, message=words))[0] == "refuted"
    later = config(Outcome.SHIMMED, "2.3.0", shims=("omegaconf-integers",))
    assert of_claim("omegaconf-floats", config(Outcome.PASS), later)[0] == "holds"
    unrelated = config(Outcome.FAIL, message="mutable default")
    assert of_claim("omegaconf-floats", unrelated)[0] == "untested"
