"""The failures in a pasted text: a bug report, a log, a terminal's last page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pytest_torchcompat.diagnosis.failure import CRASH, RESOLVE, RESOLVER, Error, Failure
from pytest_torchcompat.diagnosis.paste_lines import END, HEADER, MEMBER, Line, lines_of
from pytest_torchcompat.diagnosis.paste_versions import libraries_in, versions_in

LONGEST = 300  # lines of a message
_BEFORE = 100  # lines of an installer's output before the word of its failure
_CRASH_LINES = 20  # lines before the word of a crash: its last output

_NAME = re.compile(r"([A-Za-z_][\w.<>]{0,200})(?::[ \t]|:?$)")
_BARE = re.compile(
    r"(?:^|[\s|:\]])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*"
    r"(?:Error|Exception|Timeout|Interrupt|Refused))(?::\s|:?$)"
)
_WARNING = re.compile(r"(?:^|\s)((?:[A-Za-z_]\w*\.)*[A-Z]\w*Warning): (.*)")
_EVIDENT = re.compile(r"(?:Error|Exception|Warning|Exit|Interrupt|Group|Timeout|Iteration)$")
_FRAME = re.compile(r"\s*File \"[^\"]*\", line \d+")
_LINKS = (
    "The above exception was the direct cause of",
    "During handling of the above exception",
)
_PYTEST = re.compile(r"E(?: {2,}|\t|$)")
_PLACE = re.compile(r"\S.*:\d+: [A-Za-z_][\w.]*$")
_SECTION = re.compile(r"[=_]{3,} .* [=_]{3,}$|[=_][=_ ]{9,}$|-{5,} .* -{5,}$")
_STOP = re.compile(
    r"```|#{1,6} |</?(?:details|pre|code|summary)>"
    r"|(?:\([\w.-]+\) ?)?(?:PS [A-Z]:|[A-Z]:\\[^>]*>|[\w.-]+@[\w.-]+[:~ ][^$#]{0,80}[$#] |\$ )"
)
_OPAQUE = re.compile(r"\[(start|end) of .{1,80} traceback\]")
_RESOLVER = re.compile(
    r"\s*(?:"
    r"(?:ERROR|error): (?:Could not |No matching distribution|Cannot install|ResolutionImpossible"
    r"|Failed |subprocess-exited|metadata-generation|Package .* requires|pip's dependency"
    r"|.* is not a supported wheel|Exception:|Ignored the following|THESE PACKAGES DO NOT MATCH)"
    r"|WARNING: Ignoring version |\u00d7 |x No solution found|[Nn]o solution found when resolving"
    r"|ResolutionImpossible)"
)
_SIGNALS = {
    "segmentation fault": "SIGSEGV",
    "sigsegv": "SIGSEGV",
    "access violation": "SIGSEGV",
    "0xc0000005": "SIGSEGV",
    "bus error": "SIGBUS",
    "sigbus": "SIGBUS",
    "illegal instruction": "SIGILL",
    "sigill": "SIGILL",
    "floating point exception": "SIGFPE",
    "aborted": "SIGABRT",
    "sigabrt": "SIGABRT",
    "killed": "SIGKILL (out of memory?)",
    "sigkill": "SIGKILL (out of memory?)",
}
_CRASHED = re.compile(
    r"(?i)(segmentation fault|bus error|illegal instruction|floating point exception|aborted)"
    r" ?\(core dumped\)|^(?:\S+: )?(?:line \d+: )?\s*(?:\d+ )?"
    r"(killed|segmentation fault|aborted|bus error|illegal instruction)(?:\s{2,}.*)?$"
    r"|fatal python error: (segmentation fault|aborted|bus error|illegal instruction)"
    r"|\b(sig(?:segv|bus|ill|abrt|kill))\b|(0xc0000005|access violation)"
)
_SERIALIZATION = re.compile(r"\btorch[\\/]serialization\.py")
_IMPORTING = re.compile(r"\s*(?:import [\w.]|from [\w.]+ import\b)|\s*File \"<frozen importlib")
_MODULE = re.compile(r", in <module>$|: in <module>$")
_IMPORT_TEST = "while importing test module"


@dataclass(frozen=True)
class Pasted:
    """
    What a text tells: its failures and versions; ``cut`` where a traceback has no end.

    ``installer`` is the end of the text as if an installer had printed it: not every failure of
    one is told by how it begins.
    """

    failures: tuple[Failure, ...]
    versions: Mapping[str, str]
    installer: Failure
    cut: bool = False


@dataclass
class _Block:
    """One traceback: where its header is, the lines of its frames, and what it ends with."""

    start: int
    frames: list[str]
    error: Error | None
    link: str = ""
    ours: bool = True  # a traceback as Python prints it, whose code lines are all being run


@dataclass
class _Chain:
    blocks: list[_Block] = field(default_factory=list)
    leaf: int = 0

    def add(self, block: _Block) -> None:
        """Put a cause behind what came of it, and a group's members behind the group."""
        if block.link == MEMBER:
            self.leaf = len(self.blocks)
        self.blocks.insert(self.leaf, block)

    @property
    def start(self) -> int:
        """The line that the first of the tracebacks begins at."""
        return min(block.start for block in self.blocks)

    @property
    def errors(self) -> tuple[Error, ...]:
        """What was raised, last to first."""
        return tuple(block.error for block in self.blocks if block.error)


