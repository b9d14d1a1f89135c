from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pytest_torchcompat.doctor import ask, environment_line, findings, probe
from pytest_torchcompat.doctor.facts import ProbeError

TORCH = "__version__ = '2.15.0+cu132'\ndef load(): pass\nload.__module__ = 'torch.serialization'\n"


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An interpreter whose environment has no package at all, pip included."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return str(next(path for path in folder.rglob("python*") if path.stem == "python"))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that the environment imports from."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def package(site, name, text):
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(text)


def distribution(site, folder, metadata):
    (site / f"{folder}.dist-info").mkdir()
    (site / f"{folder}.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}\n")


def of(found, subject):
    return next(each for each in found if each.subject.startswith(subject))


def test_an_environment_without_torch_or_pip_is_read(bare, site):
    facts = ask(bare)

    assert facts.torch is None
    assert facts.versions == {"python": sys.version.split()[0].rstrip("+")}
    assert facts.modules == {}
    assert of(findings(facts), "torch").signature == "torch-missing"


def test_a_torch_that_raises_is_told_with_all_that_led_to_it(bare, site):
    package(
        site,
        "torch",
        "try:\n    raise OSError('libcublas.so.13: no file')\n"
        "except OSError as error:\n    raise RuntimeError('not today') from error",
    )
    facts = ask(bare)

    module = facts.modules["torch"]
    assert [(error.exception, error.message) for error in module.errors] == [
        ("RuntimeError", "not today"),
        ("OSError", "libcublas.so.13: no file"),
    ]
    told = of(findings(facts), "torch")
    assert (told.level, told.says) == ("broken", "import fails: RuntimeError: not today")
    assert told.remedies[0].code == 'python -X faulthandler -c "import torch"'


def test_what_fails_as_torch_does_is_told_once(bare, site):
    package(site, "torch", "raise RuntimeError('not today')")
    package(site, "torchvision", "import torch")
    package(
        site,
        "fairseq",
        "try:\n    import torch\nexcept RuntimeError as error:\n    raise ImportError from error",
    )

    found = findings(ask(bare))

    assert [each.subject for each in found if each.level == "broken"] == ["torch"]
    assert of(found, "torch").says == (
        "import fails: RuntimeError: not today; so does torchvision, fairseq"
    )


