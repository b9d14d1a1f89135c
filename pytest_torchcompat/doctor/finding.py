"""One thing that is told of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name

from pytest_torchcompat.diagnosis import Advice
from pytest_torchcompat.diagnosis.matching import prescribed
from pytest_torchcompat.diagnosis.signature import PIN, installing
from pytest_torchcompat.doctor.facts import Facts

OK, WARNING, BROKEN = LEVELS = ("ok", "warning", "broken")
_NO_GROUPS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Finding:
    """
    What is found about a subject, and what helps.

    ``signature`` is the id of the known failure that it is, or that it leads to.
    """

    level: str
    subject: str
    says: str
    signature: str | None = None
    remedies: tuple[Advice, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """
        Return plain data.

        ``level`` is ok, warning or broken, ``subject`` what it is about, ``says`` the sentence.
        ``signature`` is the id of a known failure or null, and each of ``remedies`` has ``kind``,
        ``says``, ``code`` and ``when``, the versions under which it helps where one is unknown.
        """
        return {**vars(self), "remedies": [vars(each).copy() for each in self.remedies]}


def ok(subject: str, says: str) -> Finding:
    """Return what is as it should be."""
    return Finding(OK, subject, says)


def helped(finding: Finding, facts: Facts, groups: Mapping[str, str] = _NO_GROUPS) -> Finding:
    """Return a finding with the remedies of the failure that it leads to in these versions."""
    found = prescribed(finding.signature or "", facts.failure(()), groups)
    return replace(finding, remedies=found.remedies if found else ())


def pinned(says: str, *requirements: str) -> Advice:
    """Return the remedy to install these."""
    return Advice(PIN, says, installing(*requirements))


def named(facts: Facts, name: str) -> str:
    """Return a package with its version and its build: ``torch 2.15.0 +cu132``."""
    module = facts.modules.get(name)
    version = facts.versions.get(canonicalize_name(name))
    version = version or (module and module.found.get("version")) or ""
    build = facts.build(name)
    return f"{name} {version.partition('+')[0]}{f' +{build}' if build else ''}".strip()
