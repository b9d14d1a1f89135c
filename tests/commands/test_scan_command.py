from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from argparse import Namespace

import pytest

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.commands import scan as command
from pytest_torchcompat.commands.cli import main
from pytest_torchcompat.commands.scan import report
from pytest_torchcompat.display import escaped, human_size
from pytest_torchcompat.scan import scan_file, verdict


def checkpoint(pickled):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


SAFE = checkpoint(b"N.")
NEEDY = checkpoint(pickle.dumps(Namespace(lr=0.1), 2))
DANGEROUS = checkpoint(b"cos\ngetpid\n)R.")
REFUSED = checkpoint(b"\x82\x01.")


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, data in files.items():
            (tmp_path / f"{name}.pt").write_bytes(data)

    return write


def test_a_safe_file_in_two_lines(write, capsys):
    write(model=SAFE)

    assert main(["scan", "model.pt"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"model.pt   zip, {len(SAFE)} bytes",
        "  safe: it imports nothing beyond torch's own allow-list",
    ]


def test_a_file_that_needs_an_allow_list_names_it_and_the_next_command(write, capsys):
    write(model=NEEDY)

    assert main(["scan", "model.pt"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  needs an allow-list: 1 global beyond torch's own",
        "    argparse.Namespace",
        "  torch 2.5: loads by default   torch 2.6 and later: refused until allowed",
        "  next: torchcompat allowlist model.pt",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (b"cbuiltins\nset\n.", "torch 2.5: loads by default   torch 2.6 and later: loads"),
        (b"ctorch\nbcomplex32\n.", "torch 2.5: loads by default   torch 2.6, 2.13: refused"),
    ],
)
def test_a_name_that_only_some_torch_allow_says_which(write, capsys, name, sentence):
    write(model=checkpoint(name))

    main(["scan", "model.pt"])
    assert f"  {sentence}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"a": SAFE, "b": NEEDY}, 0),
        ({"a": SAFE, "b": DANGEROUS}, 1),
        ({"a": REFUSED, "b": DANGEROUS}, 2),
    ],
)
def test_the_exit_code_tells_dangerous_from_refused(write, files, code):
    write(**files)

    assert main(["scan", *(f"{name}.pt" for name in files)]) == code


def test_dangerous_and_refused_files_say_why_and_what_next(write, capsys):
    write(a=DANGEROUS, b=REFUSED)

    main(["scan", "a.pt", "b.pt"])
    out = capsys.readouterr().out
    assert "  DANGEROUS: It imports os.getpid, with which a pickle can run any code.\n" in out
    assert "  refused (unresolved-global): It imports by a number of copyreg's registry" in out
    assert out.count("  next: Do not load it") == 2


def test_a_missing_file_and_one_that_is_no_file_do_not_stop_the_others(write, capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    write(model=SAFE)

    assert main(["scan", "gone.pt", "pipe", "model.pt"]) == 2
    out = capsys.readouterr().out
    assert "gone.pt\n  refused (unreadable): It cannot be read: No such file or directory." in out
    assert "pipe\n  refused (unreadable): It is not a regular file." in out
    assert "model.pt   zip" in out


def test_a_folder_is_walked_and_what_is_no_checkpoint_passed_over(write, capsys, tmp_path):
    write(a=SAFE, page=b"<html>")
    (tmp_path / "README.md").write_text("# Voices")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "unsuspected.txt").write_bytes(DANGEROUS)

    assert main(["scan", "--json", "."]) == 2
    found = {each["path"]: each["reason"] for each in json.loads(capsys.readouterr().out)}
    assert found == {
        "a.pt": None,
        "page.pt": "download-fault",
        os.path.join("deep", "unsuspected.txt"): "runs-code",  # noqa: PTH118 - as it is printed
    }


@pytest.mark.parametrize(("options", "written"), [([], ""), (["--json"], "[]\n")])
def test_a_folder_without_checkpoints_is_an_error(tmp_path, capsys, options, written):
    (tmp_path / "README.md").write_text("# Voices")

    assert main(["scan", *options, str(tmp_path)]) == 2
    assert capsys.readouterr() == (
        written,
        "torchcompat: No checkpoint found. Name a file to have it read whatever it is.\n",
    )


@pytest.mark.parametrize("name", ["scan", "audit"])
def test_a_path_that_is_empty_is_not_the_current_folder(write, capsys, name):
    write(model=SAFE)
    with pytest.raises(SystemExit) as caught:
        main([name, ""])

    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(
        ": '' names nothing. Is a variable of the shell unset? Name . for this folder.\n"
    )


def test_arrays_of_numpy_are_said_to_be_such(write, capsys):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY")
        archive.writestr("folder/y.npy", b"\x93NUMPY")
    write(arrays=buffer.getvalue())

    assert main(["scan", "arrays.pt"]) == 2
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  refused (not-a-checkpoint): It is a npz file of NumPy, which torch.load does not read.",
        "  next: Open it with what its format belongs to, or check the path.",
    ]


def test_json_has_the_promised_keys(write, capsys):
    write(model=NEEDY)

    main(["scan", "--json", "model.pt"])
    (only,) = json.loads(capsys.readouterr().out)
    keys = ["path", "sha256", "bytes", "format", "globals", "verdict", "reason", "notes"]
    assert list(only) == keys


