from __future__ import annotations

import io
import pickle

import pytest
from scan_corpus import HIDDEN, PAYLOAD, REFUSED, STATE, legacy, short_text, torch_zip

from pytest_torchcompat.scan import Verdict, scan_file
from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.refusals import RefusedError
from pytest_torchcompat.scan.stream import Stream
from pytest_torchcompat.scan.walk import walk


def scanned(data):
    return scan_file(io.BytesIO(data), "file.pt")


@pytest.mark.parametrize("wrap", [torch_zip, legacy, bytes], ids=["zip", "legacy", "plain"])
@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_payload_is_listed_or_refused(name, wrap):
    scan = scanned(wrap(HIDDEN[name]))

    named = any(each.endswith("os.getpid") for each in scan.globals)
    assert named or scan.verdict is Verdict.REFUSED
    assert scan.verdict in (Verdict.DANGEROUS, Verdict.REFUSED)


def test_names_are_resolved_and_not_merely_refused():
    unresolved = [name for name in HIDDEN if scanned(HIDDEN[name]).reason == "unresolved-global"]

    assert unresolved == []


@pytest.mark.parametrize("name", REFUSED)
def test_a_stream_that_is_broken_or_hides_a_name_is_refused_with_its_reason(name):
    data, reason = REFUSED[name]

    scan = scanned(torch_zip(data))

    assert (scan.verdict, scan.reason) == (Verdict.REFUSED, reason)
    assert scan.cause.endswith(".")
    assert scan.next_step


BROKEN = {
    b"t.": "it looks for a mark that is not there.",
    b"0.": "it takes more from the stack than there is.",
    b"h\0.": "it recalls what it never stored.",
    b"Np-1\n.": "a memo key is not a number.",
    b"Npx\n.": "a memo key is not a number.",
    b"X\x01\0\0\0\xff.": "a text is not UTF-8.",
    b"\x8d\x01" + bytes(7) + b"\xff.": "a text is not UTF-8.",
    b"S'os\n.": "a text is not in quotes.",
    b"Sos\n.": "a text is not in quotes.",
    b"S'os\"\n.": "a text is not in quotes.",
    b"S'\n.": "a text is not in quotes.",
    b"S\n.": "a text is not in quotes.",
    b"SXosX\n.": "a text is not in quotes.",
    b"S'os\\x4'\n.": "a text is cut in an escape.",
    b"S'os\\'\n.": "a text is cut in an escape.",
    b"Vos\nK\x01\x93.": "a global's name is not a text.",
    b"K\x01Vos\n\x93.": "a global's name is not a text.",
    b"cos\n\xff\n.": "a global's name is not UTF-8.",
    b"\x97.": "it refers to a buffer outside itself.",
    b"\x80\x06.": "its protocol is 6.",
    b"\xff.": "0xff is no opcode.",
}
HIDING = {
    **dict.fromkeys(
        (b"cos\nx\nVx\n\x93.", b"Vx\ncos\nx\n\x93."),
        "It computes the name of what it imports, so the name cannot be known.",
    ),
    **dict.fromkeys(
        (b"\x82\1.", b"\x83\1\0.", b"\x84\1\0\0\0."),
        "It imports by a number of copyreg's registry, which only the loading program knows.",
    ),
}
CUT = (b"Nr\xff\xff\xff", b"S'os'.", b"\x8e\x09" + bytes(7) + b"12345678", b"B\x02\0\0\0x")
REFUSALS = {
    **{data: ("malformed", f"The pickle is broken: {how}") for data, how in BROKEN.items()},
    **{data: ("unresolved-global", how) for data, how in HIDING.items()},
    **dict.fromkeys(CUT, ("truncated", "The pickle ends before it says STOP.")),
    b"\x95\x01" + bytes(7) + b"K\0.": ("malformed", "An opcode crosses the end of its frame."),
    b"\x95\x03" + bytes(7) + b"N.N": ("malformed", "A pickle ends before its frame does."),
}


@pytest.mark.parametrize("data", REFUSALS)
def test_a_refusal_says_what_is_wrong_with_the_pickle(data):
    scan = scanned(torch_zip(data))
    assert (scan.reason, scan.cause) == REFUSALS[data]


@pytest.mark.parametrize("data", [b"S'\\\\x4'\n.", b"S'\\n\\x41'\n.", b"S'\\''\n.", b"S''\n."])
def test_a_text_with_whole_escapes_is_read(data):
    assert scanned(torch_zip(data)).verdict is Verdict.SAFE


