"""Reading files one after the other and asking every rule about each."""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_torchcompat.audit import allowing, replaced, swallowed, torchaudio_api, unset, variables
from pytest_torchcompat.audit.findings import Finding, Place, Report, Site
from pytest_torchcompat.audit.library_loads import library_loads, names_one
from pytest_torchcompat.audit.loads import Load, loads
from pytest_torchcompat.audit.names import Names
from pytest_torchcompat.audit.rules import UNREADABLE
from pytest_torchcompat.audit.sources import (
    Source,
    UnreadableError,
    files,
    is_settings,
    read,
    with_newlines,
)
from pytest_torchcompat.garbage import no_garbage_collection

_IGNORE: Final = re.compile(r"#\s*torchcompat:\s*ignore(?:\[(?P<codes>[\w\s,]*)\])?\s*$")
_ANY: Final = "*"
# What a file must hold for any rule to have a say; most files of a code base hold none of it.
_NAMES: Final = r"(?:_?load|load_url|load_state_dict_from_url|pl_load)"
_LOADS: Final = re.compile(rf"\.\s*(?:(?:\\|#[^\n]*)\n\s*){{0,3}}{_NAMES}\b")
_FROM: Final = re.compile(r"from[\s\\]+(?:torch|(?:pytorch_)?lightning)[\w.]*[\s\\]+import")
_IMPORTED: Final = re.compile(rf"(?<!\w){_NAMES}\b")
_WORDS: Final = ("safe_globals", "torchaudio", "WEIGHT_ONLY", "WEIGHTS_ONLY", "_ONLY_LOAD")
_BY_NAME: Final = re.compile(rf"[\"']{_NAMES}[\"']")


def audit(paths: Iterable[Path], exclude: Sequence[str] = ()) -> Report:
    """
    Read files and folders; one that cannot be read is a finding and stops nothing.

    A Python file that names nothing of what the rules are about is not parsed: it has no
    finding, whatever Python it is written for.
    """
    with no_garbage_collection():
        reports = [_audit_file(file) for file in _once(paths, exclude)]
    return Report(
        files=len(reports),
        sites=tuple(site for report in reports for site in report.sites),
        findings=tuple(finding for report in reports for finding in report.findings),
        silenced=sum(report.silenced for report in reports),
    )


def _once(paths: Iterable[Path], exclude: Sequence[str]) -> Iterator[Path]:
    seen = set()
    for file in (file for path in paths for file in files(path, exclude)):
        if file.resolve() not in seen:
            seen.add(file.resolve())
            yield file


def audit_source(text: str, path: str = "<text>") -> Report:
    """Read the text of one Python file; no text makes this raise."""
    return _audited(Source(path, with_newlines(text)))


def _audit_file(path: Path) -> Report:
    try:
        source = read(path)
    except UnreadableError as error:
        return _unreadable(Source(str(path), ""), error)
    if is_settings(path.name):
        return _silenced(source, (), _of_text(source))
    return _audited(source)


def _audited(source: Source) -> Report:
    if not _is_about_loading(source.text):
        return Report(1, (), ())
    try:
        names = Names(_parsed(source.text))
        found = list(loads(names))
        findings = [*_of_loads(source, found), *_of_module(source, names, found)]
    except UnreadableError as error:
        return _unreadable(source, error)
    except RecursionError:
        return _unreadable(source, UnreadableError("it nests too deep."))
    return _silenced(source, [_site(source, load) for load in found], findings)


def _is_about_loading(text: str) -> bool:
    # Python reads names in this form too, so that a name can be spelled in other letters.
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if any(word in text for word in _WORDS) or names_one(text):
        return True
    if "torch" not in text and "lightning" not in text:
        return False
    imported = _FROM.search(text) and _IMPORTED.search(text)
    return bool(imported or _LOADS.search(text) or _BY_NAME.search(text))


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its escapes, which are not ours to judge
            return ast.parse(text)
    except SyntaxError as error:
        message = f"it is not Python that this Python reads ({error.msg})."
        raise UnreadableError(message, error.lineno or 1, error.offset or 1) from error
    except (ValueError, MemoryError) as error:
        message = f"it cannot be parsed ({error})."
        raise UnreadableError(message) from error


