from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import normalised
from pytest_torchcompat.diagnosis.matching import matches
from pytest_torchcompat.diagnosis.signature import KINDS
from pytest_torchcompat.diagnosis.signatures import FAMILIES, SIGNATURES

SAMPLES = [
    {"family": path.stem, **sample}
    for path in sorted((Path(__file__).parent / "samples").glob("*.json"))
    for sample in json.loads(path.read_text("utf-8"))
]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s["signature"])


def failure_of(sample):
    errors = [Error(sample["exception"], sample["message"])]
    errors += map(Error.from_line, sample.get("causes", ()))
    versions = normalised(sample.get("versions", {}))
    names = tuple(sample.get("globals", ()))
    return Failure(tuple(errors), sample.get("stage", ""), versions, names)


@each_sample
def test_a_sample_is_recognised_by_one_signature_that_knows_what_to_do(sample):
    failure = failure_of(sample)
    best = sorted((-each.signature.knows, each.position) for each in matches(failure))[:2]
    found = diagnose(failure)
    assert found is not None
    assert found.id == sample["signature"]
    assert len(set(best)) == len(best), "two signatures know equally much of it"
    assert found.remedies
    assert all(remedy.says and remedy.kind in KINDS for remedy in found.remedies)
    assert "?" not in found.cause


def test_a_sample_says_where_its_words_are_from():
    silent = [s["signature"] for s in SAMPLES if s["from"] not in ("produced", "quoted")]
    assert silent + [s["signature"] for s in SAMPLES if not s["by"]] == []


def test_a_signature_has_a_sample():
    assert {each.id for each in SIGNATURES} - {sample["signature"] for sample in SAMPLES} == set()


def test_an_id_is_of_one_signature():
    assert max(Counter(signature.id for signature in SIGNATURES).values()) == 1


def test_the_samples_of_a_family_are_of_its_signatures():
    known = {name: {each.id for each in family} for name, family in FAMILIES.items()}
    strays = [s["signature"] for s in SAMPLES if s["signature"] not in known[s["family"]]]
    assert strays == []
