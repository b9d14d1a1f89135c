"""The causes of a run that deserve an issue, and what the issue says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from matrix import axes, commands
from matrix.causes import cases, line_of
from matrix.diff import Kind
from matrix.history import identity_of
from matrix.markdown import block, code, plain, unlinked
from matrix.notices.evidence import Identity
from matrix.upstream import in_public
from pytest_torchcompat.diagnosis.grouping import group_of
from pytest_torchcompat.display import escaped
from pytest_torchcompat.outcome import Outcome

LIMIT = 65_536  # characters that GitHub takes in one text
LONGEST_TITLE, LONGEST_WORDS, LONGEST_REPORT, LONGEST_CODE = 120, 1_000, 30_000, 4_000
AROUND = 200  # what stands around a text: its fences, its title, empty lines
NAMED = 50  # cells that are listed
LONGEST_LIST = (NAMED + 1) * (LONGEST_TITLE + 1)
REMEMBERED = 1_500  # cells that the marker holds: of more, a part has to do
READ = 400_000  # bytes of a marker that are unpacked
LONGEST_MARKER = LIMIT // 3
FEW = 5  # remedies

_MARKER = re.compile(
    r"<!-- torchcompat-cause ([0-9a-f]{16}) ([a-z]+) ([a-z]+) ([A-Za-z0-9+/=]*) -->"
)
KEPT = (
    "*This issue is kept by the sweep: edited when what it says changes, closed when a complete "
    "run of all that is swept does not meet the cause any more, opened again when it is back. "
    "Close it as not planned, and it stays closed.*"
)
INSTALLING, RUNNING = "installing", "running"


@dataclass(frozen=True)
class Marker:
    """
    What an issue says of itself, unseen: its cause and its cells.

    ``edition`` is that of the files with which the cause was met, ``installing`` whether it is of
    that.
    """

    key: str
    edition: str
    installing: bool
    cells: frozenset[Identity]

    @property
    def text(self) -> str:
        """A comment of HTML, of letters that end none."""
        kept = sorted(self.cells)[:REMEMBERED]
        while len(packed := _packed(kept)) > LONGEST_MARKER:
            kept = kept[: len(kept) // 2]
        kind = INSTALLING if self.installing else RUNNING
        return f"<!-- torchcompat-cause {self.key} {kind} {self.edition} {packed} -->"

    @classmethod
    def read(cls, body: str) -> Marker | None:
        """Return the marker of an issue; ``None`` where it has none."""
        found = None
        for found in _MARKER.finditer(body):  # noqa: B007 - the last is ours, behind all words
            pass
        if found is None:
            return None
        return cls(found[1], found[3], found[2] == INSTALLING, _cells(found[4]))


def _packed(cells: list[Identity]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(cells).encode(), 9)).decode("ascii")


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
    ``report`` is the text to send to those who can mend it, where there is one.
    """

    marker: Marker
    title: str
    words: str
    report: str
    opens: bool
    says: bool = True

    @property
    def key(self) -> str:
        """What tells causes apart, the same every night."""
        return self.marker.key

    def body(self, also: Iterable[Identity] = (), edition: str = "") -> str:
        """Return the text of its issue, which goes on naming ``also``, and may be an edition's."""
        cells = self.marker.cells | frozenset(also)
        marker = replace(self.marker, cells=cells, edition=edition or self.marker.edition)
        end = f"{KEPT}\n\n{marker.text}"
        # What else there is to say takes less than half of it.
        room = min(LONGEST_REPORT, LIMIT - len(self.words) - len(end) - 2 * AROUND)
        return "\n\n".join([self.words, *_report(self.report, room), end])


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
    marker = Marker(key, matrix["edition"], not cause["checks"], named)
    opens = not cause["known"] or key in new
    says = _says(cause, own)
    words, report = _words(cause, matrix), cause["report"] or ""
    return Notice(marker, _title(cause), words, report, opens and says, says)


def known_now(matrix: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known in a run by the key that its words had while nobody knew it."""
    return {
        _key("words", group_of(case.failure)): case.diagnosis["id"]
        for case in cases(matrix)
        if case.diagnosis
    }


def _key(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _says(cause: Mapping[str, Any], cells: Iterable[Mapping[str, Any]]) -> bool:
    """Whether it is about a combination: no fault of the machine, no night without a build."""
    outcomes = set(cause["outcomes"]) - {Outcome.INFRA.value}
    return bool(outcomes - {Outcome.UNAVAILABLE.value}) or (
        bool(outcomes) and not all(axes.is_nightly(cell["torch"]) for cell in cells)
    )


def _title(cause: Mapping[str, Any]) -> str:
    libraries = ", ".join(cause["libraries"])
    return _cut(unlinked(f"{libraries}: {_said(cause)}"), LONGEST_TITLE)


def _said(cause: Mapping[str, Any]) -> str:
    return in_public(str(cause["cause"] or cause["name"]))


def _cut(text: str, longest: int) -> str:
    # Of what is escaped already, which may be ten times as long.
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _plain(text: str) -> str:
    return _cut(plain(text), LONGEST_WORDS)


def _block(text: str, longest: int) -> str:
    shown = "\n".join(map(escaped, text.splitlines()))
    made = block(_cut(shown, longest))
    # Of backticks alone, the two fences are twice as long as they.
    return made if len(made) <= longest + AROUND else block(_cut(shown, longest // 3))


def _words(cause: Mapping[str, Any], matrix: Mapping[str, Any]) -> str:
    parts = [*_what(cause), _where(cause), *_helps(cause), _again(cause, matrix)]
    parts.append(_list(cause["cells"]))
    return "\n\n".join(parts)


def _what(cause: Mapping[str, Any]) -> Iterator[str]:
    if cause["known"]:
        yield _plain(_said(cause))
        yield f"Known as {code(cause['name'])}; it came up where an earlier run worked."
    else:
        yield "No signature knows this failure:"
        yield _block(_said(cause), LONGEST_WORDS)


def _where(cause: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {versions}" for name, versions in cause["libraries"].items())
    checks = f" with {_count(cause['checks'], 'check')}" if cause["checks"] else ""
    said = f"{', '.join(cause['outcomes'])}: {libraries} on torch {cause['torch']}"
    return f"{_plain(said)}, {_count(len(cause['cells']), 'cell')}{checks}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _helps(cause: Mapping[str, Any]) -> Iterator[str]:
    for remedy in cause["remedies"][:FEW]:
        yield f"What helps: {_plain(remedy['says'])}"
        if remedy["code"]:
            yield _block(remedy["code"], LONGEST_CODE)


def _again(cause: Mapping[str, Any], matrix: Mapping[str, Any]) -> str:
    example, project = cause["example"], commands.project_in(matrix)
    words = (example["cell"], matrix["edition"], example["policy"], project)
    return f"Reproduce: {code(_cut(escaped(commands.one_cell(*words)), LONGEST_WORDS))}"


def _list(cells: list[str]) -> str:
    more = f"\n... and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    shown = "\n".join(_cut(escaped(cell), LONGEST_TITLE) for cell in cells[:NAMED])
    return _block(f"{shown}{more}", LONGEST_LIST)


def _report(report: str, room: int) -> Iterator[str]:
    """Yield the text to send to those who can mend it: as code, so that nothing in it is obeyed."""
    if report:
        text = _block(report, room)
        title = "<summary>A report to those who can mend it, its title first</summary>"
        yield f"<details>{title}\n\n{text}\n\n</details>"
