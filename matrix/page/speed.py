"""What a newer torch does to the forward times: in sentences, and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matrix.page import links, text
from matrix.page.table import Check, Table
from matrix.page.timed import Machines, Point, Timed, timed

MOST = 300  # rows
LISTED = 12  # sentences of a kind
_NAMED = 2  # torch builds of a sentence
# Each has its own shape, in the sentences, the table and the plots.
_MEANT = {
    "unconfirmed": "further apart than alike, and not run again",
    "unclear": "run again, and too unsteady to tell",
    "alike": "within a tenth of each other, and no more apart than they vary",
}
VERDICTS = {"slower": "▲", "faster": "▼", "unconfirmed": "◇", "unclear": "○", "alike": "●"}
CONFIRMED = ("slower", "faster")
_LONG = 999.5  # what three figures would write with an exponent


@dataclass(frozen=True)
class Figure:
    """A median, and what it is of the baseline's; no ``verdict`` where they were not compared."""

    median: str
    ratio: str = ""
    verdict: str = ""
    baseline: bool = False


@dataclass(frozen=True)
class Row:
    """The medians of one checkpoint with one library version, a column for each torch."""

    version: str
    about: str
    way: str
    figures: tuple[Figure | None, ...]


@dataclass(frozen=True)
class Said:
    """What is confirmed of a row; ``href`` opens the check that is furthest off."""

    verdict: str
    name: str
    says: str
    href: str


@dataclass(frozen=True)
class Speed:
    """
    What is confirmed, a line on the rest, and the rows; ``more`` is how many are left out.

    ``machines`` says what they were timed on.
    """

    torch: tuple[str, ...]
    said: tuple[Said, ...]
    rest: tuple[str, ...]
    rows: tuple[Row, ...]
    more: int
    machines: str


def speed(table: Table) -> Speed:
    """Return the medians of a matrix, never of two ways of timing in a row."""
    found, machines = list(timed(table)), machines_of(table)
    told = {verdict: confirmed(found, verdict, machines) for verdict in CONFIRMED}
    said = [each for sentences in told.values() for each in sentences[:LISTED]]
    rows = [_row(each, len(table.torch), machines) for each in found[:MOST]]
    rest = [*_more(told), *_rest(found)]
    torch, more = tuple(table.torch), len(found[MOST:])
    return Speed(torch, tuple(said), tuple(rest), tuple(rows), more, machines.sentence)


def machines_of(table: Table) -> Machines:
    """Return the machines that the figures of a run are of."""
    return Machines(check for cell in table.cells for check in cell["checks"])


def comparison(check: Check) -> Mapping[str, Any] | None:
    """Return how a time compares with its baseline's; ``None`` where nobody says so."""
    found: Mapping[str, Any] | None = check.get("speed")
    return found if found and found["verdict"] in VERDICTS else None


def confirmed(found: Sequence[Timed], verdict: str, machines: Machines) -> list[Said]:
    """Return a sentence for each row that has a verdict, that of the furthest ratio first."""
    several = len({each.way for each in found}) > 1
    told = [(each, same) for each in found for same in _compared(each, verdict)]
    return [
        _said(verdict, each, same, machines.words(each.way) if several else "")
        for each, same in sorted(told, key=lambda pair: _furthest(pair[1])[0], reverse=True)
    ]


def slower(table: Table) -> list[str]:
    """Return what a newer torch is confirmed to make slower, that of the furthest ratio first."""
    said = confirmed(list(timed(table)), "slower", machines_of(table))
    return [f"{each.name}: {each.says}" for each in said]


def _compared(each: Timed, verdict: str) -> Iterator[list[Point]]:
    """Yield the points of a row that have a verdict, those of one baseline together."""
    of: dict[str, list[Point]] = {}
    for point in each.points:
        known = comparison(point.check)
        if known and known["verdict"] == verdict:
            of.setdefault(known["torch"], []).append(point)
    yield from of.values()


def _furthest(points: Sequence[Point]) -> tuple[float, Point]:
    ratios = [point.check["speed"]["ratio"] for point in points]
    off = [max(ratio, 1 / ratio) for ratio in ratios]
    return max(off), points[off.index(max(off))]


def _said(verdict: str, each: Timed, points: Sequence[Point], way: str) -> Said:
    compared = [point.check["speed"] for point in points]
    ratios = _span([known["ratio"] for known in compared], text.times)
    runs = [known["runs"] for known in compared]
    turns = f"{_span(runs, str)} turn{'' if max(runs) == 1 else 's'}"
    says = (
        f"on {_builds([point.torch for point in points])} it takes {ratios} times the time"
        f" of torch {compared[0]['torch']}, seen again in {turns}"
    )
    name = f"{each.version}, {each.about}" + (f" ({way})" if way else "")
    point = _furthest(points)[1]
    return Said(verdict, name, says, links.to_check("speed", point.cell, point.check))


def _span(values: Sequence[Any], written: Any) -> str:
    low, high = written(min(values)), written(max(values))
    return low if low == high else f"{low} to {high}"


def _builds(torch: Sequence[str]) -> str:
    if len(torch) > _NAMED:
        return f"{len(torch)} torch builds from {torch[0]} to {torch[-1]}"
    return f"torch {' and '.join(torch)}"


def _more(told: Mapping[str, Sequence[Said]]) -> Iterator[str]:
    for verdict, said in told.items():
        if len(said) > LISTED:
            more = len(said) - LISTED
            yield f"{more} more {'is' if more == 1 else 'are'} {verdict}: see the table."


def _rest(found: Sequence[Timed]) -> Iterator[str]:
    known = (comparison(point.check) for each in found for point in each.points)
    count = Counter(each["verdict"] for each in known if each)
    if not count:
        yield "No two times of this run were compared: none is called slower or faster."
    elif not count["slower"]:
        yield "No forward pass is confirmed to be slower on a newer torch."
    for verdict, meaning in _MEANT.items():
        if some := count[verdict]:
            noun = "comparison is" if some == 1 else "comparisons are"
            yield f"{some} {noun} {verdict}: {meaning}."


def _row(each: Timed, columns: int, machines: Machines) -> Row:
    known = filter(None, (comparison(point.check) for point in each.points))
    baselines = {(found["cell"], found["policy"]) for found in known}
    figures: list[Figure | None] = [None] * columns
    for point in each.points:
        figures[point.column] = _figure(point, baselines)
    return Row(each.version, each.about, machines.words(each.way), tuple(figures))


def _figure(point: Point, baselines: set[tuple[str, str]]) -> Figure:
    median = in_milliseconds(point.check["benchmark"]["median"])
    found = comparison(point.check)
    if found is None:
        return Figure(median, baseline=(point.cell, point.check["policy"]) in baselines)
    return Figure(median, text.times(found["ratio"]), found["verdict"])


def in_milliseconds(seconds: float | None) -> str:
    """Write a time in milliseconds to three figures, without the unit."""
    if seconds is None:
        return "not finite"
    value = seconds * 1000
    return f"{value:,.0f}" if value >= _LONG else f"{value:.3g}"