@pytest.mark.parametrize("name", [name for name in HIDDEN if not name.startswith("then")])
def test_each_way_to_name_it_is_read_to_the_last_letter(name):
    listed = scanned(torch_zip(HIDDEN[name])).globals
    dotted = "pathlib.os.getpid" if name == "dotted" else "os.getpid"
    assert dotted in listed
    assert set(listed) <= {dotted, "builtins.eval"}


def test_a_refused_file_names_what_was_seen_before():
    assert scanned(torch_zip(b"cos\ngetpid\n\xfe.")).globals == ("os.getpid",)


def test_every_truncation_is_refused_and_none_raises():
    for data in (STATE, pickle.dumps(pickle.loads(STATE), 5), pickle.dumps(pickle.loads(STATE), 0)):
        verdicts = {scanned(torch_zip(data[:cut])).verdict for cut in range(len(data))}
        assert verdicts == {Verdict.REFUSED}


def test_every_truncation_of_a_whole_file_is_refused_and_none_raises():
    for data in (torch_zip(), legacy()):
        verdicts = {scanned(data[:cut]).verdict for cut in range(len(data))}
        assert Verdict.SAFE not in verdicts


@pytest.mark.parametrize("protocol", range(6))
def test_each_protocol_lists_the_same_names(protocol):
    data = pickle.dumps({"text": "x" * 70_000, "raw": b"y" * 70_000, "set": {1}}, protocol)
    scan = scanned(torch_zip(data + b"trailing"))

    assert set(scan.globals) <= {"builtins.set", "_codecs.encode"}
    assert scan.verdict is not Verdict.REFUSED


def test_python_2_names_are_listed_as_torch_looks_them_up():
    assert scanned(torch_zip(b"\x80\x02c__builtin__\nset\n.")).globals == ("builtins.set",)


def test_from_protocol_3_on_the_name_as_written_is_listed_too():
    scan = scanned(torch_zip(b"\x80\x03c__builtin__\nset\n."))

    assert scan.globals == ("__builtin__.set", "builtins.set")


def test_only_the_first_pickle_of_data_pkl_counts():
    assert scanned(torch_zip(b"N." + PAYLOAD)).globals == ()


def test_legacy_lists_all_five_pickles():
    scan = scanned(legacy(STATE) + b"raw storage bytes")

    assert scan.format == "legacy"
    assert scan.globals == ("collections.OrderedDict", "argparse.Namespace", "builtins.set")


@pytest.mark.parametrize("place", range(5))
def test_a_payload_in_any_of_the_five_is_dangerous(place):
    parts = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}, {}, [])]
    parts[place] = b"0".join([b"cos\ngetpid\n", parts[place][2:]])

    assert scanned(b"".join(parts)).verdict is Verdict.DANGEROUS


def test_the_memo_starts_anew_with_each_pickle():
    # Were the memo kept, the second pickle would seem to ask for os.getcwd.
    second = short_text("os") + b"\x94" + short_text("getpid") + b"\x940h\x00h\x01\x93."
    first = short_text("os") + b"\x94" + short_text("getcwd") + b"\x940."

    assert "os.getpid" in scanned(legacy(second, keys=[first])).globals


def test_a_computed_magic_number_does_not_hide_the_pickles_behind_it():
    computed = b"cbuiltins\nint\nVx\n\x85R."

    assert "os.getpid" in scanned(legacy(PAYLOAD, magic=computed)).globals


def test_a_computed_first_value_before_something_else_is_ambiguous():
    scan = scanned(b"cargparse\nNamespace\n)R." + b"rubbish")

    assert scan.reason == "ambiguous-pickle"
    assert scan.cause == (
        "Its first pickle computes its value, so what torch reads after it is not known."
    )


def test_a_legacy_file_of_another_protocol_is_refused():
    scan = scanned(legacy()[:0] + legacy().replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2)))

    assert (scan.reason, scan.cause) == ("malformed", "The legacy format's protocol is not 1001.")


def test_a_long_literal_is_skipped_and_not_read():
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            data = super().read(size)
            self.taken += len(data)
            return data

    data = b"B" + (50_000_000).to_bytes(4, "little") + bytes(50_000_000) + b"0" + PAYLOAD
    file, found = Counted(data), Found()
    walk(Stream(file, 0, len(data)), found)

    assert [each.dotted for each in found.globals] == ["os.getpid"]
    assert file.taken < 1_000_000


def test_too_many_opcodes_are_refused():
    data = b"N" * 100 + b"."

    with pytest.raises(RefusedError, match="more than 99 pickle opcodes, which is the limit 'opc"):
        walk(Stream(io.BytesIO(data), 0, len(data)), Found(Limits(opcodes=99)))
