"""``torchcompat explain``: what a user pastes, and what they are told."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from pytest_torchcompat.commands.cli import main

KNOWN = """Traceback (most recent call last):
  File "/x/lib/python3.11/site-packages/torch/serialization.py", line 1524, in load
    raise pickle.UnpicklingError(_get_wo_message(str(e))) from None
_pickle.UnpicklingError: Weights only load failed. This file can still be loaded.
\tWeightsUnpickler error: Unsupported global: GLOBAL decimal.Decimal was not an allowed global by \
default. Please use `torch.serialization.add_safe_globals([decimal.Decimal])` or the \
`torch.serialization.safe_globals([decimal.Decimal])` context manager to allowlist this global if \
you trust this class/function.

Check the documentation of torch.load to learn more.
"""
UNKNOWN = """Traceback (most recent call last):
  File "/x/run.py", line 3, in <module>
    run()
run.OddError: nobody met this at 0xdeadbeef in /home/me/run.py
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="report.txt", encoding="utf-8"):
        data = text if isinstance(text, bytes) else text.encode(encoding)
        (tmp_path / name).write_bytes(data)
        return name

    return write


@pytest.fixture
def paste(monkeypatch):
    def paste(text, *, terminal=False):
        stream = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
        stream.isatty = lambda: terminal
        monkeypatch.setattr(sys, "stdin", stream)

    return paste


