"""
The adapter of fairseq and the shims of its models, on fairseq itself where it is installed.

In an environment of fairseq, torch and pytest, with this project's folder as PYTHONPATH, they run
by ``python -m pytest -p no:torchcompat -p no:hydra_pytest tests/libraries/test_fairseq.py``.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import sys

import pytest

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.libraries.fairseq import Fairseq
from pytest_torchcompat.shim.dataclass_defaults import DataclassDefaults
from pytest_torchcompat.shim.numpy_aliases import NumpyAliases
from pytest_torchcompat.shim.omegaconf_integers import OmegaconfIntegers
from pytest_torchcompat.shim.pos_conv import PosConvWeightNorm

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("fairseq") is None, reason="fairseq is not installed here"
    ),
    pytest.mark.filterwarnings("ignore"),  # fairseq's own are many
]

HUBERT = catalogue().get("rvc/hubert-base")
PLACE = "encoder.pos_conv.0"
LATE = (OmegaconfIntegers, PosConvWeightNorm)


@pytest.fixture(scope="module")
def adapter():
    """Import it, also on a Python that it does not know as well."""
    adapter = Fairseq()
    with DataclassDefaults().applied() if sys.version_info >= (3, 11) else contextlib.nullcontext():
        adapter.import_()
    return adapter


@pytest.fixture
def content(monkeypatch):
    """What the replica of HuBERT holds, for a test to edit."""
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **named: load(*a, **named, weights_only=False))
    return torch.load(HUBERT.replica.path)


def written(content, folder):
    path = folder / "hubert.pt"
    torch.save(content, path)
    return path


def features(adapter, row, path=None, use=None):
    """Return what the forward pass, or another use, of a file's model gives."""
    model = adapter.load(row, path or row.replica.path)
    run = adapter.use(use, row, model, "cpu") if use else adapter.forward(row, model, "cpu")
    with torch.inference_mode():
        return run()


def drift(found, expected):
    return float((found - expected).norm() / expected.norm())


def cosine(found, expected):
    return float(torch.nn.functional.cosine_similarity(found.flatten(), expected.flatten(), dim=0))


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize(
    ("name", "shim", "most"),
    [
        ("hubert-float-config", OmegaconfIntegers, 0),
        ("hubert-pos-conv-parametrized", PosConvWeightNorm, 1e-6),
        ("hubert-pos-conv-dim0", PosConvWeightNorm, 1e-3),  # in float16, which rounds the product
    ],
)
def test_a_replica_that_needs_a_shim_gives_what_the_ordinary_one_gives(adapter, name, shim, most):
    row = catalogue().get(f"fairseq/{name}")
    with pytest.raises((ValueError, RuntimeError), match=r"full_key: sample_rate|pos_conv\.0"):
        features(adapter, row)
    adaptation = shim()
    with adaptation.applied():
        found = features(adapter, row)
    assert adaptation.lost == []
    assert drift(found, features(adapter, HUBERT)) <= most


def test_the_weight_norm_is_mapped_exactly_where_nothing_is_rounded(adapter, content, tmp_path):
    weights = content["model"]
    norms, directions = (
        weights.pop(f"{PLACE}.{name}").float() for name in ("weight_g", "weight_v")
    )
    weight = torch._weight_norm(directions, norms, 2)
    weights[f"{PLACE}.weight_g"] = torch.norm_except_dim(weight, 2, 0)
    weights[f"{PLACE}.weight_v"] = weight
    expected = features(adapter, HUBERT)
    with PosConvWeightNorm().applied():
        found = features(adapter, HUBERT, written(content, tmp_path))
    assert drift(found, expected) < 1e-6


def test_a_true_float_is_an_error_that_names_the_file_and_the_key(adapter, content, tmp_path):
    content["cfg"]["model"]["encoder_layers"] = 1.5
    path = written(content, tmp_path)
    with OmegaconfIntegers().applied():
        with pytest.raises(ValueError, match=r"(?s)^hubert\.pt: 1\.5 .*full_key: encoder_layers"):
            adapter.load(HUBERT, path)


