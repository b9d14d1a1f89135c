"""
The data inside a page: an index for its filters, and blocks of details that are read on demand.

Both are JSON, compressed and written in base64, so that nothing in them can end the element that
holds them. ``script/types.d.ts`` says what they look like.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from matrix import axes, commands, tallies
from matrix.diff import Change, Diff, Kind
from matrix.history import CellTrend, identity_of
from matrix.page import gpus
from matrix.page.columns import Pool, by_column
from matrix.page.speed import VERDICTS, comparison, machines_of
from matrix.page.table import GLYPHS, Check, Table, has_run, subject_of
from matrix.page.text import inert
from matrix.page.timed import Machines
from matrix.speed.ways import way_of
from pytest_torchcompat.allowlist_code import code_for
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import MEANINGS, Outcome
from pytest_torchcompat.scan.dangerous import runs_code

# A block is what a press on a verdict has to unpack: half a megabyte, in some ten milliseconds.
CHECKS_IN_A_BLOCK = 2000
SEARCHED = 300  # characters of what was said
# What a reader means by a change; what is new, carried over or incomparable is none.
CHANGES = (Kind.REGRESSED, Kind.FIXED, Kind.CHANGED, Kind.FLAKY)
# Of a check in the index, as _row gives them.
COLUMNS = (
    *("cell", "subject", "policy", "outcome", "edition", "cause", "text", "changed"),
    *("median", "iqr", "interval", "way", "speed", "globals", "shims", "tally"),
)
_SPEEDS = {verdict: number for number, verdict in enumerate(VERDICTS)}
# Of the figures of a record; the digits of floats would be half of the page's data.
_SHORT = {
    **dict.fromkeys(("seconds", "loading", "speed"), "%.4g"),
    "benchmark": "%.5g",
    **dict.fromkeys(("fingerprint", "parity"), "%.6g"),
}
_BYTES, _DIGITS_OF_BYTES = 1_000_000, 5  # of memory, shown in MB
_READINGS = ("policy", "plain", "mmap")
_READ = ("median", "low", "high", "memory")
_OUTCOMES = {outcome.value: number for number, outcome in enumerate(Outcome)}


def packed(data: Any) -> str:
    """Return data as base64 of compressed JSON: the same text for the same data."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, default=str)
    # Lone surrogates are not UTF-8, and what a file pickles can hold them.
    plain = text.encode("utf-8", "backslashreplace")
    return base64.b64encode(gzip.compress(plain, compresslevel=6, mtime=0)).decode("ascii")


