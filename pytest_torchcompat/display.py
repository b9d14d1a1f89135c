"""How sizes and text from files are shown on a terminal."""

from __future__ import annotations

_THOUSAND = 1000


def escaped(text: str) -> str:
    """Return text with each character that a terminal could obey, or hide, spelled out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def first_line(text: str) -> str:
    """Return the first line that says anything; empty where none does."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def human_size(count: int) -> str:
    """Return a number of bytes in the largest unit that it fills."""
    size, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while size >= _THOUSAND and len(units) > 1:
        size /= _THOUSAND
        units.pop(0)
    return f"{size:.3g} {units[0]}" if units[0] != "bytes" else f"{count} bytes"
