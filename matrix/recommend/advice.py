"""What the cells say of one set of packages: the ways that work, what bars them, where to go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matrix import axes, tallies
from matrix.recommend.moves import Move, Search
from matrix.recommend.spans import ordered, spans
from matrix.recommend.tried import (
    ALLOWLISTED,
    FAILS,
    OPEN,
    ORDER,
    PATCHED,
    UNAVAILABLE,
    WORKS,
    Cause,
    Cell,
    Subject,
    Tried,
    about,
    beyond,
    cause_of,
    diagnosed,
    executes,
    first_words,
    word_of,
)
from pytest_torchcompat.outcome import Outcome

SILENT = {OPEN, UNAVAILABLE}


@dataclass(frozen=True)
class Needed:
    """A shim, and what works with it alone; no subjects where all of them need it."""

    name: str
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class Also:
    """Another policy, and the torch versions of a way on which it works too."""

    policy: str
    torch: tuple[str, ...]
    specifiers: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """
    Torch versions on which a set works in the same way.

    ``classes`` is the least and the most that a checkpoint's allow-list has. ``executes``: what the
    pickle names was executed unchecked.
    """

    torch: tuple[str, ...]
    specifiers: tuple[str, ...]
    policy: str
    shims: tuple[Needed, ...]
    classes: tuple[int, int] | None
    executes: bool
    also: tuple[Also, ...]
    pythons: tuple[str, ...]


@dataclass(frozen=True)
class Barred:
    """Torch versions on which a set does not work, and why; no subjects where all of them fail."""

    torch: tuple[str, ...]
    subjects: tuple[Subject, ...]
    cause: Cause


@dataclass(frozen=True)
class Unsaid:
    """
    Torch versions of which a set's cells say nothing under some policies.

    There is no policy where they say nothing under any, and no outcome where there is no cell.
    """

    torch: tuple[str, ...]
    policies: tuple[str, ...]
    outcome: str
    says: str


@dataclass(frozen=True)
class Advice:
    """
    What the cells say of one set of packages.

    ``left_out`` works on none of the torches asked about, where other checkpoints do.
    ``flaky`` are its checks whose tries disagree, a sentence each.
    ``other_policies`` are those that were not asked for and work on some of them.
    """

    name: str
    version: str
    beside: str
    ways: tuple[Way, ...]
    barred: tuple[Barred, ...]
    unsaid: tuple[Unsaid, ...]
    contradictions: tuple[str, ...]
    flaky: tuple[str, ...]
    left_out: Barred | None
    left_out_move: Move | None
    move: Move | None
    unaided: bool
    other_policies: tuple[str, ...]


@dataclass(frozen=True)
class Room:
    """What a library's sets are judged by: each other, the policies, torches built for a GPU."""

    every: Sequence[Tried]
    policies: tuple[str, ...]
    built: tuple[str, ...] | None = None

    @property
    def goal(self) -> str:
        """The policy that is best to have: the one asked for, else the one that changes nothing."""
        return self.policies[0]

    def advice(self, tried: Tried, subjects: tuple[Subject, ...]) -> Advice:
        """Return what its cells say of a set."""
        torches = self._fitting(tried.torches)
        hopeless = self._hopeless(tried, torches, subjects)
        kept = tuple(each for each in subjects if each not in hopeless)
        ways = tuple(self._ways(tried, torches, kept))
        worked = [torch for way in ways for torch in way.torch]
        rest = [torch for torch in torches if torch not in worked]
        left_out, out_move = self._left_out(tried, torches, hopeless)
        return Advice(
            name=tried.name,
            version=tried.version,
            beside=tried.beside,
            ways=ways,
            barred=tuple(self._barred(tried, rest, kept)),
            unsaid=(*self._not_swept(tried), *self._unsaid(tried, ways, rest, kept)),
            contradictions=tuple(_contradictions(tried, torches, kept, self.policies)),
            flaky=tuple(_flaky(tried, torches, kept, self.policies)),
            left_out=left_out,
            left_out_move=out_move,
            move=self._move(tried, kept, needed=not worked),
            unaided=bool(ways)
            and all(way.policy == self.goal and not way.shims for way in ways)
            and not rest,
            other_policies=self._other_policies(tried, torches, kept),
        )

    def _fitting(self, torches: Sequence[str]) -> tuple[str, ...]:
        return tuple(t for t in torches if self.built is None or t in self.built)

    def _hopeless(
        self, tried: Tried, torches: Sequence[str], subjects: tuple[Subject, ...]
    ) -> tuple[Subject, ...]:
        """Return what works on no torch under any policy, where something else does."""
        policies = tried.swept(ORDER)
        told = [torch for torch in torches if _is_told(tried, torch, subjects)]
        said = {
            subject: {tried.word(t, p, [subject]) for t in told for p in policies}
            for subject in subjects
        }
        found = tuple(s for s in subjects if FAILS in said[s] and not said[s] & {WORKS, OPEN})
        return found if any(WORKS in words for words in said.values()) else ()

    def _ways(
        self, tried: Tried, torches: Sequence[str], subjects: tuple[Subject, ...]
    ) -> Iterator[Way]:
        alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for torch in torches if subjects else ():
            policy = next(iter(tried.policies(torch, subjects, self.policies)), None)
            if policy:
                key = (policy, tried.shims(torch, policy, subjects))
                alike.setdefault(key, []).append(torch)
        for (policy, shims), held in alike.items():
            yield _way(tried, tuple(held), policy, shims, subjects)

    def _not_swept(self, tried: Tried) -> Iterator[Unsaid]:
        missing = [torch for torch in self._fitting(tried.seen) if torch not in tried.torches]
        # One version of what follows torch is there for one torch.
        if missing and not (axes.is_paired(tried.library) and tried.version):
            yield Unsaid(tuple(missing), (), "", "")

    def _unsaid(
        self,
        tried: Tried,
        ways: Sequence[Way],
        rest: Sequence[str],
        subjects: tuple[Subject, ...],
    ) -> Iterator[Unsaid]:
        """Yield what is not known of torches that do not work, or might do so in a better way."""
        policies = tried.swept(self.policies) or self.policies
        asked = dict.fromkeys(rest, policies)
        for way in ways:
            better = policies[: policies.index(way.policy) + 1]
            asked.update(dict.fromkeys(way.torch, better))
        alike: dict[tuple[tuple[str, ...], str, str], list[str]] = {}
        for torch in ordered(asked):
            for cell in tried.at(torch):
                silent = tuple(p for p in asked[torch] if word_of(cell, p, subjects) in SILENT)
                if silent:
                    named = () if silent == policies else silent
                    outcome, says = _instead(cell, subjects, silent)
                    alike.setdefault((named, outcome, says), []).append(torch)
        for (named, outcome, says), held in alike.items():
            yield Unsaid(ordered(held), named, outcome, says)

    def _other_policies(
        self, tried: Tried, torches: Sequence[str], subjects: tuple[Subject, ...]
    ) -> tuple[str, ...]:
        others = [policy for policy in ORDER if policy not in self.policies]
        work = {p for torch in torches for p in tried.policies(torch, subjects, others)}
        return tuple(policy for policy in others if policy in work)

    def _left_out(
        self, tried: Tried, torches: Sequence[str], hopeless: tuple[Subject, ...]
    ) -> tuple[Barred | None, Move | None]:
        cause = cause_of(tried, torches, hopeless, ORDER) if hopeless else None
        if cause is None:
            return None, None
        told = tuple(torch for torch in torches if _is_told(tried, torch, hopeless))
        return Barred(told, hopeless, cause), self._opening(tried, told, hopeless)

    def _barred(
        self, tried: Tried, torches: Sequence[str], subjects: tuple[Subject, ...]
    ) -> Iterator[Barred]:
        alike: dict[tuple[str, tuple[Subject, ...]], list[str]] = {}
        for torch in torches:
            failing = tuple(s for s in subjects if self._fails(tried, torch, s))
            cause = cause_of(tried, [torch], failing or subjects, self.policies)
            if cause and self._settled(tried, torch, subjects):
                alike.setdefault((cause.id or cause.says, failing), []).append(torch)
        for (_, failing), held in alike.items():
            cause = cause_of(tried, held, failing or subjects, self.policies)
            if cause:
                yield Barred(tuple(held), () if failing == subjects else failing, cause)

    def _fails(self, tried: Tried, torch: str, subject: Subject) -> bool:
        return not tried.policies(torch, [subject], self.policies)

    def _settled(self, tried: Tried, torch: str, subjects: tuple[Subject, ...]) -> bool:
        policies = tried.swept(self.policies)
        said = {tried.word(torch, policy, subjects) for policy in policies}
        return not said & SILENT

    def _opening(
        self, tried: Tried, torches: Sequence[str], hopeless: tuple[Subject, ...]
    ) -> Move | None:
        """Return the version that opens what this one does not, whatever the policy."""
        return self._search(tried, hopeless, torches, (ORDER,))

    def _move(self, tried: Tried, subjects: tuple[Subject, ...], *, needed: bool) -> Move | None:
        """Return the version that works where this one does not, or not unaided."""
        every = ordered(torch for each in self.every for torch in each.torches)
        lacking = [
            t for t in self._fitting(every) if not _is_unaided(tried, t, self.goal, subjects)
        ]
        others = tuple((policy,) for policy in self.policies[1:]) if needed else ()
        return self._search(tried, subjects, lacking, ((self.goal,), *others))

    def _search(
        self,
        tried: Tried,
        subjects: tuple[Subject, ...],
        lacking: Sequence[str],
        tries: Sequence[Sequence[str]],
    ) -> Move | None:
        if axes.is_paired(tried.library) or not subjects:
            return None
        every = ordered(torch for each in self.every for torch in each.torches)
        search = Search(tried, self.every, subjects, self._fitting(every), tuple(lacking))
        return next((move for each in tries if (move := search.best(each))), None)


