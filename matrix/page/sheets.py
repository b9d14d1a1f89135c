"""
What the sheets beside the matrix show; their templates only write it down.

Each is bounded, so that the page of a large run stays one that a phone opens: what is left out is
counted, and is in matrix.json.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matrix import checkpoints
from matrix.claims import Verdict
from matrix.diff.report import Diff
from matrix.page import links
from matrix.page.architectures import Architectures, architectures
from matrix.page.loading import Loading, loading
from matrix.page.news import News, news
from matrix.page.payload import SEARCHED
from matrix.page.speed import Speed, speed
from matrix.page.table import Table
from matrix.page.text import inert
from matrix.page.view import VERDICTS
from pytest_torchcompat.checkpoints.catalogue import in_megabytes
from pytest_torchcompat.outcome import Outcome

Item = Mapping[str, Any]

UNTESTED = Verdict.UNTESTED.value

MOST = 50  # causes of a kind
REPORTS = 150_000  # characters of reports
EVIDENCE = 20  # pieces of it for a part of a claim
FEW, FEW_OF_NEEDS = 6, 3  # cells that are named one by one
WITNESSES = 150  # of the same in all claims
_WORDS = 80  # of a message that are looked for
EDITIONS = {
    "reference": "the file that everybody has, known by its sha256",
    "replica": "a small stand-in shipped with the package, built as the reference is; what it "
    "computes means nothing",
    "local": "a file of the project under test",
}
_ABOUT = {
    "Not known yet": "No signature matches: these words stand for all that differ from them only "
    "in paths, addresses and versions. The text of a report is ready to paste.",
    "Known": "Others have met these before. The remedies are for the versions of the first cell; "
    "the details of each check have those for its own.",
    "Refused by a policy": "A policy that forbids pickles doing its work, and no failure.",
}
_NEEDS = (
    ("needed_by", "needed by"),
    ("not_needed_by", "could have needed it"),
    ("open", "yet to say"),
)


@dataclass(frozen=True)
class Cause:
    """
    What checks have in common that do not work.

    ``report`` is empty where there is no room, ``told`` says that its remedies stand further up.
    """

    item: Item
    filter: str
    example: str
    report: str
    told: bool
    cells: links.Cells


@dataclass(frozen=True)
class Causes:
    """Causes of one kind, under a title."""

    title: str
    about: str
    count: int
    items: Sequence[Cause]


@dataclass(frozen=True)
class Evidence:
    """What checks of one outcome say of a claim, with links to the first of them."""

    item: Item
    cells: links.Cells


@dataclass(frozen=True)
class Part:
    """A part of a claim; ``more`` is how much of its evidence is left out."""

    item: Item
    evidence: Sequence[Evidence]
    more: int


@dataclass(frozen=True)
class Claim:
    """A claim with its parts."""

    item: Item
    parts: Sequence[Part]

    @property
    def tested(self) -> int:
        """How many of its parts have a verdict."""
        return sum(part.item["verdict"] != UNTESTED for part in self.parts)


@dataclass(frozen=True)
class Need:
    """A shim, or entries of an allow-list, with the cells that say something of it."""

    item: Item
    cells: Mapping[str, links.Cells]


@dataclass(frozen=True)
class Known:
    """A checkpoint, with what the checks found in its file."""

    item: Item
    size: str
    globals: Sequence[str]
    filter: str


class Sheets:
    """Everything that the templates of the sheets ask for."""

    editions = EDITIONS

    def __init__(
        self, matrix: Mapping[str, Any], changes: Diff | None = None, table: Table | None = None
    ) -> None:
        self._matrix = matrix
        self._changes = changes
        self._table = table or Table(matrix)

    @cached_property
    def news(self) -> News | None:
        """What changed since the last complete run; ``None`` where there is none."""
        return news(self._changes) if self._changes else None

    @cached_property
    def causes(self) -> list[Causes]:
        """Why checks do not work: what nobody has met before, what is known, what was refused."""
        found = self._matrix["causes"]
        groups = {
            "Not known yet": [cause for cause in found if not cause["known"]],
            "Known": [cause for cause in found if cause["known"]],
            "Refused by a policy": self._matrix["refusals"],
        }
        told: set[str] = set()
        return [
            Causes(title, _ABOUT[title], len(items), list(_causes(items, told)))
            for title, items in groups.items()
            if items
        ]

    @cached_property
    def claims(self) -> list[Claim]:
        """The claims, each with the first of its evidence."""
        room = WITNESSES
        found = []
        for claim in self._matrix["claims"]:
            parts = []
            for part in claim["parts"]:
                evidence = [self._evidence(each, room) for each in part["evidence"][:EVIDENCE]]
                room -= sum(len(each.cells.links) for each in evidence)
                parts.append(Part(part, evidence, len(part["evidence"]) - len(evidence)))
            found.append(Claim(claim, parts))
        return found

    @staticmethod
    def _evidence(item: Item, room: int) -> Evidence:
        return Evidence(item, links.cells("claims", item["cells"], item, few=int(room > 0)))

    @property
    def told(self) -> str:
        """How many claims have which verdict, in words."""
        found = Counter(claim["verdict"] for claim in self._matrix["claims"])
        return ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict])

    @cached_property
    def shims(self) -> list[Need]:
        """The shims, those that can retire first."""
        return self._needs(self._matrix["shims"])

    @cached_property
    def allowlists(self) -> list[Need]:
        """The entries of the allow-lists, those that can retire first."""
        return self._needs(self._matrix["allowlists"])

    def _needs(self, items: Sequence[Item]) -> list[Need]:
        return [
            Need(
                item,
                {says: links.cells("retire", item[key], few=FEW_OF_NEEDS) for key, says in _NEEDS},
            )
            for item in sorted(items, key=lambda item: not item["retired"])
        ]

    @cached_property
    def gpus(self) -> Architectures:
        """For which GPUs the builds of torch have code."""
        return architectures(self._matrix, self._table.torch)

    @cached_property
    def checkpoints(self) -> list[Known]:
        """The checkpoints; of a run from before their files were written, what the checks say."""
        listed = self._matrix.get("checkpoints")
        items = checkpoints.opened(self._matrix, ()) if listed is None else listed
        found: dict[str, dict[str, None]] = {}
        for check in (check for cell in self._matrix["cells"] for check in cell["checks"]):
            found.setdefault(check["checkpoint"], {}).update(dict.fromkeys(check["globals"]))
        return [
            Known(
                item,
                "" if item["bytes"] is None else in_megabytes(item["bytes"]),
                sorted(found.get(item["id"], ())),
                links.to(text=f'"{item["id"]}"', policy="all"),
            )
            for item in items
        ]

    @cached_property
    def speed(self) -> Speed:
        """The forward times."""
        return speed(self._table)

    @cached_property
    def loading(self) -> Loading:
        """What loading costs."""
        return loading(self._table)


def _causes(items: Sequence[Item], told: set[str]) -> Iterator[Cause]:
    room = REPORTS
    for item in items[:MOST]:
        example, report, remedies = item["example"], item["report"] or "", repr(item["remedies"])
        room -= len(report)
        yield Cause(
            item,
            _filter(item),
            links.to_check("causes", example["cell"], example),
            report if room >= 0 else "",
            remedies in told,
            links.cells("causes", item["cells"], few=FEW),
        )
        told.add(remedies)


def _filter(cause: Item) -> str:
    """Return the address of the matrix with the checks of a cause alone, as far as that goes."""
    outcomes, libraries = cause["outcomes"], list(cause["libraries"])
    if cause["known"]:
        refused = outcomes == [Outcome.REFUSED.value]
        return links.to(cause=cause["name"], policy="all", outcome=outcomes[0] if refused else "")
    # A search takes what is in quotes as it is, and looks where all is made visible.
    message = inert(cause["example"]["message"][:SEARCHED])
    words = message.partition('"')[0][:_WORDS].strip()
    only = {"library": _one(libraries), "outcome": _one(outcomes)}
    return links.to(text=f'"{words}"', policy="all", **only) if words else ""


def _one(values: Sequence[str]) -> str:
    """Return a value that stands alone; of several none."""
    return values[0] if len(values) == 1 else ""
