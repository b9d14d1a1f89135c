"""What each opcode takes from the stack, and what is then known of the value that it leaves."""

from __future__ import annotations

import io
import pickle
import pickletools
from itertools import product

import pytest

from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.opcodes import ANY, FIRST_TEXT, MAGIC, OTHER, PROTOCOL, READ_BY_TORCH
from pytest_torchcompat.scan.refusals import RefusedError
from pytest_torchcompat.scan.stream import Stream
from pytest_torchcompat.scan.walk import walk

UNDERFLOW = "takes more from the stack than there is"
TEXT = FIRST_TEXT  # one whose opcode is the pickle's first
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
MAGIC_BYTES = MAGIC_NUMBER.to_bytes(10, "little")


def walked(data, **limits):
    found = Found(Limits(**limits))
    return walk(Stream(io.BytesIO(data), 0, len(data)), found), found


def value_of(data, **limits):
    return walked(data + b".", **limits)[0]


NUMBERS = {
    b"I1001\n": PROTOCOL,
    b"L1001\n": PROTOCOL,
    b"L1001L\n": PROTOCOL,
    b"I%d\n" % MAGIC_NUMBER: MAGIC,
    b"L%dL\n" % MAGIC_NUMBER: MAGIC,
    b"I" + b"1001".zfill(64) + b"\n": PROTOCOL,
    b"I" + b"1001".zfill(65) + b"\n": ANY,
    b"I01\n": OTHER,
    b"I1000\n": OTHER,
    b"I0x3e9\n": ANY,
    b"I0x1\n": ANY,
    b"I-1\n": ANY,
    b"I1001l\n": ANY,
    b"L1001LL\n": ANY,
    b"IL\n": ANY,
    b"F1.5\n": OTHER,
    b"K\x09": OTHER,
    b"M\xe9\x03": PROTOCOL,
    b"M\xe8\x03": OTHER,
    b"J\xe9\x03\0\0": PROTOCOL,
    b"J\xe9\x03\0\x80": OTHER,
    b"\x8a\x02\xe9\x03": PROTOCOL,
    b"\x8a\x02\x03\xe9": OTHER,
    b"\x8a\x0a" + MAGIC_BYTES: MAGIC,
    b"\x8a\x40\xe9\x03" + bytes(62): PROTOCOL,
    b"\x8a\x41\xe9\x03" + bytes(63): ANY,
    b"\x8b\x02\0\0\0\xe9\x03": PROTOCOL,
    b"\x8b\x41\0\0\0\xe9\x03" + bytes(63): ANY,
}
TEXTS = {
    b"X\x02\0\0\0os": TEXT,
    b"T\x02\0\0\0os": TEXT,
    b"U\x02os": TEXT,
    b"\x8c\x02os": TEXT,
    b"\x8d\x02\0\0\0\0\0\0\0os": TEXT,
    b"S'os'\n": TEXT,
    b'S"os"\n': TEXT,
    b"S''\n": TEXT,
    b"Vos\n": TEXT,
    b"N0Vos\n": TEXT + 2,
    b"N0S'os'\n": TEXT + 2,
    b"N0U\x02os": TEXT + 2,
    b"N0X\x02\0\0\0os": TEXT + 2,
    b"N0\x8d\x02\0\0\0\0\0\0\0os": TEXT + 2,
    # Bytes beyond ASCII are known where the opcode is Python 3's, lone surrogates too.
    b"X\x02\0\0\0\xc3\xa9": TEXT,
    b"X\x03\0\0\0\xed\xa0\x80": TEXT,
    b"\x8c\x03\xed\xa0\x80": TEXT,
    b"\x8d\x03" + bytes(7) + b"\xed\xa0\x80": TEXT,
    b"U\x02\xc3\xa9": ANY,
    b"U\x01\xff": ANY,
    b"T\x02\0\0\0\xc3\xa9": ANY,
    b"S'\xc3\xa9'\n": ANY,
    b"V\xc3\xa9\n": ANY,
    b"S'a\\x41'\n": ANY,
    b"Va\\u0041\n": ANY,
    b"B\x02\0\0\0os": OTHER,
    b"C\x02os": OTHER,
    b"\x8e\x02\0\0\0\0\0\0\0os": OTHER,
    b"\x96\x02\0\0\0\0\0\0\0os": OTHER,
}
CALLS = {
    b"NQ": ANY,
    b"NNR": ANY,
    b"NN\x81": ANY,
    b"NNN\x92": ANY,
    b"Pid\n": ANY,
    b"cos\nx\n": ANY,
    b"(ios\nx\n": ANY,
    b"(No": ANY,
    b"Vos\nVx\n\x93": ANY,
    b"(t": OTHER,
    b"(l": OTHER,
    b"(d": OTHER,
    b"(\x91": OTHER,
    b"N\x85": OTHER,
    b"NN\x86": OTHER,
    b"NNN\x87": OTHER,
}
# The number lies below what each of these takes, or is kept beside it.
KEPT = (
    *(b"N0", b"2", b"20", b"(1", b"(NN1", b"(0", b"(N00"),
    *(b"Na", b"Nb", b"NNs", b"(e", b"(NNe", b"(NNu", b"(N\x90"),
    *(b"((te", b"(N(NtNe", b"((11", b"\x80\x05", b"\x95" + bytes(8)),
)