def _is_told(tried: Tried, torch: str, subjects: Sequence[Subject]) -> bool:
    """Whether the cells of a torch say anything: one yet to be run takes nothing from the rest."""
    policies = tried.swept(ORDER)
    return any(tried.word(torch, p, [each]) != OPEN for p in policies for each in subjects)


def _is_unaided(tried: Tried, torch: str, policy: str, subjects: Sequence[Subject]) -> bool:
    # What its own cells have yet to say is no reason to go elsewhere.
    word = tried.word(torch, policy, subjects)
    unsaid = word == OPEN and torch in tried.torches
    return unsaid or (word == WORKS and not tried.shims(torch, policy, subjects))


def _way(
    tried: Tried,
    torches: tuple[str, ...],
    policy: str,
    shims: tuple[str, ...],
    subjects: tuple[Subject, ...],
) -> Way:
    cells = [cell for torch in torches for cell in tried.at(torch)]
    working = [cell for cell in cells if word_of(cell, policy, subjects) == WORKS]
    return Way(
        torch=torches,
        specifiers=spans(torches, tried.seen),
        policy=policy,
        shims=tuple(_needed(tried, torches, policy, name, subjects) for name in shims),
        classes=_classes(tried, torches, subjects),
        executes=policy == PATCHED or any(executes(c, policy, subjects) for c in working),
        also=tuple(_others(tried, torches, policy, subjects)),
        pythons=ordered(cell["python"] for cell in working),
    )


