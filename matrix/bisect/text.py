"""What a bisect asks and found in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from matrix import commands
from matrix.bisect.answers import Answer
from matrix.bisect.finding import Finding
from matrix.bisect.question import Question
from matrix.bisect.search import Boundary, Verdict, about
from pytest_torchcompat.display import escaped

INDENT = "    "
FEW = 4  # distributions that are named
SAID = {Verdict.WORKS: "works", Verdict.FAILS: "fails"}


def headline(question: Question, versions: Sequence[str], deciding: Sequence[str]) -> str:
    """Say beforehand what is gone through, and about how long that takes."""
    span = f"{versions[0]} … {versions[-1]}" if len(versions) > 1 else versions[0]
    kind = "nights" if question.nightly else "releases"
    several = f"{len(deciding)} checkpoints" if len(deciding) > 1 else deciding[0]
    where = [] if question.goes_over_torch else [f"torch {question.torch}"]
    opened = question.opened_by.replace("==", " ")
    beside = [opened] if question.over or question.goes_over_torch else []
    return (
        f"{span} ({len(versions)} {kind}), about {about(len(versions))} probes: {question.name}, "
        f"{', '.join([*beside, *where])}, {question.policy}, {several}"
    )


def probed(answer: Answer, names: Sequence[str]) -> str:
    """Say in a word or two how a version answered."""
    verdict = answer.verdict(names)
    if verdict is Verdict.WORKS:
        return "works, shimmed" if answer.shims(names) else "works"
    same = sum(answer.said[name].verdict is verdict for name in names)
    return f"{verdict.value} ({same} of {len(names)})" if same < len(names) else verdict.value


def lines(question: Question, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what was found, first for all checkpoints together."""
    if len(findings) == 1:
        yield from map(escaped, _of(question, findings[0]))
        return
    for number, finding in enumerate(findings):
        names = f"{listed(finding.names)} alone" if number else f"All {len(finding.names)} together"
        yield escaped(f"{names}:")
        yield from (escaped(f"{INDENT}{line}") for line in _of(question, finding))


def _of(question: Question, finding: Finding) -> Iterator[str]:
    if finding.answer:
        yield from _one(question, finding, finding.answer)
    elif finding.boundaries:
        yield from _several(question, finding)
    else:
        yield _no_change(question, finding)
    yield from _left_out(finding)


def _one(question: Question, finding: Finding, boundary: Boundary) -> Iterator[str]:
    stops = finding.known[boundary.before] is Verdict.WORKS
    old, new = (finding.answers[each] for each in (boundary.before, boundary.after))
    works, fails = (old, new) if stops else (new, old)
    why = _because(fails, finding.names)
    if len(boundary.between):
        turns = "stops working" if stops else "begins to work"
        yield (
            f"It {turns} between {question.name} {old.version} and {new.version}: "
            f"{_silent(finding, boundary)}. {fails.version} fails{why}."
        )
    else:
        works_is, fails_is = ("Last", "First") if stops else ("First", "Last")
        yield (
            f"{works_is} that works: {question.name} {works.version}. "
            f"{fails_is} that fails: {fails.version}{why}."
        )
    if works.shims(finding.names):
        yield f"{works.version} works with the shims {listed(works.shims(finding.names))}."
    yield from _besides(question, finding, boundary)
    yield f"{_asked(finding)}; none contradicts it."
    yield from _reproduce(question, fails)


def _asked(finding: Finding) -> str:
    carried = sum(bool(finding.answers[number].carried) for number in finding.decided)
    over = f", {carried} of them by earlier runs" if carried else ""
    return f"{len(finding.decided)} of {len(finding.versions)} were asked{over}"


def _reproduce(question: Question, answer: Answer) -> Iterator[str]:
    project = question.project.get("folder", "")
    command = commands.one_cell(answer.cell, question.edition, question.policy, project)
    yield f"Reproduce: {command}"


