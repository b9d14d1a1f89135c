"""What is more than a plain tensor is carried whole, or listed as not carried; never as another."""

from __future__ import annotations

import collections
import functools
import json

import pytest

from pytest_torchcompat.convert import flatten, reading, write_safetensors, write_state_dict
from pytest_torchcompat.errors import ConvertError

torch = pytest.importorskip("torch")


class Labelled(torch.Tensor):
    """A class of tensors of its own."""


class Scripted(torch.nn.Module):
    """A module with tensors outside of its parameters and buffers."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.anchors = [torch.ones(2)]
        self.note = "plain"


class Named:
    """An object with an attribute that is called as one of a stand-in's own."""

    def __init__(self):
        self.named = ["mine"]
        self.weight = torch.ones(2)


def walked(value, tmp_path, **options):
    torch.save(value, tmp_path / "in.pt", **options)
    with reading(tmp_path / "in.pt") as contents:
        return flatten(contents.value)


def test_a_view_that_is_negated_or_conjugated_later_is_not_carried_as_its_storage(tmp_path):
    lazy, other = (torch.tensor([1 + 2j]).conj() for _ in range(2))
    flat = walked({"conj": lazy, "neg": other.imag, "w": torch.ones(1)}, tmp_path)
    assert list(flat.tensors) == ["w"]
    assert flat.left == {
        name: f"a tensor whose values torch computes, which is noted as {name}"
        for name in ("conj", "neg")
    }


@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_part_of_a_storage_are_listed(tmp_path):
    state = {
        "sparse": torch.eye(3).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "meta": torch.empty(3, device="meta"),
        "w": torch.ones(1),
    }
    flat = walked(state, tmp_path)
    assert list(flat.tensors) == ["w"]
    assert list(flat.left) == ["sparse", "quantized", "meta"]
    expected = "a tensor that is no part of a storage (torch._utils._rebuild_sparse_tensor)"
    assert flat.left["sparse"] == expected


def test_a_class_of_tensors_is_listed_and_its_values_and_attributes_are_carried(tmp_path):
    tensor = torch.ones(2).as_subclass(Labelled)
    tensor.scale, tensor.label = torch.zeros(1), "cat"
    flat = walked({"t": tensor}, tmp_path)
    assert list(flat.tensors) == ["t", "t.scale"]
    named = f"{Labelled.__module__}.Labelled"
    assert flat.left == {"t": f"its class {named}: it becomes a plain tensor"}
    assert flat.plain == {"t.label": "cat"}


def test_tensors_that_a_module_does_not_save_are_listed(tmp_path):
    flat = walked(Scripted(), tmp_path)
    assert list(flat.tensors) == ["linear.weight", "linear.bias"]
    assert flat.left == {"anchors": "an attribute that its module does not save"}


def test_the_state_of_other_objects_is_searched_for_tensors(tmp_path):
    state = {
        "partial": functools.partial(print, torch.ones(1)),
        "ordered": collections.OrderedDict(w=torch.ones(2)),
        "keyed": {torch.ones(3): torch.ones(4)},
        "named": Named(),
    }
    state["ordered"].average = torch.ones(5)
    flat = walked(state, tmp_path)
    assert list(flat.tensors) == [
        *("partial.1.0", "ordered.w", "ordered.average", "keyed.item 0", "keyed.key 0"),
        "named.weight",
    ]
    assert flat.plain == {"named.named": ["mine"]}


def test_a_storage_and_a_class_are_named_as_what_they_are(tmp_path):
    state = {"s": torch.ones(2).untyped_storage(), "w": torch.ones(1), "c": Labelled}
    flat = walked(state, tmp_path)
    named = f"{Labelled.__module__}.Labelled"
    assert flat.left == {"s": "a storage without a tensor", "c": f"a reference to {named}"}


def test_values_of_one_name_are_both_kept(tmp_path):
    flat = walked({"a.b": 1, "a": {"b": 2, "w": torch.ones(1)}}, tmp_path)
    assert flat.plain == {"a.b": 1, "a.b (number 2)": 2}


def test_numbers_that_json_cannot_carry_are_listed(tmp_path):
    flat = walked({"w": torch.ones(1), "n": 10**5000}, tmp_path)
    assert flat.left == {"n": "an object of int"}


def write(state, tmp_path, writer, name="out"):
    torch.save(state, tmp_path / "in.pt")
    with reading(tmp_path / "in.pt") as contents:
        writer(flatten(contents.value), contents, tmp_path / name)
    return tmp_path / name


def test_complex128_goes_into_a_state_dict_only(tmp_path):
    state = {"t": torch.ones(2, dtype=torch.complex128)}
    found = torch.load(write(state, tmp_path, write_state_dict), weights_only=True)
    assert torch.equal(found["t"], state["t"])
    sentence = "safetensors has no complex128, which 't' is of; name OUT .pt"
    with pytest.raises(ConvertError, match=sentence):
        write(state, tmp_path, write_safetensors)


@pytest.mark.parametrize("name", ["__metadata__", "a\ud800"])
def test_names_that_safetensors_does_not_read_are_refused(tmp_path, name):
    with pytest.raises(ConvertError, match="safetensors cannot name a tensor"):
        write({name: torch.ones(1)}, tmp_path, write_safetensors)


def test_a_header_that_safetensors_would_refuse_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_torchcompat.convert.write._LONGEST_HEADER", 50)
    with pytest.raises(ConvertError, match=r"more than safetensors reads; name OUT \.pt"):
        write({"w": torch.ones(1)}, tmp_path, write_safetensors)


def test_what_does_not_fit_beside_out_is_refused_before_it_is_written(tmp_path):
    state = {"t": torch.ones(1).expand(10**14)}
    with pytest.raises(ConvertError, match=r"take 400,000,000,000,000 bytes, and .* are free"):
        write(state, tmp_path, write_safetensors)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.pt"]


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write({"w": torch.ones(1)}, tmp_path, write_safetensors, "folder")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "in.pt"]


def test_a_file_can_be_replaced_by_what_it_becomes(tmp_path):
    write({"w": torch.arange(3), "n": [1]}, tmp_path, write_state_dict, "in.pt")
    found = torch.load(tmp_path / "in.pt", weights_only=True)
    assert list(found) == ["w"]
    assert json.dumps(found["w"].tolist()) == "[0, 1, 2]"
