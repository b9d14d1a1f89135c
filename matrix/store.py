"""
A run's files.

    runs/<run>/plan.json                      what was planned, resolved on which date
    runs/<run>/cells/<cell>/request.json      the checks that the cell's process is asked for
    runs/<run>/cells/<cell>/checks.jsonl      a record a check, appended as each ends
    runs/<run>/cells/<cell>/environment.json  what the cell's process found: torch build, devices
    runs/<run>/cells/<cell>/output.txt        what the cell's process printed
    runs/<run>/cells/<cell>/cell.json         written when the cell is finished
    runs/<run>/cells/<cell>/turns.json        its forward times and the baseline's, run in turn
    runs/<run>/cells/<cell>/tries/2/          the same files of a second try, 3/ of a third
    runs/<run>/stacks/<stack>.json            what the resolver found of a set of packages
    runs/<run>/unsettled                      there until changes are confirmed
    runs/<run>/matrix.json, index.html        the merge and its page
    runs/<run>/matrix.schema.json             the form of the merge
    runs/<run>/changes.json, changes.atom     what changed since the last complete run; a feed of it
    runs/<run>/badges/, summary.md            what each combination comes to; the run in Markdown
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.record import Record, decoded, read_lines, read_records

END = "cell.json"


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    _write(path, (text,))


def _write(path: Path, pieces: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(pieces)
        temporary.chmod(0o644)  # mkstemp keeps it to its owner; a page is published.
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as JSON, whole or not at all; a number that is not finite as null."""
    _write(path, _pieces(data))


