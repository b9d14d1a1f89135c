from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import synthetic_matrix

from matrix.claims import Verdict
from pytest_torchcompat.checkpoints.catalogue import Edition
from pytest_torchcompat.diagnosis.signature import KINDS
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.policies import Policy

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "matrix" / "matrix.schema.json").read_text(encoding="utf-8")
)
CHECK = SCHEMA["$defs"]["check"]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_full_matrix_is_accepted(matrix):
    VALIDATOR.validate(json.loads(json.dumps(matrix)))


def test_a_matrix_with_all_that_is_measured_is_accepted(matrix):
    VALIDATOR.validate(json.loads(json.dumps(synthetic_matrix.measured(matrix))))


def test_a_run_that_has_only_been_planned_is_accepted(matrix):
    planned = synthetic_matrix.bare("2.5.1", "fairseq", "0.12.2", Outcome.NOT_RUN, None)
    VALIDATOR.validate(matrix | {"cells": [planned], "finished": None, "complete": False})


def test_what_was_carried_over_or_tried_again_is_accepted(matrix):
    moment = "2026-11-18T01:00:00+00:00"
    matrix["cells"][0] |= {"carried": "2026-11-18T0100", "finished": moment}
    matrix["cells"][0]["checks"][0]["tally"] = {"pass": 2, "infra": 1}
    matrix["cells"][1] |= {"carried": None, "finished": None}
    matrix["cells"][1]["checks"][0]["tally"] = None
    VALIDATOR.validate(json.loads(json.dumps(matrix)))


def test_a_run_from_before_its_checkpoints_were_written_is_accepted(matrix):
    del matrix["checkpoints"]
    VALIDATOR.validate(matrix)


@pytest.mark.parametrize("key", sorted(SCHEMA["required"]))
def test_a_run_without_one_of_its_keys_is_refused(matrix, key):
    del matrix[key]
    assert not VALIDATOR.is_valid(matrix)


@pytest.mark.parametrize("key", sorted(SCHEMA["$defs"]["cell"]["required"]))
def test_a_cell_without_one_of_its_keys_is_refused(matrix, key):
    del matrix["cells"][0][key]
    assert not VALIDATOR.is_valid(matrix)


@pytest.mark.parametrize("key", sorted(CHECK["required"]))
def test_a_check_without_one_of_its_keys_is_refused(matrix, key):
    del matrix["cells"][0]["checks"][0][key]
    assert not VALIDATOR.is_valid(matrix)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("schema",), 2),
        (("surprise",), 1),
        (("started",), "yesterday"),
        (("started",), "2026-11-20T10:31:04"),
        (("complete",), "yes"),
        (("edition",), "local"),
        (("torch",), ["2.5.1", "2.5.1"]),
        (("selection",), {"torch": "2.5.1"}),
        (("cells", 0, "surprise"), 1),
        (("cells", 0, "outcome"), "passed"),
        (("cells", 0, "python"), "python3.12"),
        (("cells", 0, "distributions"), ["numpy"]),
        (("cells", 0, "seconds"), {"run": -1}),
        (("cells", 0, "carried"), True),
        (("cells", 0, "finished"), "yesterday"),
        (("cells", 0, "checks", 0, "tally"), {}),
        (("cells", 0, "checks", 0, "tally"), {"passed": 2}),
        (("cells", 0, "checks", 0, "tally"), {"pass": 0}),
        (("cells", 0, "checks", 0, "kind"), "check"),
        (("cells", 0, "checks", 0, "policy"), "stict"),
        (("cells", 0, "checks", 0, "stage"), "lode"),
        (("cells", 0, "checks", 0, "sha256"), "31e20dde"),
        (("cells", 0, "checks", 0, "globals"), "fairseq.data.dictionary.Dictionary"),
        (("cells", 0, "checks", 0, "benchmark", "median"), "42 ms"),
        (("cells", 0, "checks", 0, "fingerprint", "shape"), [1.5]),
        (("cells", 0, "checks", 0, "parity", "relative_error"), "none"),
        (("cells", 0, "diagnosis"), {"id": "no-wheel"}),
        (("cells", 0, "checks", 0, "diagnosis"), {"id": "wo-yolo"}),
        (("cells", 0, "checks", 0, "chain"), "OSError: gone"),
        (("diagnoses", "wo-yolo/1", "cause"), None),
        (("diagnoses", "wo-yolo/1", "remedies", 0, "kind"), "magic"),
        (("causes", 0, "known"), "yes"),
        (("causes", 0, "outcomes"), []),
        (("causes", 0, "cells"), 3),
        (("causes", 0, "example", "cell"), None),
        (("refusals", 0, "checks"), -1),
        (("refusals", 0, "surprise"), 1),
        (("claims", 0, "verdict"), "true"),
        (("claims", 0, "parts", 0, "evidence", 0, "cells"), "all"),
        (("claims", 0, "parts"), []),
        (("shims", 0, "retired"), "no"),
        (("allowlists", 0, "needed_by"), None),
        (("checkpoints", 0, "files"), "hubert_base.pt"),
        (("checkpoints", 0, "sha256"), "f54b40fd"),
        (("checkpoints", 0, "bytes"), "189 MB"),
        (("checkpoints", 0, "surprise"), 1),
        (("checkpoints", 0, "editions", 0, "edition"), "original"),
        (("checkpoints", 0, "editions", 0, "sha256"), ""),
        (("stacks", 0, "outcome"), "fail"),
    ],
)
def test_a_broken_matrix_is_refused(matrix, where, value):
    *path, last = where
    target = matrix
    for step in path:
        target = target[step]
    target[last] = value
    assert not VALIDATOR.is_valid(matrix)


def test_the_schema_has_the_keys_of_a_record():
    assert set(CHECK["properties"]) >= synthetic_matrix.record_fields()
    # Runs from before these were measured are read as well.
    assert set(CHECK["required"]) == synthetic_matrix.record_fields() - {"loading", "speed"}


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (SCHEMA["$defs"]["outcome"]["enum"], Outcome),
        (CHECK["properties"]["stage"]["enum"][:-1], Stage),
        (CHECK["properties"]["policy"]["enum"], Policy),
        (CHECK["properties"]["edition"]["enum"][:-1], Edition),
        (SCHEMA["$defs"]["opened"]["properties"]["edition"]["enum"][:-1], Edition),
        (SCHEMA["$defs"]["verdict"]["enum"], Verdict),
    ],
)
def test_the_schema_has_the_words_of_the_package(found, kind):
    assert sorted(found) == sorted(member.value for member in kind)


def test_the_schema_has_the_kinds_of_remedies():
    kinds = SCHEMA["$defs"]["remedies"]["items"]["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(KINDS)
