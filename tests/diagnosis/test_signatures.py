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
each_signature = pytest.mark.parametrize("signature", SIGNATURES, ids=lambda s: s.id)


def failure_of(sample):
    errors = [Error(sample["exception"], sample["message"])]
    errors += map(Error.from_line, sample.get("causes", ()))
    versions = normalised(sample.get("versions", {}))
    names = tuple(sample.get("globals", ()))
    return Failure(tuple(errors), sample.get("stage", ""), versions, names)


@each_sample
def test_a_sample_is_recognised_by_its_signature(sample):
    found = diagnose(failure_of(sample))
    assert found is not None
    assert found.id == sample["signature"]


@each_sample
def test_no_two_signatures_know_equally_much_of_a_sample(sample):
    best = sorted(match.rank for match in matches(failure_of(sample)))[:2]
    assert len(set(best)) == len(best)


@each_sample
def test_a_diagnosis_of_a_sample_has_a_remedy_and_no_blank(sample):
    found = diagnose(failure_of(sample))
    assert found.remedies
    assert "?" not in found.cause
    assert all(remedy.says and remedy.kind in KINDS for remedy in found.remedies)


@each_sample
def test_a_sample_says_where_its_words_are_from(sample):
    assert sample["from"] in ("produced", "quoted")
    assert sample["by"]


@each_signature
def test_a_signature_has_a_sample(signature):
    assert signature.id in {sample["signature"] for sample in SAMPLES}


def test_an_id_is_of_one_signature():
    assert max(Counter(signature.id for signature in SIGNATURES).values()) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_samples_of_a_family_are_of_its_signatures(family):
    known = {signature.id for signature in FAMILIES[family]}
    assert {s["signature"] for s in SAMPLES if s["family"] == family} <= known
