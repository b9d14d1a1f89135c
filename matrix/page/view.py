"""
What the page shows, computed from a matrix: the template only writes it down.

A row of the table is one library version with a checkpoint and what it was used for, a column one
torch version. They meet in a slot, which holds no cell, one, or one for each Python. A mark is one
verdict in a slot; its details open on demand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from matrix import commands, tallies
from matrix.causes import line_of
from matrix.page import text
from matrix.versions import version_key
from pytest_torchcompat.outcome import MEANINGS, Outcome
from pytest_torchcompat.record import FORWARD

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

VERDICTS = {"holds": "✓", "refuted": "✕", "untested": "○"}

POLICIES = {
    "stock": "nothing is touched: what a user gets out of the box",
    "patched": "weights_only=False where the caller did not choose: the monkey patch that people "
    "paste, done properly; it executes what the pickle says",
    "allowlisted": "weights_only=True on every load, with the checkpoint's own globals registered: "
    "the fix that keeps the safety",
    "strict": "weights_only=True on every load and nothing registered: whether the file is safe "
    "already",
}


# What names a check in its cell.
_CHECK = ("checkpoint", "use", "policy")


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
    def tally(self) -> str:
        """How often each verdict came out, where the tries disagree."""
        flaky = self.check is not None and tallies.is_flaky(self.check)
        return tallies.told(self.check["tally"]) if self.check and flaky else ""

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
    One library version with what it was installed beside, its checkpoint, and a use of it.

    ``use`` is empty for the forward pass, which needs no name. A library that is paired with torch
    has another version in each column: all are one row, and each slot names its own.
    """

    versions: tuple[str, ...]
    beside: str
    checkpoint: str
    use: str
    experiment: bool
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


@dataclass(frozen=True)
class Causes:
    """Causes of one kind, under a title."""

    title: str
    about: str
    items: Sequence[Mapping[str, Any]]


_ABOUT = {
    "Not known yet": "No signature matches: these words stand for all that differ from them only "
    "in paths, addresses and versions. The text of a report is ready to paste.",
    "Known": "Others have met these before. The remedies are for the versions of the first cell; "
    "the details of each check have those for its own.",
    "Refused by a policy": "A policy that forbids pickles doing its work, and no failure.",
}


@dataclass(frozen=True)
class _Subject:
    """What a row is about besides its versions."""

    checkpoint: str
    use: str = FORWARD


