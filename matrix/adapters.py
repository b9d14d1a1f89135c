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
from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.libraries import Libraries

TIMEOUT = 60.0
NOT_HERE = (
    "libraries.{library}: no plugin registers the adapter {adapter!r} where the sweep is planned; "
    "a cell in which none does either is infra."
)
NOT_ASKED = (
    "libraries.{library}: whether a plugin registers the adapter {adapter!r} is not known where "
    "the sweep is planned: {why}; a cell in which none does is infra."
)
LONGEST = 200  # letters of an error in a note
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
    Return a note for each library whose adapter no plugin registers here, or that can't be asked.

    One may in its cells.

    Raises ``ProjectError`` where there is no plugin that could.
    """
    ours = [each.name for each in Libraries()]
    wanted = [row for row in project.libraries if row.opened_by not in ours]
    if wanted and not project.plugins:
        raise _nobodys(project, wanted[0], ours)
    theirs = _registered(project) if wanted else []
    missing = [row for row in wanted if isinstance(theirs, str) or row.opened_by not in theirs]
    note, why = (NOT_ASKED, theirs) if isinstance(theirs, str) else (NOT_HERE, "")
    return tuple(note.format(library=row.name, adapter=row.opened_by, why=why) for row in missing)


def _nobodys(project: Project, row: Library, ours: Sequence[str]) -> ProjectError:
    named = unknown_name("adapter", row.opened_by, ours)
    return ProjectError(
        f"{project.file}, [tool.torchcompat.matrix.libraries.{row.name}]: {named} Name one with "
        "adapter, or in plugins a file whose pytest_torchcompat_libraries registers it"
    )


def _registered(project: Project) -> list[str] | str:
    """Return the adapters of the plugins, or why only a cell can tell."""
    files = {plugin.module: plugin.file for plugin in project.plugins}
    with tempfile.TemporaryDirectory() as here:
        for module, file in files.items():
            if file is None:
                return f"{module} is what cells install"
            shutil.copyfile(file, Path(here) / f"{module}.py")
        found = _answer([here, str(CHECKOUT), *files], _environment(Path(here) / "home"))
        return found.replace(f"{here}/", "") if isinstance(found, str) else found


def _environment(home: Path) -> dict[str, str]:
    home.mkdir()
    return {**inherited.for_plugins(), "HOME": str(home), "PYTHONNOUSERSITE": "1"}


def _answer(words: Sequence[str], env: Mapping[str, str]) -> list[str] | str:
    command = [sys.executable, "-B", "-c", ASK, *words]
    done = Processes().run(command, env=env, timeout=TIMEOUT)
    last = (done.output.strip().splitlines() or [""])[-1]
    try:
        found = json.loads(last)
    except ValueError:
        found = None
    if done.returncode == 0 and found is not None:
        return [str(name) for name in found]
    # One that failed may need what is in cells alone.
    return escaped(last[:LONGEST]) or f"the plugins ended their process with {done.returncode}"
