"""The environment in which a replica is saved."""

from __future__ import annotations

import pytest

from matrix.environments import NoEnvironment
from matrix.replicas.rebuild import rebuild
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome


class Refusing:
    """Builds nothing and remembers what it was asked for."""

    def create(self, cell):
        self.cell = cell
        return NoEnvironment(Outcome.INFRA, "no index here")


@pytest.fixture
def asked():
    def ask(*identifiers):
        environments = Refusing()
        with pytest.raises(TorchcompatError) as raised:
            rebuild([catalogue().get(identifier) for identifier in identifiers], environments)
        return environments.cell, str(raised.value)

    return ask


def test_rows_saved_by_the_same_requirements_share_an_environment(asked):
    cell, message = asked("rvc/rmvpe", "rvc/uvr5-hp5")
    assert cell.id == "replicas-py3.10-torch2.5.1-rvc0.3.5"
    assert cell.requirements == catalogue().get("rvc/rmvpe").replica.saved_by
    sentence = "no environment to save replicas in, saves rvc/rmvpe, rvc/uvr5-hp5: no index here"
    assert message == sentence


def test_what_a_models_code_does_without_is_left_out_for_that_library_alone(asked):
    assert "fairseq" in asked("rvc/rmvpe")[0].excludes
    assert "fairseq" not in asked("rvc/hubert-base")[0].excludes
