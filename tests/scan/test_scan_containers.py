from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile

import pytest
from scan_corpus import PAYLOAD, STATE, legacy, make_zip, torch_zip

from pytest_torchcompat.scan import Verdict, scan_file


def scanned(data):
    return scan_file(io.BytesIO(data), "file.pt")


def tar(*names):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(STATE)
            archive.addfile(info, io.BytesIO(STATE))
    return buffer.getvalue()


def safetensors():
    header = json.dumps({"__metadata__": {}}).encode()
    return struct.pack("<Q", len(header)) + header


HTML = b"\n<!DOCTYPE html><html>Not found</html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 190\n"


def shown(value):
    """Name a case; the bytes of an archive have the time in them, and differ in each process."""
    return "bytes" if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("data", "form", "reason"),
    [
        (torch_zip(), "zip", None),
        (legacy(), "legacy", None),
        (STATE, "pickle", None),
        (torch_zip(**{"constants.pkl": b"N."}), "torchscript", "torchscript"),
        (torch_zip(**{"Constants.PKL": b"N."}), "torchscript", "torchscript"),
        (torch_zip(**{"code/constants.pkl": b"N."}), "torchscript", "torchscript"),
        (tar("storages", "tensors", "pickle"), "tar", "tar"),
        (bytes(512) + torch_zip(), "tar", "tar"),
        (b"", "empty", "empty"),
        (HTML, "html", "download-fault"),
        (b'{"error": "Invalid credentials"}', "json", "download-fault"),
        (LFS, "git-lfs", "download-fault"),
        (safetensors(), "safetensors", "not-a-checkpoint"),
        (b"GGUF\x03\0\0\0", "gguf", "not-a-checkpoint"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "hdf5", "not-a-checkpoint"),
        (b"\x93NUMPY\x01\0", "npy", "not-a-checkpoint"),
        (b"\x1f\x8b\x08\0", "gzip", "not-a-checkpoint"),
        (b"just some text, longer than nothing", "unknown", "not-a-checkpoint"),
        (bytes(600)[:511], "unknown", "not-a-checkpoint"),
        (make_zip([("word/document.xml", b"<x/>")]), "zip", "not-a-checkpoint"),
        (make_zip([("archive/data.pkl", STATE)]), "zip", "not-a-checkpoint"),
        (torch_zip()[:-30], "zip", "truncated"),
        (legacy()[:30], "legacy", "truncated"),
    ],
    ids=shown,
)
def test_a_container_is_named_and_judged_by_its_bytes(data, form, reason):
    scan = scanned(data)

    assert (scan.format, scan.reason) == (form, reason)
    assert (scan.verdict is Verdict.REFUSED) == (reason is not None)
    assert bool(scan.cause and scan.next_step) == (scan.verdict is not Verdict.SAFE)


TOLD = [torch_zip(**{"constants.pkl": b"N."}), tar("storages")]


@pytest.mark.parametrize("data", TOLD, ids=["torchscript", "tar"])
def test_what_torch_2_5_loads_despite_weights_only_names_the_advisory(data):
    assert "CVE-2025-32434" in scanned(data).cause


def patched(data, old, new):
    assert data.count(old) >= 1
    at = data.rindex(old)
    return data[:at] + new + data[at + len(old) :]


def directory_flags(data, flags):
    at = data.index(b"PK\x01\x02")
    return data[: at + 8] + struct.pack("<H", flags) + data[at + 10 :]


def entries(*pairs):
    return make_zip([(f"archive/{name}", data) for name, data in pairs])


END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s6H3L5H2L")


def split_at_end(data):
    """Return a zip without its end record, and the record's fields."""
    return data[: -END.size], list(END.unpack(data[-END.size :]))


def with_a_second_directory(data):
    body, end = split_at_end(data)
    size, offset = end[5:7]
    return body + body[offset : offset + size] + END.pack(*end)


def with_zip64_end(data, between=b""):
    body, end = split_at_end(data)
    entries, size, offset = end[4:7]
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(body), 1)
    return body + record + between + locator + END.pack(*end[:5], 0xFFFFFFFF, 0xFFFFFFFF, 0)


def with_zip64_sizes(data):
    """Move the first entry's sizes and offset into a zip64 field, as in files over 4 GiB."""
    body, end = split_at_end(data)
    at = end[6]
    fields = list(ENTRY.unpack_from(body, at))
    extra = struct.pack("<2H3Q", 1, 24, fields[9], fields[8], fields[16])
    fields[8] = fields[9] = fields[16] = 0xFFFFFFFF
    name_end = at + ENTRY.size + fields[10]
    fields[11], end[5] = len(extra), end[5] + len(extra)
    name = body[at + ENTRY.size : name_end]
    return body[:at] + ENTRY.pack(*fields) + name + extra + body[name_end:] + END.pack(*end)


