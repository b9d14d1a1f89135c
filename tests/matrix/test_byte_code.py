"""Byte code is shared by what a source holds, so that no cell gets that of another."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from matrix import byte_code
from matrix.byte_code import ByteCode

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
WHEELS_TIME = 315532800  # what wheels that are built reproducibly carry


def sha256(text):
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture
def environment(tmp_path):
    """Make an environment with one installed module; all share a store."""

    def make(name, source):
        packages = tmp_path / name / "lib" / PYTHON / "site-packages"
        (packages / "voice-1.0.dist-info").mkdir(parents=True)
        (packages / "voice.py").write_text(source)
        os.utime(packages / "voice.py", (WHEELS_TIME, WHEELS_TIME))
        lines = [f"voice.py,{sha256(source)},{len(source)}", "gone.py,sha256=ab,1", "plain.py,,"]
        lines += ["../../../bin/run.py,sha256=cd,1"]
        (packages / "voice-1.0.dist-info" / "RECORD").write_text("\n".join(lines))
        home = Path(sys.executable).resolve().parent
        (tmp_path / name / "bin").mkdir()
        (tmp_path / name / "bin" / "python").symlink_to(Path(sys.executable).resolve())
        (tmp_path / name / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3\n")
        return ByteCode(tmp_path / "store", tmp_path / "pycache" / name, packages)

    return make


def imported(code, module="voice"):
    """Import in a process of that environment; return where its byte code lies."""
    words = f"import {module} as m; print(m.__cached__, getattr(m, 'said', ''), sep=';')"
    variables = {"PYTHONPYCACHEPREFIX": str(code.prefix), "PYTHONPATH": str(code.packages)}
    done = subprocess.run(
        [sys.executable, "-c", words], env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().split(";")


def test_what_one_cell_compiled_the_next_has(environment):
    first, second = environment("first", "said = 1\n"), environment("second", "said = 1\n")
    compiled, _ = imported(first)
    first.keep()
    first.delete()
    second.lay_out()
    used, said = imported(second)
    assert not Path(compiled).exists()
    # Python would have replaced what does not fit the source.
    [kept] = [path for path in second.store.rglob("*.pyc") if path.samefile(used)]
    assert kept.stat().st_nlink == 2
    assert said == "1"


def test_a_source_of_the_same_time_and_size_with_other_contents_gets_none(environment):
    first, second = environment("first", "said = 1\n"), environment("second", "said = 2\n")
    imported(first)
    first.keep()
    second.lay_out()
    assert not list(second.prefix.rglob("voice.*"))
    assert imported(second)[1] == "2"


def test_pythons_own_library_is_shared_as_well(environment):
    first, second = environment("first", ""), environment("second", "")
    compiled, _ = imported(first, "colorsys")
    first.keep()
    second.lay_out()
    assert Path(compiled).samefile(imported(second, "colorsys")[0])


def test_pythons_own_library_of_another_patch_at_the_same_place_gets_none(environment, tmp_path):
    code = environment("one", "")
    python = tmp_path / "python"
    own = python / "lib" / PYTHON / "colours.py"
    own.parent.mkdir(parents=True)
    (tmp_path / "one" / "pyvenv.cfg").write_text(f"home = {python / 'bin'}\n")

    def released(source):
        own.unlink(missing_ok=True)
        own.write_text(source)
        os.utime(own, (WHEELS_TIME, WHEELS_TIME))  # as archives of Python have it
        return [kept.name for kept, used in code._pairs() if used.name.startswith("colours")]

    first = released("said = 1\n")
    assert first == released("said = 1\n")
    assert first != released("said = 2\n")


def test_a_file_that_two_packages_claim_with_other_contents_is_not_shared(environment):
    code = environment("one", "said = 1\n")
    other = code.packages / "other-1.0.dist-info"
    other.mkdir()
    for source, shared in (("said = 1\n", True), ("said = 2\n", False)):
        (other / "RECORD").write_text(f"voice.py,{sha256(source)},9\nshort.py")
        assert any(used.name.startswith("voice.") for _, used in code._pairs()) is shared


def test_byte_code_that_a_full_disk_cut_short_is_not_kept(environment):
    code = environment("one", "said = 1\n")
    [compiled, _] = imported(code)
    Path(compiled).write_bytes(Path(compiled).read_bytes()[:-20])
    code.keep()
    kept = [kept for kept, used in code._pairs() if kept.exists()]
    assert kept
    assert compiled not in {str(used) for kept, used in code._pairs() if kept.exists()}


def test_an_environment_without_a_python_keeps_nothing(environment):
    code = environment("one", "said = 1\n")
    imported(code)
    (code.packages.parents[2] / "bin" / "python").unlink()
    code.keep()
    assert not list(code.store.rglob("*.pyc"))


def test_where_files_cannot_be_linked_each_cell_compiles_for_itself(environment, monkeypatch):
    def refuse(*_):
        message = "no links here"
        raise PermissionError(message)

    monkeypatch.setattr(byte_code.os, "link", refuse)
    code = environment("one", "said = 1\n")
    code.lay_out()
    imported(code)
    code.keep()
    assert not list(code.store.rglob("*.pyc"))


def test_byte_code_is_deleted_after_a_while(tmp_path):
    for name, days in (("old", 8), ("recent", 6)):
        path = tmp_path / name[:2] / f"{name}.pyc"
        path.parent.mkdir()
        path.touch()
        then = time.time() - days * 24 * 3600
        os.utime(path, (then, then))
    byte_code.prune(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.pyc")] == ["recent.pyc"]
