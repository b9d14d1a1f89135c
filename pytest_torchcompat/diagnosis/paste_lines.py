"""A pasted text as clean lines: no colours, quoting, time stamps or boxes around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

LIMIT = 1_000_000  # characters that are read of a paste: its end, where the answer stands
MOST = 50_000  # lines
WIDEST = 8000  # characters of a line that are read

HEADER = "Traceback (most recent call last)"
# What stands for the rule above a member of an exception group, and for the one below the last.
MEMBER, END = "\0member", "\0end"

_TERMINAL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, and moves of the cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links
    r"|\x1b[@-Z\\^_=>]"
)
_INVISIBLE = str.maketrans({"\u200b": None, "\ufeff": None, "\0": None, "\xa0": " "})
_STAMP = re.compile(
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?[ \t]?"
)
_QUOTED = re.compile(r"(?:>[ \t]?)+")
# IPython: "KeyError      Traceback (most recent call last)", "----> 2 code", then where that is.
_IPYTHON = re.compile(r"[A-Za-z_][\w.]{0,200} +" + re.escape(HEADER) + r"\s*$")
_POINTED = re.compile(r"-+> ?\d+(?: |$)(.*)")
_PLACE = re.compile(
    r"(?:File (.+?):(\d+)|((?:Cell|Input) In ?\[\d*\])(?:, line \d+)?"
    r"|(<ipython-input-[^>]{1,80}>|(?:/|~|[A-Za-z]:\\).*?\.py))"
    r"(?:,? in (?:<cell line: \d+>|([\w.<>]+))(?:\(.*)?|,? line \d+)?\s*$"
)
_FRAMES = re.compile(r"\d+ frames?$")
_FRAME = re.compile(r"\s*File \"[^\"]*\", line \d+")
_DIGIT = re.compile(r"\d")
_BOX = re.compile(r"\s*[\u256d+][\u2500-]+ " + re.escape(HEADER) + r":? [\u2500-]+[\u256e+]\s*$")
_SIDES = "\u2502|"
_GROUP = re.compile(r" *\+ Exception Group $")
_BARS = re.compile(r"[ |+]*[|+] (?:Exception Group )?$")
_RULE = re.compile(r" *\+(?:-\+)?-{3,}(?: (?:\d+|\.\.\.) -+)?\s*$")
_BAR = re.compile(r" *(?:\| ?|\+ (?=Exception Group ))")


@dataclass(frozen=True)
class Line:
    """A line without what stood before it: ``stamped`` where that was a time."""

    text: str
    stamped: bool = False
    prefix: str = ""


def plain(text: str) -> str:
    """Return a text without the codes that a terminal obeys."""
    return _TERMINAL.sub("", text)


def lines_of(text: str) -> list[Line]:
    """Return the lines of the end of a paste."""
    text = plain(text[-LIMIT:]).translate(_INVISIBLE)
    read = (_unquoted(line[:WIDEST]) for line in re.split(r"\r\n|\n|\r", text)[-MOST:])
    return list(_ungrouped(_unboxed(_unprefixed(_unnumbered(read)))))


def _unquoted(line: str) -> Line:
    line = _QUOTED.sub("", line, count=1) if line.startswith(">") else line
    stamp = _STAMP.match(line)
    return Line(line[stamp.end() :] if stamp else line, bool(stamp))


def _unnumbered(lines: Iterable[Line]) -> Iterator[Line]:
    """Turn the tracebacks of IPython, which number and point at lines of code, into plain ones."""
    inside = False
    for line in lines:
        if _IPYTHON.match(line.text):
            inside = True
            yield replace(line, text=f"{HEADER}:")
        elif inside:
            told = _as_python_tells(line.text)
            inside = told is not None
            if told != "":
                yield line if told is None else replace(line, text=told)
        else:
            yield line


def _as_python_tells(text: str) -> str | None:
    """Return a line of IPython's frames as Python has it, empty where it has none."""
    pointed = _POINTED.match(text)
    if pointed:
        return f"    {pointed[1].strip()}"
    place = _PLACE.match(text)
    if place:
        path = place[1] or place[3] or place[4]
        function = place[5] or "<module>"
        return f'  File "{path}", line {place[2] or 0}, in {function}'
    if not text.strip() or text[0] in " \t":
        return text if _FRAME.match(text) else ""
    return "" if _FRAMES.match(text) else None


def _unprefixed(lines: Iterable[Line]) -> Iterator[Line]:
    """Drop what stands before a traceback from its lines, where it stands before those as well."""
    prefix = ""
    for line in lines:
        within = _has(line.text, prefix)
        if HEADER in line.text:
            prefix = _prefix(line.text, prefix if within else "")
        elif not within:
            prefix = ""
        yield Line(line.text[len(prefix) :], line.stamped, prefix)


def _prefix(text: str, known: str) -> str:
    before = text[: text.index(HEADER)]
    if _BOX.match(text) or _BARS.match(before[len(known) :]):
        return known
    found = _GROUP.search(before)
    return before[: found.start()] if found else before


def _has(text: str, prefix: str) -> bool:
    """Whether a line begins as another did, but for its digits; a blank one may be cut."""
    start = text[: len(prefix)]
    if not text.strip() or start == prefix or text == prefix.rstrip():
        return True
    return _DIGIT.sub("0", start) == _DIGIT.sub("0", prefix)


def _unboxed(lines: Iterable[Line]) -> Iterator[Line]:
    """Turn the boxes that rich draws into plain tracebacks, and join the message below one."""
    inside, width = False, 0
    broken: list[Line] = []
    for line in lines:
        text = line.text.strip()
        if HEADER in text and _BOX.match(text):
            yield from _joined(broken, width)
            inside, width, broken = True, len(text), []
            yield replace(line, text=f"{HEADER}:")
        elif inside and text[:1] in tuple(_SIDES):
            yield replace(line, text=f"  {text.strip(_SIDES).strip()}")
        elif inside and text[:1] in ("\u2570", "+"):
            inside = False
        elif width and text:
            inside = False
            broken.append(line)
        else:
            yield from (*_joined(broken, width), line)
            inside, width, broken = False, 0, []
    yield from _joined(broken, width)


def _joined(broken: list[Line], width: int) -> Iterator[Line]:
    """Join lines that rich broke at a width: those whose end had room for the next one's start."""
    parts: list[str] = []
    last = ""
    for line in broken:
        word = line.text.split(maxsplit=1)[0]
        folded = len(last) == width and " " not in last
        if last and not folded and len(last.rstrip()) + 1 + len(word) <= width:
            yield Line("".join(parts))
            parts = []
        parts += [*([" "] if parts and not folded else []), line.text.rstrip()]
        last = line.text
    if parts:
        yield Line("".join(parts))


def _ungrouped(lines: Iterable[Line]) -> Iterator[Line]:
    """Turn the bars and rules around the members of an exception group into marks."""
    inside = False
    for line in lines:
        inside = inside or f"Exception Group {HEADER}" in line.text
        if inside and _RULE.match(line.text):
            numbered = " " in line.text.strip()
            yield replace(line, text=MEMBER if numbered else END)
        elif inside and _BAR.match(line.text):
            yield replace(line, text=_BAR.sub("", line.text, count=1))
        else:
            inside = False
            yield line
