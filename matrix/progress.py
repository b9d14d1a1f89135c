"""What a sweep shows while it runs: a bar on a terminal, a line a cell elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from matrix.plan import PlannedCell
from matrix.runner import CellResult
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record


class Reporter:
    """Tells of each cell that ended, and counts the checks by outcome."""

    def __init__(self, console: Console, done: int, total: int, jobs: int) -> None:
        self._console = console
        self._jobs = jobs
        self._counts: Counter[Outcome] = Counter()
        self._done = done
        self._total = total
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[running]} running"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            "cells", total=total, completed=done, running=min(jobs, total - done), counts=""
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def count(self, records: Iterable[Record], result: CellResult) -> str:
        """Count a cell's checks, but no experiment, and return them in words."""
        found = Counter(record.outcome for record in records if not record.experiment)
        if result.outcome:
            found[result.outcome] += 1
        self._counts += found
        return in_words(found)

    def finished(self, cell: PlannedCell, result: CellResult, records: Iterable[Record]) -> None:
        """Tell of a cell that ended."""
        words = self.count(records, result)
        self._done += 1
        if self._console.is_terminal:
            running = min(self._jobs, self._total - self._done)
            counts = in_words(self._counts)
            self._bar.update(self._task, advance=1, running=running, counts=counts)
            return
        took = sum(result.seconds.values())
        why = first_line(result.reason)
        line = f"{self._done}/{self._total}  {cell.id}  {took:.0f} s  {words}{why}"
        self._console.print(escape(line), soft_wrap=True, highlight=False)


def in_words(counts: Counter[Outcome]) -> str:
    """Return counts as ``pass 203 · refused 71``, in the order of the outcomes."""
    return " · ".join(
        f"{outcome.value} {counts[outcome]}" for outcome in Outcome if counts[outcome]
    )


def first_line(reason: str | None) -> str:
    """Return a reason's first line behind a colon, or nothing."""
    lines = (reason or "").strip().splitlines()
    return f": {lines[0]}" if lines else ""


@contextmanager
def resolving(console: Console) -> Iterator[Callable[[PlannedCell], None]]:
    """Show how many cells are resolved, where that takes a while; yield what tells of each."""
    bar = Progress(
        TextColumn("Resolving what has run before"),
        BarColumn(),
        TextColumn("{task.completed}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("cells", total=None)

    def told(_: PlannedCell) -> None:
        bar.advance(task)

    with bar:
        yield told