def test_a_known_failure_is_told_with_its_cause_and_remedies(write, capsys):
    assert main(["explain", write(KNOWN + "\ntorch==2.8.0\n")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded.",
        "  known: wo-global-2.7",
        "  The file names decimal.Decimal, which torch does not import under weights_only=True.",
    ]
    assert "      torch.serialization.add_safe_globals([Decimal])" in lines
    assert lines[-1] == "versions: python 3.11, torch 2.8.0"


def test_an_unknown_failure_is_exit_1_with_its_signature_and_what_to_do(write, capsys):
    assert main(["explain", write(UNKNOWN)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "run.OddError: nobody met this at 0xdeadbeef in /home/me/run.py",
        "  not known",
        "  its signature, to search for: OddError: nobody met this at ADDRESS in PATH",
        "  next: report it to the project that raised it, with the whole text and the versions",
    ]


def test_an_unknown_failure_of_a_load_leads_to_a_scan_of_the_file(write, capsys):
    text = KNOWN.replace("_pickle.UnpicklingError: Weights only", "OddError: Odd")
    assert main(["explain", write(text)]) == 1
    scan = "  next: torchcompat scan FILE says what the file holds and which torch loads it"
    assert scan in capsys.readouterr().out.splitlines()


def test_a_version_that_the_text_lacks_is_given(write, capsys):
    name = write(KNOWN)
    main(["explain", name])
    note = "torch's version is unknown, and remedies hang on it: --with torch==2.6.0, or --here"
    assert note in capsys.readouterr().out.splitlines()
    main(["explain", name, "--with", "torch==2.8.0", "--with", "Some.Thing==1.0", "--json"])
    (told,) = json.loads(capsys.readouterr().out)["texts"]
    assert told["versions"] == {"python": "3.11", "some-thing": "1.0", "torch": "2.8.0"}


def test_the_text_is_believed_before_what_is_given_and_that_before_what_is_installed(
    write, capsys, monkeypatch
):
    from pytest_torchcompat import shim

    found = {"Torch": "2.1.0", "python": "3.9.1", "numpy": "1.20.0"}
    monkeypatch.setattr(shim, "installed", lambda: found)
    main(["explain", write(KNOWN), "--here", "--with", "torch==2.8.0", "--json"])
    (told,) = json.loads(capsys.readouterr().out)["texts"]
    assert told["versions"] == {"python": "3.11", "torch": "2.8.0", "numpy": "1.20.0"}


@pytest.mark.parametrize("given", ["torch", "torch=2.8", "torch==new", "==2.8"])
def test_what_is_no_version_is_exit_2(write, capsys, given):
    assert main(["explain", write(KNOWN), "--with", given]) == 2
    assert capsys.readouterr().err == (
        f"torchcompat: --with {given}: expected NAME==VERSION, such as torch==2.6.0.\n"
    )


def test_standard_input_is_read_without_a_file(paste, capsys):
    paste(KNOWN)
    assert main(["explain"]) == 0
    assert capsys.readouterr().err == ""


def test_a_terminal_is_told_what_to_paste(paste, capsys):
    paste(KNOWN, terminal=True)
    assert main(["explain", "-"]) == 0
    assert capsys.readouterr().err == (
        "Paste the traceback, then end with Ctrl-D (on Windows Ctrl-Z, Enter).\n"
    )


def test_several_files_are_told_one_after_the_other(write, capsys):
    assert main(["explain", write(KNOWN, "a.txt"), write(UNKNOWN, "b.txt")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("a.txt:\n\n_pickle.UnpicklingError: ")
    assert "\n\nb.txt:\n\nrun.OddError: " in out


def test_failures_of_one_kind_are_told_once_and_counted(write, capsys):
    main(["explain", write(UNKNOWN + UNKNOWN.replace("0xdeadbeef", "0xcafe"))])
    first = "run.OddError: nobody met this at 0xdeadbeef in /home/me/run.py (2 times)"
    assert capsys.readouterr().out.splitlines()[0] == first


def test_json_has_the_failures_with_their_diagnoses(write, capsys):
    assert main(["explain", write(KNOWN), write(UNKNOWN, "other.txt"), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    known, unknown = (text["failures"][0] for text in data["texts"])
    assert data["schema"] == 1
    assert [text["file"] for text in data["texts"]] == ["report.txt", "other.txt"]
    assert (known["stage"], known["diagnosis"]["id"]) == ("load", "wo-global-2.7")
    assert {name: unknown[name] for name in ("exception", "diagnosis", "group", "times")} == {
        "exception": "run.OddError",
        "diagnosis": None,
        "group": "OddError: nobody met this at ADDRESS in PATH",
        "times": 1,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "hello",
            "report.txt: there is nothing in it that looks like a failure. "
            "Paste a traceback to its last line, or what pip or uv printed.",
        ),
        (
            KNOWN.partition("_pickle")[0],
            "report.txt: the traceback ends before its last line, which says what was raised. "
            "Paste it to its end.",
        ),
        (
            b"PK\x03\x04\x00\x00",
            "report.txt: not text. To look into a checkpoint: torchcompat scan FILE",
        ),
        (
            bytes(range(1, 32)) * 10,
            "report.txt: not text. To look into a checkpoint: torchcompat scan FILE",
        ),
    ],
    ids=["prose", "cut", "zip", "control characters"],
)
def test_an_input_without_a_failure_is_exit_2(write, capsys, text, sentence):
    assert main(["explain", write(text)]) == 2
    assert capsys.readouterr().err == f"torchcompat: {sentence}\n"


def test_a_file_that_is_not_there_is_exit_2(write, capsys):
    assert main(["explain", "none\x1b.txt"]) == 2
    assert capsys.readouterr().err == (
        "torchcompat: none\\x1b.txt: No such file or directory. "
        "Name a text file that can be read.\n"
    )


def test_one_of_two_tracebacks_without_an_end_is_said_to_be_left_out(write, capsys):
    main(["explain", write(KNOWN + KNOWN.partition("_pickle")[0])])
    note = "One traceback ends before its last line, and is left out: paste it to its end."
    assert capsys.readouterr().out.splitlines()[-1] == note


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_text_is_read_in_the_encoding_that_it_has(write, capsys, encoding):
    text = KNOWN.replace("/x/", "/höme/")
    assert main(["explain", write(text, encoding=encoding)]) == 0
    assert "known: wo-global-2.7" in capsys.readouterr().out


def test_big_endian_text_is_read(write, capsys):
    assert main(["explain", write(b"\xfe\xff" + KNOWN.encode("utf-16-be"))]) == 0


def test_of_a_huge_file_the_end_is_read(write, capsys):
    assert main(["explain", write("ö" * 10_000_001 + "\n" + KNOWN)]) == 0


def test_what_a_terminal_would_obey_is_spelled_out(write, capsys):
    main(["explain", write(UNKNOWN.replace("nobody", "no\x07body\x9b2J"))])
    out = capsys.readouterr().out
    assert "no\\x07body\\x9b2J" in out
    assert not {"\x07", "\x9b"} & set(out)


def test_words_without_an_exceptions_name_are_recognised(write, capsys):
    message = KNOWN.partition("UnpicklingError: ")[2]
    assert main(["explain", write(f"Could not load the model\n{message}")]) == 0
    assert "  known: wo-global-2.7" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("before", "exception"),
    [("Error: ", ""), ("I get `RuntimeError: ", "RuntimeError")],
)
def test_words_alone_are_shown_as_they_are(write, capsys, before, exception):
    words = f"{before}CUDA error: no kernel image is available for execution on the device` here"
    name = write(f"Loading the model\n{words}\nGood bye\n")
    assert main(["explain", name]) == 0
    assert capsys.readouterr().out.splitlines()[0] == words[words.find(exception) :]
    main(["explain", "--json", name])
    [failure] = json.loads(capsys.readouterr().out)["texts"][0]["failures"]
    assert failure["exception"] == exception


def test_a_warning_that_nobody_knows_is_not_told_beside_an_error(write, capsys):
    assert main(["explain", write(f"x.py:3: OddWarning: careful\n{KNOWN}")]) == 0
    assert "OddWarning" not in capsys.readouterr().out


def test_it_imports_neither_torch_nor_the_hub(write):
    script = (
        "import sys; from pytest_torchcompat.commands.cli import main; main(sys.argv[1:]);"
        "assert not {'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", script, "explain", write(KNOWN), "--here"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_standard_input_that_is_closed_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["explain"]) == 2
    assert capsys.readouterr().err == (
        "torchcompat: standard input: closed. Name a file, or paste the traceback.\n"
    )


def test_an_interrupted_paste_is_told_in_a_line(monkeypatch, capsys):
    class Interrupted:
        buffer = property(lambda _: (_ for _ in ()).throw(KeyboardInterrupt))

        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stdin", Interrupted())
    assert main(["explain"]) == 130
    assert capsys.readouterr().err == "torchcompat explain: stopped\n"


def test_a_refusal_that_was_printed_without_its_name_is_told_beside_what_came_of_it(write, capsys):
    message = KNOWN.partition("_pickle.UnpicklingError: ")[2]
    assert main(["explain", write(f"no model: {message}{UNKNOWN}")]) == 1
    said = capsys.readouterr().out
    assert said.index("known: wo-global-2.7") < said.index("run.OddError: nobody met this")


def test_an_unknown_error_beside_other_words_stays_unknown(write, capsys):
    words = "torch.load from a file that is seekable, and other words of a log\n"
    assert main(["explain", write(words + UNKNOWN)]) == 1
    said = capsys.readouterr().out
    assert "known:" not in said
    assert said.startswith("run.OddError: nobody met this")