def _needed(
    tried: Tried,
    torches: Sequence[str],
    policy: str,
    shim: str,
    subjects: tuple[Subject, ...],
) -> Needed:
    checks = [each for torch in torches for each in tried.checks(torch, policy, subjects)]
    took = {(each["checkpoint"], each["use"]) for each in checks if shim in each["shims"]}
    return Needed(shim, () if took == set(subjects) else tuple(s for s in subjects if s in took))


def _others(
    tried: Tried, torches: Sequence[str], policy: str, subjects: tuple[Subject, ...]
) -> Iterator[Also]:
    for other in ORDER:
        found = tuple(t for t in torches if tried.word(t, other, subjects) == WORKS)
        if found and other != policy:
            yield Also(other, found, spans(found, tried.seen))


def _classes(
    tried: Tried, torches: Sequence[str], subjects: Sequence[Subject]
) -> tuple[int, int] | None:
    checks = [c for t in torches for c in tried.checks(t, ALLOWLISTED, subjects)]
    sizes = [len(beyond(check)) for check in checks]
    return (min(sizes), max(sizes)) if any(sizes) else None


def _instead(cell: Cell, subjects: Sequence[Subject], policies: Sequence[str]) -> tuple[str, str]:
    """Return what a cell that does not say stands at, and its reason."""
    silent = (Outcome.UNAVAILABLE, Outcome.INFRA, Outcome.TIMEOUT, Outcome.NOT_RUN)
    checks = [check for policy in policies for check in about(cell, policy, subjects)]
    found = {cell["outcome"], *(check["outcome"] for check in checks)}
    outcome = next((each.value for each in silent if each.value in found), Outcome.NOT_RUN.value)
    known = diagnosed(cell)
    told = (check["message"] for check in checks if check["outcome"] == outcome)
    said = cell["reason"] or next((each for each in told if each), "")
    return outcome, known[0] if known else first_words(said)


def _contradictions(
    tried: Tried, torches: Sequence[str], subjects: Sequence[Subject], policies: Sequence[str]
) -> Iterator[str]:
    for torch in torches:
        for policy in policies:
            said: dict[str, list[str]] = {}
            for cell in tried.at(torch):
                said.setdefault(word_of(cell, policy, subjects), []).append(cell["python"])
            if {WORKS, FAILS} <= set(said):
                works, fails = (", ".join(ordered(said[word])) for word in (WORKS, FAILS))
                yield f"torch {torch} under {policy}: Python {works} works, {fails} does not"


def _flaky(
    tried: Tried, torches: Sequence[str], subjects: Sequence[Subject], policies: Sequence[str]
) -> Iterator[str]:
    cells = ((torch, cell) for torch in torches for cell in tried.at(torch))
    for torch, cell in cells:
        for policy in policies:
            for check in filter(tallies.is_flaky, about(cell, policy, subjects)):
                said = tallies.told(check["tally"])
                yield f"torch {torch} under {policy}, {check['checkpoint']}: {said}"
