from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import textwrap

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.commands.cli import main
from pytest_torchcompat.commands.shims_code import SITECUSTOMIZE, code

NAMES = [each.name for each in shim.SHIMS]
TORCHAUDIO = """
import sys
import torch
if torch.version.cuda: raise RuntimeError("different CUDA")
loads = globals().get("loads", 0) + 1
load = save = None
"""
LOSSY = """
from __future__ import annotations
import contextlib
class Lossy:
    name, restores, retired_when, modules = "lossy", "nothing", "never", ("json",)
    lost: list[str] | None = None
    def applies(self, versions: dict[str, str] | None) -> bool:
        return "python" in versions
    @contextlib.contextmanager
    def applied(self):
        self.lost += ["the weights are random"]
        yield
"""
TORCH = "import types\nversion = types.SimpleNamespace(cuda='13.2')"


def run(program, path, *flags):
    """Run a program with nothing of this project to import, and what lies in a folder first."""
    environment = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, *flags, "-c", f"{program}\nprint('end')"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=path, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def site(tmp_path):
    """A folder with a torchaudio 2.11 that refuses its torch 2.15, and their metadata."""
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text(TORCHAUDIO)
    (tmp_path / "torchaudio" / "functional.py").write_text("")
    (tmp_path / "torch.py").write_text(TORCH)
    for name, version in (("torch", "2.15.0"), ("torchaudio", "2.11.0")):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}")
    return tmp_path


def printed(capsys, *arguments):
    assert main(["shims", *arguments]) == 0
    return capsys.readouterr().out


def test_the_list_says_what_each_restores_and_whether_it_applies(capsys, monkeypatch):
    monkeypatch.setattr(shim, "installed", lambda: {"torchaudio": "2.11.0", "torch": "2.11.0"})

    paragraphs = printed(capsys).split("\n\n")

    assert [each.partition(":")[0] for each in paragraphs] == NAMES
    assert paragraphs[NAMES.index("torchaudio-cuda")].startswith(
        "torchaudio-cuda: does not apply here\n"
        "  restores importing torchaudio beside a torch that was built for another CUDA\n"
    )
    assert paragraphs[NAMES.index("torchaudio-legacy")].splitlines() == [
        "torchaudio-legacy: applies here",
        "  restores torchaudio's info, load, save, AudioMetaData and backends, removed in 2.9",
        "  for torchaudio, pyannote.audio, coqui-tts, speechbrain",
        "  not needed any more when no library in use calls what torchaudio 2.9 removed",
    ]