def test_half_a_weight_norm_is_an_error_that_names_the_file_and_the_key(adapter, content, tmp_path):
    del content["model"][f"{PLACE}.weight_g"]
    path = written(content, tmp_path)
    with PosConvWeightNorm().applied():
        with pytest.raises(RuntimeError, match=r"^hubert\.pt: has encoder\.pos_conv\.0\.weight_v"):
            adapter.load(HUBERT, path)


def test_a_shape_that_cannot_be_mapped_is_said_and_drifts_the_same_each_time(
    adapter, content, tmp_path
):
    content["model"][f"{PLACE}.weight_v"] = content["model"][f"{PLACE}.weight_v"][..., :-1]
    path, adaptation = written(content, tmp_path), PosConvWeightNorm()
    with adaptation.applied():
        first = features(adapter, HUBERT, path)
        again = features(adapter, HUBERT, path)
    assert torch.equal(first, again)
    assert drift(first, features(adapter, HUBERT)) > 0.1
    assert len(adaptation.lost) == 2  # of two loads
    assert adaptation.lost[0].startswith(f"hubert.pt: {PLACE}.weight_g [1, 1, 16] and")


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("shim", LATE)
def test_fairseq_is_put_back_exactly(adapter, shim):
    from fairseq import checkpoint_utils
    from fairseq.models.wav2vec.wav2vec2 import TransformerEncoder
    from omegaconf.nodes import IntegerNode

    def state():
        return [dict(vars(each)) for each in (checkpoint_utils, TransformerEncoder, IntegerNode)]

    before = state()
    with shim().applied():
        assert state() != before
        features(adapter, HUBERT)
    assert state() == before


@pytest.mark.usefixtures("content")
def test_masking_needs_an_alias_that_numpy_removed(adapter):
    import numpy as np

    row = catalogue().get("fairseq/hubert-base-ls960")
    if "int" not in vars(np):
        with pytest.raises(AttributeError, match=r"np\.int|attribute 'int'"):
            features(adapter, row, use="masking")
    with NumpyAliases().applied():
        found = features(adapter, row, use="masking")
        assert torch.equal(found, features(adapter, row, use="masking"))
    assert drift(found, features(adapter, row)) > 0.1


@pytest.mark.usefixtures("content")
def test_a_random_positional_convolution_leaves_all_but_its_two_weights(adapter):
    model = adapter.load(HUBERT, HUBERT.replica.path)
    before = copy.deepcopy(model.state_dict())
    adapter.use("random-pos-conv", HUBERT, model, "cpu")
    after = model.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {f"{PLACE}.weight_g", f"{PLACE}.weight_v"}


@pytest.mark.usefixtures("content")
def test_a_random_positional_convolution_is_far_from_negligible_on_the_replica(adapter):
    found = features(adapter, HUBERT, use="random-pos-conv")
    expected = features(adapter, HUBERT)
    print("cosine", cosine(found, expected), "relative error", drift(found, expected))
    assert drift(found, expected) > HUBERT.tolerance
    assert torch.equal(found, features(adapter, HUBERT, use="random-pos-conv"))


def test_a_use_that_is_not_known_is_told():
    with pytest.raises(UnknownNameError, match=r"'maskng' is not a known use.*mean 'masking'"):
        Fairseq().use("maskng", HUBERT, None, "cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_batch_gives_each_wave_what_one_alone_gets(adapter, dtype):
    model = adapter.load(HUBERT, HUBERT.replica.path)
    run = adapter.forward(HUBERT, model, "cpu", batch=3, dtype=dtype)
    with torch.inference_mode():
        found = run()
    assert (len(found), found.dtype) == (3, getattr(torch, dtype))
    expected = features(adapter, HUBERT)
    assert drift(found[:1].float(), expected) < (1e-5 if dtype == "float32" else 0.1)
    assert {each.dtype for each in model.parameters()} == {torch.float32}
