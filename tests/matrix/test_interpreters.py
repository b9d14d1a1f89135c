from __future__ import annotations

import sys
from pathlib import Path

import pytest

from matrix import interpreters

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def _nothing_remembered():
    interpreters.find.cache_clear()
    yield
    interpreters.find.cache_clear()


def install(root, *names):
    """Make a pyenv folder with interpreters that nobody runs."""
    for name in names:
        minor = ".".join(name.split(".")[:2])
        path = root / "versions" / name / "bin" / f"python{minor}"
        path.parent.mkdir(parents=True)
        path.touch()


def test_this_python_is_found():
    assert interpreters.find(RUNNING).is_file()


def test_a_python_that_nobody_has_is_not_found():
    assert interpreters.find("3.99") is None


def test_a_python_that_pyenv_has_and_uv_does_not_see_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    install(tmp_path, "3.99.9", "3.99.10", "3.99.11rc1", "3.99.0t")
    expected = tmp_path / "versions" / "3.99.10" / "bin" / "python3.99"
    assert interpreters.find("3.99") == expected


def test_a_minor_is_not_taken_for_another_that_begins_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(interpreters, "_from_uv", lambda _: None)
    install(tmp_path, "3.12.1")
    assert interpreters.find("3.1") is None


def test_uv_comes_before_pyenv(tmp_path, monkeypatch):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(interpreters, "_from_uv", lambda _: Path("/from/uv"))
    install(tmp_path, "3.99.1")
    assert interpreters.find("3.99") == Path("/from/uv")
