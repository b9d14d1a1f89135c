"""A hostile file changes nothing in the process, and takes neither its time nor its memory."""

from __future__ import annotations

import sys
import zipfile

import pytest

from pytest_torchcompat.convert import flatten, reading, write_safetensors
from pytest_torchcompat.convert.standins import _REBUILT, StandIn, _tensor
from pytest_torchcompat.errors import ConvertError

ONE = bytes(16)
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
    b"X\x01\0\0\0\x30X\x03\0\0\0cpuK\x04tQK\0(K\x02t(K\x01tI00\nN(ttR"
)
SIZE = b"ctorch\nSize\n"


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def packed(tmp_path, pickle, data=ONE, method=zipfile.ZIP_STORED, more=()):
    path = tmp_path / "in.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + pickle + b".")
        archive.writestr("a/version", "3\n")
        for name, body in (("a/data/0", data), *more):
            if body is not None:
                archive.writestr(name, body, method)
    return path


def taken(path, tmp_path):
    with reading(path) as contents:
        flat = flatten(contents.value)
        write_safetensors(flat, contents, tmp_path / "out.safetensors")
    return flat


FUNCTION = b"ctorch._utils\n_rebuild_tensor_v2\n"
SETS = {
    "a default of a function": FUNCTION + b"N}" + text("__defaults__") + b"(K\1ts\x86b",
    "an attribute of a function": FUNCTION + b"}" + text("mine") + b"K\1sb",
    "the layout of a tensor": TENSOR + b"}" + text("offset") + b"K\x09sb",
    "the name of a dtype": b"ctorch\nFloatStorage\n}" + text("name") + text("int8") + b"sb",
}


@pytest.mark.parametrize("what", SETS)
def test_a_pickle_sets_nothing_on_what_rebuilds_tensors(tmp_path, what):
    path = packed(tmp_path, SETS[what])
    with pytest.raises(ConvertError, match="sets attributes of what torch gives none"):
        taken(path, tmp_path)
    assert _tensor.__defaults__ is None
    assert not any(vars(function) for function in _REBUILT.values())


@pytest.mark.parametrize("state", [b"}", b"N}"], ids=["state", "slots"])
def test_a_pickle_sets_nothing_on_a_class_of_stand_ins(tmp_path, state):
    before = set(vars(StandIn))
    name = b"cpytest_torchcompat.convert.standins\nStandIn\n"
    end = b"\x86b" if state == b"N}" else b"b"
    path = packed(tmp_path, name + state + text("mine") + b"K\1s" + end)
    with pytest.raises(ConvertError, match="does not describe tensors as torch does"):
        taken(path, tmp_path)
    assert set(vars(StandIn)) == before


def laughs(leaf, times=60):
    """Return a list of two lists of two lists, and so on, which are the same ones."""
    lists = (b"](h%ch%ceq%c" % (number, number, number + 1) for number in range(times))
    return leaf + b"q\0" + b"0" + b"0".join(lists)


def test_lists_that_are_the_same_ones_are_looked_at_once(tmp_path):
    body = b"}" + text("w") + TENSOR + b"s" + text("laughs") + laughs(b"K\1") + b"s"
    flat = taken(packed(tmp_path, body), tmp_path)
    assert flat.left == {"laughs": "an object of list"}
    body = b"}" + text("w") + TENSOR + b"s" + text("laughs") + laughs(b"cfoo\nBar\n)\x81") + b"s"
    flat = taken(packed(tmp_path, body), tmp_path)
    assert flat.left == {"laughs": "an object of list with foo.Bar"}


def test_tensors_under_too_many_names_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["pytest_torchcompat.convert.flatten"], "_MOST_PARTS", 500)
    path = packed(tmp_path, laughs(b"]" + TENSOR + b"a"))
    with pytest.raises(ConvertError, match="it has more than 500 parts, as no checkpoint does"):
        taken(path, tmp_path)


