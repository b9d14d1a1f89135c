from __future__ import annotations

import argparse
import io
import os
import pickle
import re
import subprocess
import sys
import zipfile

import pytest

from pytest_torchcompat.allowlist_code import code
from pytest_torchcompat.commands import allowlist
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


def lines_for(data, place="entry-point"):
    return code(scan_file(io.BytesIO(data), "model.pt"), place)


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


def test_a_class_of_the_script_that_saved_the_file_is_imported_from_no_guessed_place():
    assert lines_for(naming("__main__.Cfg", "__mp_main__.Namespace", "argparse.Namespace")) == [
        "# Lets torch.load read this file with weights_only=True. Works on torch 2.6 and later.",
        "# A pair says under which name the file has a class; torch 2.5 does not take pairs.",
        "# The file names Cfg and Namespace by the script that saved it, and does not say where"
        " else it is.",
        "#   On torch 2.5, define it in the script that runs, and allow it there without a pair.",
        "import torch",
        "# Import Cfg here, from the module that defines it.",
        "# Import Namespace here, from the module that defines it.",
        "from argparse import Namespace as Namespace_2",
        "torch.serialization.add_safe_globals("
        '[(Cfg, "__main__.Cfg"), (Namespace, "__mp_main__.Namespace"), Namespace_2])',
    ]


def test_without_a_place_to_import_a_class_from_sitecustomize_gets_code_that_compiles():
    lines = lines_for(naming("__main__.Cfg"), "sitecustomize")
    compile("\n".join(lines), "sitecustomize", "exec")
    assert "            # Import Cfg here, from the module that defines it." in lines


@pytest.mark.parametrize("verify", [False, True])
def test_a_class_that_only_its_owner_can_import_is_not_tried(tmp_path, capsys, monkeypatch, verify):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("__main__.Cfg"))
    monkeypatch.setattr(allowlist.subprocess, "run", None)

    assert main(["allowlist", *["--verify"] * verify, str(path)]) == verify
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"# Not {'verified' if verify else 'tried'}: the file does not say where Cfg is defined, so"
        " that nothing here can import it. Import it as the code says, and load the file in a"
        " program of yours."
    )


SAVE = """
import sys, torch
class Cfg:
    pass
torch.save({"cfg": Cfg()}, sys.argv[1])
"""


