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


def with_entry_field(data, offset, form, *values):
    """Change fields of the directory's first entry."""
    at = data.index(b"PK\x01\x02") + offset
    new = struct.pack(form, *values)
    return data[:at] + new + data[at + len(new) :]


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
    "zip64 end that is none": with_zip64_end(torch_zip()).replace(b"PK\x06\x06", b"PK\x06\x05"),
    "zip64 size that is missing": with_zip64_sizes(torch_zip()).replace(
        struct.pack("<2H", 1, 24), struct.pack("<2H", 2, 24)
    ),
    "a name longer than the directory": with_entry_field(entries(VERSION), 28, "<H", 999),
    "data.pkl beyond the end": with_entry_field(torch_zip(), 20, "<2L", 999, 999),
    "data.pkl outside": with_entry_field(torch_zip(), 42, "<L", 9999),
    "data.pkl elsewhere": patched(
        entries(VERSION, ("data.pkl", STATE)), b"PK\x03\x04", b"PK\x03\x05"
    ),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_zip_that_two_readers_could_read_in_two_ways_is_refused(name):
    scan = scanned(AMBIGUOUS[name])

    assert (scan.verdict, scan.reason) == (Verdict.REFUSED, "ambiguous-zip")


HOW = {
    "the same name twice": "two names differ only in case",
    "backslash": "a name has a backslash or control character",
    "two directories": "its directory and its end are apart",
    "directory of fewer entries": "its end counts other entries",
    "directory that is broken": "its directory is broken",
    "zip64 end elsewhere": "its zip64 end is elsewhere",
    "zip64 end that is none": "its zip64 end record is not one",
    "zip64 size that is missing": "a zip64 size is missing",
    "a name longer than the directory": "its directory is broken",
    "stored with two sizes": "data.pkl has two sizes",
    "data.pkl elsewhere": "data.pkl is not where the directory says",
    "data.pkl beyond the end": "data.pkl reaches beyond the end of the file",
    "data.pkl outside": "a part of it lies outside the file",
}


@pytest.mark.parametrize("name", HOW)
def test_it_is_said_how_a_zip_can_be_read_in_two_ways(name):
    assert scanned(AMBIGUOUS[name]).cause == f"The zip can be read in two ways: {HOW[name]}."


CAUSES = {
    "The zip has no root folder that all of its entries lie in.": AMBIGUOUS["two roots"],
    "The zip has no version record as torch's have.": make_zip([("archive/data.pkl", STATE)]),
    "The zip has no data.pkl as torch's have.": make_zip([("archive/version", b"3\n")]),
    "The zip has no end: its directory is missing.": torch_zip()[:-1],
    "The zip is empty.": b"PK\x03\x04" + END.pack(b"PK\x05\x06", 0, 0, 0, 0, 0, 4, 0),
    "The zip is encrypted, which torch cannot read.": directory_flags(torch_zip(), 1),
    "data.pkl is packed in a way that torch cannot read.": make_zip(
        [("a/data.pkl", STATE), ("a/version", b"3")], zipfile.ZIP_BZIP2
    ),
    "It is a TorchScript archive, which can run code when it is loaded; torch 2.5 and older"
    " load one even with weights_only=True (CVE-2025-32434).": TOLD[0],
    "It is a tar archive of torch before 0.1.10 or made to look like one; torch 2.5 and"
    " older unpack one even with weights_only=True (CVE-2025-32434).": TOLD[1],
    "It is a git-lfs pointer, which stands for a file that was not downloaded.": LFS,
    "It is a web page, most likely an error or a login page saved under this name.": HTML,
    "It is JSON text, most likely a server's error saved under this name.": b"\xef\xbb\xbf [1]",
    "It is a gguf file, which torch.load does not read.": b"GGUF\x03\0\0\0",
    "It is no zip, tar or pickle, which is what torch.load reads.": b"noise",
    "The file is empty.": b"",
}


@pytest.mark.parametrize("cause", CAUSES)
def test_it_is_said_why_a_file_is_not_read(cause):
    assert scanned(CAUSES[cause]).cause == cause


def test_the_root_may_have_any_name_and_its_version_lie_in_two_places():
    for name in ("version", ".data/version", "VERSION"):
        data = make_zip([("Model é/data.pkl", PAYLOAD), (f"Model é/{name}", b"3\n")])
        assert scanned(data).globals == ("os.getpid",), name


@pytest.mark.parametrize(("size", "form"), [(2, "safetensors"), (3, "unknown"), (0, "safetensors")])
def test_a_safetensors_header_is_no_longer_than_its_file(size, form):
    assert scanned(struct.pack("<Q", size) + b"{}").format == form


def test_an_end_record_is_the_last_that_has_room_behind_its_signature():
    signature, whole = b"PK\x05\x06", torch_zip(PAYLOAD)
    assert scanned(whole + signature + bytes(17)).globals == ("os.getpid",)
    assert scanned(whole + signature + bytes(18)).reason == "ambiguous-zip"


def test_the_end_record_is_looked_for_as_far_as_a_comment_may_reach():
    assert scanned(torch_zip(PAYLOAD) + b"x" * 0xFFFF).globals == ("os.getpid",)
    assert scanned(torch_zip(PAYLOAD) + b"x" * 0x10000).reason == "truncated"


def test_an_entry_ends_behind_its_extra_field_and_its_comment():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("a/version", b"3"), ("a/data.pkl", PAYLOAD)):
            info = zipfile.ZipInfo(name)
            info.extra, info.comment = struct.pack("<2H", 7, 5) + b"extra", b"a comment"
            archive.writestr(info, data)
    assert scanned(buffer.getvalue()).globals == ("os.getpid",)


# What a first pickle that breaks has to be to count as one: long enough, or naming something.
@pytest.mark.parametrize(
    ("data", "form", "reason"),
    [
        (b"N0" * 254 + b"h\7", "unknown", "not-a-checkpoint"),
        (b"N0" * 255 + b"h\7", "pickle", "malformed"),
        (b"cos\nx\n\xff", "pickle", "malformed"),
        (b"N0N0", "pickle", "truncated"),
    ],
    ids=shown,
)
def test_what_breaks_in_its_first_bytes_is_no_pickle(data, form, reason):
    assert (scanned(data).format, scanned(data).reason) == (form, reason)


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
