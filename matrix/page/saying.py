"""How the readings of one set are said, in one sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from matrix.page.readings import DIFFERS, Reading, Verdict, Verdicts
from matrix.page.text import inert
from matrix.recommend.tried import (
    ALLOWLISTED,
    FAILS,
    OPEN,
    ORDER,
    PATCHED,
    STOCK,
    STRICT,
    UNAVAILABLE,
    Cell,
    Subject,
    Tried,
    cause_of,
    diagnosed,
    first_words,
)
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import FORWARD

_KINDS = (*ORDER, DIFFERS, FAILS, UNAVAILABLE, OPEN)
_HOW = {
    STOCK: "unaided",
    STRICT: "with `weights_only=True`",
    ALLOWLISTED: "with its allow-list",
    PATCHED: "patched",
}
_OPEN = {
    Outcome.INFRA.value: "no verdict, for a fault of the machine,",
    Outcome.TIMEOUT.value: "no verdict in time",
    Outcome.NOT_RUN.value: "not run yet",
}
EVERY = "every torch"
LONGEST = 110  # characters of a cause
FEW = 4  # subjects that are all named
RANGE = 3  # versions that are written as from and to


class Saying:
    """Says the readings of one set."""

    def __init__(self, tried: Tried, readings: Sequence[Reading]) -> None:
        self._tried = tried
        self._main, *self._others = readings
        self._subjects = [subject for reading in readings for subject in reading.subjects]
        self._unnamed = True  # that the versions are torch's

    def text(self) -> str:
        """Return one sentence; empty where nothing is known that could be said."""
        parts = list(self._clauses(self._main.verdicts, self._main.subjects))
        others = [self._other(each) for each in self._others]
        if others:
            others[0] = f"but {others[0]}"
        text: str = inert("; ".join([*parts, *others]))
        return f"{text}." if text and not text.endswith("…") else text

    def _clauses(self, verdicts: Verdicts, subjects: Sequence[Subject]) -> Iterator[str]:
        alike: dict[Verdict, list[str]] = {}
        for torch, verdict in verdicts.items():
            alike.setdefault(verdict.way, []).append(torch)
        for way in sorted(alike, key=lambda way: (_KINDS.index(way.kind), way.shims)):
            yield self._clause(way, {t: verdicts[t] for t in alike[way]}, subjects)

    def _clause(self, way: Verdict, verdicts: Verdicts, subjects: Sequence[Subject]) -> str:
        where = self._where(verdicts)
        if way.kind in ORDER:
            return f"{self._working(way, verdicts, where)}{_less(way)}{_tries(way)}"
        if way.kind == FAILS:
            said = "on no torch" if where == EVERY else f"not {_under(way)}on {where}"
            said = f"{_under(way)}{said}" if where == EVERY else said
            return f"{said}{_tries(way)}{self._because(list(verdicts), subjects)}"
        if way.kind == UNAVAILABLE:
            whole = f"any torch{self._because_of(self._tried.cells)}" if where == EVERY else where
            return f"cannot be installed with {whole}"
        return f"{_OPEN.get(way.word, 'differs by Python')} on {where}"

    def _working(self, way: Verdict, verdicts: Verdicts, where: str) -> str:
        always, at_times = self._shims(verdicts)
        how = "" if way.kind == STOCK and way.shims else _HOW[way.kind]
        if not at_times:
            with_shims = _shims(always) if always else ""
            both = " and " if how and always else "" if how else "with "
            return f"{how}{both}{with_shims} on {where}"
        rest = listed([f"`{name}` on {self._where(on)}" for name, on in at_times.items()])
        named = f"{_ticked(always)}, also {rest}" if always else rest
        kind = "" if not how else "shim " if len(always) + len(at_times) == 1 else "shims "
        return f"{how or 'with shims'} on {where} ({kind}{named})"

    def _shims(self, verdicts: Verdicts) -> tuple[list[str], dict[str, list[str]]]:
        """Return the shims that all of some versions need, and those that some need."""
        names = sorted({name for verdict in verdicts.values() for name in verdict.shims})
        on = {name: [t for t in verdicts if name in verdicts[t].shims] for name in names}
        names.sort(key=lambda name: -len(on[name]))
        always = [name for name in names if len(on[name]) == len(verdicts)]
        return always, {name: on[name] for name in names if name not in always}

    def _where(self, torch: Iterable[str]) -> str:
        chosen = set(torch)
        if len(chosen) == len(self._tried.seen) > 1:
            return EVERY
        before = "torch " if self._unnamed else ""
        self._unnamed = False
        return f"{before}{listed(list(dict(runs(chosen, self._tried.seen)).values()))}"

    def _because(self, torch: Sequence[str], subjects: Sequence[Subject]) -> str:
        found = cause_of(self._tried, torch, subjects, ORDER)
        if found:
            return f": {_shortened(found.says)}"
        return self._because_of([cell for each in torch for cell in self._tried.at(each)])

    @staticmethod
    def _because_of(cells: Sequence[Cell]) -> str:
        known = next((each[0] for each in map(diagnosed, cells) if each), "")
        said = known or next((c["reason"] for c in cells if c["reason"]), "")
        return f": {_shortened(first_words(said))}" if said else ""

    def _other(self, other: Reading) -> str:
        """Say of some subjects what is not as with the most."""
        names = _names(other.subjects, self._subjects)
        told = [v for v in other.verdicts.values() if v.kind != UNAVAILABLE]
        if told and {v.kind for v in told} == {FAILS} and len(set(told)) == 1:
            torch = [t for t, v in other.verdicts.items() if v.kind == FAILS]
            because = self._because(torch, other.subjects)
            return f"{listed(names)} {_under(told[0])}on none{_tries(told[0])}{because}"
        usual = self._main.verdicts
        apart = {t: v for t, v in other.verdicts.items() if v != usual.get(t)}
        more = {_more(verdict, usual.get(torch)) for torch, verdict in apart.items()}
        if len(more) == 1 and (shims := next(iter(more))):
            working = [t for t, v in other.verdicts.items() if v.kind in ORDER]
            on = "" if len(working) == len(apart) else f" on {self._where(apart)}"
            need = "also need" if len(names) > 1 else "also needs"
            return f"{listed(names)} {need} {_shims(shims)}{on}"
        return f"{listed(names)} {', '.join(self._clauses(apart, other.subjects))}"


def _more(verdict: Verdict, usual: Verdict | None) -> tuple[str, ...]:
    """Return the shims that one verdict has beyond another that is the same but for them."""
    if not usual or dataclasses.replace(verdict, shims=()) != dataclasses.replace(usual, shims=()):
        return ()
    extra = tuple(name for name in verdict.shims if name not in usual.shims)
    return extra if set(usual.shims) <= set(verdict.shims) else ()


def _shims(names: Sequence[str]) -> str:
    return f"{'shim' if len(names) == 1 else 'shims'} {_ticked(names)}"


def _ticked(names: Sequence[str]) -> str:
    return listed([f"`{name}`" for name in names])


def _less(verdict: Verdict) -> str:
    # Silence would be read as a no.
    less = " or ".join(_HOW[policy] for policy in verdict.less)
    return f" (no verdict {less})" if less else ""


def _tries(verdict: Verdict) -> str:
    return " (its tries disagree)" if verdict.flaky else ""


def _under(verdict: Verdict) -> str:
    # What was not tried may work.
    if PATCHED in verdict.tried or not verdict.tried:
        return ""
    return f"{' or '.join(_HOW[policy] for policy in verdict.tried)} "


def runs(chosen: Iterable[str], every: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield versions one by one, or the first of some in a row; with each how it is written."""
    chosen, run = set(chosen), list[str]()
    for version in (*every, None):
        if version in chosen:
            run.append(version)
            continue
        whole = len(run) >= RANGE
        yield from [(run[0], f"{run[0]} to {run[-1]}")] if whole else zip(run, run)
        run = []


