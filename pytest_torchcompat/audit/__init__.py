"""Reading the Python files of a code base for how they load checkpoints, importing none of it."""

from pytest_torchcompat.audit.findings import Finding, Place, Report, Site, Verdict
from pytest_torchcompat.audit.reader import audit, audit_source
from pytest_torchcompat.audit.rules import RULES, Level, Rule
from pytest_torchcompat.audit.sarif import sarif
from pytest_torchcompat.audit.sources import NothingToReadError

__all__ = [
    "RULES",
    "Finding",
    "Level",
    "NothingToReadError",
    "Place",
    "Report",
    "Rule",
    "Site",
    "Verdict",
    "audit",
    "audit_source",
    "sarif",
]
