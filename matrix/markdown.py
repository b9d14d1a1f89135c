"""Text from elsewhere in Markdown: shown as it is, whatever GitHub would make of it."""

from __future__ import annotations

import re

from pytest_torchcompat.display import escaped

_SYNTAX = re.compile(r"([\\`*_{}\[\]<>#|~&])")
# What becomes a link, or calls a person, without any syntax: nothing escapes it, so that a space
# of no width stands in it.
_LINKING = re.compile(r"@(?=\w)|#(?=\d)|\bGH-(?=\d)|\bwww(?=\.)|:(?=//)", re.IGNORECASE)
_TICKS = re.compile("`+")


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: nothing in it is a tag, a link or a mention."""
    return _LINKING.sub(r"\g<0>&#8203;", _SYNTAX.sub(r"\\\1", escaped(text)))


def unlinked(text: str) -> str:
    """Return text for where no Markdown is read, a title: it links nothing and calls nobody."""
    return _LINKING.sub("\\g<0>\u200b", escaped(text))


def block(text: str) -> str:
    """Return text as a block of code, whose fence is longer than any in it."""
    shown = "\n".join(map(escaped, text.splitlines()))
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def code(text: str) -> str:
    """Return text as code in a line, to be copied as it is."""
    shown = escaped(text)
    fence = "`" * (1 + max(map(len, _TICKS.findall(shown)), default=0))
    # Without a space a backtick at an end would be one of the fence.
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}"
