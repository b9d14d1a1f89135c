"""Which Pythons this machine has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

from matrix.processes import Processes, run_uv, uv


@cache
def find(python: str) -> Path | None:
    """
    Return the interpreter of a Python version, ``3.12``; ``None`` where the machine has none.

    uv's own search comes first. It fails where pyenv puts a shim in its way for a version that is
    installed but not switched on, so pyenv's folder is looked at as well.
    """
    providers: Iterable[Callable[[str], Path | None]] = (_from_uv, _from_pyenv)
    return next((found for provider in providers if (found := provider(python))), None)


def _from_uv(python: str) -> Path | None:
    # --system: not the environment that the sweep itself runs in.
    command = uv("python", "find", "--system", "--no-python-downloads", python)
    done = run_uv(Processes(), command)
    if done.returncode != 0:
        return None
    path = Path(done.output.strip().splitlines()[-1])  # Warnings come before it.
    return path if path.is_file() else None


def _from_pyenv(python: str) -> Path | None:
    """Return the Python of that minor that pyenv keeps, its newest patch."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [folder for folder in root.glob(f"versions/{python}.*") if _patch(folder.name)]
    found.sort(key=lambda folder: Version(folder.name), reverse=True)
    executables = (folder / "bin" / f"python{python}" for folder in found)
    return next((path for path in executables if path.is_file()), None)


def _patch(name: str) -> bool:
    # pyenv's folders hold other things too: 3.12-dev, 3.13.0t.
    try:
        return not Version(name).is_prerelease
    except InvalidVersion:
        return False