def test_names_from_a_file_cannot_command_the_terminal(write, capsys):
    write(model=checkpoint(b"cevil\x1b[2J\r\nNamespace\xe2\x80\xae\n."))

    main(["scan", "model.pt"])
    out = capsys.readouterr().out
    assert r"evil\x1b[2J\r.Namespace\u202e" in out
    assert "\x1b" not in out


def test_escaped_leaves_letters_of_any_script():
    assert escaped("голос 音 é") == "голос 音 é"
    assert escaped("\ud800") == r"\ud800"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1556, "1.56 kB"), (189_507_909, "190 MB")],
)
def test_sizes_are_in_the_largest_unit_that_fits(count, text):
    assert human_size(count) == text


def test_a_known_file_is_named():
    scan = scan_file(io.BytesIO(SAFE), "model.pt")
    replica = Replica("model.pt", scan.sha256, "torch 2.13")
    reference = Checkpoint("some/voice", "plain", "a test", sha256=scan.sha256)
    small = Checkpoint("some/voice", "plain", "a test", replica=replica)

    assert " = some/voice (verified)\n" in report(scan, {scan.sha256: reference})
    assert " = some/voice (replica)\n" in report(scan, {scan.sha256: small})


def hashes_taken(monkeypatch):
    taken = []
    original = verdict._hash
    monkeypatch.setattr(verdict, "_hash", lambda file: taken.append(file.name) or original(file))
    return taken


@pytest.mark.parametrize(
    ("options", "hashed"),
    [
        ([], False),
        (["--sha256"], True),
        (["--json"], True),
        (["--json", "--no-sha256"], False),
        (["--no-sha256"], False),
    ],
)
def test_a_file_is_read_whole_only_where_its_sha256_is_asked_for(
    write, capsys, monkeypatch, options, hashed
):
    write(model=SAFE)
    taken = hashes_taken(monkeypatch)

    main(["scan", *options, "model.pt"])
    out = capsys.readouterr().out
    assert taken == ["model.pt"] * hashed
    assert (hashlib.sha256(SAFE).hexdigest()[:8] in out) == hashed
    assert ('"sha256": null' in out) == (options == ["--json", "--no-sha256"])


def test_a_file_as_long_as_one_of_the_catalogue_is_hashed_and_named_or_not(write, capsys):
    replica = catalogue().get("rvc/hubert-base").replica.path.read_bytes()
    write(same=replica, other=bytes(len(replica)))

    main(["scan", "--no-sha256", "same.pt"])
    assert "sha256" not in capsys.readouterr().out
    main(["scan", "same.pt", "other.pt"])
    out = capsys.readouterr().out
    assert out.count("sha256 ") == 2
    assert out.count(" = rvc/hubert-base (replica)") == 1


def test_a_pattern_that_the_shell_left_is_expanded(write, capsys, tmp_path):
    write(a=SAFE, b=SAFE)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.pt").write_bytes(SAFE)
    (tmp_path / "[d].pt").write_bytes(SAFE)

    for pattern, count in (("*.pt", 3), ("**/*.pt", 4), (str(tmp_path / "?.pt"), 2), ("[d].pt", 1)):
        assert main(["scan", pattern]) == 0
        assert capsys.readouterr().out.count("  safe") == count
    assert main(["scan", "gone*.pt"]) == 2
    assert "gone*.pt\n  refused (unreadable)" in capsys.readouterr().out


def test_a_file_beyond_a_limit_names_it_and_how_to_raise_it(write, capsys):
    write(model=checkpoint(b"N0" * 50 + b"N."))

    assert main(["scan", "--limit", "opcodes=99", "--limit", "stack=9", "model.pt"]) == 2
    out = capsys.readouterr().out
    assert "(too-large): It has more than 99 pickle opcodes, which is the limit 'opcodes'." in out
    assert "torchcompat scan --limit opcodes=198 FILE" in out
    assert main(["scan", "--limit", "opcodes=198", "model.pt"]) == 0


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("opcode=9", "'opcode' is not a known limit. Did you mean 'opcodes'? Choose one of: "),
        ("opcodes", "--limit opcodes= sets no limit. Give a name and a number of digits."),
        ("opcodes=many", "--limit opcodes=many sets no limit."),
    ],
)
def test_what_is_no_limit_is_said(capsys, option, sentence):
    assert main(["scan", "--limit", option, "model.pt"]) == 2
    assert sentence in capsys.readouterr().err


def test_help_names_each_limit_and_what_is_hashed(capsys):
    with pytest.raises(SystemExit):
        main(["scan", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "opcodes (pickle opcodes: 8,000,000)" in out
    assert (
        "--json takes each, and the table only those of files as long as one of the catalogue"
        in out
    )


def test_each_file_is_reported_as_soon_as_it_is_read(write, capsys, monkeypatch):
    write(a=SAFE, b=SAFE)
    scan_path = command.scan_path

    def stop_at_b(path, **options):
        if path.name == "b.pt":
            raise KeyboardInterrupt
        return scan_path(path, **options)

    monkeypatch.setattr(command, "scan_path", stop_at_b)
    with pytest.raises(KeyboardInterrupt):
        main(["scan", "a.pt", "b.pt"])
    assert "a.pt   zip" in capsys.readouterr().out


def test_the_replicas_that_are_shipped_are_recognised(capsys):
    row = catalogue().get("rvc/hubert-base")

    main(["scan", str(row.replica.path)])
    out = capsys.readouterr().out
    assert " = rvc/hubert-base (replica)\n" in out
    assert "    fairseq.data.dictionary.Dictionary\n" in out