def test_the_list_as_json(capsys, monkeypatch):
    monkeypatch.setattr(shim, "installed", lambda: {"numpy": "1.23.5"})

    found = {each["name"]: each for each in json.loads(printed(capsys, "--json"))}

    assert list(found) == NAMES
    assert found["numpy-aliases"]["applies"] is False
    assert set(found["numpy-aliases"]) == {
        *("name", "restores", "applies", "libraries", "at_import", "retired_when")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["torchaudio-legasy"], "is not a known shim. Choose one of: dataclass-defaults, "),
        (["--sitecustomize"], "--sitecustomize needs the names of the shims to print. There are: "),
        (["--json", "torchaudio-cuda"], "--json lists all shims: leave out the names"),
    ],
)
def test_what_cannot_be_printed_is_told(arguments, words, capsys):
    assert main(["shims", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_code_says_what_it_is_for_and_how_it_was_made(capsys):
    lines = printed(capsys, "torchaudio-legacy", "torchaudio-cuda").splitlines()

    assert lines[0].startswith(
        "# Printed by: torchcompat shims torchaudio-cuda torchaudio-legacy ("
    )
    assert lines[1] == "# For the top of a program, above the first import of torchaudio."
    assert lines[2].startswith("# torchaudio-cuda: restores importing torchaudio beside")
    assert lines[3].startswith("#   Not needed any more when torchaudio is released")


@pytest.mark.parametrize("place", ["entry-point", SITECUSTOMIZE])
def test_the_code_is_for_python_3_9_and_pastes_anywhere(place):
    text = code(shim.SHIMS, place)
    tree = ast.parse(text, feature_version=(3, 9))

    compile(text, "pasted", "exec", dont_inherit=True)
    assert "pytest_torchcompat" not in text
    assert "__future__" not in text
    assert "noqa" not in text
    annotations = [getattr(node, "annotation", None) for node in ast.walk(tree)]
    annotations += [getattr(node, "returns", None) for node in ast.walk(tree)]
    for annotation in filter(None, annotations):
        assert not any(isinstance(each, ast.BitOr) for each in ast.walk(annotation))


def test_pasted_at_the_top_of_a_program_it_lasts_as_long_as_the_process(capsys, site):
    pasted = printed(capsys, "torchaudio-legacy", "torchaudio-cuda")
    program = (
        f"{pasted}\n"
        "from torchaudio.backend.common import AudioMetaData\n"
        "import gc, torchaudio, torch, sys; gc.collect()\n"
        "print(torchaudio.AudioMetaData is AudioMetaData, torchaudio.loads, torch.version.cuda)\n"
        "print('pytest_torchcompat' in sys.modules)"
    )

    assert run(program, site) == "True 1 13.2\nFalse\nend\n"


def test_pasted_where_it_does_not_apply_it_changes_and_imports_nothing(capsys, site):
    (site / "torchaudio-2.11.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torchaudio\nVersion: 2.8.0"
    )
    program = f"{printed(capsys, 'torchaudio-legacy')}\nimport sys; print('torch' in sys.modules)"

    assert run(program, site) == "False\nend\n"


def test_in_sitecustomize_it_waits_for_the_first_import_of_the_library(capsys, site):
    names = "torchaudio-cuda", "torchaudio-legacy", "dataclass-defaults"
    (site / "sitecustomize.py").write_text(printed(capsys, *names, "--sitecustomize"))
    program = (
        "import sys, importlib.util\n"
        "assert 'sitecustomize' in sys.modules\n"
        "print([name for name in ('torch', 'torchaudio', 'dataclasses') if name in sys.modules])\n"
        "print(importlib.util.find_spec('torchaudio').origin.endswith('__init__.py'))\n"
        "import torchaudio.functional\n"
        "import torchaudio.backend.common, torch\n"
        "print(torchaudio.loads, torch.version.cuda, torchaudio is sys.modules['torchaudio'])\n"
        "print(type(torchaudio.__loader__).__name__, torchaudio.AudioMetaData.__name__)"
    )

    assert run(program, site) == ("[]\nTrue\n1 13.2 True\nSourceFileLoader AudioMetaData\nend\n")


def test_a_library_that_is_not_there_is_missed_as_before(capsys, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        printed(capsys, "torchaudio-legacy", "--sitecustomize")
    )
    program = (
        "import importlib.util\n"
        "try: import torchaudio\n"
        "except ModuleNotFoundError as error: print(error)\n"
        "print(importlib.util.find_spec('torchaudio'))"
    )

    # Without site-packages, where a real one might be.
    assert run(program, tmp_path, "-S") == "No module named 'torchaudio'\nNone\nend\n"


def test_what_is_lost_where_the_code_is_pasted_is_a_warning(tmp_path, monkeypatch):
    (tmp_path / "lossy.py").write_text(LOSSY)
    monkeypatch.syspath_prepend(str(tmp_path))
    pasted = code([importlib.import_module("lossy").Lossy()])
    program = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        f"{textwrap.indent(pasted, '    ')}\n"
        "print(told[0].message)"
    )

    told = run(program, tmp_path)

    assert told == "shim lossy: the weights are random\nend\n"


@pytest.mark.parametrize("option", [[], ["--sitecustomize"]])
def test_numpy_itself_has_the_removed_names(capsys, tmp_path, option):
    pytest.importorskip("numpy")
    pasted = printed(capsys, "numpy-aliases", *option)

    assert run(f"{pasted}\nimport numpy\nprint(numpy.float)", tmp_path) == "<class 'float'>\nend\n"