class View:
    """Everything that the template asks for."""

    def __init__(self, matrix: Mapping[str, Any]) -> None:
        self.matrix = matrix
        self.cells: list[Cell] = list(matrix["cells"])
        self.torch = _columns(matrix)
        self._marks: dict[tuple[str, _Subject, str, int], Mark] = {}
        self._anchors = {c["id"]: f"environment-{n}" for n, c in enumerate(self.cells, start=1)}
        self.sections = [self._section(name) for name in _unique(c["library"] for c in self.cells)]
        self._by_check = {
            (mark.cell["id"], *(mark.check[name] for name in _CHECK)): mark.id
            for mark in self.marks
            if mark.check
        }
        self._by_cause = self._of_causes()

    @property
    def marks(self) -> list[Mark]:
        """Every mark of the table, for its details."""
        return list(self._marks.values())

    @property
    def ended(self) -> int:
        """How many cells have a result."""
        return sum(cell["outcome"] != Outcome.NOT_RUN.value for cell in self.cells)

    @property
    def carried(self) -> int:
        """How many cells have their result from an earlier run."""
        return sum(bool(cell.get("carried")) for cell in self.cells)

    @property
    def flaky(self) -> int:
        """How many checks have tries that disagree."""
        counted = (check for cell in self.cells for check in cell["checks"])
        return sum(not check["experiment"] and tallies.is_flaky(check) for check in counted)

    def age(self, cell: Cell) -> str:
        """Return how old the result of a cell was when the run began, if it was carried over."""
        return text.age(cell.get("finished"), self.matrix["started"]) if cell.get("carried") else ""

    def origin(self, cell: Cell) -> str:
        """Return where the result of a cell is from, if it was carried over."""
        if not cell.get("carried"):
            return ""
        if not cell.get("finished"):
            return f"from run {cell['carried']}, of unknown age"
        old = f", {self.age(cell)} old" if self.age(cell) else ""
        return f"from {text.day(cell['finished'])}{old} (run {cell['carried']})"

    @property
    def editions(self) -> list[str]:
        """Which editions of the checkpoints the verdicts are about."""
        return _unique(check["edition"] for cell in self.cells for check in _ran(cell))

    @property
    def tallies(self) -> list[Tally]:
        """The legend: every outcome there is, from best to least telling."""
        cells = Counter(cell["outcome"] for cell in self.cells)
        shown = (check for cell in self.cells for check in _shown(cell) if not check["experiment"])
        checks = Counter(check["outcome"] for check in shown)
        return [
            Tally(o.value, GLYPHS[o], MEANINGS[o], checks[o.value], cells[o.value]) for o in Outcome
        ]

    @property
    def claims(self) -> str:
        """How many claims have which verdict, in words."""
        found = Counter(claim["verdict"] for claim in self.matrix["claims"])
        return ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict])

    @property
    def causes(self) -> list[Causes]:
        """Why checks do not work: what nobody has met before, what is known, what was refused."""
        found = self.matrix["causes"]
        groups = {
            "Not known yet": [cause for cause in found if not cause["known"]],
            "Known": [cause for cause in found if cause["known"]],
            "Refused by a policy": self.matrix["refusals"],
        }
        return [Causes(title, _ABOUT[title], items) for title, items in groups.items() if items]

    def diagnosis(self, item: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what is known of the failure of a check or a cell."""
        found: Mapping[str, Any] | None = self.matrix["diagnoses"].get(item.get("diagnosis"))
        return found

    def shows(self, cause: Mapping[str, Any], cell: str) -> str:
        """Return the id of a cell's details where a cause is seen; empty where it has none."""
        if cause["known"]:
            known = {"id": cause["name"], "cause": cause["cause"]}
            return self._by_cause.get((cell, line_of(known)), "")
        example = cause["example"]
        return self.reference(example, cell) if example["cell"] == cell else ""

    def _of_causes(self) -> dict[tuple[str, tuple[str, str]], str]:
        lines = {key: line_of(known) for key, known in self.matrix["diagnoses"].items()}
        found: dict[tuple[str, tuple[str, str]], str] = {}
        for mark in self.marks:
            line = lines.get((mark.check or mark.cell)["diagnosis"])
            if line:
                found.setdefault((mark.cell["id"], line), mark.id)
        return found

    def reference(self, evidence: Mapping[str, Any], cell: str) -> str:
        """Return the id of a check's details that evidence names; empty where it has none."""
        return self._by_check.get((cell, *(evidence[name] for name in _CHECK)), "")

    def environment(self, cell: str) -> str:
        """Return the id of a cell's environment by the cell's id; empty where it has none."""
        return self._anchors.get(cell, "")

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
        return self._anchors[cell["id"]]

    def glyph(self, outcome: str) -> str:
        """Return the shape that goes with an outcome's word."""
        return GLYPHS[Outcome(outcome)]

    def _section(self, library: str) -> Section:
        cells = [cell for cell in self.cells if cell["library"] == library]
        subjects = _subjects(cells)
        rows = [
            self._row(group, subject, first=not number)
            for group in _groups(cells)
            for number, subject in enumerate(subjects)
        ]
        checkpoints = _unique(subject.checkpoint for subject in subjects)
        return Section(library, checkpoints[0] if len(checkpoints) == 1 else "", tuple(rows))

    def _row(self, cells: Sequence[Cell], subject: _Subject, *, first: bool) -> Row:
        policies = _policies(cells, subject)
        reasons = _unique(cell.get("why") or "" for cell in cells)
        slots = (
            self._slot([cell for cell in cells if cell["torch"] == torch], subject, policies)
            for torch in self.torch
        )
        why = reasons[0] if first and len(reasons) == 1 else ""
        versions = sorted(_unique(cell["version"] for cell in cells), key=version_key)
        planned = [check for cell in cells for check in _of(cell["checks"], subject)]
        return Row(
            versions=tuple(versions),
            beside=cells[0]["beside"],
            checkpoint=subject.checkpoint,
            use="" if subject.use == FORWARD else subject.use,
            experiment=any(check["experiment"] for check in planned),
            why=why,
            policies=policies,
            slots=tuple(slots),
        )

    def _slot(self, cells: Sequence[Cell], subject: _Subject, policies: Sequence[str]) -> Slot:
        if not any(_of(_shown(cell), subject) for cell in cells):
            whole = tuple(self._mark(cell, subject, "") for cell in cells)
            return Slot(tuple(cells), whole=whole)
        marks = {
            policy: tuple(m for cell in cells for m in self._verdicts(cell, subject, policy))
            for policy in policies
        }
        return Slot(tuple(cells), marks=marks)

    def _verdicts(self, cell: Cell, subject: _Subject, policy: str) -> Iterable[Mark]:
        checks = _of(_shown(cell), subject)
        if not checks:
            return [self._mark(cell, subject, "")]
        found: list[Check | None] = [check for check in checks if check["policy"] == policy]
        return [self._mark(cell, subject, policy, check) for check in found or [None]]

    def _mark(self, cell: Cell, subject: _Subject, policy: str, check: Check | None = None) -> Mark:
        key = (cell["id"], subject, policy, id(check))
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


def _of(checks: Iterable[Check], subject: _Subject) -> list[Check]:
    wanted = (subject.checkpoint, subject.use)
    return [check for check in checks if (check["checkpoint"], check["use"]) == wanted]


def _subjects(cells: Sequence[Cell]) -> list[_Subject]:
    """Return what the cells were asked for, the uses of a checkpoint beside each other."""
    planned = [check for cell in cells for check in cell["checks"]]
    found = {_Subject(check["checkpoint"], check["use"]): None for check in planned}
    order = _unique(subject.checkpoint for subject in found)
    return sorted(found, key=lambda s: order.index(s.checkpoint)) or [_Subject("")]


def _groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells of each row: of one version, or of all where each torch has one alone."""
    sets = {(cell["torch"], cell["version"], cell["beside"]) for cell in cells}
    if len(sets) == len({torch for torch, _, _ in sets}) and not any(c["beside"] for c in cells):
        return [list(cells)]
    names = sorted({(c["version"], c["beside"]) for c in cells}, key=_set_key)
    return [[c for c in cells if (c["version"], c["beside"]) == name] for name in names]


def _set_key(name: tuple[str, str]) -> tuple[tuple[bool, Version | str], str]:
    return (version_key(name[0]), name[1])


def _policies(cells: Iterable[Cell], subject: _Subject) -> tuple[str, ...]:
    seen = _unique(check["policy"] for cell in cells for check in _of(cell["checks"], subject))
    known = [policy for policy in POLICIES if policy in seen]
    return tuple(known + [name for name in seen if name not in POLICIES]) or tuple(POLICIES)


def _columns(matrix: Mapping[str, Any]) -> list[str]:
    return _unique([*matrix["torch"], *(cell["torch"] for cell in matrix["cells"])])


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
