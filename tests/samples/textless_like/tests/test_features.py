import torch
from make_checkpoints import ASSETS
from units.features import FeatureReader


def test_half_a_second_has_24_features():
    assert len(FeatureReader(ASSETS / "mhubert.pt").of(torch.zeros(1, 8000))) == 24