def test_with_its_class_imported_torch_loads_what_a_script_saved(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    assert run_python(SAVE, path).returncode == 0
    load = "import sys\nprint(torch.load(sys.argv[1], weights_only=True)['cfg'].__class__.__name__)"
    if hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        (tmp_path / "configs.py").write_text("class Cfg:\n    pass\n")
        pasted = "\n".join(lines_for(path.read_bytes()))
        lines = [re.sub("# Import Cfg here.*", "from configs import Cfg", pasted)]
    else:  # as the code says of torch 2.5
        lines = ["import torch", "class Cfg: pass", "torch.serialization.add_safe_globals([Cfg])"]
    done = run_python("\n".join([*lines, load]), path, cwd=tmp_path)

    assert (done.stdout, done.returncode) == ("Cfg\n", 0), done.stderr


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
    at = lines.index("try:")
    assert lines[at : at + 4] == [
        "try:",
        "    from numpy._core.multiarray import scalar",
        "except ImportError:",
        "    from numpy.core.multiarray import scalar",
    ]
    assert any("torch 2.5 does not take pairs" in line for line in lines)
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
    assert capsys.readouterr().err == (
        "torchcompat: gone.pt cannot be read: No such file or directory."
        " Check the path and its permissions.\n"
    )


def test_a_pipe_is_not_waited_for(tmp_path, capsys):
    pipe = tmp_path / "pipe.pt"
    os.mkfifo(pipe)
    assert main(["allowlist", str(pipe)]) == 2
    assert capsys.readouterr().err == f"torchcompat: {pipe} is not a regular file. Name one.\n"


def test_where_nothing_is_to_allow_no_code_is_spoken_of(tmp_path, capsys):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("collections.OrderedDict"))
    assert main(["allowlist", str(path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "# Not tried: with --verify torch loads the file."


def test_with_the_code_pasted_torch_loads_the_file(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"args": argparse.Namespace(lr=0.1), "net": torch.nn.Linear(2, 2)}, path)

    load = "print(sorted(torch.load(sys.argv[1], weights_only=True)))"
    pasted = "\n".join(["import sys", *lines_for(path.read_bytes()), load])
    command = [sys.executable, "-c", pasted, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("['args', 'net']\n", 0), done.stderr


def run_python(program, *arguments, **options):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_dict_of_its_own_kind_says_which_torch_does_not_fill_it():
    lines = lines_for(naming("collections.defaultdict"))

    assert lines[1].startswith(
        "# collections.defaultdict is a dict of its own kind, which torch 2.10"
    )
    assert "save the file anew with a plain dict" in lines[2]


def test_a_deque_says_that_torch_does_not_fill_it():
    lines = lines_for(naming("collections.deque"))

    assert lines[1].startswith("# torch does not fill a collections.deque, even if it is allowed")
    assert "with a plain list in its place" in lines[2]


def test_the_code_for_sitecustomize_imports_nothing_before_the_first_load(tmp_path):
    """With a stand-in for torch: what is asked of it is that it has load and serialization."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(
        "from torch import serialization\n"
        "def load(*args, **kwargs):\n    return args, kwargs, serialization.allowed\n"
        "serialization.load = load\n"
    )
    serialization = "allowed = []\ndef add_safe_globals(names):\n    allowed.extend(names)\n"
    (tmp_path / "torch" / "serialization.py").write_text(serialization)
    (tmp_path / "voice.py").write_text("import torch\nclass Conv:\n    pass\n")
    lines = lines_for(naming("voice.Conv"), "sitecustomize")
    absent = lines_for(naming("gone.Conv"), "sitecustomize")
    (tmp_path / "sitecustomize.py").write_text("\n".join([*lines, *absent]))
    program = """
import sys
assert "torch" not in sys.modules
import importlib.util
assert importlib.util.find_spec("torch")  # libraries ask so whether there is a torch
import voice, torch
assert not torch.serialization.allowed
args, kwargs, allowed = torch.load("x", weights_only=True)
print(args, kwargs, allowed == [voice.Conv], torch.load.__name__)
torch.load("y")
print(len(allowed))
"""
    done = run_python(program, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    expected = "('x',) {'weights_only': True} True load\n1\n"
    assert (done.stdout, done.stderr) == (expected, "")


def test_the_code_for_sitecustomize_lets_torch_load_the_file(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"args": argparse.Namespace(lr=0.1)}, path)
    pasted = lines_for(path.read_bytes(), "sitecustomize")
    load = ["import torch", "print(torch.load(sys.argv[1], weights_only=True))"]
    done = run_python("\n".join([*pasted, *load]), path)

    assert (done.stdout, done.returncode) == ("{'args': Namespace(lr=0.1)}\n", 0), done.stderr


def test_without_names_to_import_sitecustomize_gets_remarks_alone():
    assert [line[:1] for line in lines_for(naming("torch.uint16"), "sitecustomize")] == ["#"]


def test_nothing_is_executed_unless_verifying_is_asked_for(tmp_path, capsys, monkeypatch):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("argparse.Namespace"))
    monkeypatch.setattr(allowlist.subprocess, "run", None)

    assert main(["allowlist", str(path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("# Not tried: with --verify torch loads the file with this code")


@pytest.mark.parametrize("place", ["entry-point", "sitecustomize"])
def test_verified_names_the_torch_that_loaded_the_file(tmp_path, capsys, place):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"args": argparse.Namespace(lr=0.1)}, path)

    assert main(["allowlist", "--verify", "--for", place, str(path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"# Verified with torch {torch.__version__}."


def test_what_torch_still_refuses_is_said_in_its_own_words(tmp_path, capsys):
    numpy, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    if not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        pytest.skip("the code holds pairs, which torch takes from 2.6 on")
    path = tmp_path / "model.pt"
    torch.save({"score": numpy.float64(1)}, path)

    assert main(["allowlist", "--verify", str(path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("# Not verified: ")
    assert "got <class 'numpy.dtype" in last


def test_a_process_that_dies_is_told_by_its_code(tmp_path, capsys, monkeypatch):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("argparse.Namespace"))
    died = subprocess.CompletedProcess([], -11, "", "")
    monkeypatch.setattr(allowlist.subprocess, "run", lambda *_, **__: died)

    assert main(["allowlist", "--verify", str(path)]) == 1
    assert capsys.readouterr().out.endswith("# Not verified: the process ended with -11.\n")


def test_a_load_that_fails_is_said_in_its_last_words(tmp_path, capsys):
    pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    path.write_bytes(naming("gone.Conv"))

    assert main(["allowlist", "--verify", str(path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "# Not verified: ModuleNotFoundError: No module named 'gone'"


@pytest.mark.parametrize("place", ["entry-point", "sitecustomize"])
def test_without_torch_that_is_said(tmp_path, capsys, monkeypatch, place):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("argparse.Namespace"))
    # An isolated Python without site-packages has no torch.
    run = subprocess.run
    monkeypatch.setattr(
        allowlist.subprocess,
        "run",
        lambda command, **more: run([command[0], "-S", "-I", *command[1:]], **more),
    )

    assert main(["allowlist", "--verify", "--for", place, str(path)]) == 1
    assert capsys.readouterr().out.endswith("# Not verified: torch is not installed.\n")


def test_a_load_that_never_ends_is_ended(tmp_path, capsys, monkeypatch):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("argparse.Namespace"))

    def run(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(allowlist.subprocess, "run", run)

    assert main(["allowlist", "--verify", str(path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "# Not verified: the load took longer than 600 seconds."


def test_the_limits_can_be_raised(tmp_path, capsys):
    path = tmp_path / "model.pt"
    path.write_bytes(naming("argparse.Namespace"))

    assert main(["allowlist", "--limit", "opcodes=2", str(path)]) == 2
    assert "which is the limit 'opcodes'" in capsys.readouterr().err


def test_a_class_that_has_moved_within_its_library_goes_by_the_name_in_the_file(tmp_path):
    pytest.importorskip("torch")
    modules = tmp_path / "ultralytics" / "nn" / "modules"
    modules.mkdir(parents=True)
    (modules / "__init__.py").write_text(
        "from ultralytics.nn.modules.conv import Conv\n\nclass Stayed: pass\n"
    )
    (modules / "conv.py").write_text("class Conv: pass\n")
    names = ("ultralytics.nn.modules.Conv", "ultralytics.nn.modules.Stayed")
    lines = [line for name in names for line in lines_for(naming(name))]
    assert "a pair says under which name the file has it" in lines[1]
    lines.append("print(torch.serialization.get_safe_globals())")
    done = run_python("\n".join(lines), cwd=tmp_path)
    assert "(<class 'ultralytics.nn.modules.conv.Conv'>, 'ultralytics.nn.modules.Conv')" in (
        done.stdout
    )
    assert "(<class 'ultralytics.nn.modules.Stayed'>" not in done.stdout
    assert "<class 'ultralytics.nn.modules.Stayed'>" in done.stdout