class Payload:
    """What is embedded in the page of a matrix."""

    def __init__(
        self,
        matrix: Mapping[str, Any],
        table: Table,
        changes: Diff | None = None,
        trends: Iterable[CellTrend] = (),
    ) -> None:
        self.matrix, self.table = matrix, table
        self._changes = _by_check(changes)
        self._trends = {trend.newest.identity: trend for trend in trends}
        self._baselines = _Baselines(table)
        self._subjects = {subject: number for number, subject in enumerate(table.subjects)}
        self._policies = {policy: number for number, policy in enumerate(table.policies)}

    @cached_property
    def editions(self) -> list[str]:
        """The editions of the checkpoints that were opened."""
        checks = (check for cell in self.table.cells for check in cell["checks"])
        return list(dict.fromkeys(check["edition"] for check in checks))

    @cached_property
    def blocks(self) -> list[list[int]]:
        """Which cells, by number, are in each block of details."""
        found: list[list[int]] = [[]]
        held = 0
        for number, cell in enumerate(self.table.cells):
            if held >= CHECKS_IN_A_BLOCK:
                found.append([])
                held = 0
            found[-1].append(number)
            held += max(len(cell["checks"]), 1)
        return found

    def index(self) -> dict[str, Any]:
        """Return the index."""
        packages, texts, causes, ways, told = Pool(), Pool(), Pool(), Pool(), Pool()
        gpu = gpus.fits(self.table.cells)
        cells = self._cells(packages, texts, causes, gpu.pop("cells"))
        checks = self._columns(texts, causes, ways, told)
        return {
            **self._of_run(),
            "packages": packages.values,
            **self._of_libraries(),
            "causes": causes.values,
            "texts": texts.values,
            **self._of_times(ways),
            "tallies": told.values,
            "cells": cells,
            "checks": checks,
            "gpus": gpu,
        }

    def _cells(
        self, packages: Pool, texts: Pool, causes: Pool, builds: Sequence[int]
    ) -> list[dict[str, Any]]:
        pools = (packages, texts, causes)
        return [self._cell(number, *pools, build) for number, build in enumerate(builds)]

    def _of_run(self) -> dict[str, Any]:
        return {
            **{name: self.matrix[name] for name in ("run", "started")},
            "torch": self.table.torch,
            "policies": self.table.policies,
            "outcomes": [_outcome(outcome) for outcome in Outcome],
            "editions": self.editions,
        }

    def _of_libraries(self) -> dict[str, Any]:
        libraries = {cell["library"] for cell in self.table.cells}
        return {
            "subjects": [self._subject(number) for number in range(len(self.table.subjects))],
            "following": sorted(filter(axes.is_paired, libraries)),
        }

    def _of_times(self, ways: Pool) -> dict[str, Any]:
        return {
            "ways": [self._machines.words(way) for way in ways.values],
            "speeds": [{"word": word, "glyph": glyph} for word, glyph in VERDICTS.items()],
        }

    def _subject(self, number: int) -> dict[str, Any]:
        subject = self.table.subjects[number]
        files = self._files.get(subject.checkpoint, [])
        experiment = subject in self.table.experiments
        return {**subject._asdict(), "files": files, "experiment": experiment}

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        return {each["id"]: each["files"] for each in self.matrix.get("checkpoints", ())}

    def _cell(
        self, number: int, packages: Pool, texts: Pool, causes: Pool, build: int
    ) -> dict[str, Any]:
        cell = self.table.cells[number]
        held = cell["distributions"].items()
        return {
            **{name: cell[name] for name in ("id", "python", "library", "version", "beside")},
            "torch": self.table.torch.index(cell["torch"]),
            "build": cell["torch_build"] or "",
            "outcome": _OUTCOMES[cell["outcome"]],
            "packages": [packages.number(f"{name} {version}") for name, version in held],
            "fits": build,
            "text": self._text(cell["reason"], texts),
            "cause": self._cause(cell, causes),
            "chunk": self._block_of[number],
            "left": self.table.left.get(number, -1),
        }

    @cached_property
    def _block_of(self) -> dict[int, int]:
        return {number: block for block, held in enumerate(self.blocks) for number in held}

    def _text(self, text: str | None, texts: Pool) -> int:
        return texts.number(inert(text[:SEARCHED])) if text else -1

    def _cause(self, item: Mapping[str, Any], causes: Pool) -> int:
        known = self.matrix["diagnoses"].get(item.get("diagnosis"))
        if not known:
            return -1
        return causes.number({"id": known["id"], "cause": known["cause"]}, known["id"])

    @cached_property
    def _machines(self) -> Machines:
        return machines_of(self.table)

    def _columns(self, texts: Pool, causes: Pool, ways: Pool, told: Pool) -> dict[str, list[Any]]:
        rows = [
            (*self._row(number, check, texts, causes), *_timed(check, ways), *_named(check, told))
            for number, cell in enumerate(self.table.cells)
            for check in cell["checks"]
        ]
        columns = zip(*rows) if rows else ((),) * len(COLUMNS)
        return {name: list(column) for name, column in zip(COLUMNS, columns)}

    def _row(self, number: int, check: Check, texts: Pool, causes: Pool) -> tuple[Any, ...]:
        cell = self.table.cells[number]
        whole = not has_run(cell)
        return (
            number,
            self._subjects[subject_of(check)],
            self._policies[check["policy"]],
            _OUTCOMES[(cell if whole else check)["outcome"]],
            self.editions.index(check["edition"]),
            self._cause(cell if whole else check, causes),
            self._text(cell["reason"] if whole else check["message"], texts),
            int(_key(cell, check) in self._changes),
        )

    def block(self, number: int) -> dict[str, Any]:
        """Return the same as ``details`` in the form that the page carries."""
        return by_column(self.details(number))

    def details(self, block: int) -> dict[str, Any]:
        """Return everything about the cells of a block."""
        diagnoses, codes = Pool(), Pool()
        cells = (self.table.cells[number] for number in self.blocks[block])
        found = {cell["id"]: self._details(cell, diagnoses, codes) for cell in cells}
        return {"cells": found, "diagnoses": diagnoses.values, "codes": codes.values}

    def _details(self, cell: Mapping[str, Any], diagnoses: Pool, codes: Pool) -> dict[str, Any]:
        left_out = ("checks", "distributions")
        trend = self._trends.get(identity_of(cell))
        return {
            "cell": {name: value for name, value in cell.items() if name not in left_out},
            "diagnosis": self._diagnosis(cell, diagnoses),
            "command": self._command(cell),
            "history": trend.trend.to_dict() if trend else None,
            "checks": [self._check(cell, each, diagnoses, codes) for each in cell["checks"]],
        }

    def _command(self, cell: Mapping[str, Any], policy: str = "") -> str:
        project = commands.project_in(self.matrix)
        return commands.one_cell(cell["id"], self.matrix["edition"], policy, project)

    def _check(
        self, cell: Mapping[str, Any], check: Check, diagnoses: Pool, codes: Pool
    ) -> dict[str, Any]:
        code = allowing(tuple(check["globals"]))
        return {
            "record": _shortened(check),
            "diagnosis": self._diagnosis(check, diagnoses),
            "code": codes.number(code) if code else -1,
            "command": self._command(cell, check["policy"]),
            "history": self._history(cell, check),
            "changed": self._changes.get(_key(cell, check)),
            "baseline": self._baselines.of(cell, check),
        }

    def _diagnosis(self, item: Mapping[str, Any], diagnoses: Pool) -> int:
        key = item.get("diagnosis")
        known = self.matrix["diagnoses"].get(key)
        return diagnoses.number(known, key) if known else -1

    def _history(self, cell: Mapping[str, Any], check: Check) -> dict[str, Any] | None:
        trend = self._trends.get(identity_of(cell))
        key = (check["checkpoint"], check["use"], check["policy"])
        found = trend.checks.get(key) if trend else None
        return found.to_dict() if found else None


