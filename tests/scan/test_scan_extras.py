"""Pickles that torch would not load are told apart and raise no alarm."""

from __future__ import annotations

import io

import pytest
from scan_corpus import PAYLOAD, legacy, torch_zip

from pytest_torchcompat.scan import Verdict, scan_file


def scanned(data):
    return scan_file(io.BytesIO(data), "file.pt")


def test_what_lies_behind_the_end_of_data_pkl_is_a_note():
    scan = scanned(torch_zip(b"N." + PAYLOAD))

    assert (scan.verdict, scan.globals) == (Verdict.SAFE, ())
    assert scan.notes == (
        "14 bytes after the pickle's end, which torch does not read and would import os.getpid",
    )


def test_bytes_that_are_no_pickle_behind_the_end_are_a_note():
    (note,) = scanned(torch_zip(b"N.\xff\xff\xff")).notes

    assert note == "3 bytes after the pickle's end, which torch does not read"


def test_what_lies_behind_a_plain_pickle_is_a_note():
    scan = scanned(b"\x80\x02]." + PAYLOAD)

    assert scan.verdict is Verdict.SAFE
    assert scan.notes[-1].endswith("which torch does not read and would import os.getpid")


@pytest.mark.parametrize("name", ["data/data.pkl", "extra.PKL", "code/x.pickle"])
def test_other_pickles_of_the_zip_are_notes(name):
    scan = scanned(torch_zip(b"N.", **{name: PAYLOAD}))

    assert (scan.verdict, scan.globals) == (Verdict.SAFE, ())
    assert scan.notes == (
        f"archive/{name} is a pickle that torch does not read; it would import os.getpid",
    )


def test_a_broken_pickle_beside_is_no_alarm():
    scan = scanned(torch_zip(b"N.", **{"x.pkl": b"\xff", "y.pkl": b"cos\ngetpid\n\xff"}))

    assert scan.verdict is Verdict.SAFE
    assert scan.notes == (
        "archive/x.pkl is a pickle that torch does not read",
        "archive/y.pkl is a pickle that torch does not read; it would import os.getpid",
    )


def test_many_names_and_many_pickles_are_counted_and_not_all_told():
    names = b"".join(b"cvoice\nConv%d\n0" % number for number in range(7)) + b"N."
    others = {f"{number}.pkl": b"N." for number in range(30)}
    notes = scanned(torch_zip(b"N." + names, **others)).notes

    assert notes[0].endswith(
        "import voice.Conv0, voice.Conv1, voice.Conv2, voice.Conv3, voice.Conv4 and 2 more"
    )
    assert notes[-1] == "10 more pickles that torch does not read"
    assert len(notes) == 22


def test_five_names_are_told_without_a_count():
    names = b"".join(b"cvoice\nConv%d\n0" % number for number in range(5)) + b"N."
    (note,) = scanned(torch_zip(b"N." + names)).notes

    assert note.endswith("voice.Conv3, voice.Conv4")


def test_a_pickle_beside_is_named_though_it_cannot_be_unpacked_or_spelled():
    data = torch_zip(b"N.", **{"~x.pkl": PAYLOAD}).replace(b"~x.pkl", b"\xffx.pkl")
    assert scanned(data).notes[0].startswith("archive/\\xffx.pkl is a pickle that torch does not")

    at = data.index(b"PK\x03\x04", 4)
    last = data.rindex(b"PK\x03\x04")
    assert last > at
    broken = data[:last] + b"PK\x03\x05" + data[last + 4 :]
    assert scanned(broken).notes == ("archive/\\xffx.pkl is a pickle that torch does not read",)


def test_a_pickle_beside_is_looked_into_for_a_while():
    long = b"N0" * 60_000 + PAYLOAD
    (note,) = scanned(torch_zip(b"N.", **{"x.pkl": long})).notes

    assert note == "archive/x.pkl is a pickle that torch does not read"


def test_the_storages_behind_a_legacy_file_are_no_note():
    assert not any("after" in note for note in scanned(legacy() + PAYLOAD).notes)


def test_a_refused_file_has_no_notes():
    assert scanned(torch_zip(b"\x82\x01.", **{"x.pkl": PAYLOAD})).notes == ()
