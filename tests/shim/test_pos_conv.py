"""The positional convolution's weight norm: mapped with equal weights, or said to be lost."""

from __future__ import annotations

import contextlib
import sys
import types

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.shim.pos_conv import PosConvWeightNorm

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")

WIDTH, GROUPS, KERNEL = 12, 3, 8
G, V = "encoder.pos_conv.0.weight_g", "encoder.pos_conv.0.weight_v"
NEW_G, NEW_V = (f"encoder.pos_conv.0.parametrizations.weight.original{number}" for number in "01")
PLAIN = "encoder.pos_conv.0.weight"


def convolution():
    """Return a convolution as fairseq makes it."""
    plain = torch.nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=GROUPS)
    return torch.nn.utils.weight_norm(plain, name="weight", dim=2)


def encoder_type():
    """Return fairseq's encoder, as far as it has to do with the convolution."""

    class TransformerEncoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.pos_conv = torch.nn.Sequential(convolution(), torch.nn.GELU())

        def upgrade_state_dict_named(self, state, name):
            return state

    return TransformerEncoder


class Model(torch.nn.Module):
    """fairseq's model, whose loading lets its parts upgrade the state dict first."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder()

    def load(self, state):
        # fairseq's walk through the modules comes by an encoder more than once.
        for _ in range(2):
            assert self.encoder.upgrade_state_dict_named(state, "encoder") is state
        self.load_state_dict(state)
        return self


@pytest.fixture
def fairseq(monkeypatch):
    """The encoder and the reading of fairseq that the shim adapts."""
    encoder = encoder_type()
    models = types.ModuleType("fairseq.models.wav2vec.wav2vec2")
    models.TransformerEncoder = encoder
    checkpoints = types.ModuleType("fairseq.checkpoint_utils")
    checkpoints.load_checkpoint_to_cpu = lambda path: path
    for name in ("fairseq", "fairseq.models", "fairseq.models.wav2vec"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for module in (models, checkpoints):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return types.SimpleNamespace(encoder=encoder, checkpoints=checkpoints)


@pytest.fixture
def model(fairseq):
    torch.manual_seed(0)
    return Model(fairseq.encoder)


@pytest.fixture
def stored(fairseq):
    """The state dict of an ordinary file."""
    torch.manual_seed(1)
    return dict(Model(fairseq.encoder).state_dict())


def weight_of(model):
    """Return what the convolution computes with."""
    own = model.encoder.pos_conv[0]
    return torch._weight_norm(own.weight_v, own.weight_g, 2)


def with_norm(stored, changed):
    """Return the state dict with other keys for the weight norm."""
    kept = {key: tensor for key, tensor in stored.items() if key not in {G, V}}
    return {**kept, **changed(torch._weight_norm(stored[V], stored[G], 2))}


def norms(weight, dimension):
    return torch.norm_except_dim(weight, 2, dimension)


LAYOUTS = {
    "one norm a channel": lambda w: {G: norms(w, 0), V: 3 * w},
    "one norm an input": lambda w: {G: norms(w, 1), V: 3 * w},
    "one norm of all": lambda w: {G: w.norm(), V: 3 * w},
    "parametrized by position": lambda w: {NEW_G: norms(w, 2), NEW_V: 3 * w},
    "parametrized by channel": lambda w: {NEW_G: norms(w, 0), NEW_V: 3 * w},
    "the norm removed": lambda w: {PLAIN: w},
    "in float16": lambda w: {G: norms(w, 0).half(), V: w.half()},
}

each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


@each_layout
def test_every_layout_gives_the_weights_that_it_stands_for(model, stored, layout):
    expected = torch._weight_norm(stored[V], stored[G], 2)
    state = with_norm(stored, layout)
    tolerance = 1e-3 if any(each.dtype is torch.float16 for each in state.values()) else 1e-6
    with PosConvWeightNorm().applied():
        model.load(state)
    assert torch.allclose(weight_of(model), expected, rtol=tolerance, atol=tolerance)


@each_layout
def test_without_the_shim_no_other_layout_but_that_of_fairseq_loads(model, stored, layout):
    with pytest.raises(RuntimeError, match=r"weight_g|weight_v|original0"):
        model.load(with_norm(stored, layout))


def test_the_layout_by_channel_is_that_of_torch_itself(model, stored):
    """The derivation, against torch's own weight norm over dimension 0."""
    torch.manual_seed(2)
    plain = torch.nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=GROUPS)
    normed = torch.nn.utils.weight_norm(plain, dim=0)
    wave = torch.randn(2, WIDTH, 50)
    bias = {"encoder.pos_conv.0.bias": normed.bias.detach()}
    with PosConvWeightNorm().applied():
        model.load({**bias, G: normed.weight_g.detach() * 2, V: normed.weight_v.detach()})
    with torch.inference_mode():
        expected = torch.nn.functional.conv1d(
            wave, normed.weight * 2, normed.bias, padding=KERNEL // 2, groups=GROUPS
        )
        assert torch.allclose(model.encoder.pos_conv[0](wave), expected, rtol=1e-5, atol=1e-5)