def with_another_size(data):
    at = data.index(b"PK\x01\x02") + 24
    (size,) = struct.unpack_from("<L", data, at)
    return data[:at] + struct.pack("<L", size - 1) + data[at + 4 :]


VERSION = ("version", b"3\n")
AMBIGUOUS = {
    "the same name twice": entries(("data.pkl", STATE), ("data.pkl", PAYLOAD), VERSION),
    "names that differ in case": entries(("data.pkl", STATE), ("DATA.PKL", PAYLOAD), VERSION),
    "two roots": make_zip([("archive/data.pkl", STATE), ("other/data.pkl", PAYLOAD)]),
    "no root": make_zip([("data.pkl", STATE), ("version", b"3\n")]),
    "backslash": make_zip([("archive/data.pkl", STATE), ("archive\\version", b"3\n")]),
    "control character": entries(("data.pkl", STATE), VERSION, ("x\x01", b"")),
    "one zip behind another": torch_zip() + torch_zip(PAYLOAD),
    "bytes before the zip's own offsets": b"PK\x03\x04" + torch_zip(),
    "directory of fewer entries": patched(
        torch_zip(), struct.pack("<HH", 2, 2), struct.pack("<HH", 1, 1)
    ),
    "directory that is broken": patched(torch_zip(), b"PK\x01\x02", b"PK\x01\x00"),
    "two directories": with_a_second_directory(torch_zip(PAYLOAD)),
    "zip64 end elsewhere": with_zip64_end(torch_zip(PAYLOAD), between=b"12345678"),
    "stored with two sizes": with_another_size(torch_zip(b"N.N.")),
    "data.pkl elsewhere": patched(
        entries(VERSION, ("data.pkl", STATE)), b"PK\x03\x04", b"PK\x03\x05"
    ),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_zip_that_two_readers_could_read_in_two_ways_is_refused(name):
    scan = scanned(AMBIGUOUS[name])

    assert (scan.verdict, scan.reason) == (Verdict.REFUSED, "ambiguous-zip")


@pytest.mark.parametrize("large", [with_zip64_end, with_zip64_sizes])
def test_the_records_of_large_files_are_read(large):
    assert scanned(large(torch_zip(PAYLOAD))).globals == ("os.getpid",)


def test_an_encrypted_zip_is_refused():
    assert scanned(directory_flags(torch_zip(), 1)).reason == "unsupported-zip"


def test_a_single_data_pkl_in_capitals_is_read_as_torch_reads_it():
    assert scanned(entries(("DATA.PKL", PAYLOAD), VERSION)).verdict is Verdict.DANGEROUS


def test_a_wrong_checksum_and_local_name_change_nothing():
    data = torch_zip(PAYLOAD)
    at = data.index(b"PK\x03\x04")
    broken = data[: at + 14] + b"\0\0\0\0" + data[at + 18 :].replace(b"data.pkl", b"nothing!", 1)

    assert scanned(broken).globals == ("os.getpid",)


def test_bytes_behind_a_zip_are_no_alarm():
    assert scanned(torch_zip(b"N.") + b"appended").verdict is Verdict.SAFE


def test_a_packed_data_pkl_is_read():
    packed = [("archive/data.pkl", STATE), ("archive/version", b"3\n")]

    assert "argparse.Namespace" in scanned(make_zip(packed, zipfile.ZIP_DEFLATED)).globals


def test_a_data_pkl_that_unpacks_to_more_than_it_says_is_refused():
    data = make_zip([("a/data.pkl", bytes(10_000)), ("a/version", b"3")], zipfile.ZIP_DEFLATED)
    lying = data.replace(struct.pack("<L", 10_000), struct.pack("<L", 100))

    assert scanned(lying).reason == "ambiguous-zip"


def test_a_bomb_is_refused_before_it_is_unpacked():
    data = make_zip([("a/data.pkl", bytes(10_000)), ("a/version", b"3")], zipfile.ZIP_DEFLATED)
    bomb = data.replace(struct.pack("<L", 10_000), struct.pack("<L", 0xFFFFFFF0))

    assert scanned(bomb).reason == "too-large"


def test_a_packing_that_torch_lacks_is_refused():
    data = make_zip([("a/data.pkl", STATE), ("a/version", b"3")], zipfile.ZIP_BZIP2)

    assert scanned(data).reason == "unsupported-zip"


def test_one_byte_changes_of_a_zip_never_raise_and_never_hide_the_payload():
    data = torch_zip(PAYLOAD)
    for at in range(len(data)):
        for value in (0, 1, 0x41, 0xFF):
            scan = scanned(data[:at] + bytes([value]) + data[at + 1 :])
            assert scan.verdict is not Verdict.SAFE or scan.format != "zip"
