from __future__ import annotations

import pytest
from golden import NAMES, golden, recorded, text_of

from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from pytest_torchcompat.doctor import findings


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_a_recorded_environment(name):
    assert text_of(name) == golden(name).read_text("utf-8")


def test_five_environments_are_recorded():
    assert NAMES == [
        "none",
        "torch-2.15.0",
        "torch-2.15.0-torchaudio-2.11.0",
        "torch-2.5.1",
        "torch-2.8.0",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_as_it_should_be_has_a_remedy(name):
    found = [each for each in findings(recorded(name)) if each.level != "ok"]

    assert all(each.remedies for each in found)
    assert {each.signature for each in found} - {None} <= {each.id for each in SIGNATURES}