def test_the_parametrization_of_torch_loads_as_it_saves(model):
    torch.manual_seed(3)
    plain = torch.nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=GROUPS)
    made = torch.nn.utils.parametrizations.weight_norm(plain, dim=2)
    saved = made.state_dict()
    with PosConvWeightNorm().applied():
        model.load({f"encoder.pos_conv.0.{key}": tensor for key, tensor in saved.items()})
    assert torch.equal(weight_of(model), made.weight.detach())


def test_fairseqs_own_layout_is_left_as_it_is(model, stored):
    before = dict(stored)
    with PosConvWeightNorm().applied():
        model.load(stored)
    assert stored.keys() == before.keys()
    assert all(stored[key] is before[key] for key in before)


def test_a_position_without_any_weight_stays_without(model, stored):
    def layout(weight):
        weight = weight.clone()
        weight[:, :, 3] = 0
        return {PLAIN: weight}

    state = with_norm(stored, layout)
    expected = state[PLAIN]
    with PosConvWeightNorm().applied():
        model.load(state)
    assert torch.allclose(weight_of(model), expected, atol=1e-6)


UNMAPPABLE = {
    "another kernel": lambda w: {G: norms(w[..., :-1], 2), V: w[..., :-1]},
    "norms of no dimension": lambda w: {G: torch.ones(5, 1, 1), V: w},
    "another width": lambda w: {PLAIN: w[:-1]},
}


@pytest.mark.parametrize("layout", UNMAPPABLE.values(), ids=UNMAPPABLE.keys())
def test_a_shape_that_cannot_be_mapped_keeps_the_fresh_weights_and_is_said_once(
    fairseq, model, stored, layout
):
    fresh, adaptation = weight_of(model).detach(), PosConvWeightNorm()
    state = with_norm(stored, layout)
    with adaptation.applied():
        fairseq.checkpoints.load_checkpoint_to_cpu("models/hubert.pt")
        model.load(state)
    assert torch.equal(weight_of(model), fresh)
    assert len(adaptation.lost) == 1
    assert torch.equal(model.encoder.pos_conv[0].bias, stored["encoder.pos_conv.0.bias"])


def test_what_is_lost_names_file_keys_and_shapes_and_is_forgotten_when_applied_anew(
    fairseq, model, stored
):
    adaptation = PosConvWeightNorm()
    state = with_norm(stored, UNMAPPABLE["norms of no dimension"])
    with adaptation.applied():
        fairseq.checkpoints.load_checkpoint_to_cpu("models/hubert.pt")
        model.load(state)
    assert adaptation.lost == [
        f"hubert.pt: {G} [5, 1, 1] and {V} [12, 4, 8] can't be mapped to {G} [1, 1, 8] and"
        f" {V} [12, 4, 8], whose fresh random weights are kept"
    ]
    with adaptation.applied():
        assert adaptation.lost == []


@pytest.mark.parametrize(
    ("key", "missing"), [(G, V), (V, G), (NEW_G, NEW_V), (NEW_V, NEW_G)], ids=str
)
def test_half_a_weight_norm_is_an_error_that_names_file_and_key(
    fairseq, model, stored, key, missing
):
    fresh, adaptation = weight_of(model).detach(), PosConvWeightNorm()
    state = with_norm(stored, lambda weight: {key: weight})
    before = dict(state)
    with adaptation.applied():
        fairseq.checkpoints.load_checkpoint_to_cpu("models/hubert.pt")
        with pytest.raises(RuntimeError) as error:
            model.load(state)
    assert str(error.value) == (
        f"hubert.pt: has {key} and no {missing}, which is half of a weight norm and gives no"
        " weights; get the file again, or the one that it was made from"
    )
    assert (list(state), adaptation.lost) == (list(before), [])
    assert torch.equal(weight_of(model), fresh)


def test_a_state_dict_without_any_such_key_is_left_to_torch(model, stored):
    with PosConvWeightNorm().applied():
        with pytest.raises(RuntimeError, match="Missing key"):
            model.load(with_norm(stored, lambda _: {}))


def test_a_convolution_without_weight_norm_is_none_of_its_business(fairseq, stored):
    encoder = fairseq.encoder()
    encoder.pos_conv = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Conv1d(4, 4, 3)))
    state = {"encoder.pos_conv.0.0.weight": torch.ones(4, 4, 3)}
    with PosConvWeightNorm().applied():
        assert list(encoder.upgrade_state_dict_named(state, "encoder")) == [*state]


def test_all_is_put_back_exactly_also_after_an_error(fairseq):
    before, reading = dict(vars(fairseq.encoder)), fairseq.checkpoints.load_checkpoint_to_cpu
    with contextlib.suppress(ZeroDivisionError), PosConvWeightNorm().applied():
        assert dict(vars(fairseq.encoder)) != before
        assert fairseq.checkpoints.load_checkpoint_to_cpu is not reading
        1 / 0  # noqa: B018 - the error is the point
    assert dict(vars(fairseq.encoder)) == before
    assert fairseq.checkpoints.load_checkpoint_to_cpu is reading


def test_it_belongs_to_fairseq_alone():
    assert "pos-conv-weight-norm" in shim.that_apply("fairseq", {"fairseq": "0.12.2"})
    assert "pos-conv-weight-norm" not in shim.that_apply("fairseq", {"torch": "2.15.0"})
    assert "pos-conv-weight-norm" not in shim.that_apply("pyannote.audio", {"fairseq": "0.12.2"})
