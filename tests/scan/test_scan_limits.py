"""No file takes much memory or reading: each limit is named, and can be set."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import big_files
import pytest
from scan_corpus import legacy, make_zip, short_text, torch_zip

from pytest_torchcompat.scan import Limits, Verdict, scan_file

# In a process of its own: what it read and held is its own. Memory counts from the start of the
# scan, since a bare Python takes more or less by its version.
_MEASURED = r"""
import json, re, sys
from pathlib import Path
from pytest_torchcompat.scan import Limits, scan_path

def status(file, name):
    return int(re.search(name + r":\s+(\d+)", Path("/proc/self", file).read_text())[1])

limits, before = Limits(**json.loads(sys.argv[2])), status("io", "rchar")
held = status("status", "VmRSS")
scan = scan_path(sys.argv[1], hashed=False, limits=limits)
print(json.dumps({
    "read": status("io", "rchar") - before, "more": (status("status", "VmHWM") - held) / 1024,
    "held": status("status", "VmHWM") / 1024,
    "reason": scan.reason, "cause": scan.cause, "torch": "torch" in sys.modules,
    "globals": len(scan.globals), "bytes": scan.bytes,
}))
"""


def measured(path, **limits):
    if not Path("/proc/self/io").exists():
        pytest.skip("this system does not tell what a process read")
    command = [sys.executable, "-c", _MEASURED, str(path), json.dumps(limits)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_of_a_checkpoint_of_3_gib_less_than_1_mib_is_read(tmp_path):
    big_files.write_checkpoint(tmp_path / "big.pt", 600, 5 << 20)
    found = measured(tmp_path / "big.pt")

    assert found["bytes"] > 600 * (5 << 20)
    assert (found["reason"], found["globals"], found["torch"]) == (None, 3, False)
    assert found["read"] <= 1 << 20
    assert found["more"] <= 10


@pytest.mark.parametrize("opcode", [b"B", b"T", b"X", b"\x8e", b"\x8d", b"\x8b"])
def test_a_literal_of_1_gib_is_passed_over(tmp_path, opcode):
    big_files.write_literal(tmp_path / "literal.pkl", opcode, big_files.GIB)
    found = measured(tmp_path / "literal.pkl")

    assert found["reason"] is None
    assert found["read"] <= 1 << 20
    assert found["more"] <= 10


def test_a_million_opcodes_take_little_memory(tmp_path):
    data = b"".join(big_files.state_dict(31_250))
    (tmp_path / "data.pkl").write_bytes(data)
    found = measured(tmp_path / "data.pkl")

    assert (found["reason"], found["globals"]) == (None, 3)
    assert found["held"] <= 60


def test_a_bomb_is_refused_unread(tmp_path):
    big_files.write_bomb(tmp_path / "bomb.pt", big_files.GIB)
    found = measured(tmp_path / "bomb.pt")

    assert found["reason"] == "too-large"
    assert "unpacked, which is the limit 'inflated'" in found["cause"]
    assert found["read"] <= 1 << 20


def test_what_is_unpacked_is_held_once(tmp_path):
    big_files.write_bomb(tmp_path / "bomb.pt", 60 << 20)
    found = measured(tmp_path / "bomb.pt", opcodes=100_000)

    assert "'opcodes'" in found["cause"]
    assert found["held"] <= 100


def test_many_entries_are_read(tmp_path):
    big_files.write_entries(tmp_path / "many.pt", 60_000)
    found = measured(tmp_path / "many.pt")

    assert found["reason"] is None
    assert found["held"] <= 100


LOOK_UPS = b"".join(b"cmodule%d\nname\n0" % number for number in range(9))
BEYOND = {
    "opcodes": torch_zip(b"N0" * 9 + b"N."),
    "stack": torch_zip(b"N" * 9 + b"."),
    "marks": torch_zip(b"(" * 9 + b"N."),
    "memo": torch_zip(b"Nr\x08\0\0\0."),
    "frames": torch_zip(b"\x80\x04" + (b"\x95" + bytes(8)) * 9 + b"N."),
    "names": torch_zip(b"cmodule\nname\n0" * 9 + b"N."),
    "name_bytes": torch_zip(b"cmodule_xy\nname\n."),
    "output": torch_zip(LOOK_UPS + b"N."),
    "inflated": make_zip([("a/data.pkl", b"N0" * 9 + b"N."), ("a/version", b"3")], 8),
    "entries": torch_zip(b"N.", **{f"data/{number}": b"" for number in range(9)}),
    "directory": torch_zip(b"N."),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_each_limit_is_named_with_the_option_that_raises_it(name):
    file = io.BytesIO(BEYOND[name])
    scan = scan_file(file, limits=Limits(**{name: 8}))

    assert (scan.verdict, scan.reason) == (Verdict.REFUSED, "too-large")
    assert scan.cause.startswith("It has more than 8 ")
    assert scan.cause.endswith(f", which is the limit {name!r}.")
    assert f"torchcompat scan --limit {name}=16 FILE" in scan.next_step
    assert scan_file(file).reason is None


# How much of each limit these files use up.
USED = {
    **dict.fromkeys(("stack", "marks", "memo", "frames", "names", "name_bytes"), 9),
    "opcodes": 20,
    "output": 99,
    "inflated": 20,
    "entries": 11,
    "directory": 123,
}


@pytest.mark.parametrize("name", USED)
def test_what_a_limit_names_is_read_and_one_more_is_not(name):
    for limit, reason in ((USED[name], None), (USED[name] - 1, "too-large")):
        file = io.BytesIO(BEYOND[name])
        assert scan_file(file, limits=Limits(**{name: limit})).reason == reason, limit


def test_many_small_values_at_the_end_of_a_pickle_are_counted_too():
    data = torch_zip(short_text("x") * 200_000 + b".")

    assert "'stack'" in scan_file(io.BytesIO(data), limits=Limits(stack=100_000)).cause


def test_opcodes_are_counted_over_all_pickles_of_a_file():
    limits = Limits(opcodes=40)
    assert scan_file(io.BytesIO(legacy(b"N" * 30 + b".")), limits=limits).reason == "too-large"


@pytest.mark.parametrize(
    "data",
    [
        b"\x8e" + struct.pack("<Q", 1 << 62) + b".",
        b"\x96" + struct.pack("<Q", (1 << 64) - 1) + b".",
        b"\x95" + struct.pack("<Q", 1 << 62) + b"N.",
        b"B\xff\xff\xff\xff.",
        b"Nr\xff\xff\xff\xff.",
    ],
)
def test_lengths_and_keys_that_cannot_be_are_refused(data):
    assert scan_file(io.BytesIO(torch_zip(data))).reason in ("truncated", "too-large")
