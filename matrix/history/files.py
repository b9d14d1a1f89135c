"""
The history's files: ``runs/history/<run>.jsonl``, a line a cell.

A line says by itself which run it is of, so that a file may be copied to another machine's history
under any name, and twice. It has what the checks said and nothing of why: that is the run's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Union

from matrix import axes
from matrix.diff.changes import Side, torch_of
from matrix.store import read_json, runs, write_text
from matrix.versions import version_key
from pytest_torchcompat.errors import RecordError

SCHEMA = 1
FOLDER = "history"
LONGEST = 150  # characters of a run's name that a file can have; some systems take 255 bytes
KEPT = 100  # of a name that is longer
_PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.+-]{{0,{LONGEST - 1}}}")
_TEXTS = ("run", "started", "library", "version", "beside", "torch", "python", "build", "outcome")
_WHY_NOT = (KeyError, TypeError, AttributeError, ValueError)

# A verdict, or how often each came out where the tries disagree.
Word = Union[str, "dict[str, int]"]
# By checkpoint, use and policy.
Words = Mapping[str, Mapping[str, Mapping[str, Word]]]


@dataclass(frozen=True)
class Line:
    """
    What a cell said in a run.

    ``torch`` is its minor or ``nightly``, ``version`` is empty for what follows torch: the two are
    the same every night. ``build`` is the torch that it was. ``carried`` is the run that was, where
    this one took its word; ``editions`` are the files that the checkpoints were.
    """

    run: str
    started: str
    library: str
    version: str
    beside: str
    torch: str
    python: str
    build: str
    outcome: str
    carried: str | None
    finished: str | None
    editions: Mapping[str, str]
    checks: Words
    whole: bool = False

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """What is the same in every run."""
        return (self.library, self.version, self.beside, self.torch, self.python)

    @property
    def cell(self) -> str:
        """The name of the cell, the same in every run."""
        beside = f"-{self.beside.replace(' ', '')}" if self.beside else ""
        return f"py{self.python}-torch{self.torch}-{self.library}{self.version}{beside}"

    @property
    def source(self) -> str:
        """The run in which it was seen."""
        return self.carried or self.run

    @cached_property
    def when(self) -> datetime:
        """When its run began."""
        return _moment(self.started)

    @property
    def text(self) -> str:
        """The line in its file: the same for the same data."""
        data = {"schema": SCHEMA, **{name: getattr(self, name) for name in _NAMES}}
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: Any) -> Line:
        """Read plain data back; raises ``ValueError`` or ``TypeError`` where it is of no cell."""
        if data["schema"] != SCHEMA:
            message = f"its schema is {data['schema']!r}, and {SCHEMA} is the one that is read here"
            raise ValueError(message)
        texts = {name: _text(data[name]) for name in _TEXTS}
        line = cls(
            **texts,
            carried=_maybe(data["carried"]),
            finished=_maybe(data["finished"]),
            editions={_text(name): _text(value) for name, value in data["editions"].items()},
            checks=_words(data["checks"]),
            whole=data["whole"] is True,
        )
        line.when  # noqa: B018 - a date that is none is found here
        return line


_NAMES = (*_TEXTS, "carried", "finished", "editions", "checks", "whole")


def _moment(iso: str) -> datetime:
    found = datetime.fromisoformat(iso)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is no text"
        raise TypeError(message)
    return value


def _maybe(value: Any) -> str | None:
    return None if value is None else _text(value)


def _words(data: Any) -> Words:
    return {
        _text(checkpoint): {
            _text(use): {_text(policy): _word(word) for policy, word in policies.items()}
            for use, policies in uses.items()
        }
        for checkpoint, uses in data.items()
    }


def _word(word: Any) -> Word:
    if isinstance(word, dict):
        return {_text(name): int(count) for name, count in word.items()}
    return _text(word)


@dataclass(frozen=True)
class Unreadable:
    """A line, or a file where the number is 0, that could not be read."""

    path: Path
    number: int
    why: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.number}" if self.number else str(self.path)
        return (
            f"{place} can't be read ({self.why}) and is left out; `python -m matrix history "
            "--rebuild` writes it anew where its run is still there"
        )


@dataclass(frozen=True)
class History:
    """Every line once, the oldest run first, and what could not be read."""

    lines: tuple[Line, ...]
    unreadable: tuple[Unreadable, ...] = field(default=())


def write(root: Path, matrix: Mapping[str, Any]) -> Path | None:
    """Keep what a run said, in the folder of its runs; ``None`` where it is not complete."""
    if not matrix["complete"]:
        return None
    path = file_of(root, matrix["run"])
    texts = sorted(line.text for line in _lines(matrix))
    write_text(path, "".join(f"{text}\n" for text in texts))
    return path


def file_of(root: Path, run: str) -> Path:
    """Return the file of a run; a name that would not do for one is made so that it does."""
    name = run
    if not _PLAIN.fullmatch(run):
        digest = hashlib.sha256(run.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{re.sub(r'[^A-Za-z0-9_.+-]', '-', run)[:KEPT].lstrip('.')}-{digest[:16]}"
    return root / FOLDER / f"{name}.jsonl"


def _lines(matrix: Mapping[str, Any]) -> Iterator[Line]:
    return (_line(matrix, cell) for cell in matrix["cells"])


def identity_of(cell: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return what is the same of a cell in every run, as a line of it has it."""
    version = "" if axes.is_paired(cell["library"]) else cell["version"]
    return (cell["library"], version, cell["beside"], torch_of(cell["torch"]), cell["python"])


