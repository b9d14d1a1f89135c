"""Inert files in every form that a reader of checkpoints meets; the only payload is os.getpid."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from typing import Any

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
PAYLOAD = b"cos\ngetpid\n)R."
STATE = pickle.dumps(OrderedDict(weight=[1, 2], args=Namespace(lr=0.1), seen={1, 2}), 2)


def short_text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def torch_zip(pickled: bytes = STATE, root: str = "archive", **entries: bytes) -> bytes:
    """Return a zip as torch.save writes it, with other entries where asked for."""
    names = {"data.pkl": pickled, "version": b"3\n", **entries}
    return make_zip([(f"{root}/{name}", data) for name, data in names.items()])


def make_zip(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that comes twice is wanted here
        for name, data in entries:
            # Without the time of day: cases are named by their bytes, alike in each process.
            info = zipfile.ZipInfo(name)
            archive.writestr(info, data, compress_type=method)
    return buffer.getvalue()


def legacy(pickled: bytes = STATE, magic: bytes = MAGIC, keys: Any = ()) -> bytes:
    system = {"protocol_version": 1001, "little_endian": True}
    rest = [pickle.dumps(1001, 2), pickle.dumps(system, 2), pickled, pickle.dumps(list(keys), 2)]
    return magic + b"".join(rest)


# Pickles in which the C unpickler asks for os.getpid, by the way in which they hide it.
HIDDEN = {
    "global": PAYLOAD,
    "stack-global": short_text("os") + short_text("getpid") + b"\x93)R.",
    "unicode operands": b"Vos\nVgetpid\n\x93)R.",
    "string operands": b"S'os'\nS'getpid'\n\x93)R.",
    "binstring operands": b"U\x02osT\x06\0\0\0getpid\x93)R.",
    "eight byte length": b"\x8d" + struct.pack("<Q", 2) + b"os" + short_text("getpid") + b"\x93.",
    "memo in another order": (
        short_text("getpid") + b"q\x05" + short_text("os") + b"q\x0100h\x01h\x05\x93)R."
    ),
    "memoize after put": (
        short_text("x")
        + b"q\x010"
        + short_text("os")
        + b"\x940h\x01"
        + short_text("getpid")
        + b"\x93)R."
    ),
    "overwritten memo": short_text("os")
    + b"q\x00"
    + short_text("sys")
    + b"q\x000"
    + short_text("getpid")
    + b"\x93)R.",
    "text memo": short_text("os") + b"p7\n0g7\n" + short_text("getpid") + b"\x93)R.",
    "duplicated": short_text("os") + b"20" + short_text("getpid") + b"\x93)R.",
    "below a mark that goes": short_text("os")
    + b"(K\x01K\x021"
    + short_text("getpid")
    + b"\x93)R.",
    "popped mark": short_text("os") + b"(0" + short_text("getpid") + b"\x93)R.",
    "inst": b"(ios\ngetpid\n.",
    "obj": b"(cos\ngetpid\no.",
    "obj dropped": b"(cos\ngetpid\no0N.",
    "trailing build": b"cos\ngetpid\n)R}b.",
    "new object": b"cos\ngetpid\n)\x81.",
    "new object with keywords": b"cos\ngetpid\n)}\x92.",
    "hexadecimal number before": b"I0x10\n0cos\ngetpid\n.",
    "hexadecimal long before": b"L0x10L\n0cos\ngetpid\n.",
    "text beyond ascii before": b"S'\xc3\xa9'\n0cos\ngetpid\n.",
    "after a frame": b"\x80\x04\x95" + struct.pack("<Q", 2) + b"N0" + PAYLOAD,
    "dotted": b"\x80\x04" + short_text("pathlib") + short_text("os.getpid") + b"\x93)R.",
    "renamed by protocol 2": b"\x80\x02c__builtin__\neval\n0" + PAYLOAD,
    "then broken": b"cos\ngetpid\n)R\xff",
    "then cut": b"cos\ngetpid\n)R",
}
# Streams that the C unpickler and others read differently, or that hide what they import.
REFUSED = {
    # Read straight on, this is one harmless literal.
    "opcode across a frame's end": (
        b"\x80\x04\x95" + struct.pack("<Q", 4) + b"N0B\x0c" + b"\0\0\0" + b"cos\ngetpid\n0" + b".",
        "malformed",
    ),
    "line across a frame's end": (
        b"\x80\x04\x95" + struct.pack("<Q", 3) + b"cos\ngetpid\n.",
        "malformed",
    ),
    "frame beyond the end": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.", "truncated"),
    "stop inside a frame": (b"\x80\x04\x95" + struct.pack("<Q", 3) + b"N.N", "malformed"),
    "computed name": (b"cos\nname\n" + short_text("getpid") + b"\x93.", "unresolved-global"),
    "reduced name": (
        b"c_codecs\ndecode\n(C\x02ostR" + short_text("getpid") + b"\x93.",
        "unresolved-global",
    ),
    "name beyond ascii": (b"S'\xc3\xa9'\n" + short_text("x") + b"\x93.", "unresolved-global"),
    "number as a name": (b"K\x01" + short_text("x") + b"\x93.", "malformed"),
    "extension": (b"\x82\x01.", "unresolved-global"),
    "buffer outside": (b"\x80\x05cos\ngetpid\n\x97.", "malformed"),
    "empty stack": (b"cos\ngetpid\n00.", "malformed"),
    "call of one operand": (b"cos\ngetpid\nR.", "malformed"),
    "no mark": (b"cos\ngetpid\nt.", "malformed"),
    "unknown memo key": (b"cos\ngetpid\nh\x07.", "malformed"),
    "memo key of letters": (b"cos\ngetpid\ngx\n.", "malformed"),
    "memo of another pickle": (b"cos\ngetpid\nq\x000h\x01.", "malformed"),
    "unknown opcode": (b"cos\ngetpid\n\xfe.", "malformed"),
    "protocol of the future": (b"cos\ngetpid\n\x80\x09.", "malformed"),
    "text that is not UTF-8": (b"cos\ngetpid\n\x8c\x01\xff.", "malformed"),
    "global that is not UTF-8": (b"cos\ngetpid\nc\xff\nx\n.", "malformed"),
    "huge literal": (b"cos\ngetpid\n\x8e" + struct.pack("<Q", 1 << 62) + b".", "truncated"),
    "long name": (b"cos\ngetpid\nc" + b"a" * 5000 + b"\nx\n.", "too-large"),
}
