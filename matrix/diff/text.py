"""What changed between two runs in words: for a terminal, and as Markdown for an issue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrix import tallies
from matrix.diff.changes import Change, Kind, Side
from matrix.diff.report import Diff, Group
from matrix.diff.suspects import Suspect
from matrix.markdown import code, plain
from pytest_torchcompat.display import escaped, first_line
from pytest_torchcompat.record import FORWARD

INDENT = "    "
LONGEST = 160  # of what a library said
FEW = 3  # suspects, and further checks, that are named
ISSUE = 65_536  # characters that GitHub takes in one text
# These are counted: what they hold is no news about a combination.
COUNTED = (Kind.CARRIED, Kind.NEW, Kind.REMOVED, Kind.INFRA)
NO_VERDICT = "without a verdict in one of the two"
_WORDS = {Kind.CARRIED: "carried over", Kind.INFRA: NO_VERDICT}
_WORDS_OF_TWINS = {
    Kind.NEW: "without a stable twin",
    Kind.REMOVED: "without a nightly twin",
    Kind.INFRA: NO_VERDICT,
}


def lines(found: Diff) -> Iterator[str]:
    """Yield the lines for a terminal."""
    for line in _lines(found):
        yield escaped(line)


def _lines(found: Diff) -> Iterator[str]:
    yield headline(found)
    yield from cautions(found)
    for group in found.groups:
        if group.kind not in COUNTED:
            yield ""
            yield from _of_group(found, group)
    for line in besides(found):
        yield ""
        yield line


def besides(found: Diff) -> Iterator[str]:
    """Yield a sentence that counts what is no news about a combination."""
    words = _WORDS_OF_TWINS if found.torch else _WORDS
    counts = {kind: found.count(kind) for kind in COUNTED}
    told = [f"{count} {words.get(kind, kind.value)}" for kind, count in counts.items() if count]
    if told:
        yield f"Besides: {', '.join(told)}."


def headline(found: Diff) -> str:
    """Say how much changed since when."""
    counted = [kind for kind in Kind if kind not in COUNTED and found.count(kind)]
    told = ", ".join(f"{found.count(kind)} {kind.value}" for kind in counted)
    since = f"from run {found.old['run']} to run {found.new['run']}"
    if found.torch:
        since = f"from torch {found.torch[0]} to {found.torch[1]} in run {found.new['run']}"
    return f"{told}, {since}." if told else f"Nothing changed {since}."


def cautions(found: Diff) -> Iterator[str]:
    """Yield what has to be known of the two runs."""
    for run in (found.new,) if found.torch else (found.old, found.new):
        if not run["complete"]:
            yield f"Run {run['run']} is not complete: what it did not reach is no change."
    if found.old["edition"] != found.new["edition"]:
        editions = f"{found.old['edition']} and {found.new['edition']}"
        yield f"They were asked for different editions: {editions}."
    if found.old["selection"] != found.new["selection"]:
        yield "They were narrowed differently: what one of them was not asked for is left out."
    for run in (found.old, found.new):
        if run.get("whole"):
            yield f"Run {run['run']} is a part of its plan: cells of other parts are left out."


def _of_group(found: Diff, group: Group) -> Iterator[str]:
    first = group.changes[0]
    yield f"{group.kind.value:<13}{named(first)}   {verdicts(first)}"
    yield from (f"{INDENT}{line}" for line in _about(found, group))


def _about(found: Diff, group: Group) -> Iterator[str]:
    first = group.changes[0]
    yield from filter(None, [said(group)])
    if group.diagnosis:
        yield f"known: {group.diagnosis['id']}. {group.diagnosis['cause']}"
        yield from (f"remedy: {remedy['says']}" for remedy in group.diagnosis["remedies"][:1])
    if group.carried:
        yield carried_over(group)
    if group.suspects:
        yield f"differs: {suspected(group.suspects)}"
    elif first.old and first.new:
        yield "differs: nothing in the two environments"
    yield f"reproduce: {found.command(first)}"
    yield from _others(group)


def said(group: Group) -> str:
    """Return what was said of the first; empty where its known cause tells more."""
    words = _shortened(group.changes[0].latest.said)
    # torch's first line is the same for all that it refuses.
    return "" if group.diagnosis and words.startswith("Weights only load failed") else words


def carried_over(group: Group) -> str:
    """Say of which runs the newer one took the word."""
    runs = list(dict.fromkeys(change.carried for change in group.carried))
    several = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    some = len(group.carried) < len(group.changes)
    which = f", {len(group.carried)} of {len(group.changes)}" if some else ""
    return f"carried over from run {runs[0]}{several}{which}: the newer run did not run it again"


def _others(group: Group) -> Iterator[str]:
    others = [named(change) for change in group.changes[1:]]
    if others:
        more = f" and {len(others) - FEW} more" if len(others) > FEW else ""
        yield f"so too {'; '.join(others[:FEW])}{more}"


def named(change: Change) -> str:
    """Name a check as a person would."""
    subject = change.subject
    library = f"{subject.library} {subject.version}".rstrip()
    beside = f" beside {subject.beside}" if subject.beside else ""
    use = f" ({subject.use})" if subject.use != FORWARD else ""
    python = f"Python {subject.python}" if subject.python else ""
    parts = (f"{library}{beside}", f"torch {subject.torch}", python)
    return " · ".join(filter(None, (*parts, subject.policy, f"{subject.checkpoint}{use}")))


def verdicts(change: Change) -> str:
    """Say what a check was and is."""
    old, new = (_verdict(side) for side in (change.old, change.new))
    stage = change.latest.check["stage"] if change.latest.reached else None
    quiet = change.kind in (Kind.FIXED, Kind.FLAKY)
    where = f" at {stage}" if stage and not quiet else ""
    return f"{old} -> {new}{where}{_tries(change.new)}"


def _tries(side: Side | None) -> str:
    """Say how often a verdict was confirmed; a tally has that in it."""
    alike = side.tally.get(side.outcome, 0) if side and not side.flaky else 0
    return f" ({alike} of {sum(side.tally.values())} tries)" if side and alike > 1 else ""


def _verdict(side: Side | None) -> str:
    if side is None:
        return "none"
    if side.flaky:
        return tallies.told(side.tally)
    shims = f" with {side.cause}" if side.outcome == "shimmed" else ""
    return f"{side.outcome}{shims}"


def _shortened(text: str) -> str:
    line = first_line(text)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def suspected(suspects: Sequence[Suspect]) -> str:
    """Name the most suspicious, and count the others."""
    first = suspects[0].lift
    likely = [each for each in suspects if each.lift >= first][:FEW]
    shown = ", ".join(_difference(each) for each in likely)
    left = len(suspects) - len(likely)
    return f"{shown} (and {left} more, less likely)" if left else shown


def _difference(suspect: Suspect) -> str:
    each = suspect.difference
    return f"{each.name} {each.old or 'absent'} -> {each.new or 'absent'}"


def markdown(found: Diff, limit: int = ISSUE) -> str:
    """Return the same as Markdown, cut after a whole change where it would be too long."""
    heading = [headline(found), *besides(found), *cautions(found)]
    text = "### " + "\n\n".join(map(plain, heading)) + "\n"
    groups = [group for group in found.groups if group.kind not in COUNTED]
    for number, group in enumerate(groups):
        item = "\n".join(("", *_item(found, group), ""))
        rest = f"\n{len(groups) - number} more causes do not fit here.\n"
        if len(text) + len(item) + len(rest) > limit:
            return text + rest
        text += item
    return text


def _item(found: Diff, group: Group) -> Iterator[str]:
    first = group.changes[0]
    yield f"- **{group.kind.value}** {plain(named(first))}: {plain(verdicts(first))}"
    for line in _about(found, group):
        label, _, words = line.partition(": ")
        if label == "reproduce":
            yield f"  - {label}: {code(words)}"
        else:
            yield f"  - {plain(line)}"
