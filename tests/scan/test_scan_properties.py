"""
For any pickle, what its unpickler asks for is listed, or the file is refused.

A few thousand examples each; with ``HYPOTHESIS_PROFILE=nightly`` 100,000.
"""

from __future__ import annotations

import os
import pickle

import big_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording import asked, silent
from scan_corpus import HIDDEN, REFUSED, STATE

from pytest_torchcompat.scan.handlers import HANDLERS
from pytest_torchcompat.scan.opcodes import MARK, SIMPLE

EXAMPLES = {"nightly": 100_000}
SETTINGS = settings(
    max_examples=EXAMPLES.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 2_000),
    database=None,
    suppress_health_check=list(HealthCheck),
)

CODES = [MARK, *(code for code in range(256) if HANDLERS[code] or SIMPLE[code])]
KEYS = st.sampled_from([b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"g0\n", b"p1\n", b"\x94"])
NAMES = st.sampled_from(["os", "getpid", "posix", "a.b", "é", "x" * 300, "__builtin__", "eval"])


@st.composite
def texts(draw):
    name = draw(NAMES)
    data = name.encode()
    forms = [
        b"X" + len(data).to_bytes(4, "little") + data,
        b"\x8d" + len(data).to_bytes(8, "little") + data,
        b"T" + len(data).to_bytes(4, "little") + data,
        b"V" + name.encode("raw_unicode_escape") + b"\n",
        b"S'" + data + b"'\n",
    ]
    if len(data) < 256:
        forms += [code + bytes([len(data)]) + data for code in (b"\x8c", b"U")]
    return draw(st.sampled_from(forms))


@st.composite
def frames(draw):
    inner = b"".join(draw(st.lists(PIECES, max_size=4)))
    size = len(inner) + draw(st.sampled_from([0, 0, 0, -1, 1]))
    return b"\x95" + max(size, 0).to_bytes(8, "little") + inner


LOOK_UPS = st.builds(
    lambda code, module, name: code + f"{module}\n{name}\n".encode(),
    st.sampled_from([b"c", b"(i", b"\x80\x02c", b"\x80\x04c"]),
    NAMES,
    NAMES,
)
PIECES = st.one_of(
    texts(),
    KEYS,
    LOOK_UPS,
    st.builds(lambda module, name: module + name + b"\x93", texts(), texts()),
    st.sampled_from(
        [bytes([code]) for code in b"()N0122]}tlde\x85\x86\x87asbuRQo\x81\x92\x93\x90\x91\x8f"]
    ),
    st.sampled_from([b"K\x01", b"M\xe9\x03", b"C\x01x", b"I0x1\n", b"L1L\n", b"F1.5\n", b"Pid\n"]),
    st.builds(
        lambda code, rest: bytes([code]) + rest, st.sampled_from(CODES), st.binary(max_size=9)
    ),
)
STREAMS = st.lists(st.one_of(PIECES, frames()), max_size=12).map(lambda each: b"".join(each) + b".")

WHOLE = [pickle.dumps(pickle.loads(STATE), protocol) for protocol in range(6)]
REAL = [
    *WHOLE,
    b"".join(big_files.state_dict(2)),
    *HIDDEN.values(),
    *(each for each, _ in REFUSED.values()),
]


@st.composite
def mutations(draw):
    data = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@SETTINGS
@given(STREAMS)
def test_nothing_that_a_stream_of_opcodes_asks_for_is_missing(data):
    assert silent(data) == []


@SETTINGS
@given(mutations())
def test_nothing_that_a_changed_pickle_asks_for_is_missing(data):
    assert silent(data) == []


@SETTINGS
@given(st.binary(max_size=200))
def test_nothing_that_any_bytes_ask_for_is_missing(data):
    assert silent(data) == []


def test_the_recorder_puts_the_question():
    assert all(asked(data) for data in HIDDEN.values())
