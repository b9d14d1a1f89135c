"""How data is written for people: inert text, dates, times and sizes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

LIMIT = 6000
_MINUTE = 60
_HOUR = timedelta(hours=1)
_DAY = 24  # hours
_NEAR = 0.02  # of one: two figures behind the point would hide what differs
_SMALL, _LARGE, _LARGER = 0.1, 9.95, 99.5
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# C0 and C1 controls, and what reorders or hides its neighbours: in a page they would change what a
# reader sees around them, and NUL is not allowed in HTML at all.
_UNSEEN = (
    *(code for code in range(0x20) if chr(code) not in "\t\n"),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)
_VISIBLE = {code: f"\\u{code:04x}" for code in _UNSEEN}


def inert(value: Any) -> Any:
    """Return the same data with every string made visible, printable text; keys included."""
    if isinstance(value, str):
        return _inert_text(value)
    if isinstance(value, dict):
        return {inert(key): inert(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [inert(item) for item in value]
    return value


def _inert_text(text: str) -> str:
    if text.isprintable():  # as nearly all are: names and versions
        return text
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _ANSI.sub("", encodable).replace("\r\n", "\n").translate(_VISIBLE)


def cut(text: str) -> str:
    """Shorten what would swamp the page, and say where the rest is."""
    if len(text) <= LIMIT:
        return text
    return f"{text[:LIMIT]}\n… {len(text) - LIMIT:,} more characters in matrix.json"


def worded(text: str) -> Markup:
    """Write a sentence for HTML, what stands between backticks as code."""
    parts = _inert_text(text).split("`")
    last = len(parts) - 1
    # A backtick that nothing closes is one.
    marked = [
        escape(part) if not number % 2 else _code(part) if number < last else "`" + escape(part)
        for number, part in enumerate(parts)
    ]
    return Markup("").join(marked)


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def counted(number: int, noun: str) -> str:
    """Write a number of things: ``1 cell``, ``2 cells``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(iso: str) -> str:
    """Write an ISO date and time as ``20 November 2026, 10:31 UTC``; other text stays as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    zone = when.strftime("%Z").removesuffix("+00:00")
    return f"{when.day} {when:%B %Y, %H:%M} {zone}".rstrip()


def day(iso: str) -> str:
    """Write the date of an ISO moment as ``20 November 2026``; other text stays as it is."""
    return moment(iso).partition(",")[0]


def age(seen: str | None, now: str) -> str:
    """Write how long before one ISO moment another was: ``2 days``; empty where one is none."""
    try:
        passed = datetime.fromisoformat(now) - datetime.fromisoformat(seen or "")
    except (TypeError, ValueError):
        return ""
    hours = max(round(passed / _HOUR), 0)
    return counted(hours, "hour") if hours < _DAY else counted(round(hours / _DAY), "day")


def took(started: str, finished: str | None) -> str:
    """Write the time from one ISO moment to a later one, or nothing when there is none."""
    try:
        length = datetime.fromisoformat(finished or "") - datetime.fromisoformat(started)
    except (TypeError, ValueError):
        return ""
    # Where all was carried over, the last cell had ended before the run began.
    return seconds(length / timedelta(seconds=1)) if length >= timedelta(0) else ""


def seconds(value: float) -> str:
    """Write a duration with the unit that suits it: ``4.2 ms``, ``3.1 s``, ``1 h 12 min``."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if round(value, 1) < _MINUTE:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min {rest} s"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE} min"


def times(ratio: float) -> str:
    """Write how many times one figure is of another: ``1.42``, ``1.004``, ``12.3``, ``120``."""
    if ratio >= _LARGE:
        return f"{ratio:.{int(ratio < _LARGER)}f}"
    if ratio < _SMALL:
        return f"{ratio:.2g}"
    return f"{ratio:.3f}" if 0 < abs(ratio - 1) < _NEAR else f"{ratio:.2f}"