def read(text: str) -> Pasted:
    """Return the failures of a text in its order; takes time by its length alone."""
    reader = _Reader(lines_of(text))
    chains = list(reader.chains())
    cut = any(block.error is None for chain in chains for block in chain.blocks)
    found = reader.installers(chains) or [_failure(chain) for chain in chains if chain.errors]
    found += reader.crashes()
    found = (found or reader.bare()) + reader.warnings()
    versions = versions_in(reader.prose())
    once = {(failure.errors, failure.stage): failure for failure in found}
    named = libraries_in(text)
    told = tuple(replace(each, versions=versions, named=named) for each in once.values())
    return Pasted(told, versions, Failure((Error(RESOLVER, reader.output()),), RESOLVE), cut)


def narrowed(failure: Failure) -> Failure:
    """Return a failure whose messages end at their first blank line: prose may begin there."""
    errors = (Error(each.exception, _paragraph(each.message)) for each in failure.errors)
    return replace(failure, errors=tuple(errors))


def _paragraph(message: str) -> str:
    return re.split(r"\n\s*\n", message.strip(), maxsplit=1)[0]


class _Reader:
    """Goes through the lines once for each kind of thing that it looks for."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.texts = [line.text for line in lines]
        self.taken: set[int] = set()  # lines that are the words of an error
        self.span = range(0)  # those of an installer

    def chains(self) -> Iterator[_Chain]:
        """Yield the tracebacks, those together that came of each other."""
        chain, link = _Chain(), ""
        for block in self._blocks():
            if block.error is None and not block.frames:
                link = "" if block.link == END else block.link
                chain.leaf = 0 if block.link == END else chain.leaf
                continue
            block.link = block.link or link
            if chain.blocks and not block.link:
                yield chain
                chain = _Chain()
            chain.add(block)
            link = ""
        if chain.blocks:
            yield chain

    def _blocks(self) -> Iterator[_Block]:
        """Yield tracebacks, and without frames and error what links them."""
        at, last = 0, 0
        while at < len(self.texts):
            text, start = self.texts[at], at
            if HEADER in text:
                block, at = self._traceback(at)
            elif text == MEMBER and not self._is_header(at + 1):
                error, at = self._error(at + 1)
                block = _Block(start, [], error, MEMBER)
            elif _PYTEST.match(text):
                block, at = self._of_pytest(at, last)
            else:
                at += 1
                link = _link(text)
                if link is None:
                    continue
                block = _Block(start, [], None, link)
            last = at
            yield block

    def _is_header(self, at: int) -> bool:
        return at < len(self.texts) and HEADER in self.texts[at]

    def _traceback(self, at: int) -> tuple[_Block, int]:
        start, frames, code_next = at, [self.texts[at]], False
        at += 1
        while at < len(self.texts):
            text = self.texts[at]
            framed = bool(_FRAME.match(text))
            if not (framed or code_next or not text.strip("^~ ") or text[0] in " \t"):
                break
            # A page may have dropped all indentation; then one line of code follows each frame.
            code_next = framed and text[0] not in " \t"
            frames.append(text)
            at += 1
        error, at = self._error(at, evident=not frames[-1].strip())
        return _Block(start, frames, error), at

    def _error(self, at: int, *, evident: bool = False) -> tuple[Error | None, int]:
        """Read an error's name and message; ``evident`` where only a name that says so is one."""
        named = _NAME.match(self.texts[at]) if at < len(self.texts) else None
        name = named[1].rstrip(":") if named else ""
        if named is None or (evident and not _EVIDENT.search(name)):
            return None, at
        end = self._end(at + 1)
        return self._worded(name, self.texts[at][named.end() :], range(at, end)), end

    def _worded(self, name: str, first: str, place: range) -> Error:
        message = "\n".join([first, *(self.texts[each] for each in place[1:])]).rstrip()
        self.taken.update(place[: _paragraph(message).count("\n") + 1])
        return Error(name, message)

    def _end(self, at: int) -> int:
        """Return where a message ends: where something else begins, or is cut."""
        first, opaque = at, False
        while at < min(len(self.lines), first + LONGEST):
            text = self.texts[at]
            nested = _OPAQUE.search(text)
            opaque = nested[1] == "start" if nested else opaque
            stamped = self.lines[at].stamped and not self.lines[at - 1].stamped
            if not opaque and (stamped or _ends(text)):
                break
            at += 1
        return at

    def _of_pytest(self, at: int, last: int) -> tuple[_Block, int]:
        """Read the lines that pytest marks with an E; what it shows of the code is above them."""
        start = at
        while at < len(self.texts) and _PYTEST.match(self.texts[at]):
            at += 1
        self.taken.update(range(start, at))
        words = self.texts[start][1:]
        indent = len(words) - len(words.lstrip(" "))
        said = [text[1:][indent:] for text in self.texts[start:at]]
        below = [text for text in self.texts[at : at + 3] if _PLACE.match(text)]
        frames = [*self.texts[max(last, start - LONGEST) : start], *below]
        error = _error_of_pytest(said, below)
        link = "" if error else END
        return _Block(start, frames if error else [], error, link, ours=False), at

    def installers(self, chains: list[_Chain]) -> list[Failure]:
        """Return what an installer said, with what was raised in it, and the other failures."""
        start = next((i for i, text in enumerate(self.texts) if _RESOLVER.match(text)), None)
        if start is None:
            return []
        self.span = range(self._start_of_installer(start), self._end_of_installer(start))
        self.taken.update(self.span)
        message = "\n".join(self.texts[place] for place in self.span[-LONGEST:]).strip("\n")
        inner = [chain for chain in chains if chain.start in self.span]
        errors = [Error(RESOLVER, message), *(error for chain in inner for error in chain.errors)]
        others = [_failure(each) for each in chains if each not in inner and each.errors]
        return [*others, Failure(tuple(errors), RESOLVE)]

    def _start_of_installer(self, at: int) -> int:
        """Return where the output begins that ends with the word of a failure."""
        first = max(0, at - _BEFORE)
        while at > first and not _STOP.match(self.texts[at - 1]) and at - 1 not in self.taken:
            at -= 1
        return at

    def _end_of_installer(self, at: int) -> int:
        while at < len(self.lines):
            line = self.lines[at]
            outside = line.text.startswith(HEADER) and not line.prefix
            if outside or _STOP.match(line.text):
                break
            at += 1
        return at

    def crashes(self) -> list[Failure]:
        """Return the last death of a process, with what was printed before and after."""
        for at in reversed(range(len(self.texts))):
            found = _crash(self.texts[at]) if at not in self.taken else None
            if found:
                word = next(filter(None, found.groups())).lower()
                output = self.texts[max(0, at - _CRASH_LINES) : at + 2 * _CRASH_LINES]
                message = "\n".join([f"the process died: signal {_SIGNALS[word]}", *output])
                return [Failure((Error(CRASH, message.rstrip()),), _stage(output, ours=True))]
        return []

    def bare(self) -> list[Failure]:
        """Return errors that stand alone, as programs print the last line of a traceback."""
        found, at = [], 0
        while at < len(self.texts):
            named = _BARE.search(self.texts[at])
            end = self._end(at + 1) if named else at + 1
            if named:
                error = self._worded(named[1], self.texts[at][named.end() :], range(at, end))
                found.append(Failure((error,)))
            at = end
        return found

    def warnings(self) -> list[Failure]:
        """Return each warning's first line."""
        places = (each for each in range(len(self.texts)) if each not in self.taken)
        told = (
            _WARNING.search(self.texts[each]) for each in places if "Warning: " in self.texts[each]
        )
        return [Failure((Error(found[1], found[2]),)) for found in told if found]

    def output(self) -> str:
        """Return the last lines as they are."""
        return "\n".join(self.texts[-LONGEST:]).strip("\n")

    def prose(self) -> Iterable[str]:
        """Return the lines that are no error's words: what those say of versions is no fact."""
        return (text for at, text in enumerate(self.texts) if at not in self.taken)


