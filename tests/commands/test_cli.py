from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_torchcompat import __version__
from pytest_torchcompat.commands import cli, scan
from pytest_torchcompat.errors import TorchcompatError


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])

    assert caught.value.code == 0
    assert f"usage: torchcompat {command}" in capsys.readouterr().out


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])

    named = [line.split()[:1] for line in capsys.readouterr().out.splitlines()]
    assert [word for word in cli.COMMANDS if [word] not in named] == []


def test_a_command_imports_no_other(tmp_path):
    script = (
        "import sys; from pytest_torchcompat.commands.cli import main; main(sys.argv[1:]);"
        "print([name for name in sys.modules if name.startswith('pytest_torchcompat.audit')])"
    )
    (tmp_path / "x.pt").write_bytes(b"N.")
    command = [sys.executable, "-c", script, "scan", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_shown(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])

    assert capsys.readouterr().out == f"torchcompat {__version__}\n"


def test_the_command_runs_as_a_module_too():
    command = [sys.executable, "-m", "pytest_torchcompat", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == (f"torchcompat {__version__}\n", 0), done.stderr


@pytest.mark.parametrize("arguments", [[], ["scna"], ["scan"]])
def test_wrong_arguments_are_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)

    assert caught.value.code == 2
    assert "usage: torchcompat" in capsys.readouterr().err


def test_an_error_on_purpose_is_a_sentence(monkeypatch, capsys):
    def fail(_):
        message = "the model is in the other castle."
        raise TorchcompatError(message)

    monkeypatch.setattr(scan, "run", fail)

    assert cli.main(["scan", "x.pt"]) == 2
    assert capsys.readouterr().err == "torchcompat: the model is in the other castle.\n"


def test_an_error_not_on_purpose_is_not_hidden(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(scan, "run", fail)

    with pytest.raises(ZeroDivisionError):
        cli.main(["scan", "x.pt"])


def test_scanning_imports_neither_torch_nor_the_hub(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"N.")
    script = (
        "import sys; from pytest_torchcompat.commands.cli import main; main(sys.argv[1:]);"
        "assert not {'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", script, "scan", str(tmp_path)]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_terminal_of_another_encoding_shows_what_it_lacks_escaped(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"N.")
    script = "import sys; from pytest_torchcompat.commands.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "scan", "--sha256", "x.pt"]
    environment = {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert r"\u2026" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="a pipe is closed in another way")
def test_a_reader_that_has_read_enough_is_no_error():
    reads, writes = os.pipe()
    os.close(reads)
    script = "import sys; from pytest_torchcompat.commands.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "shims"],
        stdout=writes,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, b"")