def _line(matrix: Mapping[str, Any], cell: Mapping[str, Any]) -> Line:
    sides = [Side(cell, check) for check in cell["checks"] if not check["experiment"]]
    checks: dict[str, dict[str, dict[str, Word]]] = {}
    for side in sides:
        uses = checks.setdefault(side.check["checkpoint"], {}).setdefault(side.check["use"], {})
        uses[side.check["policy"]] = dict(side.tally) if side.flaky else side.outcome
    library, version, beside, torch, python = identity_of(cell)
    return Line(
        run=matrix["run"],
        started=matrix["started"],
        library=library,
        version=version,
        beside=beside,
        torch=torch,
        python=python,
        build=cell["torch_build"] or cell["torch"],
        outcome=cell["outcome"],
        carried=cell.get("carried"),
        finished=cell.get("finished"),
        editions={s.check["checkpoint"]: s.check["edition"] for s in sides if s.reached},
        checks=checks,
        whole=not any((matrix.get("selection") or {}).values()),
    )


def read(root: Path) -> History:
    """Read the history beside a folder's runs; what can't be read costs nothing else."""
    paths = sorted((root / FOLDER).glob("*.jsonl"))
    found = [each for path in paths for each in _of_file(path)]
    lines = merged(each for each in found if isinstance(each, Line))
    return History(tuple(lines), tuple(each for each in found if isinstance(each, Unreadable)))


def as_of(found: History, matrix: Mapping[str, Any]) -> History:
    """
    Return what was known when a run began, and what the run says where it is complete.

    However much later it is asked of a run, the answer is the same.
    """
    own = list(_lines(matrix)) if matrix["complete"] else []
    began = _moment(matrix["started"])
    earlier = (line for line in found.lines if line.run != matrix["run"] and line.when <= began)
    return History(tuple(merged([*earlier, *own])), found.unreadable)


def _of_file(path: Path) -> Iterator[Line | Unreadable]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        yield Unreadable(path, 0, error.strerror or str(error))
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield Line.from_dict(json.loads(line))
            except (*_WHY_NOT, RecursionError) as error:
                yield Unreadable(path, number, f"{type(error).__name__}: {error}")


def merged(lines: Iterable[Line]) -> list[Line]:
    """
    Return each cell of each run once, the oldest run first, however often and in what order given.

    Of two that differ (two patches of one torch, or a run that was rendered anew) the newer torch
    counts, then what ended later.
    """
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        key = (line.when, line.run, *line.identity)
        if key not in found or _rank(line) > _rank(found[key]):
            found[key] = line
    return [found[key] for key in sorted(found)]


def _rank(line: Line) -> tuple[Any, ...]:
    return (version_key(line.build), line.finished or "", line.text)


def rebuild(root: Path) -> Iterator[Path | RecordError]:
    """Write the history of all complete runs that are there; yields each file, or why not."""
    for folder in runs(root):
        if not folder.matrix.exists():
            continue
        try:
            path = write(root, read_json(folder.matrix))
        except RecordError as error:
            yield error
        except _WHY_NOT as error:
            yield RecordError(
                f"{folder.matrix} is not of the form that is read here ({error!r}); `python -m "
                f"matrix render {folder.path}` writes it anew"
            )
        else:
            if path:
                yield path