@pytest.mark.skipif(os.name == "nt", reason="there are no signals")
def test_a_torch_that_crashes_is_told_and_what_imports_it_is_not_tried(bare, site):
    package(site, "torch", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    package(site, "torchaudio", "import torch")
    package(site, "numpy", "__version__ = '2.3.0'")
    facts = ask(bare)

    assert facts.modules["numpy"].status == "ok"
    assert "Segmentation fault" in facts.modules["torch"].found["output"]
    told = of(findings(facts), "torch")
    assert told.level == "broken"
    assert told.says == (
        "import fails: the process died: signal SIGSEGV; not tried as they import it: torchaudio"
    )


def test_a_torch_that_hangs_is_ended(bare, site):
    package(site, "torch", "import threading; threading.Event().wait()")

    told = of(findings(ask(bare, seconds=2)), "torch")

    assert told.level == "broken"
    assert told.says == "import hangs: not done after 2 s, and killed"


def test_a_module_in_the_place_of_torch_is_told_with_its_file(bare, site):
    (site / "torch.py").write_text("x = 1")

    told = of(findings(ask(bare)), "torch")

    assert told.says == "what is imported by that name is something else: it has no version"
    assert told.remedies[0].says == f"Take it away: {site / 'torch.py'}"


def test_a_torch_that_ends_the_process_is_told(bare, site):
    package(site, "torch", "import os; os._exit(0)")

    told = of(findings(ask(bare)), "torch")

    assert told.says == "import fails: the process died: exit code 0"


def test_what_modules_print_is_no_answer(bare, site):
    noise = (
        "import sys; sys.stdout.buffer.write(b'{\"status\": \"hung\"}\\xff\\x00'); print('}{')\n"
    )
    (site / "sitecustomize.py").write_text(noise)
    package(site, "torch", noise + TORCH)

    assert ask(bare).modules["torch"].status == "ok"


def test_a_module_that_goes_elsewhere_and_prints_without_measure_is_still_heard(bare, site):
    package(site, "torch", f"import os; os.chdir('/'); print('x' * 100_000)\n{TORCH}")

    module = ask(bare).modules["torch"]

    assert module.status == "ok"
    assert len(module.found["output"]) == probe.TAIL


def test_a_library_that_replaces_torch_load_is_found_by_importing_it(bare, site):
    package(site, "torch", TORCH)
    package(site, "transformers", "import torch")
    patch = "import torch\ndef load(): pass\nload.__module__ = 'speechbrain.patches'\n"
    package(site, "speechbrain", f"{patch}torch.load = load")
    distribution(site, "torch-2.15.0", "Name: torch\nVersion: 2.15.0")
    facts = ask(bare)

    assert facts.modules["torch"].found["load"] == "torch.serialization"
    assert facts.modules["transformers"].found["load"] == "torch.serialization"
    assert of(findings(facts), "speechbrain").says == (
        "importing it replaces torch.load for the whole process (by speechbrain.patches.load)"
    )


def test_the_modules_beside_the_probe_are_none_of_the_environment(bare, site):
    package(site, "torch", "import gpus")

    assert ask(bare).modules["torch"].found["message"] == "No module named 'gpus'"


def test_a_build_is_read_from_version_py_without_an_import(bare, site):
    package(site, "torch", "raise RuntimeError")
    (site / "torch" / "version.py").write_text(
        "from typing import Optional\n__version__ = '2.8.0+cu128'\n"
        "cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n"
    )

    facts = ask(bare)

    assert facts.builds["torch"] == {"version": "2.8.0+cu128", "cuda": "12.8", "hip": None}
    assert str(facts.torch) == "2.8.0"  # though there is no distribution
    assert facts.build("torch") == "cu128"


def test_metadata_that_is_broken_is_told_and_stops_nothing(bare, site):
    distribution(site, "torch-2.15.0", "Name: torch\nVersion: 2.15.0")
    distribution(site, "nameless-1", "Version: 1")
    distribution(site, "numpy-1.26.4", "Name: numpy\nVersion: 1.26.4")
    distribution(site, "numpy-2.3.0", "Name: numpy\nVersion: 2.3.0")
    distribution(site, "odd-1", "Name: odd\nVersion: not a version")
    (site / "broken_off-1.dist-info").mkdir()

    facts = ask(bare)
    found = findings(facts)

    assert "odd" not in facts.versions
    assert of(found, "torch 2.15.0").says == "has metadata, and there is no module to import"
    assert of(found, "site-packages").says == (
        "metadata without a name: 1, as installations leave that broke off"
    )
    assert of(found, "numpy").says == "installed more than once: 1.26.4, 2.3.0"


def test_variables_are_read_and_secrets_are_not(bare, site, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", "somewhere")
    monkeypatch.setenv("HF_HUB_TOKEN", "hf_secret")
    monkeypatch.setenv("UNRELATED", "1")

    variables = ask(bare).data["variables"]

    assert variables["TORCH_HOME"] == "somewhere"
    assert variables["HF_HUB_TOKEN"] == "(set)"
    assert "UNRELATED" not in variables


def test_what_is_no_interpreter_is_told(tmp_path):
    absent = str(tmp_path / "python")
    with pytest.raises(ProbeError) as told:
        ask(absent)
    assert str(told.value) == (
        f"{absent} did not answer as a Python 3.9 or later would (No such file or directory)."
        " Name an interpreter that works, such as .venv/bin/python."
    )


@pytest.mark.skipif(os.name == "nt", reason="a script of a shell")
@pytest.mark.parametrize(
    ("script", "seconds", "words"),
    [
        ("echo '\x1b[31mno such library' >&2; exit 127", 30, r"exit code 127: \x1b[31mno such lib"),
        ("exit 0", 30, "exit code 0"),
        ("while :; do echo y; done", 0.5, "no answer in 0.5 s"),
        # It answers the first question alone.
        ('[ "$1" = -c ] && touch "$3"; exit 3', 30, "exit code 3"),
        ('touch "$3"; echo "{" > "$3"', 30, "exit code 0"),
        ('touch "$3"; echo "[]" > "$3"', 30, "exit code 0"),
    ],
)
def test_a_program_that_is_no_interpreter_is_told_by_what_it_does(tmp_path, script, seconds, words):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(ProbeError) as told:
        ask(str(program), seconds=seconds)
    assert f"would ({words}" in str(told.value)


def test_the_probe_needs_nothing_but_the_library_of_python_3_9():
    tree = ast.parse(Path(probe.__file__).read_text("utf-8"), feature_version=(3, 9))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in imported} <= {
        *("__future__", "argparse", "collections", "concurrent", "ctypes", "glob", "importlib"),
        *("json", "os", "pathlib", "platform", "re", "shutil", "signal", "subprocess", "sys"),
        *("tempfile", "time", "typing", "warnings"),
    }


def test_the_line_of_a_report_has_what_is_known_without_an_import(monkeypatch):
    monkeypatch.setenv("TORCH_HOME", "somewhere")

    line = environment_line()

    assert line["kind"] == "environment"
    assert line["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "packaging" not in line["versions"]  # only what matters to torch
    assert line["variables"]["TORCH_HOME"] == "somewhere"
    assert all(each["level"] != "ok" for each in line["findings"])
    assert json.loads(json.dumps(line)) == line


def test_the_line_of_a_report_imports_no_torch():
    program = (
        "import sys\n"
        "from pytest_torchcompat.doctor import environment_line\n"
        "environment_line()\n"
        "sys.exit(str(sorted({'torch', 'numpy', 'torchaudio'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.skipif(os.name == "nt", reason="a signal of POSIX")
def test_a_probe_that_is_interrupted_ends_what_it_has_started(bare, site, tmp_path):
    told, answer = tmp_path / "told", tmp_path / "answer" / "facts.json"
    os.mkfifo(told)
    answer.parent.mkdir()
    late = "import os, threading; threading.Event().wait(60); os.write(1, b'late')"
    package(
        site,
        "numpy",
        "import os, subprocess, sys\n"
        f"file = os.open({str(told)!r}, os.O_WRONLY)\n"
        f"child = subprocess.Popen([sys.executable, '-c', {late!r}], stdout=file)\n"
        "os.write(file, b'begun')\n"
        "child.wait()",
    )
    with subprocess.Popen([bare, probe.__file__, "--to", str(answer)]) as asked:
        with told.open("rb") as file:
            assert file.read(5) == b"begun"
            assert [each.name[:12] for each in answer.parent.iterdir()] == ["torchcompat-"]
            asked.terminate()
            assert file.read() == b""  # its end: nobody is left to write
    assert asked.returncode == 128 + signal.SIGTERM


def test_an_import_is_asked_for_where_the_system_has_no_sigkill(tmp_path, monkeypatch):
    answer = tmp_path / "answer.json"
    monkeypatch.delattr(signal, "SIGKILL")
    monkeypatch.setattr(probe, "_die_with_parent", lambda _: None)
    monkeypatch.setattr(probe, "_import", lambda name: {"module": name})
    monkeypatch.setattr(os, "_exit", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["probe", "--module", "a", "--to", str(answer)])
    probe.main()
    assert json.loads(answer.read_text()) == {"module": "a"}