def _pieces(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield JSON, each item of a list of the top level on a line: a large run is never one text."""
    start = "{\n"
    for name, value in data.items():
        yield f"{start}{json.dumps(name)}: "
        if value and isinstance(value, (list, tuple)):
            yield from (
                f"{',' if place else '['}\n{_json(item)}" for place, item in enumerate(value)
            )
            yield "\n]"
        else:
            yield _json(value)
        start = ",\n"
    yield "\n}\n" if data else "{}\n"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(finite(value), allow_nan=False)


def finite(data: Any) -> Any:
    """Return plain data with ``None`` for numbers that are not finite: JSON has none."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {name: finite(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data


def read_json(path: Path, next_: str = "") -> dict[str, Any]:
    """Read a JSON object; raises ``RecordError`` where it is none, with what to do next."""
    try:
        data = decoded(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path} is not there; name a folder under runs/ that a sweep wrote"
        raise RecordError(message) from error
    except ValueError as error:
        message = f"{path} is not JSON ({error}); {next_ or _next(path)}"
        raise RecordError(message) from error
    if not isinstance(data, dict):
        message = f"{path}: expected an object, got {type(data).__name__}; {next_ or _next(path)}"
        raise RecordError(message)
    return data


def _next(path: Path) -> str:
    """Say how a file of a run is had again."""
    if path.name == "plan.json":
        return "nothing writes a run's plan anew: bring it back, or delete the run"
    if path.name in ("matrix.json", "changes.json"):
        return f"`python -m matrix render {path.parent}` writes it anew"
    return "delete it, and the sweep writes it anew"


def read_end(path: Path) -> dict[str, Any]:
    """Read a cell.json; raises ``RecordError`` where what every end has is missing."""
    data = read_json(path)
    for name, kinds in (("outcome", (str, type(None))), ("finished", (str,))):
        if name not in data or not isinstance(data[name], kinds):
            said = f"{data[name]!r} as" if name in data else "no"
            message = f"{path} has {said} {name!r}, so how the cell ended is not known; "
            raise RecordError(message + _next(path))
    return data


@dataclass(frozen=True)
class CellFolder:
    """The files of one cell."""

    path: Path

    @property
    def request(self) -> Path:
        """The checks that the cell's process is asked for."""
        return self.path / "request.json"

    @property
    def checks(self) -> Path:
        """The records, a line a check."""
        return self.path / "checks.jsonl"

    @property
    def environment(self) -> Path:
        """What the cell's process found about its torch and its machine."""
        return self.path / "environment.json"

    @property
    def output(self) -> Path:
        """What the cell's process printed."""
        return self.path / "output.txt"

    @property
    def result(self) -> Path:
        """How the cell ended; its existence says that it did."""
        return self.path / END

    @property
    def turns(self) -> Path:
        """The forward times of its checks and of their baselines, run in turn."""
        return self.path / "turns.json"

    def records(self) -> list[Record]:
        """Return the finished checks."""
        return read_records(self.checks)

    def forget(self, outcome: str) -> None:
        """Delete the finished checks of an outcome, so that they are asked for again."""
        lines = list(read_lines(self.checks))
        kept = [line for line in lines if line.get("outcome") != outcome]
        if len(kept) < len(lines):
            write_text(self.checks, "".join(json.dumps(line) + "\n" for line in kept))

    def forget_unless(self, parts: Mapping[str, str]) -> None:
        """Delete the finished checks that were asked for when a result depended on other things."""
        if not (self.checks.exists() and self.request.exists()):
            return
        known = read_json(self.request).get("parts", parts)
        if "lock" in known and "lock" not in parts:
            message = (
                f"{self.path} has checks of a lock, and what its packages resolve to now is not "
                "known; they are kept, and the cell goes on when the index answers"
            )
            raise RecordError(message)
        if known != parts:
            self.checks.unlink()

    def again(self, number: int) -> CellFolder:
        """Return the files of a further try; the second has number 2."""
        return CellFolder(self.path / "tries" / str(number))

    def tries(self) -> list[CellFolder]:
        """Return what running it again left, the oldest first; its own folder is the first try."""
        folder = self.path / "tries"
        if not folder.is_dir():  # as of nearly all cells
            return []
        found = [path for path in folder.iterdir() if path.name.isdigit()]
        return [CellFolder(path) for path in sorted(found, key=lambda path: int(path.name))]

    def read_result(self) -> dict[str, Any] | None:
        """Return how the cell ended, or ``None`` where it has not."""
        return read_end(self.result) if self.result.exists() else None

    def read_turns(self) -> dict[str, Any]:
        """Return what was run in turn with a baseline; empty where nothing was."""
        return read_json(self.turns) if self.turns.exists() else {}

    def read_environment(self) -> dict[str, Any]:
        """Return what the cell's process found; empty where it did not get that far."""
        return read_json(self.environment) if self.environment.exists() else {}


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def plan(self) -> Path:
        """The plan; written first."""
        return self.path / "plan.json"

    @property
    def matrix(self) -> Path:
        """The merge of all cells."""
        return self.path / "matrix.json"

    @property
    def page(self) -> Path:
        """The page."""
        return self.path / "index.html"

    @property
    def schema(self) -> Path:
        """The form of the merge."""
        return self.path / "matrix.schema.json"

    @property
    def changes(self) -> Path:
        """What changed since the last complete run of the same selection."""
        return self.path / "changes.json"

    @property
    def feed(self) -> Path:
        """The same of the last runs, for readers of feeds."""
        return self.path / "changes.atom"

    @property
    def badges(self) -> Path:
        """The folder of badges."""
        return self.path / "badges"

    @property
    def summary(self) -> Path:
        """The run in Markdown."""
        return self.path / "summary.md"

    @property
    def unsettled(self) -> Path:
        """There for as long as a sweep has tries to make: to repeat a cell, or to confirm it."""
        return self.path / "unsettled"

    def cell(self, identifier: str) -> CellFolder:
        """Return the files of a cell."""
        return CellFolder(self.path / "cells" / identifier)


def runs(root: Path) -> Iterator[RunFolder]:
    """Yield the runs in a folder, newest first."""
    plans = root.glob("*/plan.json")
    for plan in sorted(plans, key=lambda path: in_order(path.parent.name), reverse=True):
        yield RunFolder(plan.parent)


_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{4})(?:-(\d+))?")


def in_order(run: str) -> tuple[str, int]:
    """Return what names of runs are sorted by: the tenth of a minute comes after its second."""
    found = _NAME.fullmatch(run)
    return (found[1], int(found[2] or 1)) if found else (run, 1)


def new_run(root: Path, stamp: str) -> RunFolder:
    """
    Make the folder of a new run, named by its time; a second in one minute gets a number.

    So does one after a run of the future: the clock was set back, and the names of runs stay in
    the order in which they were made.
    """
    root.mkdir(parents=True, exist_ok=True)
    there = [in_order(path.name) for path in root.iterdir() if _NAME.fullmatch(path.name)]
    stamp, last = max([(stamp, 0), *there])
    for number in count(last + 1):
        folder = root / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        break
    return RunFolder(folder)
