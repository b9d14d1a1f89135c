"""What the top of the page and its table show, computed from a matrix; templates write it down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from matrix import commands, tallies
from matrix.diff import Diff
from matrix.diff.changes import is_part
from matrix.diff.text import headline
from matrix.page.sentences import LibrarySentences, sentences
from matrix.page.table import GLYPHS, MIXED, MIXED_GLYPH, NOT_RUN, Mark, Table, has_run
from pytest_torchcompat.outcome import MEANINGS, Outcome

VERDICTS = {"holds": "✓", "refuted": "✕", "untested": "○"}

POLICIES = {
    "stock": "nothing is touched: what a user gets out of the box",
    "patched": "weights_only=False where the caller did not choose: the monkey patch that people "
    "paste, done properly; it executes what the pickle says, so only files that are verified or "
    "named as trusted are read",
    "allowlisted": "weights_only=True on every load, with the checkpoint's own globals registered: "
    "the fix that keeps the safety",
    "strict": "weights_only=True on every load and nothing registered: whether the file is safe "
    "already",
}

# The parts of the page, by the names that stand in its address.
SHEETS = {
    "matrix": "Matrix",
    "changes": "Changes",
    "causes": "Causes",
    "checkpoints": "Checkpoints",
    "speed": "Speed",
    "loading": "Loading",
    "gpus": "GPUs",
    "claims": "Claims",
    "retire": "To retire",
    "reading": "How to read this",
}


@dataclass(frozen=True)
class Tally:
    """A line of the legend, with how often the outcome is in the run."""

    outcome: str
    glyph: str
    meaning: str
    checks: int
    cells: int


class View:
    """Everything that the templates of the page itself ask for."""

    sheets = SHEETS

    def __init__(
        self, matrix: Mapping[str, Any], changes: Diff | None = None, why_not: str = ""
    ) -> None:
        self.matrix = matrix
        self.table = Table(matrix)
        self.cells = self.table.cells
        self._changes, self.why_not = changes, why_not
        self._marks: dict[tuple[Mark, ...], Markup] = {}

    @cached_property
    def sentences(self) -> list[LibrarySentences]:
        """What the cells say of each library, in words."""
        return sentences(self.matrix)

    @property
    def earlier(self) -> bool:
        """Whether there is a run to compare with."""
        return self._changes is not None

    @property
    def news(self) -> str:
        """What changed since the last complete run, in a sentence."""
        if self._changes is None:
            return self.why_not or "No earlier complete run of this selection to compare with."
        said = headline(self._changes)
        # Of what has not run, nothing is known to be as it was.
        return said if self.matrix["complete"] else f"So far: {said[:1].lower()}{said[1:]}"

    @property
    def ended(self) -> int:
        """How many cells have a result."""
        return sum(cell["outcome"] != NOT_RUN for cell in self.cells)

    @property
    def planned(self) -> int:
        """How many cells the plan has: those of the other parts too, where this is one."""
        return int(self.matrix.get("whole") or len(self.cells))

    @property
    def is_part(self) -> bool:
        """Whether other cells of the plan are in other parts of the run."""
        return is_part(self.matrix)

    @property
    def carried(self) -> int:
        """How many cells have their result from an earlier run."""
        return sum(bool(cell.get("carried")) for cell in self.cells)

    @property
    def flaky(self) -> int:
        """How many checks have tries that disagree."""
        counted = (check for cell in self.cells for check in cell["checks"])
        return sum(not check["experiment"] and tallies.is_flaky(check) for check in counted)

    @property
    def editions(self) -> list[str]:
        """Which editions of the checkpoints the verdicts are about."""
        ran = (c for cell in self.cells for c in cell["checks"] if c["outcome"] != NOT_RUN)
        return list(dict.fromkeys(check["edition"] for check in ran))

    @property
    def tallies(self) -> list[Tally]:
        """The legend: every outcome there is, from best to least telling."""
        cells = Counter(cell["outcome"] for cell in self.cells)
        shown = (check for cell in self.cells if has_run(cell) for check in cell["checks"])
        checks = Counter(check["outcome"] for check in shown if not check["experiment"])
        return [
            Tally(o.value, self.glyph(o.value), MEANINGS[o], checks[o.value], cells[o.value])
            for o in Outcome
        ]

    @property
    def selection(self) -> dict[str, str]:
        """What the run was narrowed to, by axis."""
        chosen = self.matrix.get("selection") or {}
        return {axis: ", ".join(map(str, values)) for axis, values in chosen.items() if values}

    @property
    def go_on(self) -> str:
        """The command that goes on with an incomplete run."""
        selection, project = self.matrix.get("selection") or {}, commands.project_in(self.matrix)
        return commands.go_on(selection, self.matrix["edition"], project=project)

    def glyph(self, outcome: str) -> str:
        """Return the shape that goes with an outcome's word."""
        return MIXED_GLYPH if outcome == MIXED else GLYPHS[outcome]

    def marks(self, marks: tuple[Mark, ...]) -> Markup:
        """Return the marks of a slot; a page has few that differ."""
        if marks not in self._marks:
            self._marks[marks] = Markup("").join(map(_marked, marks))
        return self._marks[marks]


def _marked(mark: Mark) -> Markup:
    if not mark.outcome:
        return Markup("<b></b>")
    said = Markup('<b class="{}">{}<i> {}</i></b>')
    return said.format(mark.outcome, mark.glyph, mark.word)