@pytest.mark.parametrize("table", [NUMBERS, TEXTS, CALLS], ids=["numbers", "texts", "calls"])
def test_of_a_value_is_known_what_a_reader_can_know(table):
    assert {data: value_of(data) for data in table} == table


@pytest.mark.parametrize(
    "form",
    [
        *(b"X%b\0\0\0%b", b"T%b\0\0\0%b", b"U%b%b", b"\x8c%b%b", b"\x8d%b" + bytes(7) + b"%b"),
        *(b"V%.0b%b\n", b"S%.0b'%b'\n"),
    ],
)
def test_a_text_is_known_as_far_as_a_name_can_be_long(form):
    longest = 10 if form.startswith(b"S") else 8  # its quotes count
    for size, known in ((8, TEXT), (9, ANY), (20, ANY)):
        data = form % (bytes([size]), b"n" * size)
        assert value_of(data, name_bytes=longest) == known, size


def test_a_text_as_long_as_a_name_can_be_has_whole_escapes():
    with pytest.raises(RefusedError, match="cut in an escape"):
        value_of(b"S'1234\\x'\n", name_bytes=8)


def test_what_lies_below_is_known_again_when_the_rest_is_gone():
    number = b"M\xe9\x03"
    assert {data: value_of(number + data) for data in KEPT} == dict.fromkeys(KEPT, PROTOCOL)


NUMBER = b"M\xe9\x03"
PUTS = (b"q\x00", b"r" + bytes(4), b"p0\n", b"\x94")
GETS = (b"h\x00", b"j" + bytes(4), b"g0\n")
MEMO = {
    **{NUMBER + put + b"0" + get: PROTOCOL for put, get in product(PUTS, GETS)},
    **{b"Nq\x000" + NUMBER + put + b"0" + get: PROTOCOL for put, get in product(PUTS[:3], GETS)},
    NUMBER + b"q\x050Nq\x010h\x05": PROTOCOL,
    NUMBER + b"q\x050Nq\x010h\x01": OTHER,
    # The next key of MEMOIZE is how many values are kept, whatever their keys are.
    b"Nq\x050" + NUMBER + b"\x940h\x01": PROTOCOL,
    b"Nq\x02q\x000" + NUMBER + b"\x940h\x02": PROTOCOL,
    b"Nq\x02q\x00q\x000" + NUMBER + b"\x940h\x02": PROTOCOL,
    b"Nq\x02q\x00q\x01q\x02q\x030" + NUMBER + b"\x940h\x04": PROTOCOL,
}


def test_the_memo_gives_back_what_was_put_into_it():
    assert {data: value_of(data) for data in MEMO} == MEMO


@pytest.mark.parametrize("get", [b"h\x00", b"h\x01", b"h\x03", b"j\1\0\0\0", b"g1\n", b"g-1\n"])
def test_what_was_never_stored_is_not_recalled(get):
    with pytest.raises(RefusedError, match="recalls what it never stored"):
        walked(b"Nq\x020" + get + b".")