def _unreadable(source: Source, error: UnreadableError) -> Report:
    cell, line = source.cell(max(error.line, 1))
    column = max(error.column, 1)
    place = Place(source.path, line, column, line, column, cell)
    message = f"This file could not be read: {error}"
    return Report(1, (), (Finding(UNREADABLE, place, message, UNREADABLE.level),))


def _of_loads(source: Source, found: Iterable[Load]) -> Iterator[Finding]:
    for load in found:
        for rule, level, message in load.problems:
            yield Finding(rule, _place(source, load.node), message, level)


def _of_module(source: Source, names: Names, found: Sequence[Load]) -> Iterator[Finding]:
    swallows = swallowed.swallows(names, [*found, *library_loads(names)])
    asked = (
        swallowed.findings(swallows),
        unset.findings(names, swallows),
        *(room.findings(names) for room in (replaced, allowing, variables, torchaudio_api)),
    )
    for rule, node, message in (each for findings in asked for each in findings):
        yield Finding(rule, _place(source, node), message, rule.level)


def _of_text(source: Source) -> Iterator[Finding]:
    for rule, line, name, message in variables.findings_in_text(source.text):
        column = source.lines[line - 1].find(name) + 1
        place = Place(source.path, line, column, line, column + len(name))
        yield Finding(rule, place, message, rule.level)


def _site(source: Source, load: Load) -> Site:
    return Site(_place(source, load.node), load.call, load.weights_only, load.verdict)


def _place(source: Source, node: ast.AST) -> Place:
    """Return where a node stands, a handler by its first word; ast counts bytes, we characters."""
    first, start = int(getattr(node, "lineno", 1)), int(getattr(node, "col_offset", 0))
    last, end = int(getattr(node, "end_lineno", first)), int(getattr(node, "end_col_offset", 0))
    if isinstance(node, ast.ExceptHandler):
        last, end = first, start + len("except")
    cell, line = source.cell(first)
    return Place(
        path=source.path,
        line=line,
        column=source.character(first, start) + 1,
        end_line=line + last - first,
        end_column=source.character(last, end) + 1,
        cell=cell,
    )


def _silenced(source: Source, sites: Sequence[Site], findings: Iterable[Finding]) -> Report:
    """Return the report without the findings that a comment at their line takes back."""
    ordered = sorted(findings, key=_order)
    lines = {_line(source, line, each) for each in ordered for line in _ends(each)}
    codes = {line: _codes(source.lines[line - 1]) for line in lines}
    kept = [each for each in ordered if not _is_silenced(source, each, codes)]
    sites = sorted(sites, key=lambda site: (site.place.cell or 0, site.place.line))
    return Report(1, tuple(sites), tuple(kept), len(ordered) - len(kept))


def _order(finding: Finding) -> tuple[int, int, int, str]:
    place = finding.place
    return place.cell or 0, place.line, place.column, finding.rule.code


def _ends(finding: Finding) -> tuple[int, int]:
    return finding.place.line, finding.place.end_line


def _line(source: Source, line: int, finding: Finding) -> int:
    return line + dict(source.cells).get(finding.place.cell or 0, 1) - 1


def _is_silenced(source: Source, finding: Finding, codes: Mapping[int, Sequence[str]]) -> bool:
    silent = [each for line in _ends(finding) for each in codes[_line(source, line, finding)]]
    return finding.rule.code in silent or _ANY in silent


def _codes(line: str) -> Sequence[str]:
    """Return the codes that the comment at a line's end takes back."""
    match = _IGNORE.search(line)
    if match is None:
        return ()
    return (_ANY,) if match["codes"] is None else re.findall(r"\w+", match["codes"])
