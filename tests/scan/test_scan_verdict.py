from __future__ import annotations

import dataclasses
import hashlib
import io
import random

import pytest
from scan_corpus import PAYLOAD, STATE, legacy, short_text, torch_zip

from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.scan import Limits, Verdict, allowed_by_torch, scan_file, scan_path


def scanned(data):
    return scan_file(io.BytesIO(data), "file.pt")


def pickled(*names):
    lines = (f"c{module}\n{name}\n" for module, _, name in (each.rpartition(".") for each in names))
    return b"(" + "".join(lines).encode() + b"t."


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        ((), Verdict.SAFE),
        (("collections.OrderedDict", "torch.FloatStorage"), Verdict.SAFE),
        (("builtins.set",), Verdict.NEEDS_ALLOWLIST),
        (("argparse.Namespace",), Verdict.NEEDS_ALLOWLIST),
        (("functools.partial", "pathlib.PosixPath"), Verdict.NEEDS_ALLOWLIST),
        (("collections.OrderedDictX",), Verdict.NEEDS_ALLOWLIST),
        (("ostrich.system",), Verdict.NEEDS_ALLOWLIST),
        (("builtins.getattr",), Verdict.DANGEROUS),
        (("os.getpid",), Verdict.DANGEROUS),
        (("os.path.join",), Verdict.DANGEROUS),
        (("posix.getpid",), Verdict.DANGEROUS),
        (("commands.getoutput",), Verdict.DANGEROUS),
        (("importlib.metadata.version",), Verdict.DANGEROUS),
        (("torch.storage._load_from_bytes",), Verdict.DANGEROUS),
        (("argparse.Namespace", "os.getpid"), Verdict.DANGEROUS),
    ],
)
def test_a_verdict_goes_by_exact_names(names, verdict):
    assert scanned(torch_zip(pickled(*names))).verdict is verdict


@pytest.mark.parametrize("name", ["os.getpid", "nn.Module.__init__.__globals__.get"])
def test_a_dotted_name_is_judged_by_where_it_leads(name):
    data = b"\x80\x04" + short_text("torch") + short_text(name) + b"\x93."

    assert scanned(torch_zip(data)).verdict is Verdict.DANGEROUS


def test_a_nested_class_is_no_alarm():
    data = b"\x80\x04" + short_text("voice.config") + short_text("Voice.Settings") + b"\x93."

    assert scanned(torch_zip(data)).verdict is Verdict.NEEDS_ALLOWLIST


def test_a_dangerous_file_says_why_and_what_next():
    scan = scanned(torch_zip(PAYLOAD))

    assert scan.reason == "runs-code"
    assert scan.cause == "It imports os.getpid, with which a pickle can run any code."
    assert scan.next_step == (
        "Do not load it with weights_only=False unless you know why it is there."
    )


def test_names_that_torch_lacks_are_said_with_the_command_that_allows_them():
    scan = scanned(torch_zip(pickled("voice.Conv", "torch.Size", "argparse.Namespace")))

    assert scan.cause == "It imports voice.Conv, argparse.Namespace, beyond torch's own allow-list."
    assert scan.next_step == "Run: torchcompat allowlist FILE"


def test_all_names_that_run_code_are_said_and_only_those():
    scan = scanned(torch_zip(pickled("os.getpid", "voice.Conv", "builtins.eval")))

    assert scan.cause.startswith("It imports os.getpid, builtins.eval, with which")


@pytest.mark.parametrize("data", [b"\x82\1.", b"\xff"])
def test_what_is_refused_weights_only_cannot_read(data):
    assert not scanned(torch_zip(data)).weights_only


def test_a_note_says_where_torch_versions_differ():
    names = ("builtins.set", "torch.int1", "torch._utils._rebuild_nested_tensor")
    scan = scanned(torch_zip(pickled(*names, "torch.Size", "voice.Conv")))

    assert scan.notes == (
        "builtins.set is not on the allow-list of torch 2.5",
        "torch.int1 is not on the allow-list of torch 2.5, 2.6",
        "torch._utils._rebuild_nested_tensor is not on the allow-list of torch 2.15",
    )


