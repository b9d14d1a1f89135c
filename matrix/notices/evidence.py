"""What a run says about cells that an issue names: by the names that stay the same every night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    def is_all_of(self, edition: str) -> bool:
        """Whether it is a complete run of all that is swept, with the files of an edition."""
        return bool(self.matrix["complete"]) and self._is_like(edition)

    def answers(self, cells: Iterable[Identity], edition: str, *, installing: bool) -> bool:
        """
        Whether a complete run says something about each of some cells.

        One that was narrowed may have left out the very checks, and one of another edition has
        other files: they answer nothing. ``installing`` says that the cells could not be installed:
        that they still can't, for another reason, is an answer too. Another version of a library
        stands for one that is swept no more.
        """
        named = list(cells)
        return bool(named and self.is_all_of(edition)) and all(
            self._answers(cell, installing=installing) for cell in named
        )

    def silent_on(self, cells: Iterable[Identity], edition: str) -> set[Identity]:
        """Return those of some cells about which the run says nothing."""
        like = self._is_like(edition)
        return {cell for cell in cells if not (like and self._answers(cell, installing=True))}

    def _answers(self, named: Identity, *, installing: bool) -> bool:
        found = self._cells.get(named) or self._alike(named)
        return bool(found) and all(_says(cell, installing=installing) for cell in found)

    def _is_like(self, edition: str) -> bool:
        narrowed = any((self.matrix.get("selection") or {}).values())
        return not narrowed and self.matrix["edition"] == edition

    def _alike(self, named: Identity) -> list[Mapping[str, Any]]:
        library, _, _, torch, _ = named
        cells = self._cells.items()
        return [c for name, some in cells if (name[0], name[3]) == (library, torch) for c in some]

    @cached_property
    def _cells(self) -> Mapping[Identity, list[Mapping[str, Any]]]:
        found: dict[Identity, list[Mapping[str, Any]]] = {}
        for cell in self.matrix["cells"]:
            found.setdefault(tuple(identity_of(cell)), []).append(cell)
        return found


def _says(cell: Mapping[str, Any], *, installing: bool) -> bool:
    if cell["outcome"] == Outcome.UNAVAILABLE.value:
        return installing and not axes.is_nightly(cell["torch"])
    checks = [check["outcome"] for check in cell["checks"] if not check["experiment"]]
    return cell["outcome"] not in SILENT and not any(each in SILENT for each in checks)