def test_tensors_at_every_level_of_a_deep_list_are_refused(tmp_path):
    body = b"](" * 400 + TENSOR + b"e" * 400
    with pytest.raises(ConvertError, match="it is nested deeper than 200 levels"):
        taken(packed(tmp_path, body), tmp_path)


COPIES = {
    "tuples": SIZE + b"h\0\x85R0",
    "dictionaries": b"ccollections\nOrderedDict\nh\0\x85R0",
    "attributes": b"cfoo\nBar\n)\x81h\1b0",
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_copies_are_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("pytest_torchcompat.convert.standins._MOST_COPIED", 1000)
    many = b"](" + b"K\1K\2\x86" * 300 + b"eq\0"
    state = b"}(" + b"".join(text(f"a{number}") + b"K\1" for number in range(300)) + b"uq\1"
    path = packed(tmp_path, many + state + COPIES[kind] * 5 + b"0")
    with pytest.raises(ConvertError, match="it copies more than 1,000 items"):
        taken(path, tmp_path)


WRONG = {
    "no storage": ({"data": None}, "storage '0' is not in it"),
    "a packing that torch has not": (
        {"method": zipfile.ZIP_BZIP2},
        "0 is packed in a way that torch cannot read",
    ),
    "packed zeros": (
        {"data": bytes(80 << 20), "method": zipfile.ZIP_DEFLATED},
        r"its entries have 83,\d+,\d+ bytes, and a file of its size at most",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_storages_that_are_not_as_torch_writes_them_are_refused(tmp_path, what):
    options, sentence = WRONG[what]
    path = packed(tmp_path, b"}" + text("w") + TENSOR + b"s", **options)
    with pytest.raises(ConvertError, match=sentence):
        taken(path, tmp_path)


def test_a_storage_whose_entry_lies_outside_the_file_is_refused(tmp_path):
    path = packed(tmp_path, b"}" + text("w") + TENSOR + b"s")
    body = bytearray(path.read_bytes())
    entry = body.rindex(b"PK\1\2")
    body[entry + 42 : entry + 46] = (2**31).to_bytes(4, "little")
    path.write_bytes(body)
    with pytest.raises(ConvertError, match="storage '0' cannot be read"):
        taken(path, tmp_path)


def test_the_pickle_that_was_scanned_is_the_one_that_is_read(tmp_path):
    other = [("a/data.p\u212al", b"\x80\x02]K\x01a.")]  # the Kelvin sign, a small k to Python
    path = packed(tmp_path, b"}" + text("w") + TENSOR + b"s", more=other)
    assert list(taken(path, tmp_path).tensors) == ["w"]


def test_one_storage_described_in_two_ways_is_refused(tmp_path):
    other = TENSOR.replace(b"FloatStorage", b"LongStorage")
    body = b"}" + text("a") + TENSOR + b"s" + text("b") + other + b"s"
    with pytest.raises(ConvertError, match="its storage '0' is described in two ways"):
        taken(packed(tmp_path, body), tmp_path)


@pytest.mark.parametrize("view", [b"J\xfe\xff\xff\xffK\x04", b"K\x01K\x04"])
def test_a_view_beyond_its_storage_is_refused(tmp_path, view):
    whole = b"K\x04(" + text("v") + view + b"ttQ"
    with pytest.raises(ConvertError, match="has a view that reaches beyond its storage '0'"):
        taken(
            packed(tmp_path, b"}" + text("w") + TENSOR.replace(b"K\x04tQ", whole) + b"s"), tmp_path
        )


def test_what_only_looks_like_a_module_is_listed(tmp_path):
    parts = b"".join(text(name) + b"K\1" for name in ("_parameters", "_buffers", "_modules"))
    fake = b"cfoo\nBar\n)\x81}(" + parts + b"ub"
    body = b"}" + text("w") + TENSOR + b"s" + text("m") + fake + b"s"
    assert taken(packed(tmp_path, body), tmp_path).left == {"m": "an object of foo.Bar"}
