"""
What the cells say of each library, a sentence for all versions of which the same is true.

A sentence is about what ran. Where checkpoints differ, it speaks of the most and names the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matrix import axes, retirement
from matrix.causes import inlined
from matrix.page.table import MIXED, has_run
from matrix.page.text import inert
from matrix.recommend.spans import ordered
from matrix.recommend.tried import (
    ALLOWLISTED,
    FAILS,
    OPEN,
    ORDER,
    PATCHED,
    STOCK,
    STRICT,
    UNAVAILABLE,
    WORKS,
    Cell,
    Subject,
    Tried,
    cause_of,
    diagnosed,
    first_words,
    word_of,
)
from matrix.tallies import is_flaky
from matrix.versions import version_key
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import FORWARD

DIFFERS = MIXED  # by Python
DIED = "died"  # before it came to a check
REACHED = "reached"  # whether any check of a cell was
_FAILURES = (Outcome.CRASH.value, Outcome.FAIL.value)
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
LINES = 5  # about a library
LONGEST = 110  # characters of a cause
FEW = 4  # subjects that are all named
RANGE = 3  # versions that are written as from and to


@dataclass(frozen=True)
class Verdict:
    """
    What is true of a subject on a torch.

    ``kind`` is the policy that changes least of those under which it works, with the shims that it
    takes there, or why there is none. ``less`` are policies that change less still, of which
    nothing is known. ``word`` is how an open verdict stands, and ``tried`` are the policies under
    which what fails was tried. ``flaky`` says that tries of it disagree.
    """

    kind: str
    shims: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    word: str = ""
    tried: tuple[str, ...] = ()
    flaky: bool = False

    @property
    def way(self) -> Verdict:
        """The same without the names of its shims."""
        return dataclasses.replace(self, shims=("",) if self.shims and self.kind == STOCK else ())

    @property
    def mark(self) -> str:
        """The outcome whose shape stands for it: that of shims for whatever has to be done."""
        if self.flaky:
            return MIXED
        if self.kind in ORDER:
            unaided = self.kind == STOCK and not self.shims
            return Outcome.PASS.value if unaided else Outcome.SHIMMED.value
        return {FAILS: Outcome.FAIL.value, OPEN: self.word}.get(self.kind, self.kind)


Verdicts = Mapping[str, Verdict]  # by torch


@dataclass(frozen=True)
class Reading:
    """What is true of some subjects alike."""

    subjects: tuple[Subject, ...]
    verdicts: Verdicts


@dataclass(frozen=True)
class Told:
    """The readings of one set: that of the most subjects, then those that differ from it."""

    version: str
    beside: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Sentence:
    """A sentence that is true of several sets."""

    versions: str
    text: str
    told: tuple[Told, ...]

    @property
    def mark(self) -> str:
        """The outcome whose shape stands for the sentence: that of help where some is needed."""
        found = {v.mark for each in self.told[0].readings for v in each.verdicts.values()}
        if found == {Outcome.PASS.value, Outcome.SHIMMED.value}:
            return Outcome.SHIMMED.value
        return found.pop() if len(found) == 1 else MIXED


@dataclass(frozen=True)
class LibrarySentences:
    """The sentences on a library, the newest versions first."""

    library: str
    items: tuple[Sentence, ...]

    @property
    def shown(self) -> tuple[Sentence, ...]:
        """Those that are seen at once: all, or where these are too many some of them."""
        return self.items if len(self.items) <= LINES else self.items[: LINES - 1]

    @property
    def folded(self) -> tuple[Sentence, ...]:
        """Those that are not."""
        return self.items[len(self.shown) :]


def sentences(matrix: Mapping[str, Any]) -> list[LibrarySentences]:
    """Return what the cells of a matrix say of each of its libraries."""
    cells = inlined(matrix)["cells"]
    seen = ordered(cell["torch"] for cell in cells)
    libraries = dict.fromkeys(cell["library"] for cell in cells)
    found: dict[str, dict[tuple[str, str], list[Cell]]] = {name: {} for name in libraries}
    paired = {name for name in libraries if axes.is_paired(name)}
    for cell in cells:
        key = ("" if cell["library"] in paired else cell["version"], cell["beside"])
        found[cell["library"]].setdefault(key, []).append(cell)
    told = [
        LibrarySentences(name, tuple(_of_library(_sets(name, found[name], seen)))) for name in found
    ]
    return [each for each in told if each.items]


def _sets(
    library: str, sets: Mapping[tuple[str, str], Sequence[Cell]], seen: tuple[str, ...]
) -> list[Tried]:
    """Return the sets of a library, from the oldest version to the newest."""
    order = sorted(sets, key=lambda key: (version_key(key[0] or "0"), key[1]))
    return [Tried(library, *key, tuple(sets[key]), seen) for key in order]


def _of_library(sets: Sequence[Tried]) -> list[Sentence]:
    alike: dict[tuple[Any, ...], list[Told]] = {}
    for tried in sets:
        told = Told(tried.version, tried.beside, tuple(_readings(tried)))
        text = _Said(tried, told.readings).text()
        if text:
            others = tuple(reading.subjects for reading in told.readings[1:])
            alike.setdefault((text, others), []).append(told)
    found = [Sentence(_named(held, sets), text, tuple(held)) for (text, _), held in alike.items()]
    return sorted(found, key=_newest, reverse=True)


def _newest(sentence: Sentence) -> tuple[bool, Any]:
    return max(version_key(each.version or "0") for each in sentence.told)


# What is true: a verdict for each subject and torch, and the subjects of which the same is.


def _readings(tried: Tried) -> Iterator[Reading]:
    alike: dict[tuple[tuple[str, Verdict], ...], list[Subject]] = {}
    for subject, mine in _by_subject(tried).items():
        verdicts = {torch: _verdict(mine, torch, subject) for torch in mine.torches}
        alike.setdefault(tuple(verdicts.items()), []).append(subject)
    if not alike:
        alike[tuple(_without_checks(tried).items())] = []
    for key in sorted(alike, key=lambda key: (-len(alike[key]), -_worth(dict(key)))):
        yield Reading(tuple(alike[key]), dict(key))


def _by_subject(tried: Tried) -> dict[Subject, Tried]:
    """Return the same with the checks of one subject alone, which are looked through in no time."""
    found: dict[Subject, list[Cell]] = {}
    for cell in tried.cells:
        mine: dict[Subject, list[Any]] = {}
        for check in cell["checks"]:
            if not check["experiment"]:
                mine.setdefault((check["checkpoint"], check["use"]), []).append(check)
        for subject, checks in mine.items():
            mine_alone = {**cell, "checks": checks, REACHED: has_run(cell)}
            found.setdefault(subject, []).append(mine_alone)
    return {s: dataclasses.replace(tried, cells=tuple(cells)) for s, cells in found.items()}


def _worth(verdicts: Verdicts) -> int:
    """Return how good verdicts are: of as many subjects, those that have it best come first."""
    working = [verdict for verdict in verdicts.values() if verdict.kind in ORDER]
    return sum(2 * (len(ORDER) - ORDER.index(v.kind)) - bool(v.shims) for v in working)


def _verdict(tried: Tried, torch: str, subject: Subject) -> Verdict:
    words = {policy: tried.word(torch, policy, [subject]) for policy in ORDER}
    flaky = {p for p in ORDER if any(map(is_flaky, tried.checks(torch, p, [subject])))}
    working = [policy for policy in ORDER if words[policy] == WORKS]
    if working:
        # What works at every try is an answer; what does so at some is one where nothing else does.
        best = min(working, key=lambda policy: policy in flaky)
        before = ORDER[: ORDER.index(best)]
        unknown = (p for p in before if p != STRICT and words[p] in (OPEN, UNAVAILABLE))
        shims = tried.shims(torch, best, [subject])
        return Verdict(best, shims, tuple(unknown), flaky=best in flaky)
    return _other_verdict(tried.at(torch), subject)


def _other_verdict(cells: Sequence[Cell], subject: Subject) -> Verdict:
    """Return why nothing works on a torch, in all of its cells."""
    words: dict[str, set[str]] = {}
    for cell in cells:
        for policy in dict.fromkeys(check["policy"] for check in cell["checks"]):
            said = word_of(cell, policy, [subject])
            words.setdefault(policy, set()).add(DIED if said == OPEN and _died(cell) else said)
    if any(WORKS in said for said in words.values()):
        return Verdict(DIFFERS)
    failed = [policy for policy in ORDER if FAILS in words.get(policy, ())]
    if any(OPEN in said and FAILS not in said for said in words.values()):
        outcomes = {check["outcome"] for cell in cells for check in cell["checks"]}
        return Verdict(OPEN, word=_open({cell["outcome"] for cell in cells} | outcomes))
    if failed or any(DIED in said for said in words.values()):
        return Verdict(FAILS, tried=tuple(failed), flaky=_is_torn(cells))
    return Verdict(UNAVAILABLE)


def _died(cell: Cell) -> bool:
    """Whether a cell ended in a failure before any check, or in one of those that are asked for."""
    outcomes = {check["outcome"] for check in cell["checks"]}
    if outcomes & set(retirement.OPEN) - {Outcome.NOT_RUN.value}:
        return False
    ended = cell["outcome"] in _FAILURES
    return ended and (not cell[REACHED] or cell["outcome"] in outcomes)


def _is_torn(cells: Iterable[Cell]) -> bool:
    return any(is_flaky(check) for cell in cells for check in cell["checks"])


def _open(outcomes: Iterable[str]) -> str:
    found = set(outcomes)
    return next((word for word in _OPEN if word in found), Outcome.NOT_RUN.value)


def _without_checks(tried: Tried) -> dict[str, Verdict]:
    """Return what cells say for which no check is planned that counts."""
    found: dict[str, Verdict] = {}
    for torch in tried.torches:
        outcomes = {cell["outcome"] for cell in tried.at(torch)}
        if outcomes <= set(retirement.OPEN):
            found[torch] = Verdict(OPEN, word=_open(outcomes))
        elif outcomes == {Outcome.UNAVAILABLE.value}:
            found[torch] = Verdict(UNAVAILABLE)
    return found


# How it is said.


class _Said:
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
        rest = _listed([f"`{name}` on {self._where(on)}" for name, on in at_times.items()])
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
        return f"{before}{_listed(list(dict(_runs(chosen, self._tried.seen)).values()))}"

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
            return f"{_listed(names)} {_under(told[0])}on none{_tries(told[0])}{because}"
        usual = self._main.verdicts
        apart = {t: v for t, v in other.verdicts.items() if v != usual.get(t)}
        more = {_more(verdict, usual.get(torch)) for torch, verdict in apart.items()}
        if len(more) == 1 and (shims := next(iter(more))):
            working = [t for t, v in other.verdicts.items() if v.kind in ORDER]
            on = "" if len(working) == len(apart) else f" on {self._where(apart)}"
            need = "also need" if len(names) > 1 else "also needs"
            return f"{_listed(names)} {need} {_shims(shims)}{on}"
        return f"{_listed(names)} {', '.join(self._clauses(apart, other.subjects))}"


def _more(verdict: Verdict, usual: Verdict | None) -> tuple[str, ...]:
    """Return the shims that one verdict has beyond another that is the same but for them."""
    if not usual or dataclasses.replace(verdict, shims=()) != dataclasses.replace(usual, shims=()):
        return ()
    extra = tuple(name for name in verdict.shims if name not in usual.shims)
    return extra if set(usual.shims) <= set(verdict.shims) else ()


def _shims(names: Sequence[str]) -> str:
    return f"{'shim' if len(names) == 1 else 'shims'} {_ticked(names)}"


def _ticked(names: Sequence[str]) -> str:
    return _listed([f"`{name}`" for name in names])


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


def _runs(chosen: Iterable[str], every: Sequence[str]) -> Iterator[tuple[str, str]]:
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


def _named(held: Sequence[Told], sets: Sequence[Tried]) -> str:
    """Name sets by their versions, and by what they are beside; empty for what follows torch."""
    mine, every = _by_version(held), _by_version(sets)
    # Where a version has one set alone, what that is beside is all that is known of it.
    whole = {v for v in mine if mine[v] == every[v] and (every[v] == [""] or every[v][1:])}
    names = dict(_runs(whole, list(every)))
    names |= {v: f"{v}{_beside(mine[v])}" for v in mine if v not in whole}
    return _listed([names[version] for version in every if version in names])


def _by_version(sets: Iterable[Told | Tried]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in sets:
        found.setdefault(each.version, []).append(each.beside)
    return found


def _beside(names: Sequence[str]) -> str:
    named = list(filter(None, names))
    product = {name.partition(" ")[0] for name in named}
    if len(product) == 1:
        named[1:] = [name.partition(" ")[2] for name in named[1:]]
    also = "also " if len(named) < len(names) else ""
    return f" ({also}beside {' or '.join(named)})" if named else ""


def _listed(names: Sequence[str]) -> str:
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last
