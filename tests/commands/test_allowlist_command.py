from __future__ import annotations

import argparse
import io
import pickle
import subprocess
import sys
import zipfile

import pytest

from pytest_torchcompat.commands.allowlist import code
from pytest_torchcompat.commands.cli import main
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.scan import scan_file


def checkpoint(pickled):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def naming(*names):
    lines = (f"c{module}\n{name}\n" for module, _, name in (each.rpartition(".") for each in names))
    return checkpoint(b"(" + "".join(lines).encode() + b"t.")


def lines_for(data):
    return code(scan_file(io.BytesIO(data), "model.pt"))


def test_the_code_imports_and_allows_each_class():
    assert lines_for(naming("fairseq.data.dictionary.Dictionary")) == [
        (
            "# Lets torch.load read this file with weights_only=True."
            " Works on torch 2.5 and later; needs fairseq installed."
        ),
        "import torch",
        "from fairseq.data.dictionary import Dictionary",
        "torch.serialization.add_safe_globals([Dictionary])",
    ]


def test_classes_of_one_name_do_not_hide_each_other():
    lines = lines_for(naming("voice.conv.Conv", "tones.conv.Conv"))

    assert lines[2:] == [
        "from voice.conv import Conv",
        "from tones.conv import Conv as Conv_2",
        "torch.serialization.add_safe_globals([Conv, Conv_2])",
    ]
    assert lines[0].endswith("needs tones and voice installed.")


def test_builtins_need_no_import():
    assert lines_for(naming("builtins.set"))[1:] == [
        "import torch",
        "torch.serialization.add_safe_globals([set])",
    ]


def test_a_name_that_newer_torch_brings_is_left_to_it():
    lines = lines_for(naming("torch.uint16", "argparse.Namespace"))

    assert "Works on torch 2.6 and later." in lines[0]
    assert lines[-1] == "torch.serialization.add_safe_globals([Namespace])"


def test_numpy_is_called_as_the_file_calls_it():
    lines = lines_for(naming("numpy.core.multiarray.scalar", "numpy.dtype"))

    assert "Works on torch 2.6 and later; needs numpy installed." in lines[0]
    assert "from numpy._core.multiarray import scalar" in lines
    assert any("does not name numpy's dtype classes" in line for line in lines)
    assert '[(scalar, "numpy.core.multiarray.scalar"), dtype]' in lines[-1]


def test_nothing_to_allow_is_said():
    expected = "# Nothing to allow: every torch loads this file with weights_only=True."

    assert lines_for(naming("collections.OrderedDict")) == [expected]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (naming("os.getpid"), "It imports os.getpid, with which a pickle can run any code."),
        (b"<html>", "It is a web page"),
        (pickle.dumps(argparse.Namespace(), 2), "reads neither a plain pickle nor the opcodes"),
        (checkpoint(b"\x8c\x01a\x8c\x01b\x93."), "reads neither a plain pickle nor the opcodes"),
        (naming("voice;import os.x"), "voice;import os.x is not a name that Python can import."),
        (naming("voice.class"), "voice.class is not a name that Python can import."),
        (
            naming("\N{FULLWIDTH LATIN SMALL LETTER V}oice.Conv"),
            "is not a name that Python can import.",
        ),
        (naming("voice\x1b.Conv"), r"voice\x1b.Conv is not a name that Python can import."),
    ],
)
def test_a_file_that_no_allow_list_should_open_gets_none(data, sentence):
    with pytest.raises(TorchcompatError) as caught:
        lines_for(data)

    assert str(caught.value).startswith("no allow-list")
    assert sentence in str(caught.value)


def test_the_command_prints_the_code(tmp_path, capsys):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("argparse.Namespace"))

    assert main(["allowlist", str(path)]) == 0
    compile(capsys.readouterr().out, "pasted", "exec")


def test_a_file_that_is_missing_is_a_sentence(capsys):
    assert main(["allowlist", "gone.pt"]) == 2
    message = "torchcompat: gone.pt cannot be read: No such file or directory.\n"
    assert capsys.readouterr().err == message


def test_with_the_code_pasted_torch_loads_the_file(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"args": argparse.Namespace(lr=0.1), "net": torch.nn.Linear(2, 2)}, path)

    load = "print(sorted(torch.load(sys.argv[1], weights_only=True)))"
    pasted = "\n".join(["import sys", *lines_for(path.read_bytes()), load])
    command = [sys.executable, "-c", pasted, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("['args', 'net']\n", 0), done.stderr
