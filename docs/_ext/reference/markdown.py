"""Markdown from texts that are none: escaped, and with what is code as code."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence

CODE = re.compile(r"``(.+?)``|`([^`\n]+)`", re.DOTALL)
# A dash of an option would become one of typography.
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*(?:=[\w-]+)?")
PLAIN_ANCHOR = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SPECIAL = re.compile(r"[\\*_<>\[\]{}#~$^]")
_FENCED = 4  # spaces before what a docstring shows as code


def text(words: str) -> str:
    """Return words as they are, but for what they show as code."""
    pieces: list[str] = []
    end = 0
    for found in CODE.finditer(words):
        pieces += [_plain(words[end : found.start()]), code(found[1] or found[2])]
        end = found.end()
    return "".join([*pieces, _plain(words[end:])])


def _plain(words: str) -> str:
    pieces, end = [], 0
    for found in OPTION.finditer(words):
        pieces += [_escaped(words[end : found.start()]), code(found[0])]
        end = found.end()
    return "".join([*pieces, _escaped(words[end:])])


def _escaped(words: str) -> str:
    return SPECIAL.sub(lambda found: f"\\{found[0]}", words)


def code(words: str) -> str:
    """Return words as code in a line."""
    words = " ".join(words.split())
    ticks = "`" * (1 + max(map(len, re.findall("`+", words)), default=0))
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{ticks}{pad}{words}{pad}{ticks}"


def codes(words: Iterable[str]) -> str:
    """Return several as code in a line."""
    return ", ".join(map(code, words))


def fenced(words: str, language: str = "text") -> str:
    """Return a block of code."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", words)), default=0))
    return f"{ticks}{language}\n{words.rstrip()}\n{ticks}"


def heading(level: int, title: str, anchor: str) -> str:
    """Return a heading, its title in Markdown, under an anchor that stays."""
    # docutils knows small letters, digits and dashes alone.
    exact = "" if PLAIN_ANCHOR.fullmatch(anchor) else f'<span id="{anchor}"></span>\n\n'
    return f"{exact}({anchor})=\n{'#' * level} {title}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table of cells in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def listed(lines: Iterable[str]) -> str:
    """Return a list of points."""
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def blocks(*several: str) -> str:
    """Return parts one after the other, empty ones left out."""
    return "\n\n".join(each for each in several if each)


def prose(documented: object) -> str:
    """Return a docstring in Markdown: its paragraphs, and the code that stands indented."""
    return docstring(inspect.getdoc(documented) or "")


def docstring(words: str) -> str:
    """Return the words of a docstring in Markdown."""
    return blocks(*map(_paragraph, _paragraphs(words)))


def _paragraphs(words: str) -> list[str]:
    """Return paragraphs; those of indented code that stand together are one."""
    found: list[str] = []
    for each in re.split(r"\n\s*\n", words.strip("\n")):
        if found and all(part.startswith(" " * _FENCED) for part in (each, found[-1])):
            found[-1] += f"\n\n{each}"
        else:
            found.append(each)
    return found


def _paragraph(words: str) -> str:
    if words.startswith(" " * _FENCED):
        return fenced(textwrap.dedent(words), "python")
    if words.startswith("Raises:"):
        return listed(map(text, _raised(words)))
    words = re.sub("::$", ":", words)
    return text(" ".join(words.split()))


def _raised(words: str) -> list[str]:
    return [f"Raises {line.strip()}" for line in words.splitlines()[1:]]


def first_sentence(documented: object) -> str:
    """Return the first line of a docstring, without the word that begins it."""
    line = (inspect.getdoc(documented) or "").partition("\n")[0]
    return sentence(line.removeprefix("Return ")) if line else ""


def meanings(documented: object) -> dict[str, str]:
    """Return what a docstring says of names: its paragraphs that begin as `` ``name``: ``."""
    paragraphs = (" ".join(each.split()) for each in _paragraphs(inspect.getdoc(documented) or ""))
    found = (re.match(r"``([^`]+)``: (.+)", each) for each in paragraphs)
    return {each[1]: sentence(each[2]) for each in found if each}


def sentence(words: str) -> str:
    """Return words with a capital at the beginning and a stop at the end."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def introduction(documented: object) -> str:
    """Return the paragraphs of a docstring that are about no single name."""
    paragraphs = _paragraphs(inspect.getdoc(documented) or "")
    return docstring("\n\n".join(each for each in paragraphs if not re.match("``[^`]+``: ", each)))