def _timed(check: Check, ways: Pool) -> tuple[Any, ...]:
    """Return what a plot shows of a time; the details have all of it."""
    found = check["benchmark"]
    if not found:
        return None, None, None, -1, None
    known = comparison(check)
    return (
        _rounded(found["median"], "%.5g"),
        _rounded(found["iqr"], "%.5g"),
        _interval(found),
        ways.number(way_of(found)),
        [_rounded(known["ratio"], "%.4g"), _SPEEDS[known["verdict"]], known["torch"]]
        if known
        else None,
    )


def _interval(found: Mapping[str, Any]) -> list[int] | None:
    """Return how far below and above the median its interval ends, in thousandths of it."""
    median, low, high = (found.get(name) for name in ("median", "low", "high"))
    if not median or low is None or high is None:
        return None
    return [round(1000 * (median - low) / median), round(1000 * (high - median) / median)]


def _named(check: Check, told: Pool) -> tuple[Any, ...]:
    flaky = tallies.is_flaky(check)
    tally = told.number(tallies.told(check["tally"])) if flaky else -1
    return len(check["globals"]), check["shims"], tally


def _rounded(value: float | None, form: str) -> float | None:
    return None if value is None else float(form % value)


def _shortened(check: Check) -> dict[str, Any]:
    """Return a record without what is empty, its figures as short as a reader needs them."""
    record = {name: value for name, value in check.items() if value not in (None, [])}
    if record.get("loading"):
        record["loading"] = _of_loads(record["loading"])
    for name, form in _SHORT.items():
        if name in record:
            record[name] = _short(record[name], form)
    return record


