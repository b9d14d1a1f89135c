"""What a cell's process is given of a project: its plugins, its rows, the files that it trusts."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix.keys import digest
from matrix.plan import PlannedCell
from matrix.project import Project
from matrix.wheels import FolderWheels


@dataclass(frozen=True)
class Staged:
    """A project's part in its cells; ``folder`` holds copies of the plugins that are files."""

    project: Project
    folder: Path

    def lay_out(self) -> None:
        """Copy the plugins, so that a cell imports them and nothing that lies beside them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for plugin in self.project.plugins:
            if plugin.file:
                shutil.copyfile(plugin.file, self.folder / f"{plugin.module}.py")

    @property
    def words(self) -> list[str]:
        """What pytest is told in a cell."""
        plugins = [w for plugin in self.project.plugins for w in ("-p", plugin.module)]
        return [*plugins, *(f"--torchcompat-trust={each}" for each in self._trusted())]

    @property
    def variables(self) -> dict[str, str]:
        """Where a cell finds the plugins."""
        return {"PYTHONPATH": str(self.folder)}

    @property
    def request(self) -> Mapping[str, Any]:
        """What the checks of a cell have to know of the project."""
        return {"file": str(self.project.file), "checkpoints": self.project.tables}

    def _trusted(self) -> Iterator[str]:
        """Yield hashes, and globs as they are seen from anywhere."""
        for each in self.project.trust:
            is_hash = re.fullmatch("[0-9a-f]{64}", each)
            yield each if is_hash else str(self.project.folder / each)

    def code(self, cell: PlannedCell, wheels: FolderWheels | None) -> str:
        """Return the digest of the project's code that a cell runs."""
        plugins = [(each.module, each.file) for each in self.project.plugins]
        # As bytes: a plugin may say that its text is not UTF-8.
        found = [[name, file.read_bytes().hex() if file else ""] for name, file in plugins]
        wheel = wheels.code(cell) if wheels else ""
        ours = [json.dumps(found), json.dumps(self.project.trust), wheel]
        # Which adapter opens its checkpoints is in no other part: a plugin may register several.
        return digest([*ours, cell.opened_by])
