"""A history in words: a line a cell, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrix.history.files import History
from matrix.history.trends import CellTrend, Point, State, Trend, summary
from pytest_torchcompat.display import escaped
from pytest_torchcompat.record import FORWARD

RUN = 15  # characters of a run's name: 2026-11-20T0100
NONE = "-"


def lines(history: History, cells: Sequence[CellTrend], *, checks: bool = False) -> Iterator[str]:
    """Yield the lines for a terminal; ``checks`` adds those of each cell."""
    for line in _lines(history, cells, checks=checks):
        yield escaped(line)


def _lines(history: History, cells: Sequence[CellTrend], *, checks: bool) -> Iterator[str]:
    yield headline(history, cells)
    yield ""
    yield _row("now", "streak", "flips", "last good", "first bad", "cell")
    for cell in cells:
        yield _of(cell.trend, f"{cell.name} (gone)" if cell.gone else cell.name)
        if checks:
            yield from _details(cell)


def headline(history: History, cells: Sequence[CellTrend]) -> str:
    """Say how many cells of how many runs are in which state."""
    nights = list(dict.fromkeys((line.when, line.run) for line in history.lines))
    first, last = nights[0][1], nights[-1][1]
    span = f"1 run, {first}" if len(nights) == 1 else f"{len(nights)} runs, {first} to {last}"
    counts = summary(cells)
    found = {
        "broken": counts["broken"],
        "never seen to work": counts["bad"] - counts["broken"],
        **{state.value: counts[state.value] for state in State if state is not State.BAD},
        "gone from the sweep": counts["gone"],
    }
    told = ", ".join(f"{count} {name}" for name, count in found.items() if count)
    return f"{counts['cells']} {'cell' if counts['cells'] == 1 else 'cells'} in {span}: {told}."


def _of(trend: Trend, name: str) -> str:
    figures = (str(len(trend.present)), str(trend.flips))
    return _row(trend.state.value, *figures, _run(trend.last_good), _run(trend.first_bad), name)


def _row(state: str, *rest: str) -> str:
    streak, flips, good, bad, name = rest
    return f"{state:<8}{streak:>6}{flips:>7}  {good:<{RUN}}  {bad:<{RUN}}  {name}"


def _run(point: Point | None) -> str:
    run = escaped(point.line.run) if point else NONE
    return run if len(run) <= RUN else f"{run[: RUN - 1]}…"


def _details(cell: CellTrend) -> Iterator[str]:
    for (checkpoint, use, policy), trend in cell.checks.items():
        used = f" ({use})" if use != FORWARD else ""
        yield _of(trend, f"  {policy} · {checkpoint}{used}")
    good, bad = cell.trend.last_good, cell.trend.first_bad
    if good and bad:
        yield f"{'':8}torch {good.line.build} when it was good last, {bad.line.build} when it broke"
