"""``torchcompat explain``: a pasted traceback, and what is known of it."""

from __future__ import annotations

import argparse
import codecs
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_torchcompat.diagnosis import Error, Failure, diagnose, text
from pytest_torchcompat.diagnosis.failure import CRASH, RESOLVE, RESOLVER, TIMEOUT, normalised
from pytest_torchcompat.diagnosis.grouping import REFUSAL, group_of
from pytest_torchcompat.diagnosis.matching import matches
from pytest_torchcompat.diagnosis.paste_lines import LIMIT
from pytest_torchcompat.diagnosis.pasted import Pasted, narrowed, read
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from pytest_torchcompat.display import escaped, first_line
from pytest_torchcompat.errors import TorchcompatError

_STDIN = "-"
_INTERRUPTED = 130
_BYTES = 4 * LIMIT  # no encoding needs more for a character
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\b\x1b")
_MANY_CONTROLS = 0.02  # of the bytes; a log has few
_TOLD = ("python", "torch")
_WARNING = "Warning"


class NothingToExplainError(TorchcompatError):
    """An input that cannot be read, or in which there is no failure."""


@dataclass(frozen=True)
class Explained:
    """A failure that is known or not, and how often the text has it."""

    failure: Failure
    diagnosis: Mapping[str, Any] | None
    times: int = 1

    @property
    def is_warning(self) -> bool:
        """Whether it is no error, and so worth a word only where it is known."""
        return self.failure.errors[0].name.endswith(_WARNING)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        first, *_ = self.failure.errors
        return {
            "exception": first.exception,
            "message": first.message,
            "chain": [each.line for each in self.failure.errors[1:]],
            "stage": self.failure.stage,
            "times": self.times,
            "diagnosis": self.diagnosis,
            "group": group_of(self.failure),
        }


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Say what is known of a failure, from a pasted traceback, log or bug report"
    codes = "Exit code: 0 where every failure is known, 1 where one is not, 2 for bad input."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "explain", help=about, description=f"{about}.", epilog=codes
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="Text files; - or none is standard input"
    )
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="versions",
        metavar="NAME==VERSION",
        help="A version that the text does not tell, such as torch==2.6.0; repeatable",
    )
    here = "Take the versions that are installed here, where the text does not tell them"
    parser.add_argument("--here", action="store_true", help=here)
    parser.add_argument("--json", action="store_true", help="Write what was found as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """
    Read the texts and print what is known; 1 where something is not.

    Raises:
        NothingToExplainError: A file cannot be read, or there is no failure in it.
        TorchcompatError: ``--with`` names no version.

    """
    known = {**(_installed() if args.here else {}), **_given(args.versions)}
    names = args.files or [_STDIN]
    try:
        found = {name: _explained(name, known) for name in names}
    except KeyboardInterrupt:
        sys.stderr.write("torchcompat explain: stopped\n")
        return _INTERRUPTED
    if args.json:
        sys.stdout.write(json.dumps(_data(found), indent=2) + "\n")
    else:
        sys.stdout.write("\n\n".join(map("\n".join, _pages(found))) + "\n")
    everything = [each for _, explained in found.values() for each in explained]
    return 0 if all(each.diagnosis for each in everything) else 1


def _installed() -> Mapping[str, str]:
    from pytest_torchcompat import shim

    return normalised(shim.installed())


def _given(texts: Iterable[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in texts:
        name, equals, version = each.partition("==")
        try:
            given[canonicalize_name(name.strip())] = str(Version(version.strip()))
        except InvalidVersion:
            equals = ""
        if not (name.strip() and equals):
            message = f"--with {escaped(each)}: expected NAME==VERSION, such as torch==2.6.0."
            raise TorchcompatError(message)
    return given


def _explained(name: str, known: Mapping[str, str]) -> tuple[Pasted, list[Explained]]:
    where = "standard input" if name == _STDIN else escaped(name)
    pasted = read(_decoded(_standard_input() if name == _STDIN else _file(name), where))
    pasted = replace(pasted, versions={**known, **pasted.versions})
    found = list(_distinct(pasted))
    if not any(each.diagnosis for each in found) and (not found or _tells_refusal(pasted)):
        # A program that caught torch's error prints it without its name, and fails later.
        found = [*_by_words(pasted), *found]
    if any(not each.is_warning for each in found):
        # Where there is an error, a warning that nobody knows is noise.
        found = [each for each in found if each.diagnosis or not each.is_warning]
    if not found:
        raise NothingToExplainError(_nothing(where, pasted))
    return pasted, found


def _tells_refusal(pasted: Pasted) -> bool:
    return REFUSAL in pasted.installer.errors[0].message


def _by_words(pasted: Pasted) -> Iterator[Explained]:
    """Look for known words where no exception has a name: programs print a message alone."""
    words = pasted.installer.errors[0].message
    names = sorted({name for signature in SIGNATURES for name in signature.exceptions})
    named = tuple(Error(name, words) for name in names if name not in (RESOLVER, CRASH, TIMEOUT))
    for failure in (pasted.installer, Failure(named)):
        told = replace(failure, versions=pasted.versions)
        found = next(matches(told), None)
        if found:
            error = told.errors[found.position]
            known = _diagnosed(replace(told, errors=(error,)))
            if failure is not pasted.installer:
                lines = _lines_of(found.signature.search(words), words)
                shown = _as_told(found.signature.exceptions, lines)
                known = replace(known, failure=replace(told, errors=(shown,)))
            yield known
            return


def _lines_of(found: re.Match[str] | None, words: str) -> str:
    """Return the whole lines in which a pattern is found."""
    start, end = found.span() if found else (0, len(words))
    last = words.find("\n", end)
    return words[words.rfind("\n", 0, start) + 1 : len(words) if last < 0 else last].strip()


def _as_told(names: Iterable[str], lines: str) -> Error:
    """Return an error with its name where the text has one of these."""
    name = next((name for name in names if f"{name}: " in lines), "")
    return Error(name, lines.partition(f"{name}: ")[2]) if name else Error("", lines)


def _nothing(where: str, pasted: Pasted) -> str:
    if pasted.cut:
        return (
            f"{where}: the traceback ends before its last line, which says what was raised. "
            "Paste it to its end."
        )
    return (
        f"{where}: there is nothing in it that looks like a failure. "
        "Paste a traceback to its last line, or what pip or uv printed."
    )


def _distinct(pasted: Pasted) -> Iterator[Explained]:
    found: dict[str, Explained] = {}
    for failure in pasted.failures:
        each = _diagnosed(replace(failure, versions=pasted.versions))
        key = json.dumps(each.diagnosis) if each.diagnosis else group_of(each.failure)
        same = found.get(key)
        found[key] = replace(same, times=same.times + 1) if same else each
    yield from found.values()


def _diagnosed(failure: Failure) -> Explained:
    """Diagnose a failure; what follows a blank line may be prose of whoever reported it."""
    narrow = failure if failure.stage == RESOLVE else narrowed(failure)
    diagnosis = diagnose(failure) or diagnose(narrow)
    return Explained(narrow, diagnosis.to_dict() if diagnosis else None)


def _standard_input() -> bytes:
    if sys.stdin is None:  # closed by whoever started this
        message = "standard input: closed. Name a file, or paste the traceback."
        raise NothingToExplainError(message)
    if sys.stdin.isatty():
        sys.stderr.write("Paste the traceback, then end with Ctrl-D (on Windows Ctrl-Z, Enter).\n")
    return _end_of(sys.stdin.buffer)


def _file(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return _end_of(file)
    except OSError as error:
        message = f"{escaped(name)}: {error.strerror}. Name a text file that can be read."
        raise NothingToExplainError(message) from error


def _end_of(file: BinaryIO) -> bytes:
    """Return the mark of the encoding and the last bytes, however many there are."""
    kept = head = file.read(_BYTES)
    while True:
        more = file.read(_BYTES)
        if not more:
            break
        kept = (kept + more)[-_BYTES:]
    mark = next((mark for mark, _ in _MARKS if head.startswith(mark)), b"")
    return kept if kept.startswith(mark) else mark + kept


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _decoded(data: bytes, where: str) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    _refuse_binary(data, where)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len("\U0010ffff".encode()) and len(data) == _BYTES:
            return data.decode("utf-8", "replace")  # cut within a character
        return data.decode("latin-1")


def _refuse_binary(data: bytes, where: str) -> None:
    controls = sum(map(data.count, map(bytes, zip(_CONTROL))))
    if b"\0" in data or controls > _MANY_CONTROLS * len(data):
        message = f"{where}: not text. To look into a checkpoint: torchcompat scan FILE"
        raise NothingToExplainError(message)


Found = Mapping[str, tuple[Pasted, list[Explained]]]


def _data(found: Found) -> dict[str, Any]:
    """
    Return what ``--json`` writes.

    ``schema`` is 1. Each of ``texts`` has ``file``, null for standard input, the ``versions`` that
    it tells, ``cut`` where a traceback ends too early, and ``failures``. A failure has
    ``exception``, ``message`` and ``chain``; its ``stage``; how many ``times`` it is in the text;
    its ``group``, equal for failures that differ in paths and numbers alone; and ``diagnosis``,
    null where it is not known: the ``id`` of its signature, ``cause``, ``link`` and ``remedies``,
    each with ``kind``, ``says``, ``code`` and ``when``.
    """
    texts = [
        {
            "file": None if name == _STDIN else name,
            "versions": dict(pasted.versions),
            "cut": pasted.cut,
            "failures": [each.to_dict() for each in explained],
        }
        for name, (pasted, explained) in found.items()
    ]
    return {"schema": 1, "texts": texts}


def _pages(found: Found) -> Iterator[Iterator[str]]:
    for name, (pasted, explained) in found.items():
        if len(found) > 1:
            yield iter([f"{escaped(name)}:"])
        for each in explained:
            yield _page(each)
        notes = list(_notes(pasted, explained))
        if notes:
            yield iter(notes)


def _page(each: Explained) -> Iterator[str]:
    times = f" ({each.times} times)" if each.times > 1 else ""
    yield f"{_headline(each.failure)}{times}"
    told = text.lines(each.diagnosis) if each.diagnosis else _unknown(each.failure)
    yield from (f"  {line}".rstrip() for line in told)


def _headline(failure: Failure) -> str:
    first = failure.errors[0]
    line = first_line(first.message)
    if first.exception in (RESOLVER, CRASH, ""):
        return escaped(line)
    return escaped(f"{first.exception}: {line}".rstrip(": "))


def _unknown(failure: Failure) -> Iterator[str]:
    yield "not known"
    yield f"its signature, to search for: {escaped(group_of(failure))}"
    if failure.stage == "load":
        yield "next: torchcompat scan FILE says what the file holds and which torch loads it"
    yield "next: report it to the project that raised it, with the whole text and the versions"


def _notes(pasted: Pasted, explained: list[Explained]) -> Iterator[str]:
    versions = pasted.versions
    told = [f"{name} {versions[name]}" for name in _TOLD if name in versions]
    others = len(set(versions) - set(_TOLD))
    more = [f"{others} more"] if told and others else []
    if told:
        yield escaped(f"versions: {', '.join([*told, *more])}")
    if "torch" not in versions and any(each.diagnosis for each in explained):
        yield "torch's version is unknown, and remedies hang on it: --with torch==2.6.0, or --here"
    if pasted.cut:
        yield "One traceback ends before its last line, and is left out: paste it to its end."
