"""What the cell of a version answers: whether its checkpoints work there, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matrix.bisect.search import Verdict
from matrix.tallies import is_flaky, told
from pytest_torchcompat.display import first_line
from pytest_torchcompat.outcome import Outcome

LONGEST = 160  # of what a resolver said

_VERDICTS = {
    Outcome.PASS: Verdict.WORKS,
    Outcome.SHIMMED: Verdict.WORKS,
    Outcome.DEGRADED: Verdict.FAILS,
    Outcome.REFUSED: Verdict.FAILS,
    Outcome.FAIL: Verdict.FAILS,
    Outcome.CRASH: Verdict.FAILS,
    Outcome.UNAVAILABLE: Verdict.UNAVAILABLE,
    # A slow machine runs out of time as well as a version that hangs.
    Outcome.TIMEOUT: Verdict.UNDECIDED,
    Outcome.INFRA: Verdict.UNDECIDED,
    Outcome.NOT_RUN: Verdict.UNDECIDED,
}


@dataclass(frozen=True)
class Said:
    """What one checkpoint says of a version; ``cause`` is why it does not work, or is not known."""

    verdict: Verdict
    cause: str = ""
    shims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """
    What a version's cell says, by checkpoint.

    ``cell`` is the id of the cell, empty where there can be none. ``carried`` is the run in which
    it really ran, if that was an earlier one.
    """

    version: str
    said: Mapping[str, Said]
    cell: str = ""
    distributions: Mapping[str, str] = field(default_factory=dict)
    carried: str = ""

    def verdict(self, names: Iterable[str]) -> Verdict:
        """Return what it says of some checkpoints together: they work if each one does."""
        found = {self.said[name].verdict for name in names}
        # One that fails decides, whatever is not known of the others.
        order = (Verdict.FAILS, Verdict.UNDECIDED, Verdict.UNAVAILABLE)
        return next((verdict for verdict in order if verdict in found), Verdict.WORKS)

    def causes(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return why it does not work, or is not known, with the checkpoints of each cause."""
        verdict, found = self.verdict(names), dict[str, list[str]]()
        for name in names:
            if self.said[name].verdict is verdict and self.said[name].cause:
                found.setdefault(self.said[name].cause, []).append(name)
        return found

    def shims(self, names: Iterable[str]) -> list[str]:
        """Return the shims that it works with."""
        return list(dict.fromkeys(shim for name in names for shim in self.said[name].shims))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        checkpoints = {
            name: {"verdict": said.verdict.value, "cause": said.cause, "shims": list(said.shims)}
            for name, said in self.said.items()
        }
        return {
            "version": self.version,
            "verdict": self.verdict(self.said).value,
            "cell": self.cell or None,
            "carried": self.carried or None,
            "checkpoints": checkpoints,
        }


def none(version: str, names: Iterable[str], why: str) -> Answer:
    """Return the answer of a version that can have no cell."""
    return Answer(version, dict.fromkeys(names, Said(Verdict.UNAVAILABLE, first_line(why))))


def read(version: str, cell: Mapping[str, Any]) -> Answer:
    """Return the answer of a version's cell, as a run's document has it."""
    said = {check["checkpoint"]: _said(check, cell) for check in cell["checks"]}
    # The Python differs as a distribution may.
    distributions = {**cell["distributions"], "python": cell["python"]}
    return Answer(version, said, cell["id"], distributions, cell.get("carried") or "")


def _said(check: Mapping[str, Any], cell: Mapping[str, Any]) -> Said:
    outcome = Outcome(check["outcome"])
    if outcome is Outcome.NOT_RUN and cell["reason"]:
        # The cell itself ended, and with it what was not reached.
        return Said(_VERDICTS[Outcome(cell["outcome"])], _why_none(cell))
    if is_flaky(check):
        return Said(Verdict.UNDECIDED, f"flaky: {told(check['tally'])}")
    verdict = _VERDICTS[outcome]
    if verdict is Verdict.WORKS:
        return Said(verdict, "", tuple(check["shims"]))
    return Said(verdict, _cause(check))


def _why_none(cell: Mapping[str, Any]) -> str:
    if cell.get("diagnosis"):
        return str(cell["diagnosis"]["cause"])
    # What can't be solved is told in the lines after the first.
    words = " ".join(cell["reason"].split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"


def _cause(check: Mapping[str, Any]) -> str:
    """Say why a check does not work: what is known of it, else the library's own first line."""
    if check.get("diagnosis"):
        return str(check["diagnosis"]["cause"])
    words = first_line(check["message"] or "")
    named = f"{check['exception']}: {words}" if check["exception"] else words
    stage = f"at {check['stage']}: " if check["stage"] else ""
    return f"{check['outcome']} {stage}{named}".strip()