def _crash(text: str) -> re.Match[str] | None:
    lowered = text.lower()  # looking for words is quicker than for a pattern
    return _CRASHED.search(text) if any(word in lowered for word in _SIGNALS) else None


def _link(text: str) -> str | None:
    """Return how the next traceback hangs on the last; nothing where the line says nothing."""
    if any(words in text for words in _LINKS):
        return "cause"
    if text == MEMBER:
        return MEMBER
    return END if text == END or _SECTION.match(text) else None


def _ends(text: str) -> bool:
    if text in (MEMBER, END) or HEADER in text or any(words in text for words in _LINKS):
        return True
    return bool(_STOP.match(text) or _SECTION.match(text) or _PYTEST.match(text))


def _error_of_pytest(said: list[str], below: list[str]) -> Error | None:
    named = _NAME.match(said[0])
    if named and (_EVIDENT.search(named[1]) or "." in named[1] or ": " in said[0]):
        message = "\n".join([said[0][named.end() :], *said[1:]])
        return Error(named[1].rstrip(":"), message.rstrip())
    name = next((text.rpartition(" ")[2] for text in below), None)
    return Error(name, "\n".join(said).rstrip()) if name else None


def _failure(chain: _Chain) -> Failure:
    stages = {_stage(block.frames, ours=block.ours) for block in chain.blocks}
    stage = next((each for each in ("load", "import") if each in stages), "")
    return Failure(chain.errors, stage)


def _stage(frames: list[str], *, ours: bool) -> str:
    if any(_SERIALIZATION.search(text) or (ours and "torch.load(" in text) for text in frames):
        return "load"
    code = [text for text in frames if text.strip(" ^~\t")]
    deepest = code[-1:] if ours else [text for text in code if not _PLACE.match(text)][-1:]
    pairs = zip(code, code[1:])
    entered = any(_IMPORTING.match(one) and _MODULE.search(other) for one, other in pairs)
    told = any(_IMPORT_TEST in text for text in code)
    return "import" if entered or told or any(map(_IMPORTING.match, deepest)) else ""
