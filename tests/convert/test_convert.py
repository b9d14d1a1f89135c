"""Converted tensors are those of a trusted load, and nothing of the file is executed."""

from __future__ import annotations

import io
import json
import math
import os
import struct
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_torchcompat.convert import flatten, reading, write_safetensors, write_state_dict
from pytest_torchcompat.errors import ConvertError

torch = pytest.importorskip("torch")

DTYPES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32"),
    *("float64", "complex64", "uint16", "uint32", "float8_e4m3fn", "float8_e5m2"),
]
# Without a storage class of their own, which the legacy format writes.
UNTYPED = ("uint16", "uint32", "float8_e4m3fn", "float8_e5m2")
CONTAINERS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


class Net(torch.nn.Module):
    """A module with what modules have: parameters, both kinds of buffers, children, none."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        self.head = torch.nn.Linear(4, 2, bias=False)
        self.absent = None
        self.register_parameter("no_parameter", None)
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.stride = torch.tensor([8.0, 16.0])


def save(value, path, *, zipped=True):
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def converted(path, suffix=".pt"):
    """Return the tensors of a converted file, as torch or safetensors reads them, and the walk."""
    out = path.with_name("out" + suffix)
    with reading(path) as contents:
        flat = flatten(contents.value)
        (write_state_dict if suffix == ".pt" else write_safetensors)(flat, contents, out)
    if suffix == ".pt":
        return torch.load(out, weights_only=True), flat
    return pytest.importorskip("safetensors.torch").load_file(out), flat


def same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert bytes(raw(found[name])) == bytes(raw(tensor)), name


def raw(tensor):
    plain = tensor.detach().contiguous().reshape(-1)
    return plain.view(torch.uint8).tolist() if plain.numel() else []


@CONTAINERS
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_pickled_module_becomes_its_state_dict(tmp_path, zipped, suffix):
    net = Net().half()
    path = save({"model": net, "epoch": 3}, tmp_path / "in.pt", zipped=zipped)
    found, flat = converted(path, suffix)
    expected = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    same({name: found[name] for name in expected}, expected)
    assert len(found) == len(expected)
    assert flat.modules["model"] == f"{Net.__module__}.Net"
    assert flat.plain == {"epoch": 3}


def can_be_saved(dtype):
    """Whether this torch saves tensors of a dtype; 2.5 has some that it does not."""
    try:
        torch.save(torch.zeros(1).to(getattr(torch, dtype)), io.BytesIO())
    except KeyError:
        return False
    return True


@CONTAINERS
def test_each_dtype_keeps_its_bytes(tmp_path, zipped):
    names = [name for name in DTYPES if (zipped or name not in UNTYPED) and can_be_saved(name)]
    state = {name: torch.arange(6).to(getattr(torch, name)) for name in names}
    found, _ = converted(save(state, tmp_path / "in.pt", zipped=zipped))
    same(found, state)


LAYOUTS = {
    "a scalar": lambda: torch.tensor(3.5),
    "nothing": lambda: torch.empty(0, 4),
    "a transpose": lambda: torch.arange(6.0).reshape(2, 3).t(),
    "a slice with steps": lambda: torch.arange(20)[3:17:4],
    "an expanded value": lambda: torch.tensor([[1.0], [2.0]]).expand(2, 3),
    "a permuted block": lambda: torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1),
    "a part of a storage": lambda: torch.arange(10.0)[4:],
    "a channels-last image": lambda: torch.rand(1, 3, 4, 4).to(memory_format=torch.channels_last),
}


@CONTAINERS
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_keeps_its_values(tmp_path, layout, suffix, zipped):
    state = {"t": LAYOUTS[layout]()}
    found, _ = converted(save(state, tmp_path / "in.pt", zipped=zipped), suffix)
    same(found, state)


@CONTAINERS
def test_shared_storages_stay_shared_in_a_state_dict(tmp_path, zipped):
    whole = torch.arange(8.0)
    state = {"whole": whole, "tail": whole[4:], "own": torch.ones(2)}
    found, flat = converted(save(state, tmp_path / "in.pt", zipped=zipped))
    same(found, state)
    found["whole"][4] = -1
    assert found["tail"][0] == -1
    assert flat.shared() == [["whole", "tail"]]


def test_safetensors_names_what_was_shared_and_keeps_plain_values(tmp_path):
    whole = torch.arange(8.0)
    state = {"a": whole, "b": whole[4:], "args": {"lr": 0.5, "layers": [1, 2]}}
    found, _ = converted(save(state, tmp_path / "in.pt"), ".safetensors")
    same(found, {"a": whole, "b": whole[4:]})
    head = (tmp_path / "out.safetensors").read_bytes()
    size = int.from_bytes(head[:8], "little")
    metadata = json.loads(json.loads(head[8 : 8 + size])["__metadata__"]["torchcompat"])
    assert metadata == {"plain": {"args": {"lr": 0.5, "layers": [1, 2]}}, "shared": [["a", "b"]]}


def test_an_optimisers_state_is_named_by_its_path(tmp_path):
    model = torch.nn.Linear(2, 1)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    state = {"model": model.state_dict(), "optimizer": optimiser.state_dict()}
    found, flat = converted(save(state, tmp_path / "in.pt"))
    assert "optimizer.state.0.exp_avg" in found
    assert torch.equal(found["model.weight"], model.weight)
    assert "optimizer.param_groups" in flat.plain


def test_parameters_of_a_state_dict_become_tensors(tmp_path):
    state = OrderedDict(w=torch.nn.Parameter(torch.ones(2, 2)))
    found, _ = converted(save(state, tmp_path / "in.pt"))
    same(found, state)


class Evil:
    """Asks for a call when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@CONTAINERS
