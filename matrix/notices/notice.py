"""The causes of a run that deserve an issue, and what the issue says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from matrix import commands
from matrix.causes import line_of
from matrix.diff import Kind
from matrix.history import identity_of
from matrix.markdown import block, code, plain, unlinked
from matrix.notices.evidence import Identity, is_nightly
from matrix.upstream import in_public
from pytest_torchcompat.outcome import Outcome

LIMIT = 65_536  # characters that GitHub takes in one text
LONGEST_TITLE, LONGEST_WORDS, LONGEST_REPORT, LONGEST_CODE = 120, 1_000, 30_000, 4_000
NAMED = 50  # cells that are listed
REMEMBERED = 1_500  # cells that the marker holds: of more, a part has to do
READ = 400_000  # bytes of a marker that are unpacked
FEW = 5  # remedies

_MARKER = re.compile(r"<!-- torchcompat-cause ([0-9a-f]{16}) (\w+) ([A-Za-z0-9+/=]*) -->")
KEPT = (
    "*This issue is kept by the sweep: edited when what it says changes, closed when a complete "
    "run does not meet the cause any more, opened again when it is back. Close it as not planned, "
    "and it stays closed.*"
)
INSTALLING, RUNNING = "installing", "running"


@dataclass(frozen=True)
class Marker:
    """What an issue says of itself, unseen: its cause, whether it is of installing, its cells."""

    key: str
    installing: bool
    cells: frozenset[Identity]

    @property
    def text(self) -> str:
        """A comment of HTML, of letters that end none."""
        kept = sorted(self.cells)[:REMEMBERED]
        packed = base64.b64encode(zlib.compress(json.dumps(kept).encode(), 9)).decode("ascii")
        kind = INSTALLING if self.installing else RUNNING
        return f"<!-- torchcompat-cause {self.key} {kind} {packed} -->"

    @classmethod
    def read(cls, body: str) -> Marker | None:
        """Return the marker of an issue; ``None`` where it has none."""
        found = None
        for found in _MARKER.finditer(body):  # noqa: B007 - the last is ours, behind all words
            pass
        if found is None:
            return None
        return cls(found[1], found[2] == INSTALLING, _cells(found[3]))


def _cells(packed: str) -> frozenset[Identity]:
    """Return the cells of a marker; none where somebody changed it, and it closes nothing then."""
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(packed), READ)
        return frozenset(tuple(map(str, cell)) for cell in json.loads(data) if len(cell) == 5)  # noqa: PLR2004
    except (binascii.Error, zlib.error, ValueError, TypeError, RecursionError):
        return frozenset()


@dataclass(frozen=True)
class Notice:
    """
    A cause of a run. ``opens`` says that it deserves an issue where it has none yet.

    ``says`` is that it says something about the cells: what it does not is no reason to touch one.
    """

    marker: Marker
    title: str
    words: str
    opens: bool
    says: bool = True

    @property
    def key(self) -> str:
        """What tells causes apart, the same every night."""
        return self.marker.key

    def body(self, also: Iterable[Identity] = ()) -> str:
        """Return the text of its issue, which goes on naming ``also``."""
        cells = self.marker.cells | frozenset(also)
        return f"{self.words}\n\n{KEPT}\n\n{Marker(self.key, self.marker.installing, cells).text}"


def notices(matrix: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Notice]:
    """
    Return a notice for each cause of a run, that of the most cells first.

    One that nobody knows deserves an issue, and one that is known where it is what a check
    regressed to: the others are told on the page, with what helps.
    """
    cells = {cell["id"]: cell for cell in matrix["cells"]}
    new = set(_regressed(changes))
    return [_notice(cause, matrix, cells, new) for cause in matrix["causes"]]


def _regressed(changes: Mapping[str, Any]) -> Iterator[str]:
    for group in changes["groups"]:
        if group["kind"] == Kind.REGRESSED.value and group["diagnosis"]:
            yield _key("known", *line_of(group["diagnosis"]))


def _notice(
    cause: Mapping[str, Any],
    matrix: Mapping[str, Any],
    cells: Mapping[str, Mapping[str, Any]],
    new: set[str],
) -> Notice:
    known = {"id": cause["name"], "cause": cause["cause"] or ""}
    key = _key("known", *line_of(known)) if cause["known"] else _key("words", cause["name"])
    own = [cells[name] for name in cause["cells"]]
    named = frozenset(tuple(identity_of(cell)) for cell in own)
    marker = Marker(key, not cause["checks"], named)
    opens = not cause["known"] or key in new
    says = _says(cause, own)
    return Notice(marker, _title(cause), _words(cause, matrix), opens and says, says)


def _key(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _says(cause: Mapping[str, Any], cells: Iterable[Mapping[str, Any]]) -> bool:
    """Whether it is about a combination: no fault of the machine, no night without a build."""
    outcomes = set(cause["outcomes"]) - {Outcome.INFRA.value}
    return bool(outcomes - {Outcome.UNAVAILABLE.value}) or (
        bool(outcomes) and not all(map(is_nightly, cells))
    )


def _title(cause: Mapping[str, Any]) -> str:
    libraries = ", ".join(cause["libraries"])
    return unlinked(_cut(f"{libraries}: {_said(cause)}", LONGEST_TITLE))


def _said(cause: Mapping[str, Any]) -> str:
    return in_public(str(cause["cause"] or cause["name"]))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _words(cause: Mapping[str, Any], matrix: Mapping[str, Any]) -> str:
    parts = [*_what(cause), _where(cause), *_helps(cause), _again(cause, matrix)]
    parts += [_list(cause["cells"]), *_report(cause)]
    return "\n\n".join(parts)


def _what(cause: Mapping[str, Any]) -> Iterator[str]:
    if cause["known"]:
        yield plain(_cut(_said(cause), LONGEST_WORDS))
        yield f"Known as {code(cause['name'])}; it came up where an earlier run worked."
    else:
        yield "No signature knows this failure:"
        yield block(_cut(_said(cause), LONGEST_WORDS))


def _where(cause: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {versions}" for name, versions in cause["libraries"].items())
    checks = f" with {_count(cause['checks'], 'check')}" if cause["checks"] else ""
    said = f"{', '.join(cause['outcomes'])}: {libraries} on torch {cause['torch']}"
    return f"{plain(_cut(said, LONGEST_WORDS))}, {_count(len(cause['cells']), 'cell')}{checks}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _helps(cause: Mapping[str, Any]) -> Iterator[str]:
    for remedy in cause["remedies"][:FEW]:
        yield f"What helps: {plain(_cut(remedy['says'], LONGEST_WORDS))}"
        if remedy["code"]:
            yield block(_cut(remedy["code"], LONGEST_CODE))


def _again(cause: Mapping[str, Any], matrix: Mapping[str, Any]) -> str:
    example, project = cause["example"], commands.project_in(matrix)
    words = (example["cell"], matrix["edition"], example["policy"], project)
    return f"Reproduce: {code(commands.one_cell(*words))}"


def _list(cells: list[str]) -> str:
    more = f"\n... and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    shown = "\n".join(_cut(cell, LONGEST_TITLE) for cell in cells[:NAMED])
    return block(f"{shown}{more}")


def _report(cause: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text to send to those who can mend it: as code, so that nothing in it is obeyed."""
    if cause["report"]:
        text = block(_cut(cause["report"], LONGEST_REPORT))
        title = "<summary>A report to those who can mend it, its title first</summary>"
        yield f"<details>{title}\n\n{text}\n\n</details>"
