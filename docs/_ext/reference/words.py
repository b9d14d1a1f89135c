"""The words of the project: closed sets, each with its members and what they mean."""

from __future__ import annotations

from enum import Enum

from pytest_torchcompat.audit.findings import Verdict as AuditVerdict
from pytest_torchcompat.checkpoints.catalogue import Edition
from pytest_torchcompat.outcome import MEANINGS, Outcome, Stage
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.scan import Verdict
from pytest_torchcompat.scan.refusals import NEXT_STEPS, Reason
from reference.markdown import blocks, code, heading, introduction, meanings, sentence, table, text

RUNS_CODE = "runs-code"  # the one reason that is no refusal


def policies() -> str:
    """Return the policies."""
    return _set(Policy, "policy")


def editions() -> str:
    """Return the editions."""
    return _set(Edition, "edition")


def stages() -> str:
    """Return the stages."""
    return _set(Stage, "stage")


def scan_verdicts() -> str:
    """Return the verdicts of a scan."""
    return _set(Verdict, "scan")


def _set(kind: type[Enum], prefix: str) -> str:
    said = meanings(kind)
    found = (
        blocks(heading(3, code(each.value), f"{prefix}-{each.value}"), text(said[each.value]))
        for each in kind
    )
    return blocks(introduction(kind), *found)


def outcomes() -> str:
    """Return the outcomes, from best to least telling."""
    return blocks(*map(_outcome, Outcome))


def _outcome(outcome: Outcome) -> str:
    said = MEANINGS[outcome]
    works = " It counts as working." if outcome.works else ""
    words = f"{text(sentence(said))}{works}"
    return blocks(heading(3, code(outcome.value), f"outcome-{outcome.value}"), words)


def scan_reasons() -> str:
    """Return why a scan refuses a file, and what to do then."""
    said = meanings(Reason)
    lines = ((code(each.value), text(said[each.value]), text(NEXT_STEPS[each])) for each in Reason)
    return blocks(introduction(Reason), table(("reason", "the file", "what next"), lines))


def audit_verdicts() -> str:
    """Return what an audit says of a site that loads."""
    said = meanings(AuditVerdict)
    lines = (
        (code(each.value), text(said[each.value]), *map(code, each.stock.values()))
        for each in AuditVerdict
    )
    return table(("verdict", "what it says", "torch up to 2.5", "torch from 2.6 on"), lines)
