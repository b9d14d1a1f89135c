"""Batches and types of numbers: what adapters have in common."""

from __future__ import annotations

import pytest

from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.libraries import forward_of
from pytest_torchcompat.libraries.coqui import Coqui
from pytest_torchcompat.libraries.inputs import NotOfferedError, checked, placed, repeated

torch = pytest.importorskip("torch")


class Adapter:
    """Answers with what it was given."""

    name = "mine"

    def forward(self, checkpoint, model, device, **size):
        return lambda: size


def test_what_is_the_default_is_not_given():
    assert checked() == checked(1, "float32") == {}
    assert checked(8, "float16") == {"batch": 8, "dtype": "float16"}


@pytest.mark.parametrize("batch", [0, -1, 1.0, True, "2", None])
def test_a_batch_is_a_whole_number(batch):
    with pytest.raises(NotOfferedError) as raised:
        checked(batch)
    assert str(raised.value) == (
        f"a batch is a whole number from 1 on, and {batch!r} is not one; leave it out for 1"
    )


def test_a_whole_number_of_numpys_is_one_and_becomes_pythons_own():
    numpy = pytest.importorskip("numpy")
    batch = checked(numpy.int64(4))["batch"]
    assert (batch, type(batch)) == (4, int)
    assert checked(numpy.int64(1)) == {}
    with pytest.raises(NotOfferedError, match="a batch is a whole number from 1 on"):
        checked(numpy.float64(4))


def test_an_unknown_type_of_numbers_is_an_error_with_those_that_are_known():
    with pytest.raises(UnknownNameError) as raised:
        checked(1, "float61")
    assert str(raised.value) == (
        "'float61' is not a known dtype. Choose one of: float32, float16, bfloat16."
        " Did you mean 'float16'?"
    )


def test_torchs_own_name_of_a_type_is_told_that_it_is_none_of_ours():
    with pytest.raises(UnknownNameError, match=r"'torch\.float16' is not a known dtype"):
        checked(1, torch.float16)


def test_an_adapter_gets_what_is_not_the_default_alone():
    assert forward_of(Adapter(), None, None, "cpu", batch=1, dtype="float32")() == {}
    assert forward_of(Adapter(), None, None, "cpu", batch=2, dtype="float32")() == {"batch": 2}


def test_an_adapter_with_one_size_alone_is_asked_for_no_other():
    with pytest.raises(NotOfferedError) as raised:
        forward_of(Coqui(), None, None, "cpu", batch=2, dtype="float16")
    assert str(raised.value) == (
        "the adapter of coqui-tts has no forward pass with batch=2 and dtype='float16'. Leave that"
        " out, or time a call of your own: torchcompat_forward(call=...) with the same words."
    )


def test_an_input_is_repeated_along_its_first_dimension():
    one = torch.arange(6.0).reshape(1, 2, 3)
    found = repeated(one, 4, "bfloat16")
    assert (found.shape, found.dtype) == ((4, 2, 3), torch.bfloat16)
    assert all(torch.equal(each, found[0]) for each in found)


def test_whole_numbers_stay_whole():
    assert repeated(torch.tensor([16]), 3, "float16").dtype is torch.int64


class Odd(torch.nn.Module):
    """A buffer, a whole number, a weight that a hook computes, one that two share, and an LSTM."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.utils.weight_norm(torch.nn.Linear(4, 4))
        self.second = torch.nn.Linear(4, 4)
        self.third = torch.nn.Linear(4, 4)
        self.third.weight = self.second.weight
        self.memory = torch.nn.LSTM(4, 4)
        self.register_buffer("scale", torch.ones(4))
        self.register_buffer("count", torch.tensor(7))

    def forward(self, x):
        x = self.third(self.second(self.first(x))) * self.scale
        return self.memory(x)[0] * self.count


@pytest.mark.filterwarnings("ignore")  # weight_norm is the old one, which old models have
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_model_is_cast_as_a_copy_and_its_own_weights_stay_what_they_are(dtype):
    model = Odd().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = placed(model, "cpu", dtype)
    kind = getattr(torch, dtype)
    assert {each.dtype for each in found.parameters()} == {kind}
    assert (found.scale.dtype, found.count.dtype) == (kind, torch.int64)
    assert found.third.weight is found.second.weight
    with torch.inference_mode():
        assert found(torch.ones(2, 4, dtype=kind)).dtype is kind
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert not {each.data_ptr() for each in found.parameters()} & {
        each.data_ptr() for each in model.parameters()
    }
    found.count.add_(1)
    assert int(model.count) == 7


def test_as_it_is_a_model_is_no_copy():
    model = torch.nn.Linear(1, 1)
    assert placed(model, "cpu") is model
