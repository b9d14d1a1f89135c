"""A report in the Static Analysis Results Interchange Format, 2.1.0."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from pytest_torchcompat.audit.findings import Finding, Place, Report
from pytest_torchcompat.audit.rules import RULES, Rule

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def sarif(report: Report, version: str) -> dict[str, Any]:
    """Return the report's findings as one run of a SARIF log."""
    driver = {
        "name": "torchcompat audit",
        "version": version,
        "rules": [_rule(each) for each in RULES],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each) for each in report.findings],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": rule.level.value},
    }
    return {**data, "helpUri": rule.link} if rule.link else data


def _result(finding: Finding) -> dict[str, Any]:
    return {
        "ruleId": finding.rule.code,
        "ruleIndex": RULES.index(finding.rule),
        "level": finding.level.value,
        "message": {"text": f"{finding.message} {finding.rule.remedy}"},
        "locations": [_location(finding.place)],
    }


def _location(place: Place) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.path)}}
    if place.cell is not None:
        # Lines of the notebook's own text are not those of its cells.
        return {
            "physicalLocation": physical,
            "logicalLocations": [{"name": f"cell {place.cell}, line {place.line}"}],
        }
    physical["region"] = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    pure = PurePath(path)
    if pure.is_absolute():
        return pure.as_uri()
    return quote(pure.as_posix().encode("utf-8", "surrogateescape"))
