"""The adapter of plain torch, and what it reads: state dicts with the shapes of the originals."""

from __future__ import annotations

import pytest

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.libraries.plain import PlainTorch

torch = pytest.importorskip("torch")

# torch before 2.6 warns of its own default.
pytestmark = pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")

# Of the others the size is not known, or leaves something unexplained: see original_rvc.py.
MEASURED = [
    "rvc/rmvpe",
    "rvc/f0g40k-v1",
    "rvc/f0g40k-v2",
    "rvc/f0d40k-v1",
    "rvc/f0d40k-v2",
    "rvc/uvr5-hp5",
    "coqui/xtts-v2-mel-stats",
]


def load(row):
    return PlainTorch().load(row, row.replica.path)


def tensors(content):
    if isinstance(content, torch.Tensor):
        return [content]
    return list(content.get("model", content).values())


PLAIN = [row for row in catalogue() if row.library == "torch"]


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.id)
def test_every_weight_is_read_onto_the_cpu_wherever_it_was_saved(row):
    assert {str(tensor.device) for tensor in tensors(load(row))} == {"cpu"}


def test_a_file_saved_on_a_gpu_needs_to_be_told_of_a_machine_without(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"CUDA device but torch\.cuda\.is_available"):
        torch.load(catalogue().get("rvc/rmvpe").replica.path, weights_only=True)


@pytest.mark.parametrize("identifier", MEASURED)
def test_weights_counted_in_full_make_up_the_size_of_the_original(identifier):
    row = catalogue().get(identifier)
    found = tensors(load(row))
    rest = row.bytes - sum(tensor.numel() * tensor.element_size() for tensor in found)
    # A key, its shape and its zip records take some 330 bytes; a tensor's file begins with 400.
    assert 0 < rest < 400 + 350 * len(found)


def test_a_weight_varies_along_each_of_its_dimensions():
    weight = load(catalogue().get("rvc/rmvpe"))["unet.encoder.layers.0.conv.0.conv.0.weight"]
    for dimension, size in enumerate(weight.shape):
        assert size == 1 or (weight.diff(dim=dimension) != 0).any()


def test_there_is_no_model_to_run():
    row = catalogue().get("rvc/rmvpe")
    assert PlainTorch().forward(row, load(row), "cpu") is None
