"""Probes: each version's cell brought to its result, all of them in one run's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matrix import disk
from matrix.bisect.answers import Answer, none, read
from matrix.bisect.candidates import Candidates
from matrix.bisect.search import Verdict
from matrix.causes import inlined
from matrix.compare import merge
from matrix.engine import Engine, Places
from matrix.plan import Plan, PlannedCell
from matrix.store import RunFolder, new_run, write_json
from pytest_torchcompat.errors import TorchcompatError

Run = Callable[[Plan], Mapping[str, Any]]
IN_A_ROW = 3  # probes without a word on their versions, after which the machine is asked no more


@dataclass
class Probes:
    """Runs the cells of a bisect, through the sweep's own engine; ``force`` as the sweep's."""

    places: Places
    stamp: str
    fresh: bool = False
    force: bool = False
    _folder: RunFolder | None = None
    _engine: Engine | None = None
    _cells: dict[str, PlannedCell] = field(default_factory=dict)

    @property
    def folder(self) -> RunFolder:
        """The run's folder, made when the first cell needs it."""
        if self._folder is None:
            self._folder = new_run(self.places.probes, self.stamp)
        return self._folder

    def run(self, plan: Plan) -> Mapping[str, Any]:
        """Run the one cell of a plan, or carry its result over; return it as a document has it."""
        disk.check(plan.cells, self.places.work, force=self.force)
        plan = dataclasses.replace(plan, run=self.folder.path.name)
        self._cells.update((cell.id, cell) for cell in plan.cells)
        # The folder is that of a run of all cells up to here, whose page can be rendered.
        torches = tuple(dict.fromkeys(cell.torch for cell in self._cells.values()))
        whole = dataclasses.replace(plan, cells=tuple(self._cells.values()), torch=torches)
        write_json(self.folder.plan, whole.to_dict())
        if self._engine is None:
            # One for all: they share its date, the checkpoints' files and the indexes' pages.
            self._engine = Engine(plan, self.folder, self.places, self.fresh)
        engine = self._engine
        engine.run(engine.carried(engine.decisions(plan.cells)))
        found: Mapping[str, Any] = inlined(merge(plan, self.folder, {}))["cells"][0]
        return found


@dataclass
class Prober:
    """Asks of versions by their number, each once; ``told`` hears of each before and after."""

    candidates: Candidates
    names: Sequence[str]
    run: Run
    asks: Callable[[str], object] = lambda _: None
    answers: dict[int, Answer] = field(default_factory=dict)

    def verdict(self, number: int, names: Sequence[str]) -> Verdict:
        """Return what a version says of some checkpoints."""
        if number not in self.answers:
            self._stop_where_nothing_answers()
            version = self.candidates.versions[number]
            self.asks(version)
            self.answers[number] = self._ask(version)
        return self.answers[number].verdict(names)

    def known(self, names: Sequence[str]) -> dict[int, Verdict]:
        """Return what all versions that were asked say of some checkpoints."""
        return {number: answer.verdict(names) for number, answer in self.answers.items()}

    def _ask(self, version: str) -> Answer:
        plan = self.candidates.plan(version)
        if not plan.cells:
            return none(version, self.names, " ".join(plan.notes[-1:]))
        return read(version, self.run(plan))

    def _stop_where_nothing_answers(self) -> None:
        last = list(self.answers.values())[-IN_A_ROW:]
        silent = [answer for answer in last if answer.verdict(self.names) is Verdict.UNDECIDED]
        if len(silent) == IN_A_ROW:
            why = next(iter(silent[-1].causes(self.names)), "no reason is known").rstrip(".")
            message = (
                f"the last {IN_A_ROW} probes said nothing about their versions ({why}); see to the "
                "machine, and the same command goes on"
            )
            raise TorchcompatError(message)


def groups(prober: Prober, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the checkpoints that answer otherwise than all together, those that agree as one."""
    together = prober.known(names)
    found: dict[tuple[tuple[int, Verdict], ...], list[str]] = {}
    for name in names:
        known = prober.known([name])
        if known != together:
            found.setdefault(tuple(sorted(known.items())), []).append(name)
    yield from found.values()
