"""What an audit says: places, sites that load, findings, and the report of them all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pytest_torchcompat.audit.rules import Level, Rule

SCHEMA = 1


class Verdict(str, Enum):
    """
    What torch, left alone, does at a site.

    ``ok``: the load is weights-only on every torch.

    ``by-version``: the load does not choose, and torch's default decides.

    ``by-lightning``: the load goes through lightning, whose version decides as well.

    ``executes``: the load executes the pickle on every torch.

    ``raises``: the call itself is an error on every torch.

    ``not-known``: what is chosen is only known at run time.
    """

    OK = "ok"
    BY_VERSION = "by-version"
    BY_LIGHTNING = "by-lightning"
    EXECUTES = "executes"
    RAISES = "raises"
    NOT_KNOWN = "not-known"

    @property
    def stock(self) -> dict[str, str]:
        """What happens up to torch 2.5 and from 2.6 on."""
        before, after = _STOCK[self.value]
        return {"<=2.5": before, ">=2.6": after}


_STOCK = {
    "ok": ("weights-only", "weights-only"),
    "by-version": ("executes", "weights-only"),
    "by-lightning": ("executes", "not-known"),
    "executes": ("executes", "executes"),
    "raises": ("raises", "raises"),
    "not-known": ("not-known", "not-known"),
}


@dataclass(frozen=True)
class Place:
    """Where something stands; lines and columns count from 1, a notebook's by cell."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None

    def __str__(self) -> str:
        cell = f"[cell {self.cell}]" if self.cell else ""
        return f"{self.path}{cell}:{self.line}:{self.column}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data; ``cell`` is there for notebooks only."""
        data: dict[str, Any] = {"path": self.path, "line": self.line, "column": self.column}
        data.update(end_line=self.end_line, end_column=self.end_column)
        return {**data, "cell": self.cell} if self.cell else data


@dataclass(frozen=True)
class Site:
    """A place that loads a checkpoint, and what becomes of it under each torch."""

    place: Place
    call: str
    weights_only: str
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            **self.place.to_dict(),
            "call": self.call,
            "weights_only": self.weights_only,
            "verdict": self.verdict.value,
            "stock": self.verdict.stock,
        }


@dataclass(frozen=True)
class Finding:
    """A rule that a place breaks."""

    rule: Rule
    place: Place
    message: str
    level: Level

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "code": self.rule.code,
            "name": self.rule.name,
            "level": self.level.value,
            **self.place.to_dict(),
            "message": self.message,
            "remedy": self.rule.remedy,
            "link": self.rule.link,
        }


@dataclass(frozen=True)
class Report:
    """All that an audit found, in the order of files and lines."""

    files: int
    sites: tuple[Site, ...]
    findings: tuple[Finding, ...]
    silenced: int = 0

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that are more than notes."""
        return tuple(each for each in self.findings if each.level is not Level.NOTE)

    def to_dict(self) -> dict[str, Any]:
        """
        Return it as plain data.

        ``schema`` is 1. ``files`` counts the files read, ``silenced`` the findings that a
        comment took back. Each of ``sites`` has ``path``, ``line``, ``column``, ``end_line``,
        ``end_column`` (a notebook's also ``cell``), ``call``, ``weights_only`` (``absent``,
        ``None``, ``False``, ``True`` or ``not-known``), ``verdict`` and ``stock``, which says
        what torch does up to 2.5 and from 2.6 on. Each of ``findings`` has the same place,
        ``code``, ``name``, ``level`` (``error``, ``warning`` or ``note``), ``message``,
        ``remedy`` and ``link``.
        """
        return {
            "schema": SCHEMA,
            "files": self.files,
            "silenced": self.silenced,
            "sites": [site.to_dict() for site in self.sites],
            "findings": [finding.to_dict() for finding in self.findings],
        }