def _of_loads(loading: Mapping[str, Any]) -> dict[str, Any]:
    readings = {name: loading[name] for name in _READINGS if loading[name]}
    short = {name: {key: reading[key] for key in _READ} for name, reading in readings.items()}
    return {**loading, **short}


def _short(value: Any, form: str) -> Any:
    # Of JSON there are no other types, and a large run has a million of values.
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is float:
        return float(form % value)
    if kind is dict:
        return {
            name: each if type(each) is str else _short(each, form) for name, each in value.items()
        }
    if kind is list:
        return [_short(each, form) for each in value]
    if kind is int and value >= _BYTES and form != _SHORT["fingerprint"]:
        return round(value, _DIGITS_OF_BYTES - len(str(value)))
    return value


class _Baselines:
    """The checks that others are measured against, as their parity names them."""

    def __init__(self, table: Table) -> None:
        self._by_row: dict[int, dict[str, list[int]]] = {}
        self._row_of: dict[str, int] = {}
        self._table = table
        self._checks: dict[int, dict[tuple[str, ...], Check]] = {}
        for row, each in enumerate(table.sets):
            for slot in filter(None, each.rows[0].slots):
                self._row_of[table.cells[slot.cell]["id"]] = row
        for number, cell in enumerate(table.cells):
            columns = self._by_row.setdefault(self._row_of[cell["id"]], {})
            columns.setdefault(cell["torch"], []).append(number)

    def of(self, cell: Mapping[str, Any], check: Check) -> dict[str, Any] | None:
        """Return where the baseline of a check is; its time where both were timed in one way."""
        parity = check["parity"]
        if not parity:
            return None
        wanted = (check["checkpoint"], check["sha256"], parity["policy"], parity["use"])
        for number in self._by_row[self._row_of[cell["id"]]].get(parity.get("torch"), ()):
            other = self._checks_of(number).get(wanted)
            if other:
                there = self._table.cells[number]["id"]
                return {"cell": there, "policy": other["policy"], "median": _median(other, check)}
        return None

    def _checks_of(self, number: int) -> dict[tuple[str, ...], Check]:
        if number not in self._checks:
            checks = self._table.cells[number]["checks"]
            self._checks[number] = {_identity(each): each for each in reversed(checks)}
        return self._checks[number]


def _identity(check: Check) -> tuple[str, ...]:
    return (check["checkpoint"], check["sha256"], check["policy"], check["use"])


def _median(other: Check, check: Check) -> float | None:
    ways = [way_of(timed) for timed in (other["benchmark"], check["benchmark"]) if timed]
    if len(ways) < len((other, check)) or ways[0] != ways[1]:
        return None
    median: float | None = other["benchmark"]["median"]
    return median


@lru_cache(maxsize=512)
def allowing(names: tuple[str, ...]) -> str:
    """Return code that allows globals; empty where there are none, or some that run any code."""
    split = [name.rpartition(".") for name in names]
    if not names or any(runs_code(module, name) for module, _, name in split):
        return ""
    try:
        return "\n".join(code_for(names))
    except TorchcompatError:
        return ""


def _by_check(changes: Diff | None) -> dict[tuple[str, ...], dict[str, str]]:
    groups = changes.groups if changes else ()
    told = (each for group in groups if group.kind in CHANGES for each in group.changes)
    return {
        _key(each.new.cell, each.new.check): {"kind": each.kind.value, "was": _was(each)}
        for each in told
        if each.new
    }


def _was(change: Change) -> str:
    if change.old is None:
        return ""
    return tallies.told(change.old.tally) if change.old.flaky else change.old.outcome


def _key(cell: Mapping[str, Any], check: Check) -> tuple[str, ...]:
    return (cell["id"], check["checkpoint"], check["use"], check["policy"])


def _outcome(outcome: Outcome) -> dict[str, Any]:
    word = outcome.value
    meaning = MEANINGS[outcome]
    return {"word": word, "glyph": GLYPHS[word], "works": outcome.works, "meaning": meaning}