# How many values above the last mark an opcode needs, and how many it leaves in their place.
EFFECTS = {
    **dict.fromkeys((b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f", b"K\0"), (0, 1)),
    **dict.fromkeys((b"M\0\0", b"J" + bytes(4), b"G" + bytes(8), b"\x8a\1\0", b"Pid\n"), (0, 1)),
    **dict.fromkeys((b"I1\n", b"L1L\n", b"F1\n", b"C\1x", b"cvoice\nConv\n"), (0, 1)),
    **dict.fromkeys((b"\x8c\1x", b"U\1x", b"X\1\0\0\0x", b"T\1\0\0\0x", b"S'x'\n"), (0, 1)),
    **dict.fromkeys((b"\x8d\1" + bytes(7) + b"x", b"Vx\n", b"\x80\2N", b"(t", b"(NNd"), (0, 1)),
    **dict.fromkeys((b"(Nl", b"(N\x91", b"(NNo", b"(ivoice\nConv\n"), (0, 1)),
    **dict.fromkeys((*PUTS, b"q\5", b"p9\n", b"r\5\0\0\0", b"\x85", b"Q"), (1, 1)),
    **dict.fromkeys((b"(Ne", b"(NNu", b"(N\x90"), (1, 1)),
    **dict.fromkeys((b"\x86", b"R", b"\x81", b"a", b"b"), (2, 1)),
    **dict.fromkeys((b"\x87", b"s", b"\x92"), (3, 1)),
    b"N0": (0, 0),
    b"2": (1, 2),
    b"(NN1": (0, 0),
    b"(0": (0, 0),
}


@pytest.mark.parametrize("below", [b"N", b"NNNN(", b"NN(NN("], ids=["no mark", "a mark", "two"])
@pytest.mark.parametrize("piece", EFFECTS)
def test_an_opcode_takes_and_leaves_as_many_values_as_it_says(piece, below):
    needs, leaves = EFFECTS[piece]
    base = below if below.endswith(b"(") else b""
    kept = base + b"N" * (needs + 1) + piece + b"0" * leaves

    walked(kept + b".")
    with pytest.raises(RefusedError, match=UNDERFLOW):
        walked(kept + b"\x86.")
    for missing in range(needs):
        with pytest.raises(RefusedError, match=UNDERFLOW):
            walked(base + b"N" * missing + piece + b".")


BROKEN = (
    *(b".", b"0.", b"2.", b"N(.", b"N(N0.", b"(o.", b"(No00.", b"N((e.", b"N((t\x86."),
    *(b"N(N(Nt00\x85.", b"N(N(N10\x85.", b"Vx\n\x93.", b"Vx\n(Vx\n\x93."),
)


@pytest.mark.parametrize("data", BROKEN)
def test_what_lies_below_a_mark_or_is_not_there_is_out_of_reach(data):
    with pytest.raises(RefusedError, match=UNDERFLOW):
        walked(data)


@pytest.mark.parametrize("code", [bytes([each]) for each in b"tlde1ui\x91\x90o"])
def test_what_a_mark_would_begin_needs_one(code):
    for data in (b"NN" + code, b"N(1N" + code, b"N(tN" + code):
        with pytest.raises(RefusedError, match="looks for a mark that is not there"):
            walked(data + b"x\ny\n.")


@pytest.mark.parametrize("piece", EFFECTS)
def test_opcodes_that_torchs_own_reader_lacks_are_noted(piece):
    codes = {ord(code.code.encode("latin-1")) for code, _, _ in pickletools.genops(piece + b".")}
    assert walked(b"NNN" + piece + b"N.")[1].beyond_torch == codes - READ_BY_TORCH


@pytest.mark.parametrize("protocol", range(6))
def test_each_opcode_is_counted_once(protocol):
    data = pickle.dumps({"text": "x" * 300, "more": [1, 2.0, {3}, "x"], "é": (1, 70_000)}, protocol)
    assert walked(data)[1].opcodes == len(list(pickletools.genops(data)))
