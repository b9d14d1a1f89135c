import torch
from make_checkpoints import ASSETS
from units.quantizer import quantizer


def test_each_row_has_a_unit():
    assert quantizer(ASSETS / "kmeans.pt").of(torch.zeros(5, 16)).shape == (5,)
