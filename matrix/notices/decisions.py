"""What has to be done with issues so that they say what a run says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matrix.markdown import code
from matrix.notices.evidence import Evidence
from matrix.notices.github import GitHub, Issue
from matrix.notices.notice import KEPT, Marker, Notice, known_now

MOST = 20  # issues that one run opens
REST = "0" * 16  # the key of the issue about those that it does not


@dataclass(frozen=True)
class Open:
    """Open an issue."""

    title: str
    body: str

    def done(self, at: GitHub) -> str:
        """Do it, in one request, and say what was done."""
        return f"opened #{at.open(self.title, self.body)}: {self.title}"

    def __str__(self) -> str:
        return f"would open: {self.title}"


@dataclass(frozen=True)
class Edit:
    """Give an issue the words of this run, and open it where it was closed."""

    issue: Issue
    title: str
    body: str

    @property
    def _word(self) -> str:
        return "edit" if self.issue.is_open else "reopen"

    def done(self, at: GitHub) -> str:
        """Do it, in one request, and say what was done."""
        at.change(self.issue.number, body=self.body, **({} if self.issue.is_open else OPENED))
        return f"{self._word}ed #{self.issue.number}: {self.title}"

    def __str__(self) -> str:
        return f"would {self._word} #{self.issue.number}: {self.title}"


OPENED = {"state": "open"}
CLOSED = {"state": "closed", "state_reason": "completed"}


@dataclass(frozen=True)
class Close:
    """Close an issue and say why."""

    issue: Issue
    why: str

    def done(self, at: GitHub) -> str:
        """Do it; the comment comes last, so that a second run does not repeat it."""
        at.change(self.issue.number, **CLOSED)
        at.comment(self.issue.number, self.why)
        return f"closed #{self.issue.number}: {self.why}"

    def __str__(self) -> str:
        return f"would close #{self.issue.number}: {self.why}"


Decision = Open | Edit | Close


def decisions(
    found: Sequence[Notice], issues: Sequence[Issue], evidence: Evidence
) -> Iterator[Decision]:
    """Yield what has to be done, so that each cause has one issue and none that is gone has one."""
    ours: dict[str, Issue] = {}
    for issue in issues:
        ours.setdefault(issue.marker.key, issue)  # Of two, the older is kept.
    known = [(notice, ours[notice.key]) for notice in found if notice.says and notice.key in ours]
    for notice, issue in known:
        yield from _edited(notice, issue, evidence)
    new = [notice for notice in found if notice.opens and notice.key not in ours]
    yield from (Open(notice.title, notice.body()) for notice in new[:MOST])
    yield from _rest(len(new[MOST:]), ours.get(REST), evidence)
    present = {notice.key for notice in found} | {REST}
    gone = [issue for key, issue in ours.items() if key not in present and issue.is_open]
    yield from _closed(gone, evidence)


def _edited(notice: Notice, issue: Issue, evidence: Evidence) -> Iterator[Edit]:
    old = issue.marker
    # What this run says nothing of may still be so.
    also = evidence.silent_on(old.cells, old.edition)
    # While it is open, runs of the edition that it was opened for close it.
    body = notice.body(also, old.edition if issue.is_open else notice.marker.edition)
    dismissed = issue.dismissed and not issue.is_open
    if not dismissed and not (issue.is_open and _alike(issue.body, body)):
        yield Edit(issue, notice.title, body)


def _alike(ours: str, theirs: str) -> bool:
    # A form of GitHub's own sends other ends of lines.
    return ours.replace("\r\n", "\n").strip() == theirs.strip()


def _rest(count: int, issue: Issue | None, evidence: Evidence) -> Iterator[Decision]:
    """Yield what keeps the one issue about the causes that have none yet."""
    if not count:
        if issue and issue.is_open and evidence.is_all_of(issue.marker.edition):
            yield Close(issue, "Each cause has an issue of its own, or is gone.")
        return
    title = f"{count} more causes of failures than one run opens issues for"
    words = (
        f"{count} more causes were found than the {MOST} issues that one run opens. The next run "
        "opens those of the next; the page of the run has all of them."
    )
    marker = Marker(REST, evidence.matrix["edition"], installing=False, cells=frozenset())
    body = f"{words}\n\n{KEPT}\n\n{marker.text}"
    if issue is None:
        yield Open(title, body)
    elif not (issue.is_open and _alike(issue.body, body)):
        yield Edit(issue, title, body)


def _closed(gone: Sequence[Issue], evidence: Evidence) -> Iterator[Close]:
    run, known = code(str(evidence.matrix["run"])), known_now(evidence.matrix) if gone else {}
    for issue in gone:
        old = issue.marker
        if evidence.answers(old.cells, old.edition, installing=old.installing):
            name = known.get(old.key)
            yield Close(issue, f"Run {run} {_known_as(name) if name else _is_gone(len(old.cells))}")


def _known_as(name: str) -> str:
    page = "the page of the run says what helps"
    return f"fails the same way, and a signature knows this by now as {code(name)}: {page}."


def _is_gone(count: int) -> str:
    cells = "the cell that met this" if count == 1 else f"all {count} cells that met this"
    return f"has a verdict on {cells}, and does not meet it any more."