def test_nothing_that_a_file_asks_for_is_executed(tmp_path, zipped):
    state = {"w": torch.ones(2), "evil": Evil(tmp_path / "made")}
    found, flat = converted(save(state, tmp_path / "in.pt", zipped=zipped))
    same(found, {"w": torch.ones(2)})
    assert not (tmp_path / "made").exists()
    assert list(flat.left) == ["evil"]


class Rebuilt:
    """Pickles as the call that rebuilds a tensor, with arguments of the test's choice."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        storage = torch.ones(4).storage()
        return torch._utils._rebuild_tensor_v2, (storage, *self.arguments, False, OrderedDict())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, (5,), (1,)), "it has a tensor that reaches beyond its storage"),
        ((1, (2, 2), (2, 1)), "it has a tensor that reaches beyond its storage"),
        ((0, (2,), (-1,)), "it has a tensor of float32 that is not described as torch does"),
        ((-1, (2,), (1,)), "it has a tensor of float32 that is not described as torch does"),
        ((0, (2, 2), (1,)), "it has a tensor of float32 that is not described as torch does"),
        ((0, ("2",), (1,)), "it has a tensor of float32 that is not described as torch does"),
    ],
)
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_tensor_that_is_not_in_its_storage_is_refused(tmp_path, arguments, sentence):
    path = save({"t": Rebuilt(*arguments)}, tmp_path / "in.pt")
    with pytest.raises(ConvertError, match=sentence), reading(path):
        pass


def test_a_storage_that_is_shorter_than_it_says_is_refused(tmp_path):
    path = save({"t": torch.arange(64, dtype=torch.int64)}, tmp_path / "in.pt", zipped=False)
    path.write_bytes(path.read_bytes()[:-16])
    with pytest.raises(ConvertError, match="has 496 bytes, and 512 were announced"):
        converted(path)


REFUSED = {
    "text": (b"no checkpoint", "It is no zip, tar or pickle"),
    "a web page": (b"<html>", "It is a web page"),
    "a plain pickle": (b"\x80\x02}q\x00.", "it is a pickle, and torch.save writes none"),
    "nothing": (b"", "The file is empty."),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_torch_would_not_load_is_refused(tmp_path, kind):
    body, sentence = REFUSED[kind]
    path = tmp_path / "in.pt"
    path.write_bytes(body)
    with pytest.raises(ConvertError, match=sentence), reading(path):
        pass


def test_big_endian_numbers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.byteorder", "big")
    path = save({"t": torch.ones(2)}, tmp_path / "in.pt")
    with pytest.raises(ConvertError, match="its numbers are big-endian"), reading(path):
        pass


def test_two_tensors_of_one_name_are_refused(tmp_path):
    path = save({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}, tmp_path / "in.pt")
    with reading(path) as contents, pytest.raises(ConvertError, match=r"would be called 'a\.b'"):
        flatten(contents.value)


def test_what_is_nested_too_deeply_is_refused(tmp_path):
    value = torch.ones(1)
    for _ in range(300):
        value = [value]
    path = save(value, tmp_path / "in.pt")
    with pytest.raises(ConvertError, match="nested deeper than"), reading(path) as contents:
        flatten(contents.value)


def test_what_contains_itself_is_walked_once(tmp_path):
    value = {"w": torch.ones(1)}
    value["again"] = value
    found, flat = converted(save(value, tmp_path / "in.pt"))
    assert list(found) == ["w"]
    assert flat.left == {"again": "a reference to what it is part of"}


def test_a_write_that_fails_leaves_no_file_behind(tmp_path, monkeypatch):
    path = save({"t": torch.ones(2)}, tmp_path / "in.pt")

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        converted(path)
    assert [each.name for each in tmp_path.iterdir()] == ["in.pt"]


TENSORS = st.tuples(
    st.sampled_from(["float32", "float16", "int64", "bool"]),
    st.lists(st.integers(0, 4), max_size=3),
    st.integers(0, 3),
)
NAMES = st.text("abc_", min_size=1, max_size=4)
TREES = st.recursive(
    TENSORS,
    lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


def built(tree):
    if isinstance(tree, dict):
        return {name: built(each) for name, each in tree.items()}
    if isinstance(tree, list):
        return [built(each) for each in tree]
    dtype, shape, offset = tree
    values = torch.arange(offset + math.prod(shape)).to(getattr(torch, dtype))
    return values[offset:].reshape(shape)


def named(tree, path=()):
    if isinstance(tree, torch.Tensor):
        yield ".".join(path), tree
    else:
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for name, each in items:
            yield from named(each, (*path, str(name)))


@given(TREES, st.booleans())
@settings(max_examples=150)
def test_any_tree_of_tensors_is_carried_whole(tmp_path_factory, tree, zipped):
    folder = tmp_path_factory.mktemp("tree")
    value = {"top": built(tree)}
    found, _ = converted(save(value, folder / "in.pt", zipped=zipped))
    same(found, dict(named(value)))


def test_the_bytes_of_a_small_safetensors_file_are_as_the_format_says(tmp_path):
    converted(save({"t": torch.tensor([1.0, 2.0])}, tmp_path / "in.pt"), ".safetensors")
    body = (tmp_path / "out.safetensors").read_bytes()
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    assert header["t"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert body[8 + size :] == struct.pack("<2f", 1, 2)


def test_rows_that_overlap_or_repeat_keep_their_values(tmp_path):
    base = torch.arange(2000)
    state = {
        "overlapping": base.as_strided((700, 3, 700), (1, 2, 1)),
        "expanded": base[:3].reshape(3, 1).expand(3, 1_500_000),
        "outer": base[:2].reshape(1, 2).expand(3, 2),
    }
    found, _ = converted(save(state, tmp_path / "in.pt"), ".safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
