"""What a run says about cells that an issue names: by the names that stay the same every night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from packaging.version import Version

from matrix import axes
from matrix.history import identity_of
from matrix.tallies import SILENT
from pytest_torchcompat.outcome import Outcome

# Of a cell: its library, version, set, torch and Python.
Identity = tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """A run, asked whether it says something about cells."""

    matrix: Mapping[str, Any]

    def answers(self, cells: Iterable[Identity], *, installing: bool) -> bool:
        """
        Whether a complete run says something about each of some cells.

        ``installing`` says that they could not be installed: that they still can't, for another
        reason, is an answer too. Of a whole sweep, another version of a library stands for one that
        is swept no more.
        """
        named = list(cells)
        return bool(self.matrix["complete"] and named) and all(
            self._answers(cell, installing=installing) for cell in named
        )

    def silent_on(self, cells: Iterable[Identity]) -> set[Identity]:
        """Return those of some cells about which the run says nothing."""
        return {cell for cell in cells if not self._answers(cell, installing=True)}

    def _answers(self, named: Identity, *, installing: bool) -> bool:
        found = self._cells.get(named) or (self._alike(named) if self._is_whole else [])
        return bool(found) and all(_says(cell, installing=installing) for cell in found)

    def _alike(self, named: Identity) -> list[Mapping[str, Any]]:
        library, _, _, torch, _ = named
        cells = self._cells.items()
        return [c for name, some in cells if (name[0], name[3]) == (library, torch) for c in some]

    @cached_property
    def _is_whole(self) -> bool:
        return not any((self.matrix.get("selection") or {}).values())

    @cached_property
    def _cells(self) -> Mapping[Identity, list[Mapping[str, Any]]]:
        found: dict[Identity, list[Mapping[str, Any]]] = {}
        for cell in self.matrix["cells"]:
            found.setdefault(tuple(identity_of(cell)), []).append(cell)
        return found


def _says(cell: Mapping[str, Any], *, installing: bool) -> bool:
    if cell["outcome"] == Outcome.UNAVAILABLE.value:
        return installing and not is_nightly(cell)
    checks = [check["outcome"] for check in cell["checks"] if not check["experiment"]]
    return cell["outcome"] not in SILENT and not any(each in SILENT for each in checks)


def is_nightly(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is of a night's torch, of which the next night may have a build again."""
    return cell["torch"] == axes.NIGHTLY or Version(cell["torch"]).is_devrelease
