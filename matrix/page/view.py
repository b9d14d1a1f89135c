"""
What the page shows, computed from a matrix: the template only writes it down.

A row of the table is one library version (and checkpoint), a column one torch version. They meet in
a slot, which holds no cell, one, or one for each Python. A mark is one verdict in a slot; its
details open on demand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from matrix import commands
from pytest_torchcompat.outcome import MEANINGS, Outcome

Cell = Mapping[str, Any]
Check = Mapping[str, Any]

# Colour never stands alone: each outcome has its own shape, from blocks that every system font has
# and that no system replaces by an emoji.
GLYPHS = {
    Outcome.PASS: "✓",
    Outcome.SHIMMED: "⊕",
    Outcome.DEGRADED: "≈",
    Outcome.REFUSED: "⊘",
    Outcome.FAIL: "✕",
    Outcome.CRASH: "↯",
    Outcome.TIMEOUT: "◔",
    Outcome.UNAVAILABLE: "∅",
    Outcome.INFRA: "?",
    Outcome.NOT_RUN: "○",
}

POLICIES = {
    "stock": "nothing is touched: what a user gets out of the box",
    "patched": "weights_only=False where the caller did not choose: the monkey patch that people "
    "paste, done properly; it executes what the pickle says",
    "allowlisted": "weights_only=True on every load, with the checkpoint's own globals registered: "
    "the fix that keeps the safety",
    "strict": "weights_only=True on every load and nothing registered: whether the file is safe "
    "already",
}


@dataclass(frozen=True)
class Mark:
    """One verdict in the table, with what its details need."""

    id: str
    outcome: str
    policy: str
    cell: Cell
    check: Check | None
    edition: str = "auto"

    @property
    def glyph(self) -> str:
        """The shape that goes with the outcome's word."""
        return GLYPHS[Outcome(self.outcome)]

    @property
    def command(self) -> str:
        """What reproduces the verdict, ready to paste."""
        return commands.one_cell(self.cell["id"], self.edition, self.policy)

    @property
    def reason(self) -> str:
        """Why there is no better verdict, where the cell knows."""
        return self.cell.get("reason") or ""


@dataclass(frozen=True)
class Slot:
    """Where a row and a column meet; ``whole`` is shown once when no check of it ran."""

    cells: tuple[Cell, ...] = ()
    whole: tuple[Mark, ...] = ()
    marks: Mapping[str, tuple[Mark, ...]] | None = None


