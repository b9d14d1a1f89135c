"""The Atom feed of changes: an entry for each that has one cause, of the last runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from markupsafe import Markup

from matrix.diff import Diff, Group
from matrix.diff.text import COUNTED, carried_over, named, said, suspected, verdicts
from matrix.published.comparison import WHY_NOT, read_back
from pytest_torchcompat.display import escaped

ENTRIES = 50  # a reader that comes back after some nights has missed none
FEW = 10  # further checks that an entry names
LONGEST_TITLE, LONGEST_CODE, LONGEST_PART = 250, 4000, 2000
_OURS = uuid.uuid5(uuid.NAMESPACE_URL, "pytest-torchcompat/changes")

_FEED = Markup(
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<feed xmlns="http://www.w3.org/2005/Atom">\n'
    "<id>{id}</id>\n<title>{title}</title>\n<updated>{updated}</updated>\n"
    "<author><name>pytest-torchcompat</name></author>\n"
    "<generator>pytest-torchcompat</generator>\n"
    # The address of neither is known here: both lie beside the feed, wherever that is.
    '<link rel="self" type="application/atom+xml" href="changes.atom"/>\n'
    '<link rel="alternate" type="text/html" href="index.html"/>\n'
    "{entries}</feed>\n"
)
_ENTRY = Markup(
    "<entry>\n<id>{id}</id>\n<title>{title}</title>\n<updated>{updated}</updated>\n"
    '<category term="{kind}"/>\n{link}<content type="html">{content}</content>\n</entry>\n'
)
_LINK = Markup('<link rel="alternate" type="text/html" href="index.html#changes"/>\n')
_LINE = Markup("<p>{}</p>")
_STRONG = Markup("<p><strong>{}</strong></p>")
_LABELLED = Markup("<p>{}: {}</p>")
_COMMAND = Markup("<p>Reproduce: <code>{}</code></p>")
_CODE = Markup("<pre><code>{}</code></pre>")
_LIST = Markup("<p>So too:</p><ul>{}</ul>")
_ITEM = Markup("<li>{}</li>")


def feed(told: Iterable[Mapping[str, Any]]) -> str:
    """Return the feed of comparisons: the run's own, then those of older runs, newest first."""
    every = iter(told)
    own = next(every)
    entries = [*_entries(own, _LINK)]
    older = (entry for other in every for entry in _entries_of_another(other))
    entries += islice(older, max(0, ENTRIES - len(entries)))
    return str(
        _FEED.format(
            id=_id([own["selection"], own["new"]["edition"]]),
            title=_title(own["selection"]),
            updated=_moment(own["updated"]),
            entries=Markup().join(entries[:ENTRIES]),
        )
    )


def _title(selection: Mapping[str, Sequence[str]]) -> str:
    chosen = [f"{axis} {', '.join(some)}" for axis, some in selection.items() if some]
    about = f" of {'; '.join(chosen)}" if chosen else ""
    return _shown(f"Changes in the matrix{about}", LONGEST_TITLE)


def _entries_of_another(told: Mapping[str, Any]) -> list[Markup]:
    try:
        return list(_entries(told, Markup()))
    except WHY_NOT:
        return []  # Of another form: the page of that run is where it can be read.


def _entries(told: Mapping[str, Any], link: Markup) -> Iterator[Markup]:
    """Yield an entry for each change that is news, the most urgent first."""
    if told["old"] is None:
        return
    found = read_back(told)
    for group, data in zip(found.groups, told["groups"]):
        if group.kind not in COUNTED:
            yield _ENTRY.format(
                id=_id(_identity(told["new"], data)),
                title=_shown(_named(group), LONGEST_TITLE),
                updated=_moment(told["updated"]),
                kind=group.kind.value,
                link=link,
                # Joined to markup, each piece is escaped: HTML is text to XML.
                content=Markup().join(_content(found, group)),
            )


def _identity(run: Mapping[str, Any], group: Mapping[str, Any]) -> list[Any]:
    """Return what is the same of a change however often its run is published."""
    words = [[group[side]["outcome"], group[side]["cause"]] for side in ("old", "new")]
    return [run["run"], run["started"], group["kind"], *words]


def _id(known: Sequence[Any]) -> str:
    """Return the name that the same thing has in every feed."""
    return uuid.uuid5(_OURS, json.dumps(known, sort_keys=True)).urn


def _moment(iso: str) -> str:
    """Return a moment as feeds have it: with its zone, and without what few readers take."""
    when = datetime.fromisoformat(iso)
    zoned = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return zoned.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(group: Group) -> str:
    others = len(group.changes) - 1
    more = f" and {others} more" if others else ""
    return f"{group.kind.value} {named(group.changes[0])}{more}"


def _content(found: Diff, group: Group) -> Iterator[str]:
    """Yield a group in HTML that is yet to be escaped, as all of a feed's content is."""
    yield str(_STRONG.format(_shown(verdicts(group.changes[0]).replace(" -> ", " → "))))
    if words := said(group):
        yield _line(words)
    yield from _known(group.diagnosis or {})
    if group.carried:
        yield _line(carried_over(group))
    if group.suspects:
        differs = suspected(group.suspects).replace(" -> ", " → ")
        yield str(_LABELLED.format("Differs", _shown(differs)))
    yield str(_COMMAND.format(_shown(found.command(group.changes[0]))))
    others = [_shown(named(change)) for change in group.changes[1 : FEW + 1]]
    if others:
        yield str(_LIST.format(Markup().join(map(_ITEM.format, others))))
    yield _line(f"From run {found.old['run']} to run {found.new['run']}.")


def _known(diagnosis: Mapping[str, Any]) -> Iterator[str]:
    if diagnosis:
        yield str(_LABELLED.format(f"Known as {diagnosis['id']}", _shown(diagnosis["cause"])))
    for remedy in diagnosis.get("remedies", ())[:1]:
        yield str(_LABELLED.format("Remedy", _shown(remedy["says"])))
        if remedy["code"]:
            lines = map(escaped, remedy["code"][:LONGEST_CODE].splitlines())
            yield str(_CODE.format("\n".join(lines)))


def _line(text: str) -> str:
    return str(_LINE.format(_shown(text)))


def _shown(text: str, longest: int = LONGEST_PART) -> str:
    """Return text of characters that XML takes and that hide nothing."""
    shown = escaped(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