def _names(subjects: Sequence[Subject], every: Sequence[Subject]) -> list[str]:
    """Name subjects: by their checkpoint where all of its uses are meant."""
    named: dict[str, None] = {}
    for checkpoint, use in subjects:
        uses = {each for each in every if each[0] == checkpoint}
        said = "" if uses <= set(subjects) else " (forward pass)" if use == FORWARD else f" ({use})"
        named[f"{_short(checkpoint, every)}{said}"] = None
    names = list(named)
    return names if len(names) <= FEW else [*names[: FEW - 1], f"{len(names) - FEW + 1} others"]


def _short(checkpoint: str, every: Iterable[Subject]) -> str:
    """Return a checkpoint's name without its family, where that is enough to tell it."""
    name = checkpoint.rpartition("/")[2]
    return name if len({c for c, _ in every if c.rpartition("/")[2] == name}) == 1 else checkpoint


def _shortened(text: str) -> str:
    """Return the beginning of a cause, to stand after a colon."""
    first = " ".join(text.partition(". ")[0].split()).removesuffix(".")
    if len(first) > LONGEST:
        first = f"{first[:LONGEST].rpartition(' ')[0].rstrip(',;:')} …"
    return f"t{first[1:]}" if first.startswith(("The ", "This ")) else first


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them."""
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last
