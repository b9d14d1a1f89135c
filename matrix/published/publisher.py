"""A run published: again and again while it grows, and with all that lies beside its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from matrix import history
from matrix.compare import merge
from matrix.diff import Diff
from matrix.history import CellTrend, History
from matrix.page.render import render
from matrix.plan import Plan
from matrix.project import catalogue_of
from matrix.published.comparison import WHY_NOT, Earlier
from matrix.published.files import write_beside, write_matrix
from matrix.questions import before
from matrix.store import RunFolder, finite, write_text
from pytest_torchcompat.errors import RecordError

Matrix = dict[str, Any]


def publish(plan: Plan, folder: RunFolder) -> Matrix:
    """Write a run's matrix.json, its page and what lies beside it; return the matrix."""
    publisher = Publisher(plan, folder)
    matrix = publisher.page()
    publisher.beside(matrix)
    return matrix


class Publisher:
    """Publishes one run; what was before it is read once, when it is first asked for."""

    def __init__(self, plan: Plan, folder: RunFolder) -> None:
        self._folder, self._plan = folder, plan
        self._tolerances = {row.id: row.tolerance for row in catalogue_of(plan.project)}

    def page(self) -> Matrix:
        """Write matrix.json and the page as the run is now, and return the matrix."""
        matrix: Matrix = finite(merge(self._plan, self._folder, self._tolerances))
        write_matrix(self._folder, matrix)
        found = self._earlier.compared(matrix)
        page = render(matrix, found.changes, self._trends(matrix), found.why_not)
        write_text(self._folder.page, page)
        return matrix

    def beside(self, matrix: Matrix) -> None:
        """Write what lies beside the page: it takes long where there are many cells."""
        found = self._earlier.compared(matrix)
        write_beside(self._folder, matrix, found.changes, found.why_not)

    def changes(self, matrix: Matrix) -> Diff | None:
        """Return how the run differs from the one before it; ``None`` where there is none."""
        return self._earlier.compared(matrix).changes

    @cached_property
    def _earlier(self) -> Earlier:
        plan = self._plan
        run = {"run": plan.run, "selection": plan.selection.to_dict(), "edition": plan.edition}
        return _before(self._folder, run)

    def _trends(self, matrix: Matrix) -> Sequence[CellTrend]:
        return self._own(matrix) if matrix["complete"] else self._until_now

    @cached_property
    def _until_now(self) -> Sequence[CellTrend]:
        plan = self._plan
        return self._own({"run": plan.run, "started": plan.frozen_at, "complete": False})

    def _own(self, run: Mapping[str, Any]) -> Sequence[CellTrend]:
        return history.trends(history.as_of(self._history, run))

    @cached_property
    def _history(self) -> History:
        return history.read(self._folder.path.parent)


def compared(folder: RunFolder, matrix: Matrix) -> Diff | None:
    """Return how a run differs from the last complete one of its selection before it."""
    return _before(folder, matrix).compared(matrix).changes


def _before(folder: RunFolder, run: Matrix) -> Earlier:
    try:
        path, found = before(folder.path, run)
    except (RecordError, *WHY_NOT):
        return Earlier("")  # the first of its kind: nothing that it could differ from
    return Earlier.read(path.name, found)