@pytest.mark.parametrize(
    ("data", "weights_only", "note"),
    [
        (torch_zip(), True, ""),
        (legacy(), True, ""),
        (
            STATE,
            False,
            "a plain pickle: torch.load unpickles it and then finds that it is no checkpoint",
        ),
        (
            torch_zip(b"\x80\x04N\x94."),
            False,
            "weights_only=True cannot read these opcodes: save it with pickle_protocol=2",
        ),
    ],
)
def test_what_weights_only_cannot_read_at_all_is_said(data, weights_only, note):
    scan = scanned(data)

    assert scan.weights_only is weights_only
    assert (note in scan.notes) == bool(note)


def test_reading_starts_at_the_position_and_leaves_it():
    file = io.BytesIO(b"junk" + torch_zip())
    file.seek(4)

    scan = scan_file(file)

    assert (scan.format, scan.bytes, file.tell()) == ("zip", len(torch_zip()), 4)
    assert scan.sha256 == hashlib.sha256(torch_zip()).hexdigest()


@pytest.mark.parametrize("hashed", [True, False])
def test_what_is_asked_from_its_end_on_is_empty_and_stays_there(hashed):
    for place in (3, 9):
        file = io.BytesIO(b"abc")
        file.seek(place)
        scan = scan_file(file, hashed=hashed)
        assert (scan.format, scan.bytes, file.tell(), scan.path) == ("empty", 0, place, "")


def test_without_a_sum_the_same_is_told_of_a_file(tmp_path):
    (tmp_path / "x.pt").write_bytes(torch_zip(PAYLOAD))
    summed = scan_path(tmp_path / "x.pt")
    quick = scan_path(str(tmp_path / "x.pt"), hashed=False)

    assert summed.sha256 == hashlib.sha256(torch_zip(PAYLOAD)).hexdigest()
    assert summed == dataclasses.replace(quick, sha256=summed.sha256)
    assert (quick.sha256, quick.to_dict()["sha256"]) == ("", None)
    assert (quick.path, quick.bytes) == (str(tmp_path / "x.pt"), len(torch_zip(PAYLOAD)))
    assert scan_path(tmp_path / "x.pt", limits=Limits(opcodes=1)).reason == "too-large"


def test_a_sum_is_of_all_chunks_of_a_file():
    data = random.Random(0).randbytes((1 << 20) + 5)
    scan = scanned(data)
    assert (scan.sha256, scan.bytes) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_same_bytes_under_any_name_give_the_same_answer(tmp_path):
    scans = []
    for name in ("model.pt", "model.7z", "README"):
        (tmp_path / name).write_bytes(torch_zip(PAYLOAD))
        scans.append({**scan_path(tmp_path / name).to_dict(), "path": ""})

    assert scans[0] == scans[1] == scans[2]


def test_a_scan_as_data_has_the_promised_keys():
    data = scanned(torch_zip(pickled("argparse.Namespace"))).to_dict()

    keys = ["path", "sha256", "bytes", "format", "globals", "verdict", "reason", "notes"]
    assert list(data) == keys
    assert data == {
        "path": "file.pt",
        "sha256": hashlib.sha256(torch_zip(pickled("argparse.Namespace"))).hexdigest(),
        "bytes": len(torch_zip(pickled("argparse.Namespace"))),
        "format": "zip",
        "globals": ["argparse.Namespace"],
        "verdict": "needs-allowlist",
        "reason": None,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("version", "beyond"),
    [
        ("2.4.0", ("builtins.set", "torch.bcomplex32")),
        ("2.5.1+cu124", ("builtins.set", "torch.bcomplex32")),
        ("2.6.0", ("torch.bcomplex32",)),
        ("2.12.1", ("torch.bcomplex32",)),
        ("2.15.0", ()),
        ("2.16.0.dev20261119+cpu", ()),
    ],
)
def test_beyond_goes_by_the_nearest_measured_version(version, beyond):
    assert scanned(torch_zip(pickled("builtins.set", "torch.bcomplex32"))).beyond(version) == beyond


def test_what_is_no_version_is_said():
    with pytest.raises(UnknownNameError, match="'new' is not a known torch version"):
        allowed_by_torch("new")


def test_the_list_is_the_installed_torchs_own():
    torch = pytest.importorskip("torch")
    from torch import _weights_only_unpickler as unpickler

    release = ".".join(torch.__version__.split(".")[:2])
    if release not in ("2.5", "2.6", "2.13", "2.15"):
        pytest.skip(f"torch {release} was not measured")

    assert allowed_by_torch(torch.__version__) >= set(unpickler._get_allowed_globals())