@dataclass(frozen=True)
class Row:
    """
    One library version, and its checkpoint where the library has several.

    A library that is paired with torch has another version in each column: all are one row, and
    each slot names its own.
    """

    versions: tuple[str, ...]
    checkpoint: str
    why: str
    policies: tuple[str, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Section:
    """The rows of a library; ``checkpoint`` is set when all are about the same."""

    library: str
    checkpoint: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Tally:
    """A line of the legend, with how often the outcome is in the run."""

    outcome: str
    glyph: str
    meaning: str
    checks: int
    cells: int


class View:
    """Everything that the template asks for."""

    def __init__(self, matrix: Mapping[str, Any]) -> None:
        self.matrix = matrix
        self.cells: list[Cell] = list(matrix["cells"])
        self.torch = _columns(matrix)
        self._marks: dict[tuple[str, str, str, int], Mark] = {}
        self.sections = [self._section(name) for name in _unique(c["library"] for c in self.cells)]

    @property
    def marks(self) -> list[Mark]:
        """Every mark of the table, for its details."""
        return list(self._marks.values())

    @property
    def ended(self) -> int:
        """How many cells have a result."""
        return sum(cell["outcome"] != Outcome.NOT_RUN.value for cell in self.cells)

    @property
    def editions(self) -> list[str]:
        """Which editions of the checkpoints the verdicts are about."""
        return _unique(check["edition"] for cell in self.cells for check in _ran(cell))

    @property
    def tallies(self) -> list[Tally]:
        """The legend: every outcome there is, from best to least telling."""
        cells = Counter(cell["outcome"] for cell in self.cells)
        checks = Counter(check["outcome"] for cell in self.cells for check in _shown(cell))
        return [
            Tally(o.value, GLYPHS[o], MEANINGS[o], checks[o.value], cells[o.value]) for o in Outcome
        ]

    @property
    def selection(self) -> dict[str, str]:
        """What the run was narrowed to, by axis."""
        chosen = self.matrix.get("selection") or {}
        return {axis: ", ".join(map(str, values)) for axis, values in chosen.items() if values}

    @property
    def go_on(self) -> str:
        """The command that goes on with an incomplete run."""
        return commands.go_on(self.matrix.get("selection") or {}, self.matrix["edition"])

    def anchor(self, cell: Cell) -> str:
        """Return the id of a cell's environment on the page."""
        return f"environment-{self.cells.index(cell) + 1}"

    def glyph(self, outcome: str) -> str:
        """Return the shape that goes with an outcome's word."""
        return GLYPHS[Outcome(outcome)]

    def _section(self, library: str) -> Section:
        cells = [cell for cell in self.cells if cell["library"] == library]
        checkpoints = _unique(check["checkpoint"] for cell in cells for check in cell["checks"])
        rows = [
            self._row([c for c in cells if c["version"] in versions], checkpoint, first=not number)
            for versions in _rows_of_versions(cells)
            for number, checkpoint in enumerate(checkpoints or [""])
        ]
        return Section(library, checkpoints[0] if len(checkpoints) == 1 else "", tuple(rows))

    def _row(self, cells: Sequence[Cell], checkpoint: str, *, first: bool) -> Row:
        policies = _policies(cells, checkpoint)
        reasons = _unique(cell.get("why") or "" for cell in cells)
        slots = (
            self._slot([cell for cell in cells if cell["torch"] == torch], checkpoint, policies)
            for torch in self.torch
        )
        why = reasons[0] if first and len(reasons) == 1 else ""
        versions = sorted(_unique(cell["version"] for cell in cells), key=_version_key)
        return Row(tuple(versions), checkpoint, why, policies, tuple(slots))

    def _slot(self, cells: Sequence[Cell], checkpoint: str, policies: Sequence[str]) -> Slot:
        if not any(_checks(cell, checkpoint) for cell in cells):
            whole = tuple(self._mark(cell, checkpoint, "") for cell in cells)
            return Slot(tuple(cells), whole=whole)
        marks = {
            policy: tuple(m for cell in cells for m in self._verdicts(cell, checkpoint, policy))
            for policy in policies
        }
        return Slot(tuple(cells), marks=marks)

    def _verdicts(self, cell: Cell, checkpoint: str, policy: str) -> Iterable[Mark]:
        checks = _checks(cell, checkpoint)
        if not checks:
            return [self._mark(cell, checkpoint, "")]
        found: list[Check | None] = [check for check in checks if check["policy"] == policy]
        return [self._mark(cell, checkpoint, policy, check) for check in found or [None]]

    def _mark(self, cell: Cell, checkpoint: str, policy: str, check: Check | None = None) -> Mark:
        key = (cell["id"], checkpoint, policy, id(check))
        if key not in self._marks:
            # A check that its cell never reached has no record: the cell may have been killed.
            missing = Outcome.NOT_RUN.value if policy else cell["outcome"]
            outcome = check["outcome"] if check else missing
            name = f"check-{len(self._marks) + 1}"
            self._marks[key] = Mark(name, outcome, policy, cell, check, self.matrix["edition"])
        return self._marks[key]


def _ran(cell: Cell) -> list[Check]:
    return [check for check in cell["checks"] if check["outcome"] != Outcome.NOT_RUN.value]


def _shown(cell: Cell) -> list[Check]:
    # Where nothing ran, the cell's own verdict (unavailable, say) tells more than that of its
    # checks, which is not-run for each.
    return list(cell["checks"]) if _ran(cell) else []


def _checks(cell: Cell, checkpoint: str) -> list[Check]:
    return [check for check in _shown(cell) if check["checkpoint"] == checkpoint]


def _rows_of_versions(cells: Sequence[Cell]) -> list[list[str]]:
    versions = sorted(_unique(cell["version"] for cell in cells), key=_version_key)
    pairs = {(cell["torch"], cell["version"]) for cell in cells}
    paired = len(pairs) == len({torch for torch, _ in pairs})
    return [versions] if paired else [[version] for version in versions]


def _policies(cells: Iterable[Cell], checkpoint: str) -> tuple[str, ...]:
    planned = (check for cell in cells for check in cell["checks"])
    seen = _unique(check["policy"] for check in planned if check["checkpoint"] == checkpoint)
    known = [policy for policy in POLICIES if policy in seen]
    return tuple(known + [name for name in seen if name not in POLICIES]) or tuple(POLICIES)


def _columns(matrix: Mapping[str, Any]) -> list[str]:
    return _unique([*matrix["torch"], *(cell["torch"] for cell in matrix["cells"])])


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _version_key(text: str) -> tuple[bool, Version | str]:
    try:
        return (False, Version(text))
    except InvalidVersion:
        return (True, text)
