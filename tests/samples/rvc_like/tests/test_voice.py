import pytest
import torch
from make_checkpoints import ASSETS
from voice.features import Features
from voice.pitch import estimator, names
from voice.synthesizer import voice

SILENCE = torch.zeros(1, 8000)


@pytest.fixture(scope="module")
def features():
    return Features(ASSETS)


def test_the_pitch_has_weights():
    assert sorted(estimator(ASSETS / "rmvpe.pt")) == names(ASSETS / "rmvpe.pt")


def test_half_a_second_has_24_features():
    assert len(Features(ASSETS).of(SILENCE)) == 24


def test_features_are_finite(features):
    assert torch.isfinite(features.of(SILENCE)).all()


def test_a_voice_tells_its_rate():
    settings, weights = voice(ASSETS / "voice.pth")
    assert settings.rate == 40_000
    assert weights