def _because(answer: Answer, names: Sequence[str]) -> str:
    causes = [
        cause.rstrip(".") if len(same) == len(names) else f"{listed(same)}: {cause.rstrip('.')}"
        for cause, same in answer.causes(names).items()
    ]
    return f" ({'; '.join(causes)})" if causes else ""


def _silent(finding: Finding, boundary: Boundary) -> str:
    told = []
    for verdict in (Verdict.UNAVAILABLE, Verdict.UNDECIDED):
        found = [answer.version for answer in finding.silent(verdict, boundary.between)]
        if found:
            told.append(f"{listed(found)} {'is' if len(found) == 1 else 'are'} {verdict.value}")
    return ", ".join(told)


def _besides(question: Question, finding: Finding, boundary: Boundary) -> Iterator[str]:
    differing = [each for each in finding.differences(boundary) if each[0] != question.name]
    if not any(finding.answers[each].distributions for each in (boundary.before, boundary.after)):
        return
    shown = [f"{name} {old} -> {new}" for name, old, new in differing[:FEW]]
    more = [f"{len(differing) - FEW} more"] if len(differing) > FEW else []
    if shown:
        yield f"Besides {question.name}, these differ between the two: {listed([*shown, *more])}."
    else:
        yield f"Nothing but {question.name} differs between the two."


def _several(question: Question, finding: Finding) -> Iterator[str]:
    count, spans = len(finding.boundaries), list(_spans(finding))
    yield f"No one {question.name} made the difference: the verdict changes {count} times."
    width = max(len(span) for span, *_ in spans)
    for span, verdict, newest in spans:
        why = _because(newest, finding.names) if verdict is Verdict.FAILS else ""
        yield f"{INDENT}{verdict.value}   {span:<{width}}{why}".rstrip()
    yield f"{_asked(finding)}; what comes and goes between two of them was not seen."
    failing = [newest for _, verdict, newest in spans if verdict is Verdict.FAILS]
    yield from _reproduce(question, failing[-1])


def _spans(finding: Finding) -> Iterator[tuple[str, Verdict, Answer]]:
    """Yield each row of versions of one verdict, with the answer of its newest."""
    for verdict, numbers in groupby(finding.decided, finding.known.__getitem__):
        first, *more = numbers
        last = more[-1] if more else first
        ends = dict.fromkeys((finding.versions[first], finding.versions[last]))
        yield " … ".join(ends), verdict, finding.answers[last]


def _no_change(question: Question, finding: Finding) -> str:
    found = [finding.answers[number] for number in finding.decided]
    if not found:
        return f"No version of {question.name} could be tried, so that nothing is known."
    says, newest = SAID[finding.known[finding.decided[-1]]], found[-1]
    why = _because(newest, finding.names) if says == "fails" else ""
    if len(found) == 1:
        return f"{question.name} {newest.version} alone could be tried, and it {says}{why}."
    tried = listed([answer.version for answer in found])
    return (
        f"Each {question.name} that was asked {says}{why}: {tried}.{_always(finding, found)} No "
        "boundary was found; what comes and goes between two of them was not seen."
    )


def _always(finding: Finding, found: Sequence[Answer]) -> str:
    """Name those that fail everywhere, where others do not."""
    failing = [
        name
        for name in finding.names
        if all(answer.verdict([name]) is Verdict.FAILS for answer in found)
    ]
    if not failing or len(failing) == len(finding.names):
        return ""
    return f" {listed(failing)} {'fails' if len(failing) == 1 else 'fail'} in each of them."


def _left_out(finding: Finding) -> Iterator[str]:
    """Say what had no verdict, and why."""
    for verdict in (Verdict.UNAVAILABLE, Verdict.UNDECIDED):
        by_cause: dict[str, list[str]] = {}
        for answer in finding.silent(verdict):
            why = _because(answer, finding.names)
            by_cause.setdefault(why, []).append(answer.version)
        for why, versions in by_cause.items():
            yield f"{verdict.value.capitalize()}: {listed(versions)}{why}."


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
