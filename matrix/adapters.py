"""Whether a project's plugins register the adapters that its sweep names, asked of a process."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from matrix import inherited
from matrix.axes import Library
from matrix.processes import Processes
from matrix.project import CHECKOUT, Project, ProjectError
from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.libraries import Libraries

TIMEOUT = 60.0
NOT_HERE = (
    "libraries.{library}: no plugin registers the adapter {adapter!r} where the sweep is planned; "
    "a cell in which none does either is infra."
)
# In a process of its own, with copies of the plugins alone: what they do is done to it.
ASK = """
import importlib, json, sys
sys.path[:0] = sys.argv[1:3]
import pytest
from pytest_torchcompat.plugin import hookspecs
manager = pytest.PytestPluginManager()
manager.add_hookspecs(hookspecs)
for name in sys.argv[3:]:
    manager.register(importlib.import_module(name))
found = manager.hook.pytest_torchcompat_libraries(config=None)
print(json.dumps([library.name for more in found for library in more]))
"""


def require_adapters(project: Project) -> tuple[str, ...]:
    """
    Return a note for each library whose adapter no plugin registers here: one may in its cells.

    Raises ``ProjectError`` where there is no plugin that could.
    """
    ours = [each.name for each in Libraries()]
    wanted = [row for row in project.libraries if row.opened_by not in ours]
    if wanted and not project.plugins:
        raise _nobodys(project, wanted[0], ours)
    theirs = _registered(project) if wanted else None
    missing = [row for row in wanted if theirs is not None and row.opened_by not in theirs]
    return tuple(NOT_HERE.format(library=row.name, adapter=row.opened_by) for row in missing)


def _nobodys(project: Project, row: Library, ours: Sequence[str]) -> ProjectError:
    named = unknown_name("adapter", row.opened_by, ours)
    return ProjectError(
        f"{project.file}, [tool.torchcompat.matrix.libraries.{row.name}]: {named} Name one with "
        "adapter, or in plugins a file whose pytest_torchcompat_libraries registers it"
    )


def _registered(project: Project) -> list[str] | None:
    """Return the adapters of the plugins; ``None`` where only a cell can tell."""
    files = {plugin.module: plugin.file for plugin in project.plugins}
    with tempfile.TemporaryDirectory() as here:
        for module, file in files.items():
            if file is None:
                return None  # What brings it is installed in cells.
            shutil.copyfile(file, Path(here) / f"{module}.py")
        return _answer([here, str(CHECKOUT), *files], _environment(Path(here) / "home"))


def _environment(home: Path) -> dict[str, str]:
    home.mkdir()
    return {**inherited.for_plugins(), "HOME": str(home), "PYTHONNOUSERSITE": "1"}


def _answer(words: Sequence[str], env: Mapping[str, str]) -> list[str] | None:
    command = [sys.executable, "-B", "-c", ASK, *words]
    done = Processes().run(command, env=env, timeout=TIMEOUT)
    try:
        found = json.loads(done.output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        found = None
    # One that failed may need what is in cells alone.
    return [str(name) for name in found] if done.returncode == 0 and found is not None else None
